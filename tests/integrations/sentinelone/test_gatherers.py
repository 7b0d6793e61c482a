"""The questions about a computer over real HTTP, in the shapes that playbooks read."""

import json

import pytest

from integrations import registry
from integrations.connectors.sentinelone.manifest import MANIFEST
from integrations.contract import Target
from integrations.errors import NotFound, PermissionMissing
from tests.integrations.conformance.driving import intention
from tests.integrations.sentinelone.subject import agent_of, threat_of

GATHERERS = {gatherer.name: gatherer for gatherer in MANIFEST.gatherers}


@pytest.fixture
def ask(vendor, client):
    """Ask one question about a computer; the answer must be JSON."""

    def asked(name: str, computer: str = "PC-002", **inputs):
        answer = GATHERERS[name].gather(client, agent_of(vendor, computer), inputs)
        assert json.loads(json.dumps(answer)) == answer
        return answer

    return asked


def do(vendor, client, action: str, target) -> None:
    asked = intention(vendor, client, action, target, {})
    registry.action("sentinelone", action).call(client, asked)


def test_a_computer_and_its_state(vendor, client, ask) -> None:
    device = ask("endpoint.get_device")["device"]
    assert (device["hostname"], device["is_server"], device["is_isolated"]) == (
        "PC-002", False, False,
    )  # fmt: skip
    do(vendor, client, "endpoint.isolate", agent_of(vendor, "PC-002"))
    assert ask("endpoint.get_device")["device"]["is_isolated"] is True
    assert ask("endpoint.get_device", "SRV-DC01")["device"]["is_server"] is True


def test_threats_are_those_of_the_computer_and_the_days(vendor, ask) -> None:
    found = ask("endpoint.list_alerts")
    assert (found["count"], found["high"]) == (1, 0)
    assert found["alerts"][0]["techniques"] == ["T1003.001"]
    assert ask("endpoint.list_alerts", "PC-003")["high"] == 1
    assert ask("endpoint.list_alerts", "PC-024", days=1)["count"] == 0


def test_a_threat_that_was_found_false_is_no_alert(vendor, ask) -> None:
    threat = vendor.records("threats")[threat_of(vendor).external_id]
    info = {**threat["threatInfo"], "analystVerdict": "false_positive"}
    vendor.act("put", collection="threats", record={**threat, "threatInfo": info})
    for name in ("endpoint.list_alerts", "endpoint.list_processes", "endpoint.list_files"):
        assert next(iter(ask(name).values())) == []


def test_a_program_runs_until_it_was_stopped(vendor, client, ask) -> None:
    (found,) = ask("endpoint.list_processes")["processes"]
    assert (found["name"], found["is_running"], found["user"]) == (
        "update2.exe", True, "EXAMPLE\\user2",
    )  # fmt: skip
    target = threat_of(vendor)
    assert found["external_id"] == target.external_id
    do(vendor, client, "endpoint.kill_process", target)
    (found,) = ask("endpoint.list_processes")["processes"]
    assert found["is_running"] is False
    # Found on the disk before it ran: a file, no program.
    assert ask("endpoint.list_processes", "PC-003")["processes"] == []


def test_a_file_lies_there_until_it_is_locked_away(vendor, client, ask) -> None:
    (found,) = ask("endpoint.list_files", "PC-003")["files"]
    assert (found["is_malicious"], found["is_quarantined"]) == (True, False)
    do(vendor, client, "endpoint.quarantine_file", threat_of(vendor, "file", 3))
    (found,) = ask("endpoint.list_files", "PC-003")["files"]
    assert found["is_quarantined"] is True
    assert ask("endpoint.list_files", "PC-003", hours=1)["files"] == []


def test_reading_passwords_is_told_by_its_technique(ask) -> None:
    assert ask("endpoint.list_credential_access")["count"] == 1


@pytest.mark.parametrize("name", sorted(GATHERERS))
def test_each_question_needs_its_permission(vendor, name) -> None:
    target = agent_of(vendor)
    vendor.grant(GATHERERS[name].permissions)
    least = vendor.connect()
    assert GATHERERS[name].gather(least, target, {})
    vendor.grant([])
    with pytest.raises(PermissionMissing):
        GATHERERS[name].gather(least, target, {})
    least.close()


def test_a_computer_that_does_not_exist_is_told(client) -> None:
    with pytest.raises(NotFound, match="no endpoint 1"):
        GATHERERS["endpoint.get_device"].gather(client, Target("device", "", "1", "gone"), {})
