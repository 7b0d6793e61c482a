"""How one signs in to hosts over SSH, and what it means when that fails.

Shared by what asks hosts (`asking`) and what changes them (`runner`).
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from integrations.connectors.ansible_hosts.inventory import Host
from integrations.errors import PermissionMissing, Unauthorised, Unavailable, VendorError

_PLACE = "holdfast-ansible-"
_REFUSED = (
    "permission denied",
    "host key verification failed",
    "host identification has changed",
    "too many authentication",
)
# What ssh says where no connection came about; anything else may have cut off what had begun.
_NO_CONNECTION = (
    "connect to host", "could not resolve hostname", "kex_exchange_identification",
    "during banner exchange", "no route to host",
)  # fmt: skip
_NO_SUDO = ("missing sudo password", "sudo: a password is required", "incorrect sudo password")


@dataclass(frozen=True, slots=True)
class Sign:
    """How one signs in; the key is never shown."""

    user: str
    private_key: str = field(repr=False)
    known_hosts: str = field(repr=False)
    become: bool = False


@contextmanager
def key_folder(sign: Sign) -> Iterator[Path]:
    """A folder that only we can open, with the files `key` and `known_hosts`, until the end."""
    _remove_what_the_dead_left()
    with tempfile.TemporaryDirectory(prefix=f"{_PLACE}{os.getpid()}-") as name:
        place = Path(name)
        write(place / "key", sign.private_key.strip().replace("\r\n", "\n") + "\n")
        write(place / "known_hosts", sign.known_hosts.strip() + "\n")
        yield place


def write(path: Path, text: str) -> None:
    """Write a new file that only we can read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def options(host: Host, place: Path) -> list[str]:
    """What ssh is told, whatever this machine's own configuration says.

    Source: https://man.openbsd.org/ssh_config.5
    """
    told = (
        # Its key is known by the address that was entered, whatever that leads to.
        f"HostKeyAlias={host.known_as}", f"UserKnownHostsFile={place / 'known_hosts'}",
        "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes",
        "IdentityAgent=none", "BatchMode=yes", "PasswordAuthentication=no",
        # Else it tells of itself among what the host says.
        "LogLevel=ERROR",
    )  # fmt: skip
    return [word for one in told for word in ("-o", one)] + ["-F", "/dev/null"]


def patience(seconds: float) -> list[str]:
    """What ssh is told of how long it waits for a connection, and for a host gone silent."""
    return [
        "-o", "ServerAliveInterval=5", "-o", f"ConnectTimeout={max(1, round(seconds))}",
        "-o", "ControlMaster=no",
    ]  # fmt: skip


def refusal(name: str, message: str) -> VendorError | None:
    """What a person must mend, by what ssh or sudo says; None where it is nothing of that."""
    lower = message.lower()
    if any(words in lower for words in _NO_SUDO):
        return PermissionMissing(
            f"{name}: sudo asks for a password. It needs root: let the user sudo without one."
        )
    if any(words in lower for words in _REFUSED):
        return Unauthorised(
            f"{name}: the host refused the sign-in, or its key isn't the one that is known "
            "(it needs the right ssh). Check user, private_key and known_hosts."
        )
    return None


def was_never_there(message: str) -> bool:
    """Whether no connection came about, by what ssh says; else something may have begun."""
    lower = message.lower()
    return any(words in lower for words in _NO_CONNECTION)


def unreachable(name: str, message: str) -> Unavailable:
    """What is said of a host that nothing was done on."""
    return Unavailable(f"{name}: no connection could be made; nothing was done. {message[:200]}")


def _remove_what_the_dead_left() -> None:
    """Remove the folders, with keys in them, of processes that were killed in a run."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PLACE}*"):
        pid = path.name.removeprefix(_PLACE).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(path, ignore_errors=True)
