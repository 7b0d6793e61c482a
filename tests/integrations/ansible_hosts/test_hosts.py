"""Real hosts: isolation that is felt on the wire, updates that are installed, what goes wrong."""

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from integrations import registry
from integrations.connectors.ansible_hosts import feeds
from integrations.connectors.ansible_hosts.manifest import MANIFEST
from integrations.contract import Target
from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
)
from tests.integrations.ansible_hosts.subject import host_target
from tests.integrations.conformance.driving import intention, sweep
from tests.integrations.conformance.subject import QUICK
from tests.servers.ssh_hosts import PACKAGE, PORT, stopped

GATHERERS = {gatherer.name: gatherer for gatherer in MANIFEST.gatherers}


def act(vendor, client, name: str, **inputs):
    asked = intention(vendor, client, name, host_target(vendor), inputs)
    action = registry.action("ansible_hosts", name)
    return action, asked, action.call(client, asked)


def test_isolation_leaves_only_the_management_path(vendor, client) -> None:
    host, other = vendor.host("web-1"), vendor.host("db-1")
    assert other.pings(host.address)
    assert other.connects(host.address, PORT)
    action, asked, _ = act(vendor, client, "endpoint.isolate")
    # In: no ping, no service, not even SSH but from the management.
    assert not other.pings(host.address)
    assert not other.connects(host.address, PORT)
    assert not other.connects(host.address, 22)
    # Out: neither to others nor to the management.
    assert not host.pings(other.address)
    assert not host.connects(other.address, PORT)
    assert not host.pings(vendor.network.controller)
    # The other hosts go on.
    assert other.pings(vendor.host("app-1").address)
    # Signed in anew, from the management.
    seen = action.read_back(client, asked)
    assert seen.holds
    assert "answers to its management" in seen.explanation
    device = GATHERERS["endpoint.get_device"].gather(client, host_target(vendor), {})["device"]
    assert (device["is_isolated"], device["os"].split()[0]) == (True, "Debian")
    act(vendor, client, "endpoint.release")
    assert other.pings(host.address)
    assert other.connects(host.address, PORT)
    assert host.connects(other.address, PORT)
    assert host.sh("nft list ruleset; ls -A /etc/holdfast") == ""


def test_other_management_addresses_keep_their_ssh(vendor) -> None:
    host, other = vendor.host("web-1"), vendor.host("db-1")
    client = vendor.connect(management_addresses=other.address)
    act(vendor, client, "endpoint.isolate")
    assert other.connects(host.address, 22)
    assert not other.connects(host.address, PORT)
    assert not other.pings(host.address)
    assert not vendor.host("app-1").connects(host.address, 22)


def test_a_host_without_nftables_is_not_believed_to_be_cut_off(vendor, client) -> None:
    host = vendor.host("web-1")
    host.sh("mv /usr/sbin/nft /usr/sbin/nft.away")
    try:
        with pytest.raises(Rejected, match="nftables is missing"):
            act(vendor, client, "endpoint.isolate")
    finally:
        host.sh("mv /usr/sbin/nft.away /usr/sbin/nft")
    assert vendor.host("db-1").pings(host.address)


@pytest.mark.parametrize(
    ("restart", "is_needed", "restarts"),
    [("always", False, True), ("if_needed", True, True), ("if_needed", False, False)],
)
def test_updates_are_installed_and_restarts_follow_the_policy(
    vendor, client, restart, is_needed, restarts
) -> None:
    host = vendor.host("web-1")
    if is_needed:
        host.sh("touch /run/reboot-required")
    inputs = {"patches": [PACKAGE], "restart": restart}
    action, asked, _ = act(vendor, client, "patch.install", **inputs)
    host.sh("flock -w 60 /run/lock/holdfast-updates true")
    assert host.sh(f"cat /usr/share/{PACKAGE}/version") == "2"
    assert bool(host.sh("cat /run/shutdowns")) is restarts
    assert action.read_back(client, asked).holds
    # Asked again after a crash, the host begins nothing.
    action.call(client, asked)
    assert len(host.sh("cat /run/shutdowns").splitlines()) == restarts


def test_hosts_are_updated_one_after_the_other(vendor, client) -> None:
    other = vendor.host("db-1")
    # It holds the lock as what installs does, until it is ended.
    lock = "exec 9>/run/lock/holdfast-updates; flock -n 9; sleep 600 >/dev/null 2>&1 & echo $!"
    pid = int(other.sh(lock))
    with pytest.raises(Throttled, match="db-1 installs updates just now") as caught:
        act(vendor, client, "patch.install", patches=[PACKAGE])
    assert caught.value.retry_after == 60
    assert vendor.host("web-1").sh(f"cat /usr/share/{PACKAGE}/version") == "1"
    os.kill(pid, signal.SIGKILL)
    act(vendor, client, "patch.install", patches=[PACKAGE])
    assert vendor.host("web-1").sh(f"cat /usr/share/{PACKAGE}/version") == "2"


def test_an_update_that_is_there_has_yet_to_restart(vendor, client) -> None:
    host = vendor.host("web-1")
    asked = intention(
        vendor, client, "patch.install", host_target(vendor),
        {"patches": [PACKAGE], "restart": "always"},
    )  # fmt: skip
    host.sh(f"dpkg -i {vendor.network.repository}/{PACKAGE}_2.deb")
    seen = registry.action("ansible_hosts", "patch.install").read_back(client, asked)
    assert not seen.holds
    assert "has yet to restart" in seen.explanation


def test_an_update_that_fails_is_told_and_not_tried_without_end(vendor, client) -> None:
    host, repository = vendor.host("web-1"), vendor.network.repository
    good, away = repository / f"{PACKAGE}_2.deb", repository / "away"
    shutil.move(good, away)
    try:
        action, asked, _ = act(vendor, client, "patch.install", patches=[PACKAGE])
        host.sh("flock -w 60 /run/lock/holdfast-updates true")
        seen = action.read_back(client, asked)
        assert not seen.holds
        assert "the last attempt ended with 100" in seen.explanation
        assert action.call(client, asked) == {"status": "tried"}
    finally:
        shutil.move(away, good)


@pytest.mark.parametrize(
    ("action", "inputs", "told"),
    [("patch.install", {"patches": ["x; rm -rf /"]}, "no name of a package"),
     ("patch.install", {"patches": ["openssl"], "restart": "now"}, "restart is one of"),
     ("endpoint.stop_service", {"service": "no-such"}, "has no service"),
     ("endpoint.stop_service", {"service": "$(id)"}, "Name the service"),
     ("endpoint.stop_service", {"service": "sshd"}, "left alone")],
)  # fmt: skip
def test_what_should_not_be_done_is_refused(vendor, client, action, inputs, told) -> None:
    with pytest.raises(Rejected, match=told):
        act(vendor, client, action, **inputs)
    assert vendor.host("web-1").sh("ls /var/lib/holdfast 2>/dev/null") == ""


def test_a_host_that_is_off_does_not_hide_the_others(vendor) -> None:
    client = vendor.connect(at_once="10")
    vendor.network.reject(vendor.host("db-1"))
    (page,) = feeds.hosts(client, {})
    told = {record.body["host"]: record.body for record in page.records}
    assert [told[name]["is_reachable"] for name in ("app-1", "db-1", "web-1")] == [
        True, False, True,
    ]  # fmt: skip
    assert "no connection could be made" in told["db-1"]["error"]
    assert "2 of 3 hosts answered over SSH; db-1 did not." in MANIFEST.canary(client)
    (page,) = feeds.updates(client, {})
    assert {record.body["host"] for record in page.records} == {"app-1", "web-1"}


def test_a_host_that_says_nothing_is_given_up_and_nothing_goes_on_running(vendor) -> None:
    client = MANIFEST.connect(
        vendor.settings, vendor.secrets, allow_private=True, limits=replace(QUICK, total=2)
    )
    stopped([vendor.host("web-1")])
    with pytest.raises(Unavailable, match="no end after 2 s"):
        client.state("web-1")
    running = [
        line.read_bytes().decode("utf-8", "replace")
        for line in Path("/proc").glob("[0-9]*/cmdline")
        if line.exists()
    ]
    assert not [line for line in running if f"@{vendor.host('web-1').address}" in line]


def test_a_key_that_is_refused_and_a_host_that_is_another_need_a_person(vendor, client) -> None:
    vendor.grant([])
    with pytest.raises(Unauthorised, match="ssh"):
        sweep(MANIFEST, client, "hosts")
    vendor.grant(["ssh"])
    other = vendor.network.known_hosts.splitlines()
    keys = [line.split(" ", 1)[1] for line in other]
    swapped = "\n".join(
        f"{line.split()[0]} {key}" for line, key in zip(other, keys[::-1], strict=True)
    )
    stranger = vendor.connect(known_hosts=swapped)
    with pytest.raises(Unauthorised, match="known_hosts"):
        stranger.state("web-1")


def test_a_host_that_is_not_the_clients_is_not_asked(vendor, client) -> None:
    other = Target("device", "row", "elsewhere", "elsewhere")
    with pytest.raises(NotFound):
        intention(vendor, client, "endpoint.isolate", other, {})


def test_without_programs_it_is_told_what_to_install(client, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConnectionMisconfigured, match="apt-get install ansible-core"):
        client.isolate("web-1")
    with pytest.raises(ConnectionMisconfigured, match="apt-get install openssh-client"):
        client.state("web-1")


def test_what_a_killed_process_left_is_removed_and_what_others_use_is_not(client) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    kept, left = (
        Path(tempfile.mkdtemp(prefix=f"holdfast-ansible-{pid}-")) for pid in (os.getpid(), dead.pid)
    )
    (left / "key").write_text("key")
    client.state("web-1")
    assert not left.exists()
    assert kept.exists()
    kept.rmdir()


def test_missing_updates_and_the_ring(vendor, client) -> None:
    missing = GATHERERS["patch.list_missing"].gather(client, host_target(vendor), {})["patches"]
    assert [one["external_id"] for one in missing] == [PACKAGE]
    pending = GATHERERS["patch.list_pending_updates"].gather(
        client, host_target(vendor), {"ring": "pilot"}
    )["devices"]
    assert [(one["name"], one["patches"]) for one in pending] == [
        (name, [PACKAGE]) for name in ("app-1", "db-1", "web-1")
    ]
