"""What becomes of a run whose connection is lost; Ansible's own words, as it writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.ansible_hosts.client import AnsibleHostsClient, connect
from integrations.errors import (
    OutcomeUnknown,
    PermissionMissing,
    Rejected,
    Unauthorised,
    Unavailable,
    VendorError,
)
from tests.integrations.conformance.subject import QUICK

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"
_SSH = "Failed to connect to the host via ssh: "
_CLOSED = f"{_SSH}Connection to 192.0.2.1 closed by remote host."
_BROKEN = f"{_SSH}client_loop: send disconnect: Broken pipe"
_REFUSED = f"{_SSH}ssh: connect to host 192.0.2.1 port 22: Connection refused"


@pytest.fixture
def client(monkeypatch, tmp_path) -> AnsibleHostsClient:
    """A client whose ansible-playbook writes what is in the file `said`."""
    program = tmp_path / "ansible-playbook"
    program.write_text(f"#!/bin/sh\ncat {tmp_path / 'said'}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    settings = {"hosts": "web-1 192.0.2.1", "known_hosts": "192.0.2.1 ssh-ed25519 AAAA"}
    return connect(settings, {"private_key": KEY}, allow_private=True, limits=QUICK)


def say(folder: Path, kind: str, message: str, ok: int = 0, **more: Any) -> None:
    """Let Ansible tell of one host that failed after `ok` tasks."""
    told = json.dumps({"changed": False, "msg": message, **more})
    is_away = int(kind == "UNREACHABLE")
    (folder / "said").write_text(
        f"TASK [service_state : Stop or start it] ****\nfatal: [host]: {kind}! => {told}\n\n"
        "PLAY RECAP ****\n"
        f"host : ok={ok} changed=0 unreachable={is_away} failed={1 - is_away} skipped=0\n"
    )


@pytest.mark.parametrize(
    ("kind", "message", "ok", "is_told_as"),
    [
        ("UNREACHABLE", _CLOSED, 1, OutcomeUnknown),
        # The first task of a playbook may be the one that changes something.
        ("UNREACHABLE", _CLOSED, 0, OutcomeUnknown),
        ("UNREACHABLE", _BROKEN, 0, OutcomeUnknown),
        ("UNREACHABLE", _REFUSED, 0, Unavailable),
        ("UNREACHABLE", _REFUSED, 1, OutcomeUnknown),
        ("UNREACHABLE", f"{_SSH}root@192.0.2.1: Permission denied (publickey).", 0, Unauthorised),
        ("FAILED", "Missing sudo password", 0, PermissionMissing),
        ("FAILED", "Could not find the requested service no-such: host", 0, Rejected),
    ],
)
def test_a_lost_connection_is_judged_by_what_may_have_been_done(
    client, tmp_path, kind, message, ok, is_told_as
) -> None:
    say(tmp_path, kind, message, ok)
    with pytest.raises(VendorError) as caught:
        client.act("service.yml", "web-1", service="cron", wanted="stopped")
    assert type(caught.value) is is_told_as


@pytest.mark.parametrize(("code", "is_told_as"), [(1, Rejected), (137, OutcomeUnknown)])
def test_a_script_that_was_killed_may_have_done_something(
    client, tmp_path, code, is_told_as
) -> None:
    say(tmp_path, "FAILED", "non-zero return code", rc=code, stdout="nftables is missing")
    with pytest.raises(is_told_as):
        client.isolate("web-1")


def test_a_run_that_says_nothing_of_a_host_may_have_been_done(client, tmp_path) -> None:
    (tmp_path / "said").write_text("TASK [service_state : Stop or start it] ****\n")
    with pytest.raises(OutcomeUnknown):
        client.act("service.yml", "web-1", service="cron", wanted="stopped")
