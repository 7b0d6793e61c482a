"""Which system user the embedded PostgreSQL runs as. Standard library only.

PostgreSQL refuses to run as root, so root hands it to a system user of its own. A checkout below
a directory that this user may not enter (/root) is reached with one Linux capability, given to
PostgreSQL alone: reading past directory permissions.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from msp.appliance.errors import EmbeddedDatabaseError

SYSTEM_USER = "holdfast"

# The first is the narrower one; containers often grant only the second.
_CAPABILITIES = ("dac_read_search", "dac_override")


@dataclass(frozen=True)
class Identity:
    """The user that owns the data directory, and the words that start a program as that user."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = field(default=())

    def own(self, path: Path) -> None:
        """Give `path` to this user."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)


def database_identity(binaries: Path, home: Path) -> Identity:
    """The identity that can run `binaries` and reach `home`.

    Raises EmbeddedDatabaseError when root has no way to lend PostgreSQL the right to get there.
    """
    if os.geteuid() != 0:
        return Identity(os.geteuid(), os.getegid())
    entry = _system_user()
    drop = (
        _program("setpriv"),
        f"--reuid={entry.pw_uid}",
        f"--regid={entry.pw_gid}",
        "--clear-groups",
    )
    candidates = [drop, *((*drop, *_lend(name)) for name in _CAPABILITIES)]
    for prefix in candidates:
        if _reaches(prefix, binaries, home):
            return Identity(entry.pw_uid, entry.pw_gid, prefix)
    raise EmbeddedDatabaseError(
        f"the system user {SYSTEM_USER!r}, which runs the embedded PostgreSQL, cannot read "
        f"{home}. Move the checkout to a directory that other users may enter (such as /opt), "
        "run it as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
    )


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    command = [
        _program("useradd"),
        *("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"),
        *("--shell", "/usr/sbin/nologin", SYSTEM_USER),
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        # Another process may have made it at the same moment: what counts is that it is there.
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise EmbeddedDatabaseError(
            f"could not create the system user {SYSTEM_USER!r} for the embedded PostgreSQL: "
            f"{made.stderr.strip() or made.returncode}. Create it with "
            f"`useradd --system {SYSTEM_USER}`, or set DATABASE_URL."
        ) from None


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise EmbeddedDatabaseError(
            f"{name} is missing; install it with `apt-get install util-linux passwd`."
        )
    return found


def _lend(capability: str) -> tuple[str, ...]:
    return (
        f"--inh-caps=+{capability}",
        f"--ambient-caps=+{capability}",
        # Without it access(2), by which PostgreSQL looks for its own program, ignores capabilities.
        "--securebits=+no_setuid_fixup",
    )


def _reaches(prefix: tuple[str, ...], binaries: Path, home: Path) -> bool:
    probes = (
        [str(binaries / "postgres"), "--version"],
        ["test", "-r", str(binaries.parent / "share" / "postgresql" / "postgres.bki")],
        ["test", "-x", str(home)],
    )
    return all(
        subprocess.run([*prefix, *probe], capture_output=True, cwd="/", check=False).returncode == 0
        for probe in probes
    )
