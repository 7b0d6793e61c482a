"""One PostgreSQL server as an operating system process: is it there, start it, stop it.

Standard library only, so that `make clean` can stop a server when there is no virtualenv.
Nothing here trusts a process number: a server is recognised by the name that its command line
carries, since postmaster.pid outlives a kill -9 and its number may belong to someone else by now.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msp.appliance.errors import EmbeddedDatabaseError
from msp.appliance.identity import Identity

# An orderly shutdown writes a checkpoint; minutes mean a disk in trouble.
STOP_SECONDS = 60.0
# A backend whose postmaster was killed notices at once, unless it is deep in a query.
ORPHAN_SECONDS = 15.0
_POLL_SECONDS = 0.02


def server_name(data: Path) -> str:
    """The name (`cluster_name`) that marks the processes of the server on `data`.

    It contains the directory's inode, so that copies and chroots of a checkout stay apart.
    """
    at = data.stat()
    mark = f"{os.path.realpath(data)}|{at.st_dev}|{at.st_ino}".encode(errors="surrogateescape")
    return f"holdfast-{hashlib.sha256(mark).hexdigest()[:16]}"


def server_processes(data: Path) -> list[int]:
    """Process numbers of the living postmaster and backends of `data`; the dead ones of a
    container without an init process are not among them."""
    if not data.is_dir():
        return []
    name = server_name(data).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        program = words.split(b"\0", 1)[0]
        # setpriv is a postmaster that is about to start.
        is_server = program.startswith(b"postgres:") or program.endswith(
            (b"/postgres", b"/setpriv")
        )
        if is_server and name in words:
            found.append(int(entry.name))
    return sorted(found)


def postmaster_pid(data: Path) -> int | None:
    """The process number of the living postmaster of `data`, or None."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if pid in server_processes(data) else None


def clear_crash(data: Path) -> None:
    """Remove what a killed server left, once the last of its processes is gone.

    PostgreSQL does so itself, except where the dead process still has an entry in the process
    table or its number was given away. Deleting postmaster.pid while a backend lives would ruin
    the data, so this waits for them. Raises EmbeddedDatabaseError when one does not go.
    """
    if postmaster_pid(data) is not None:
        return
    for pid in server_processes(data):
        _signal(pid, signal.SIGQUIT)
    if not _wait(lambda: not server_processes(data), ORPHAN_SECONDS):
        left = ", ".join(str(pid) for pid in server_processes(data))
        raise EmbeddedDatabaseError(
            f"processes {left} of a crashed PostgreSQL still use {data}; end them with "
            f"`kill -9 {left.replace(',', '')}` and try again."
        )
    (data / "postmaster.pid").unlink(missing_ok=True)


def start(
    binaries: Path, data: Path, identity: Identity, settings: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start the server on `data` and return at once; the caller waits until it answers.

    It leaves our session, so that Ctrl-C in the terminal doesn't reach it.
    """
    options = [f"{key}={value}" for key, value in settings.items()]
    options.append(f"cluster_name={server_name(data)}")
    command = [*identity.prefix, str(binaries / "postgres"), "-D", str(data)]
    for option in options:
        command += ["-c", option]
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            env=clean_environment(),
            start_new_session=True,
        )


def stop(data: Path, child: subprocess.Popen[bytes] | None = None) -> None:
    """Stop the server on `data`, disconnecting who is connected; nothing when it isn't running.

    `child` is the server when this process started it, so that it is reaped.
    Raises EmbeddedDatabaseError when it doesn't end.
    """
    pid = postmaster_pid(data)
    if pid is None:
        clear_crash(data)
    else:
        _signal(pid, signal.SIGINT)
        if not _wait(lambda: not _alive(data, child), STOP_SECONDS):
            _signal(pid, signal.SIGQUIT)
            if not _wait(lambda: not _alive(data, child), ORPHAN_SECONDS):
                raise EmbeddedDatabaseError(
                    f"PostgreSQL (process {pid}) does not stop; end it with `kill -9 {pid}`."
                )
    if child is not None:
        child.poll()


def clean_environment() -> dict[str, str]:
    """What the server's programs see: no PG* variable of the caller, always the same locale."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _alive(data: Path, child: subprocess.Popen[bytes] | None) -> bool:
    if child is not None:
        child.poll()
    return bool(server_processes(data))


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
