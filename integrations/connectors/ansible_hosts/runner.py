"""Runs Holdfast's playbooks with ansible-playbook, a program of its own, and reads what it says.

Ansible is GPL: it is never imported. A playbook reports by a debug message that begins with
``holdfast:``; what went wrong on a host stands in a line that begins with ``fatal:``.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integrations.connectors.ansible_hosts.inventory import Host, written
from integrations.errors import (
    ConnectionMisconfigured,
    OutcomeUnknown,
    PermissionMissing,
    Rejected,
    Unauthorised,
    Unavailable,
    VendorError,
)
from integrations.transport import Limits

PLAYBOOKS = Path(__file__).resolve().parents[3] / "ansible"
PROGRAM = "ansible-playbook"
_PLACE = "holdfast-ansible-"
_REPORT = re.compile(r'^ok: \[(\S+)\] => \{\s+"msg": "holdfast:([A-Za-z0-9+/=]*)"', re.MULTILINE)
_FATAL = re.compile(r"^fatal: \[(\S+)\]: (UNREACHABLE|FAILED)! => (\{.*)$", re.MULTILINE)
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+) ", re.MULTILINE)
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
# What Ansible says where what ran on the host ended without its result.
_CUT_OFF = ("module failure", "deserialization failed", "connection to", "broken pipe")
_NO_SUDO = ("missing sudo password", "sudo: a password is required", "incorrect sudo password")


@dataclass(frozen=True, slots=True)
class Sign:
    """How one signs in; the key is never shown."""

    user: str
    private_key: str = field(repr=False)
    known_hosts: str = field(repr=False)
    become: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a playbook on each host, by name: a report, or why there is none."""

    reports: Mapping[str, Mapping[str, Any]]
    failures: Mapping[str, VendorError]

    def report(self, name: str) -> Mapping[str, Any]:
        """The report of one host; raises why there is none."""
        if name in self.failures:
            raise self.failures[name]
        return self.reports[name]


class Runner:
    """Runs playbooks as one user. Safe to use from several threads."""

    def __init__(self, sign: Sign, limits: Limits) -> None:
        self._sign = sign
        self.limits = limits

    def run(
        self, playbook: str, hosts: Sequence[tuple[Host, str]], *, is_read: bool, **inputs: Any
    ) -> Outcome:
        """Run a playbook on hosts, each given with its checked address.

        Unavailable or OutcomeUnknown where it took longer than `Limits.total`.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise ConnectionMisconfigured(
                "ansible-playbook isn't installed where Holdfast runs: apt-get install ansible-core"
            )
        numbered = {f"h{number}": pair for number, pair in enumerate(hosts)}
        _remove_what_the_dead_left()
        with tempfile.TemporaryDirectory(prefix=f"{_PLACE}{os.getpid()}-") as place:
            arguments = self._prepare(Path(place), numbered, inputs)
            command = [program, *arguments, str(PLAYBOOKS / playbook)]
            said = self._said(command, Path(place), playbook, is_read=is_read)
        return _outcome(said, {name: host.name for name, (host, _) in numbered.items()}, is_read)

    def _prepare(
        self, place: Path, numbered: dict[str, tuple[Host, str]], inputs: Mapping[str, Any]
    ) -> list[str]:
        """Write what Ansible reads into a folder that only we can open."""
        key, known = place / "key", place / "known_hosts"
        _write(key, self._sign.private_key.strip().replace("\r\n", "\n") + "\n")
        _write(known, self._sign.known_hosts.strip() + "\n")
        inventory = place / "inventory.json"
        _write(inventory, written(numbered, self._sign.user, str(key), str(known)))
        told = {"holdfast_become": self._sign.become}
        told |= {f"holdfast_{name}": value for name, value in inputs.items()}
        _write(place / "inputs.json", json.dumps(told))
        # The machine's own configuration must not change what happens.
        _write(place / "ansible.cfg", "[defaults]\n")
        return ["-i", str(inventory), "-e", f"@{place / 'inputs.json'}"]

    def _environment(self, place: Path) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(place),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
            "ANSIBLE_HOME": str(place / "ansible"),
            "ANSIBLE_LOCAL_TEMP": str(place / "ansible-tmp"),
            "ANSIBLE_ROLES_PATH": str(PLAYBOOKS / "roles"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "default",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_FORKS": "10",
            "ANSIBLE_TIMEOUT": str(max(1, round(self.limits.connect))),
            "ANSIBLE_SSH_ARGS": f"-o ControlMaster=no -o ServerAliveInterval=5 "
            f"-o ConnectTimeout={max(1, round(self.limits.connect))}",
            "ANSIBLE_HOST_KEY_CHECKING": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }

    def _said(self, command: list[str], place: Path, playbook: str, *, is_read: bool) -> str:
        """What the program wrote; it and all that it started end with our time limit."""
        process = subprocess.Popen(  # noqa: S603
            command, cwd=place, env=self._environment(place), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        alarm = threading.Timer(self.limits.total, _end, [process])
        alarm.start()
        try:
            # One byte more than is allowed shows that there was too much.
            said = process.stdout.read(self.limits.largest_body + 1)
            is_late = not alarm.is_alive()
        finally:
            alarm.cancel()
            _end(process)
            process.wait()
            process.stdout.close()
        if is_late or len(said) > self.limits.largest_body:
            why = f"no end after {self.limits.total:.0f} s" if is_late else "too long an answer"
            raise _lost(playbook, why, is_read=is_read)
        return said.decode("utf-8", "replace")


def _remove_what_the_dead_left() -> None:
    """Remove the folders, with keys in them, of processes that were killed in a run."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PLACE}*"):
        pid = path.name.removeprefix(_PLACE).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(path, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _lost(playbook: str, why: str, *, is_read: bool) -> VendorError:
    if is_read:
        return Unavailable(f"{playbook}: {why}. Nothing was changed; it is tried again.")
    return OutcomeUnknown(
        f"{playbook}: {why}. It may or may not have been done: read back before anything else."
    )


def _outcome(said: str, names: Mapping[str, str], is_read: bool) -> Outcome:
    done = {name: int(count) for name, count in _RECAP.findall(said)}
    reports = {names[n]: _decoded(text) for n, text in _REPORT.findall(said) if n in names}
    failures: dict[str, VendorError] = {}
    for number, kind, told in _FATAL.findall(said):
        if number in names and names[number] not in reports:
            failures[names[number]] = _failure(
                names[number], kind, _message(told), bool(done.get(number)), is_read
            )
    for name in names.values():
        if name not in reports and name not in failures:
            words = " ".join(said.split())[-200:]
            failures[name] = _lost(name, f"Ansible says nothing of it: {words}", is_read=is_read)
    return Outcome(reports, failures)


def _decoded(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(base64.b64decode(text))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _message(told: str) -> str:
    try:
        found = json.loads(told)
    except ValueError:
        return told
    parts = (str(found.get(name) or "") for name in ("msg", "stderr", "module_stderr"))
    return " ".join(" ".join(parts).split())


def _failure(name: str, kind: str, message: str, has_begun: bool, is_read: bool) -> VendorError:
    lower = message.lower()
    if any(words in lower for words in _NO_SUDO):
        return PermissionMissing(
            f"{name}: sudo asks for a password. It needs root: let the user sudo without one."
        )
    if kind == "FAILED" and (is_read or not any(words in lower for words in _CUT_OFF)):
        return Rejected(f"{name}: {message[:300]}")
    if any(words in lower for words in _REFUSED):
        return Unauthorised(
            f"{name}: the host refused the sign-in, or its key isn't the one that is known "
            "(it needs the right ssh). Check user, private_key and known_hosts."
        )
    was_never_there = any(words in lower for words in _NO_CONNECTION)
    if not is_read and (has_begun or not was_never_there):
        return OutcomeUnknown(
            f"{name}: the connection was lost after something had begun. Read back before "
            "anything else."
        )
    return Unavailable(f"{name}: no connection could be made; nothing was done. {message[:200]}")
