"""The questions about a host over real HTTP, in the shapes that playbooks read."""

import json

import pytest

from integrations.connectors.crowdstrike.manifest import MANIFEST
from integrations.contract import Target
from integrations.errors import NotFound, PermissionMissing
from tests.integrations.crowdstrike.subject import host_of

GATHERERS = {gatherer.name: gatherer for gatherer in MANIFEST.gatherers}


@pytest.fixture
def ask(vendor, client):
    """Ask one question about a host; the answer must be JSON."""

    def asked(name: str, target=None, **inputs):
        answer = GATHERERS[name].gather(client, target or host_of(vendor), inputs)
        assert json.loads(json.dumps(answer)) == answer
        return answer

    return asked


def named(vendor, hostname: str):
    host = next(h for h in vendor.records("hosts").values() if h["hostname"] == hostname)
    return Target("device", "row", host["device_id"], hostname)


def change(vendor, collection: str, found: dict, key: str, **values) -> None:
    vendor.act("put", collection=collection, record={**found, **values, "id": found[key]})


def test_a_host_and_its_state(vendor, ask) -> None:
    device = ask("endpoint.get_device")["device"]
    assert device["hostname"] == "PC-001"
    assert (device["is_isolated"], device["is_server"], device["is_managed"]) == (
        False,
        False,
        True,
    )
    server = ask("endpoint.get_device", named(vendor, "SRV-DC01"))["device"]
    assert (server["is_server"], server["os"]) == (True, "Windows Server 2022")
    host = vendor.records("hosts")[device["external_id"]]
    change(vendor, "hosts", host, "device_id", status="lift_containment_pending")
    assert ask("endpoint.get_device")["device"]["is_isolated"] is True


def test_alerts_are_those_of_the_host_and_the_days(vendor, ask) -> None:
    found = ask("endpoint.list_alerts", days=7)
    assert (found["count"], found["high"]) == (1, 0)
    assert found["alerts"][0]["techniques"] == ["T1003", "T1003.001"]
    assert ask("endpoint.list_alerts", named(vendor, "PC-003"))["high"] == 1
    late = ask("endpoint.list_alerts", named(vendor, "PC-024"), days=1)
    assert late["count"] == 0


def test_what_was_found_false_is_no_alert(vendor, ask) -> None:
    target = host_of(vendor)
    alerts = vendor.records("alerts").values()
    alert = next(a for a in alerts if a["agent_id"] == target.external_id)
    vendor.act("remove", collection="alerts", id=alert["composite_id"])
    vendor.served.simulator.store.find(vendor.tenant["id"]).put(
        "alerts", {**alert, "resolution": "false_positive"}, alert["composite_id"]
    )
    assert ask("endpoint.list_alerts")["count"] == 0
    assert ask("endpoint.list_processes")["processes"] == []


def test_programs_that_falcon_ended_do_not_run(vendor, ask) -> None:
    (running,) = ask("endpoint.list_processes")["processes"]
    assert (running["name"], running["is_suspicious"], running["is_running"]) == (
        "dumper.exe", True, True,
    )  # fmt: skip
    assert running["user"] == "EXAMPLE\\user1"
    (ended,) = ask("endpoint.list_processes", named(vendor, "PC-002"))["processes"]
    assert ended["is_running"] is False


def test_reading_passwords_is_told_by_its_technique(ask) -> None:
    found = ask("endpoint.list_credential_access", hours=24)
    assert found["count"] == 1
    assert found["accesses"][0]["program"] == "dumper.exe"


def test_files_are_those_in_quarantine_and_those_let_out(vendor, ask) -> None:
    (released,) = ask("endpoint.list_files")["files"]
    assert (released["is_malicious"], released["is_quarantined"]) == (True, False)
    (held,) = ask("endpoint.list_files", named(vendor, "PC-002"), hours=24)["files"]
    assert (held["name"], held["is_quarantined"]) == ("bad2.exe", True)
    assert ask("endpoint.list_files", named(vendor, "PC-002"), hours=1)["files"] == []


def test_users_say_whether_they_are_administrators(vendor, ask) -> None:
    (admin,) = ask("endpoint.list_logged_on_users")["users"]
    assert (admin["name"], admin["is_privileged"]) == ("EXAMPLE\\admin", True)
    (user,) = ask("endpoint.list_logged_on_users", named(vendor, "PC-002"))["users"]
    assert user["is_privileged"] is False
    assert ask("endpoint.list_logged_on_users", named(vendor, "PC-010"))["users"] == []


def test_missing_updates_name_the_holes_they_close(ask) -> None:
    assert ask("patch.list_missing")["patches"] == [
        {"external_id": "KB5000001", "name": "Install update KB5000001",
         "cves": ["CVE-2026-10001"]}
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(GATHERERS))
def test_each_question_needs_its_permission(vendor, name) -> None:
    target = host_of(vendor)
    vendor.grant(GATHERERS[name].permissions)
    least = vendor.connect()
    assert GATHERERS[name].gather(least, target, {})
    least.close()
    vendor.grant([])
    nothing = vendor.connect()
    with pytest.raises(PermissionMissing):
        GATHERERS[name].gather(nothing, target, {})
    nothing.close()


def test_a_host_that_does_not_exist_is_told(vendor, ask) -> None:
    with pytest.raises(NotFound):
        ask("endpoint.get_device", Target("device", "", "0" * 32, "gone"))
