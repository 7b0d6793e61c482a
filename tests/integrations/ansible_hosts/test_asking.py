"""What becomes of a question to a host whose answer is cut off, endless, or none; ssh's own words.

Real hosts are asked in test_hosts.py; here `ssh` is a program that says what we want.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from integrations.connectors.ansible_hosts.client import AnsibleHostsClient, connect
from integrations.errors import PermissionMissing, Unauthorised, Unavailable, VendorError
from tests.integrations.ansible_hosts.test_runner import KEY
from tests.integrations.conformance.subject import QUICK

_SETTINGS = {
    "hosts": "web-1 192.0.2.1\ndb-1 192.0.2.2:2222",
    "known_hosts": "192.0.2.1 ssh-ed25519 AAAA",
    "user": "holdfast",
}


@pytest.fixture
def client(monkeypatch, tmp_path) -> AnsibleHostsClient:
    """A client whose ssh runs the script `ssh`."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    limits = replace(QUICK, largest_body=10_000)
    return connect(_SETTINGS, {"private_key": KEY}, allow_private=True, limits=limits)


def ssh(folder: Path, script: str) -> None:
    """Let ssh be a shell script."""
    (folder / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ssh").chmod(0o755)


def test_what_a_sign_in_says_is_no_part_of_the_answer(client, tmp_path) -> None:
    ssh(tmp_path, "echo isolated maybe; echo holdfast-begin; echo isolated yes; echo holdfast-end")
    assert client.state("web-1") == {"isolated": "yes"}


@pytest.mark.parametrize(
    ("script", "told", "words"),
    [
        ("echo 'ssh: connect to host 192.0.2.1 port 22: Connection refused' >&2; exit 255",
         Unavailable, "Connection refused"),
        ("echo 'holdfast@192.0.2.1: Permission denied (publickey).' >&2; exit 255",
         Unauthorised, "known_hosts"),
        ("echo 'Host key verification failed.' >&2; exit 255", Unauthorised, "known_hosts"),
        ("echo 'sudo: a password is required' >&2; exit 1", PermissionMissing, "sudo"),
        ("echo holdfast-begin; echo isolated no", Unavailable, "cut off"),
        # What the host says of sign-ins is not believed once it has begun to answer.
        ("echo holdfast-begin; echo unit Permission denied", Unavailable, "cut off"),
        ("exit 0", Unavailable, "no connection"),
        ("while :; do echo unit x running; done", Unavailable, "too long an answer"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_never_believed(client, tmp_path, script, told, words) -> None:
    ssh(tmp_path, script)
    with pytest.raises(VendorError, match=words) as caught:
        client.state("web-1")
    assert type(caught.value) is told


def test_it_signs_in_as_the_user_and_becomes_root_by_sudo(client, tmp_path) -> None:
    ssh(
        tmp_path,
        f"""for word; do echo "$word"; done >{tmp_path}/told
        test "$(stat -c %a "$PWD/key" "$PWD/known_hosts" | tr -d '\n')" = 600600 || exit 1
        echo holdfast-begin; echo holdfast-end""",
    )
    client.state("db-1", service="$(id)'")
    told = (tmp_path / "told").read_text()
    words = told.splitlines()
    assert "StrictHostKeyChecking=yes" in words
    assert "HostKeyAlias=[192.0.2.2]:2222" in words
    assert words[words.index("-l") + 1] == "holdfast"
    assert words[words.index("-p") + 1] == "2222"
    assert words[words.index("--") + 1] == "192.0.2.2"
    assert "exec sudo -n sh -c " in told
    assert KEY not in told
