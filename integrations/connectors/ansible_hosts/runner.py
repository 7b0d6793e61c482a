"""Runs Holdfast's playbooks with ansible-playbook, a program of its own, and reads what it says.

Ansible is GPL: it is never imported. A playbook reports by a debug message that begins with
``holdfast:``; what went wrong on a host stands in a line that begins with ``fatal:``.
"""

import base64
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from integrations.connectors.ansible_hosts.inventory import Host
from integrations.connectors.ansible_hosts.programs import Cut, said_by
from integrations.connectors.ansible_hosts.ssh import (
    Sign,
    key_folder,
    options,
    patience,
    refusal,
    unreachable,
    was_never_there,
    write,
)
from integrations.errors import (
    ConnectionMisconfigured,
    OutcomeUnknown,
    PermissionMissing,
    Rejected,
    VendorError,
)
from integrations.transport import Limits

PLAYBOOKS = Path(__file__).resolve().parents[3] / "ansible"
PROGRAM = "ansible-playbook"
_REPORT = re.compile(r'^ok: \[(\S+)\] => \{\s+"msg": "holdfast:([A-Za-z0-9+/=]*)"', re.MULTILINE)
_FATAL = re.compile(r"^fatal: \[(\S+)\]: (UNREACHABLE|FAILED)! => (\{.*)$", re.MULTILINE)
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+) ", re.MULTILINE)
# As a shell tells that what it ran was killed, rather than ended by itself.
_KILLED = 128
# How Ansible knows the host, whatever people call it.
_HOST = "host"


class Runner:
    """Runs playbooks as one user. Safe to use from several threads."""

    def __init__(self, sign: Sign, limits: Limits) -> None:
        self._sign = sign
        self.limits = limits

    def run(self, playbook: str, host: Host, address: str, **inputs: Any) -> Mapping[str, Any]:
        """Run a playbook that changes something on a host; return its report.

        `address` is the checked one. OutcomeUnknown where it took longer than `Limits.total`, or
        was cut off after something may have begun; Unavailable where nothing was done.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise ConnectionMisconfigured(
                "ansible-playbook isn't installed where Holdfast runs: apt-get install ansible-core"
            )
        with key_folder(self._sign) as place:
            self._prepare(place, host, address, inputs)
            command = [
                program, "-i", str(place / "inventory.json"), "-e", f"@{place / 'inputs.json'}",
                str(PLAYBOOKS / playbook),
            ]  # fmt: skip
            try:
                said = said_by(
                    command, place=place, environment=self._environment(place),
                    seconds=self.limits.total, largest=self.limits.largest_body,
                )  # fmt: skip
            except Cut as cut:
                raise _unknown(f"{playbook}: {cut}") from None
        return _report(host.name, said)

    def _prepare(self, place: Path, host: Host, address: str, inputs: Mapping[str, Any]) -> None:
        """Write what Ansible reads."""
        entry = {
            "ansible_host": address,
            "ansible_port": host.port,
            "ansible_user": self._sign.user,
            "ansible_ssh_private_key_file": str(place / "key"),
            "ansible_ssh_common_args": " ".join(options(host, place)),
        }
        write(place / "inventory.json", json.dumps({"all": {"hosts": {_HOST: entry}}}))
        told = {"holdfast_become": self._sign.become}
        told |= {f"holdfast_{name}": value for name, value in inputs.items()}
        write(place / "inputs.json", json.dumps(told))
        # The machine's own configuration must not change what happens.
        write(place / "ansible.cfg", "[defaults]\n")

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
            "ANSIBLE_TIMEOUT": str(max(1, round(self.limits.connect))),
            "ANSIBLE_SSH_ARGS": " ".join(patience(self.limits.connect)),
            "ANSIBLE_HOST_KEY_CHECKING": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }


def _unknown(why: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{why}. It may or may not have been done: read back before anything else."
    )


def _report(name: str, said: str) -> Mapping[str, Any]:
    """The report of the host, from what Ansible wrote; raises why there is none."""
    for number, text in _REPORT.findall(said):
        if number == _HOST:
            return _decoded(text)
    done = {number: int(count) for number, count in _RECAP.findall(said)}
    for number, kind, told in _FATAL.findall(said):
        if number == _HOST:
            raise _failure(name, kind, told, has_begun=bool(done.get(number)))
    raise _unknown(f"{name}: Ansible says nothing of it: {' '.join(said.split())[-200:]}")


def _failure(name: str, kind: str, told: str, *, has_begun: bool) -> VendorError:
    found = _parsed(told)
    message, code = _message(found) or told, found.get("rc")
    refused = refusal(name, message)
    if kind == "FAILED":
        if isinstance(refused, PermissionMissing):
            return refused
        if isinstance(code, int) and code >= _KILLED:
            return _unknown(f"{name}: what ran there was killed")
        return Rejected(f"{name}: {message[:300]}")
    if refused:
        return refused
    if has_begun or not was_never_there(message):
        return _unknown(f"{name}: the connection was lost after something had begun")
    return unreachable(name, message)


def _parsed(told: str) -> Mapping[str, Any]:
    try:
        found = json.loads(told)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _message(found: Mapping[str, Any]) -> str:
    # On a terminal, errors stand in the output.
    parts = (str(found.get(name) or "") for name in ("msg", "stderr", "stdout"))
    return " ".join(" ".join(parts).split())


def _decoded(text: str) -> Mapping[str, Any]:
    try:
        return _parsed(base64.b64decode(text).decode("utf-8", "replace"))
    except ValueError:
        return {}
