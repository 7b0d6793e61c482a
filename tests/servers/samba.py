"""A real domain controller of Active Directory: Samba, from Debian's packages.

A domain is provisioned once and kept as a template under var/; a test run starts a copy of it on
an address of its own, which takes root.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootstrap import servers
from tests.journeys.processes import wait_until
from tests.servers.authority import Authority

REALM, SHORT_NAME, HOST = "ad.clinic.example", "CLINIC", "dc1"
BASE = "DC=ad,DC=clinic,DC=example"
ADMINISTRATOR, PASSWORD = f"Administrator@{REALM}", "Adm1n-of-the-clinic"
PORT = 636
_TEMPLATES = Path(__file__).resolve().parents[2] / "var/test-servers"


@dataclass(frozen=True)
class DomainController:
    """A running domain controller, at `address`:636; `authority` issued its certificate."""

    address: str
    authority: Authority
    log: Path


@contextmanager
def domain_controller() -> Iterator[DomainController]:
    """A fresh domain, running until the end; skips where this machine can't have one."""
    if why := servers.why_not("Samba"):
        pytest.skip(why)
    template = _template()
    # One for each process, since workers of one test run have a domain each.
    address = f"127.77.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"
    with tempfile.TemporaryDirectory(prefix="samba-", dir="/tmp") as name, _address(address):
        place = Path(name) / "dc"
        shutil.copytree(template, place, symlinks=True)
        authority = Authority()
        issued = authority.issue(place / "tls", address, f"{HOST}.{REALM}")
        configuration = _configure(place, address, issued.certificate, issued.key)
        with _running(place, configuration, address):
            yield DomainController(address, authority, place / "samba.log")


@contextmanager
def _address(address: str) -> Iterator[None]:
    _run("ip", "address", "replace", f"{address}/32", "dev", "lo")
    try:
        yield
    finally:
        _run("ip", "address", "del", f"{address}/32", "dev", "lo")


@contextmanager
def _running(place: Path, configuration: Path, address: str) -> Iterator[None]:
    # Ends with us, even when we are killed. Samba ends when its input is a pipe that ends.
    command = ["setpriv", "--pdeathsig", "KILL", "samba", "--foreground", "--no-process-group"]
    command += ["--model=single", f"--configfile={configuration}"]
    log = place / "samba.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        wait_until(lambda: _answers(address, process), 60, log.read_text)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(address: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "Samba has ended"
    try:
        socket.create_connection((address, PORT), timeout=1).close()
    except OSError:
        return False
    return True


def _configure(place: Path, address: str, certificate: Path, key: Path) -> Path:
    configuration = place / "etc/smb.conf"
    for folder in ("run", "ncalrpc", "log"):
        (place / folder).mkdir(exist_ok=True)
    text = configuration.read_text().replace(str(_kept() / "dc"), str(place))
    text = re.sub(r"interfaces = 127\S+", f"interfaces = {address}/32", text)
    own = [
        "server services = ldap", f"pid directory = {place}/run",
        f"ncalrpc dir = {place}/ncalrpc", f"log file = {place}/log/log",
        f"tls certfile = {certificate}", f"tls keyfile = {key}", "tls cafile =",
        # The tests don't survive a loss of power.
        "ldb:nosync = true",
    ]  # fmt: skip
    text = re.sub(r"server services = .*", "\n\t".join(own), text)
    configuration.write_text(text)
    return configuration


def _kept() -> Path:
    told = subprocess.run(["samba", "--version"], capture_output=True, text=True, check=True)
    version = re.sub(r"[^0-9A-Za-z.]+", "-", told.stdout.strip())
    return _TEMPLATES / f"{version}-2"


def _template() -> Path:
    """The provisioned domain, made by the first that needs it."""
    kept = _kept()
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The domain knows its place: one that was moved with its checkout is made anew.
        complete, place = kept / "complete", kept / "dc"
        if not complete.exists() or complete.read_text() != str(place):
            complete.unlink(missing_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            _provision(place)
            complete.write_text(str(place))
    return place


def _provision(place: Path) -> None:
    empty = place.parent / "empty.conf"
    empty.touch()
    address = "127.77.250.250"
    with _address(address):
        _run(
            "samba-tool", "domain", "provision", "-s", str(empty), f"--targetdir={place}",
            f"--realm={REALM}", f"--domain={SHORT_NAME}", "--server-role=dc",
            f"--host-name={HOST}", f"--host-ip={address}", "--dns-backend=NONE",
            f"--adminpass={PASSWORD}", f"--option=interfaces={address}/32",
            "--option=bind interfaces only=yes",
        )  # fmt: skip


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
