"""What the normalisers make of Intune's records, real and documented ones."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.intune.manifest import MANIFEST
from integrations.connectors.intune.normalise import normaliser
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Normalised, SourceRecord
from tests.integrations.conformance.driving import sweep

RECORDS = Path(__file__).parents[4] / "shared/records"
needs_records = pytest.mark.skipif(
    not RECORDS.exists(), reason="the vendors' records are not here: ../shared/records"
)
DEVICE: dict[str, Any] = {
    "id": "d-1", "deviceName": "PC-7", "userId": "u-1", "userPrincipalName": "Ann@example.example",
    "operatingSystem": "Windows", "osVersion": "10.0.26100", "complianceState": "noncompliant",
    "lastSyncDateTime": "2026-01-02T03:04:05Z", "azureADDeviceId": "e-1", "isEncrypted": False,
    "deviceCompliancePolicyStates": [
        {"displayName": "Windows", "state": "nonCompliant", "settingStates": [
            {"settingName": "BitLocker", "state": "nonCompliant"},
            {"settingName": "Secure Boot", "state": "compliant"},
        ]},
        {"displayName": "Default", "state": "compliant", "settingStates": []},
        {"displayName": "Antivirus", "state": "error", "settingStates": []},
    ],
}  # fmt: skip
# In the shape of the vendor's documented example, with invented values.
AUDIT: dict[str, Any] = {
    "@odata.type": "#microsoft.graph.auditEvent", "id": "a-1", "displayName": "Wipe ManagedDevice",
    "componentName": "ManagedDevices", "activity": None, "activityType": "Wipe ManagedDevice",
    "activityDateTime": "2026-01-02T03:04:05.6363086-08:00", "activityOperationType": "Action",
    "activityResult": "Success", "correlationId": "c-1", "category": "Device",
    "actor": {"userPrincipalName": "Sam@example.example", "userId": "u-9",
              "applicationId": "app-1", "applicationDisplayName": "Portal",
              "ipAddress": "198.51.100.8"},
    "resources": [{"displayName": "PC-7", "auditResourceType": "ManagedDevice", "resourceId": "d-1",
                   "modifiedProperties": [{"displayName": "State", "oldValue": "managed",
                                           "newValue": "wipePending"}]}],
}  # fmt: skip


def read(feed: str, body: dict[str, Any], url: str = "") -> Normalised:
    return normaliser(feed)(SourceRecord(body, {"url": url} if url else {}))


def test_a_device_is_a_directory_item() -> None:
    found = read("devices", DEVICE)
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.external_id, found.name) == ("device", "d-1", "PC-7")
    assert found.attributes["operating_system"] == "Windows 10.0.26100"
    assert found.attributes["entra_device_id"] == "e-1"
    assert found.attributes["is_encrypted"] is False


def test_a_device_that_fails_a_rule_is_an_event_with_what_it_fails_and_opens_no_case() -> None:
    found = read("compliance", DEVICE, "/deviceManagement/managedDevices")
    assert isinstance(found, Event)
    assert (found.uid, found.class_uid, found.severity_id) == ("d-1", 2003, 3)
    told = found.ocsf["finding_info"]
    assert told["title"] == "PC-7 does not keep to the rules"
    assert told["desc"] == "It fails: Windows: BitLocker; Antivirus"
    assert found.entities == (
        "device:pc-7", "device_id:intune:d-1", "account:ann@example.example", "account_id:u-1",
    )  # fmt: skip
    assert found.ocsf["compliance"]["status_id"] == 3
    assert found.ocsf["compliance"]["requirements"] == ["Windows: BitLocker", "Antivirus"]


@pytest.mark.parametrize(
    ("state", "status", "severity", "settled"),
    [("compliant", 1, 1, True), ("inGracePeriod", 2, 2, False), ("conflict", 2, 2, False),
     ("unknown", 0, 1, False), ("somethingNew", 99, 1, False)],
)  # fmt: skip
def test_each_state_is_told_as_what_it_means(state, status, severity, settled) -> None:
    told = {**DEVICE, "complianceState": state, "deviceCompliancePolicyStates": []}
    found = read("compliance", told)
    assert isinstance(found, Event)
    assert (found.ocsf["compliance"]["status_id"], found.severity_id) == (status, severity)
    assert (found.ocsf["activity_name"] == "Close") is settled
    assert (found.activity, found.ocsf["status"]) == (f"compliance {state}".lower(), state)


@pytest.mark.parametrize(
    ("feed", "body", "code"),
    [
        ("devices", {"deviceName": "PC"}, "missing_id"),
        ("devices", {"id": "d-1", "value": 3}, "not_a_device"),
        ("compliance", {"id": "d-1", "deviceName": "PC"}, "no_compliance"),
        ("compliance", {"id": "d-1", "complianceState": "compliant"}, "missing_time"),
        ("apps", {"id": "a-1"}, "missing_id"),
        ("audit", {"id": "a-1", "activityDateTime": "2026-01-01"}, "not_an_audit_entry"),
        ("audit", {**AUDIT, "activityDateTime": None}, "missing_time"),
    ],
)
def test_a_record_without_what_matters_is_quarantined(feed, body, code) -> None:
    with pytest.raises(Quarantine) as caught:
        read(feed, body)
    assert caught.value.code == code
    assert caught.value.reason.endswith(".")


def test_an_audit_entry_tells_who_did_what_to_which_device() -> None:
    found = read("audit", AUDIT)
    assert isinstance(found, Event)
    assert (found.activity, found.actor, found.target) == (
        "Wipe ManagedDevice", "Sam@example.example", "PC-7",
    )  # fmt: skip
    assert found.time == dt.datetime(2026, 1, 2, 11, 4, 5, 636308, dt.UTC)
    assert found.is_success
    assert found.entities == (
        "account:sam@example.example", "account_id:u-9", "app:app-1", "ip:198.51.100.8",
        "device_id:intune:d-1",
    )  # fmt: skip
    (change,) = found.ocsf["unmapped"]["modified_properties"]
    assert change == {"name": "State", "old": "managed", "new": "wipePending"}


def test_what_unlocks_a_device_is_neither_asked_for_nor_kept(vendor, client) -> None:
    for record in vendor.records("managedDevices").values():
        locked = {**record, "activationLockBypassCode": "unlock-4711"}
        vendor.act("put", collection="managedDevices", record=locked)
    for feed in ("devices", "compliance"):
        pages = MANIFEST.feed(feed).fetch(client, {})
        assert "unlock-4711" not in str([r for page in pages for r in page.records])


def test_failed_rules_are_asked_only_of_devices_that_fail_some(vendor, client) -> None:
    found, _ = sweep(MANIFEST, client, "compliance")
    devices = vendor.records("managedDevices").values()
    told = {one.uid: one.ocsf["finding_info"] for one in found if isinstance(one, Event)}
    assert told.keys() == {d["id"] for d in devices}
    failing = {d["id"] for d in devices if d["complianceState"] == "noncompliant"}
    asked = vendor.requests("GET", "/deviceCompliancePolicyStates$")
    assert len(asked) == len(failing) > 0
    windows = next(d for d in devices if d["id"] in failing and d["operatingSystem"] == "Windows")
    assert told[windows["id"]]["desc"] == ("It fails: Windows: encrypted and up to date: BitLocker")
    assert [i.kind for i in found if isinstance(i, DirectoryItem)] == ["policy"]


def recorded(folder: str) -> list[SourceRecord]:
    found = []
    for path in sorted((RECORDS / folder).rglob("*.*json")):
        text = path.read_text("utf-8")
        lines = text.splitlines() if path.suffix == ".ndjson" else [text]
        found += [r for line in lines for r in MANIFEST.explode(json.loads(line))]
    return found


@needs_records
def test_recorded_notices_are_read_as_they_stand() -> None:
    failing, enrolled = (normaliser("compliance")(r) for r in recorded("microsoft-intune"))
    device = "11111111-2222-3333-4444-555555555555"
    assert isinstance(failing, Event)
    assert failing.ocsf["finding_info"]["title"] == "TestDevice does not keep to the rules"
    assert failing.time == dt.datetime(2025, 4, 2, 5, 57, 59, 409700, dt.UTC)
    assert failing.actor == "testuser@test.com"
    assert f"device_id:intune:{device}" in failing.entities
    assert failing.ocsf["compliance"]["requirements"] == [
        "DefaultDeviceCompliancePolicy.RequireRemainContact"
    ]
    assert isinstance(enrolled, Event)
    assert (enrolled.is_success, enrolled.target) == (True, device)
    assert enrolled.time == dt.datetime(2025, 4, 9, 15, 59, 8, 584000, dt.UTC)


@needs_records
def test_documented_examples_are_read_as_they_stand() -> None:
    docs = "microsoft-graph-docs/deviceManagement"
    (app,) = (normaliser("apps")(r) for r in recorded(f"{docs}_detectedApps"))
    assert isinstance(app, DirectoryItem)
    assert (app.kind, app.name) == ("software", "Display Name value Version value")
    assert app.attributes["device_count"] == 11
    (status,) = (
        normaliser("compliance")(r)
        for r in recorded(f"{docs}_deviceCompliancePolicies_deviceStatuses")
    )
    assert isinstance(status, Event)
    assert (status.class_uid, status.ocsf["status"]) == (2003, "notApplicable")
    for record in recorded(f"{docs}_deviceCompliancePolicies"):
        rules = normaliser("compliance")(record)
        assert isinstance(rules, DirectoryItem)
        assert (rules.kind, rules.attributes["policy_kind"]) == (
            "policy",
            "androidCompliancePolicy",
        )
        assert rules.attributes["settings"]["passwordMinimumLength"] == 5
