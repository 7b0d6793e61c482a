"""Real servers that the tests start for themselves, from Debian's packages.

None is needed to work on Holdfast: where one can't be installed, its tests are skipped and say why.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bootstrap import debian


@dataclass(frozen=True)
class Server:
    """A server: the files that show that it is there, and its packages in all releases.

    Debian and Ubuntu have split Samba in several ways; a package that a release doesn't have is
    left out. `units` are what its packages start by themselves, each with the package. Tests with
    a server that `needs_root` are run by root only.
    """

    name: str
    files: Sequence[str]
    packages: Sequence[str]
    units: Sequence[tuple[str, str]]
    needs_root: bool = False


SERVERS = (
    Server(
        "Samba",
        files=("/usr/sbin/samba", "/usr/bin/samba-tool", "/usr/share/samba/setup", "/sbin/ip"),
        packages=(
            "samba", "samba-ad-dc", "samba-ad-provision", "samba-dsdb-modules",
            "samba-vfs-modules", "winbind", "iproute2",
        ),
        units=(
            ("samba", "smbd.service"), ("samba", "nmbd.service"),
            ("samba", "samba-ad-dc.service"), ("samba-ad-dc", "samba-ad-dc.service"),
            ("winbind", "winbind.service"),
        ),
        needs_root=True,
    ),
    Server(
        "Ansible and SSH",
        files=(
            "/usr/sbin/sshd", "/usr/sbin/nft", "/sbin/ip", "/bin/ping", "/usr/bin/ansible-playbook",
        ),
        packages=("openssh-server", "nftables", "iproute2", "iputils-ping", "ansible-core"),
        units=(
            ("openssh-server", "ssh.service"), ("openssh-server", "ssh.socket"),
            ("nftables", "nftables.service"),
        ),
        needs_root=True,
    ),
    Server(
        "Dovecot",
        files=("/usr/sbin/dovecot", "/usr/lib/dovecot/imap"),
        packages=("dovecot-core", "dovecot-imapd"),
        units=(("dovecot-core", "dovecot.service"), ("dovecot-core", "dovecot.socket")),
    ),
)  # fmt: skip


def why_not(name: str) -> str:
    """Return why tests can't start this server here; "" where they can."""
    server = next(one for one in SERVERS if one.name == name)
    if server.needs_root and os.geteuid() != 0:
        return f"{name} takes root: run the tests as root to try it"
    missing = [one for one in server.files if not Path(one).exists()]
    return f"{name} lacks {', '.join(missing)}: `make test` installs it" if missing else ""


def ensure_servers() -> None:
    """Install what is missing where that is possible, and say what is left out where it isn't."""
    for server in SERVERS:
        may_run = not server.needs_root or os.geteuid() == 0
        if may_run and why_not(server.name):
            _ensure(server)


def _ensure(server: Server) -> None:
    become_root = debian.become_root()
    before = debian.installed(server.packages)
    lacking = [one for one in server.packages if one not in before]
    if become_root is None or not debian.can_install() or not lacking:
        _leave_out(server, lacking)
        return
    print(f"Installing {server.name}, for tests with the real server …", flush=True)
    debian.update(become_root)
    known = [one for one in lacking if _is_known(one)]
    if not known or not debian.install(become_root, known):
        _leave_out(server, lacking)
    _stop_units(server, become_root, set(known))


def _is_known(package: str) -> bool:
    asked = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", package], capture_output=True, check=False
    )
    return asked.returncode == 0


def _stop_units(server: Server, become_root: Sequence[str], fresh: set[str]) -> None:
    """Stop what Debian has just started: this machine was not meant to be a server."""
    if not Path("/run/systemd/system").is_dir():
        return
    for unit in {unit for package, unit in server.units if package in fresh}:
        subprocess.run(
            [*become_root, "systemctl", "disable", "--now", unit], capture_output=True, check=False
        )


def _leave_out(server: Server, lacking: Sequence[str]) -> None:
    packages = f" (Debian packages: {' '.join(lacking)})" if lacking else ""
    print(
        f"Note: tests with a real {server.name} are skipped: it isn't here{packages}.", flush=True
    )
