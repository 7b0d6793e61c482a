"""Runs a program of its own, bounded in time and in what it may say."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path


class Cut(Exception):
    """The program was ended: it took too long, or said too much. The text says which."""


def said_by(
    command: Sequence[str], *, place: Path, environment: Mapping[str, str], seconds: float,
    largest: int,
) -> str:  # fmt: skip
    """Run a program in a folder; return what it says, errors too. Raises `Cut`.

    It and all that it started end with `seconds`, or where it says more than `largest` bytes.
    """
    process = subprocess.Popen(  # noqa: S603
        command, cwd=place, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    alarm = threading.Timer(seconds, _end, [process])
    alarm.start()
    try:
        # One byte more than is allowed shows that there was too much.
        said = process.stdout.read(largest + 1)
        is_late = not alarm.is_alive()
    finally:
        alarm.cancel()
        _end(process)
        process.wait()
        process.stdout.close()
    if is_late:
        raise Cut(f"no end after {seconds:.0f} s")
    if len(said) > largest:
        raise Cut("too long an answer")
    return said.decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
