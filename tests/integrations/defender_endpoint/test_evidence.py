"""What alerts name on a computer, and locking a file away that they name."""

import datetime as dt

import pytest

from integrations import catalog, registry
from integrations.contract import Target
from integrations.errors import Rejected, Unavailable
from integrations.simulators.microsoft365.defender import records
from tests.integrations.conformance.driving import intention

ID = "defender_endpoint"
QUARANTINE = "endpoint.quarantine_file"
LONG = 24 * 30


def ask(client, name: str, target: Target, **inputs):
    told = registry.gatherer(ID, name).gather(client, target, inputs)
    assert told.keys() == catalog.get(name).facts.keys()
    return told


def alerts_of(vendor, target: Target) -> list[dict]:
    found = vendor.records("machineAlerts").values()
    return [alert for alert in found if alert["machineId"] == target.external_id]


def pieces(alerts: list[dict], kind: str) -> list[dict]:
    return [item for alert in alerts for item in alert["evidence"] if item["entityType"] == kind]


@pytest.fixture
def about(vendor, harmful_file) -> Target:
    """The computer that the harmful file is on."""
    record = vendor.records("machines")[harmful_file.external_id.split("/")[0]]
    return Target("device", "row", record["id"], record["computerDnsName"])


@pytest.fixture
def suspect(vendor) -> Target:
    """A computer on which an alert names a program."""
    alerts = vendor.records("machineAlerts").values()
    alert = next(a for a in alerts if pieces([a], "Process"))
    return Target("device", "row", alert["machineId"], alert["computerDnsName"])


def change(vendor, alert: dict, **changed) -> None:
    vendor.act("put", collection="machineAlerts", record={**alert, **changed})


def test_programs_that_alerts_name_are_suspicious_and_run_until_stopped(
    vendor, client, suspect
) -> None:
    found = ask(client, "endpoint.list_processes", suspect, hours=LONG)["processes"]
    held = pieces(alerts_of(vendor, suspect), "Process")
    assert held
    assert {p["sha256"] for p in found} <= {item["sha256"] for item in held}
    assert all(p["is_suspicious"] and p["is_running"] for p in found)
    assert found[0]["command_line"] == "rundll32.exe comsvcs.dll, MiniDump"
    for alert in alerts_of(vendor, suspect):
        blocked = [{**item, "detectionStatus": "Blocked"} for item in alert["evidence"]]
        change(vendor, alert, evidence=blocked)
    found = ask(client, "endpoint.list_processes", suspect, hours=LONG)["processes"]
    assert [p["is_running"] for p in found] == [False] * len(found) != []


def test_what_was_remediated_runs_no_more(vendor, client, suspect) -> None:
    for alert in alerts_of(vendor, suspect):
        change(vendor, alert, investigationState="SuccessfullyRemediated")
    found = ask(client, "endpoint.list_processes", suspect, hours=LONG)["processes"]
    assert {p["is_running"] for p in found} == {False}


def test_files_are_told_by_what_locks_them_away(vendor, client, harmful_file, about) -> None:
    def told() -> dict:
        files = ask(client, "endpoint.list_files", about, hours=LONG)["files"]
        return {f["external_id"]: f for f in files}[harmful_file.external_id]

    before = told()
    assert (before["name"], before["is_malicious"]) == (harmful_file.name, True)
    assert not before["is_quarantined"]
    made = intention(vendor, client, QUARANTINE, harmful_file, {})
    registry.action(ID, QUARANTINE).call(client, made)
    assert told()["is_quarantined"]


def test_a_file_that_an_alert_only_mentions_is_not_called_malicious(vendor, client, about) -> None:
    for alert in alerts_of(vendor, about):
        change(
            vendor, alert, threatName=None, threatFamilyName=None, category="Execution",
            detectionSource="WindowsDefenderAtp",
        )  # fmt: skip
    files = ask(client, "endpoint.list_files", about, hours=LONG)["files"]
    assert {f["is_malicious"] for f in files} == {False}


def test_attempts_to_read_passwords_are_counted(vendor, client, suspect) -> None:
    told = ask(client, "endpoint.list_credential_access", suspect, hours=LONG)
    held = [a for a in alerts_of(vendor, suspect) if a["category"] == "CredentialAccess"]
    assert 0 < told["count"] == len(told["accesses"]) <= len(held)
    assert {a["program"] for a in told["accesses"]} == {"rundll32.exe"}
    for alert in held:
        change(vendor, alert, category="Execution")
    assert ask(client, "endpoint.list_credential_access", suspect, hours=LONG) == {
        **told, "accesses": [{**a, "category": "Execution"} for a in told["accesses"]],
    }  # fmt: skip
    for alert in held:
        change(vendor, alert, classification="FalsePositive")
    assert ask(client, "endpoint.list_credential_access", suspect, hours=LONG)["count"] == 0


def test_only_the_hours_asked_for_and_only_this_computer_count(vendor, client, suspect) -> None:
    now = dt.datetime.now(dt.UTC)
    for alert in vendor.records("machineAlerts").values():
        old = records.precise(now - dt.timedelta(hours=50))
        change(vendor, alert, lastEventTime=old, lastUpdateTime=records.precise(now))
    assert ask(client, "endpoint.list_processes", suspect)["processes"] == []
    assert ask(client, "endpoint.list_processes", suspect, hours=51)["processes"]
    nobody = Target("device", "row", "0" * 40, "nobody")
    assert ask(client, "endpoint.list_processes", nobody, hours=LONG)["processes"] == []


@pytest.mark.parametrize("file_id", ["m1", "m1/invoice.exe", "/" + "a" * 40, "m1/" + "a" * 64])
def test_a_file_that_is_not_named_by_computer_and_sha1_is_refused(vendor, client, file_id) -> None:
    target = Target("file", "row", file_id, "invoice.exe")
    with pytest.raises(Rejected, match="MACHINE/SHA1"):
        intention(vendor, client, QUARANTINE, target, {})


def test_a_file_waits_for_another_and_is_not_taken_for_it(vendor, client, harmful_file) -> None:
    machine_id = harmful_file.external_id.split("/")[0]
    vendor.act("hold_machine", machine=machine_id)
    other = Target("file", "row", f"{machine_id}/{'b' * 40}", "other.exe")
    action = registry.action(ID, QUARANTINE)
    action.call(client, intention(vendor, client, QUARANTINE, other, {}))
    made = intention(vendor, client, QUARANTINE, harmful_file, {})
    with pytest.raises(Unavailable, match="Another file"):
        action.call(client, made)
    vendor.act("answer_machine", machine=machine_id)
    assert not action.read_back(client, made).holds
    action.call(client, made)
    assert not action.read_back(client, made).holds
    vendor.act("answer_machine", machine=machine_id)
    seen = action.read_back(client, made)
    assert seen.holds, seen.explanation
    assert len(vendor.requests("POST", "/StopAndQuarantineFile$")) == 3
