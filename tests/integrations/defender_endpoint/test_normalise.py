"""What the normalisers make of Defender for Endpoint's records, real and documented ones."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.defender_endpoint import normalise
from integrations.connectors.defender_endpoint.manifest import MANIFEST
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Finding, SourceRecord

RECORDS = Path(__file__).parents[4] / "shared/records"
needs_records = pytest.mark.skipif(
    not RECORDS.exists(), reason="the vendors' records are not here: ../shared/records"
)
# In the shape of the vendor's documented example, with invented values.
ALERT: dict[str, Any] = {
    "id": "da637472900382838869_1364969609", "incidentId": 1126093, "severity": "Low",
    "status": "New", "classification": None, "determination": None,
    "investigationState": "Queued", "detectionSource": "WindowsDefenderAtp",
    "detectorId": "17e10bbc-3a68-474a-8aad-faef14d43952", "category": "Execution",
    "title": "Low-reputation code", "description": "A signed program ran it.",
    "alertCreationTime": "2021-01-26T20:33:57.7220239Z",
    "firstEventTime": "2021-01-26T20:31:32.9562661Z",
    "lastEventTime": "2021-01-26T20:31:33.0577322Z", "lastUpdateTime": "2021-01-26T20:33:59.2Z",
    "machineId": "111e6dd8c833c8a052ea231ec1b19adaf497b625",
    "computerDnsName": "PC-7.example.example",
    "aadTenantId": "a839b112-1253-6432-9bf6-94542403f21c",
    "threatName": None, "mitreTechniques": ["T1064", "T1218.011"],
    "relatedUser": {"userName": "ann", "domainName": "EXAMPLE"}, "comments": [],
    "evidence": [
        {"entityType": "User", "accountName": "ann", "domainName": "EXAMPLE",
         "userSid": "S-1-5-21-1-2-3-1104", "aadUserId": "11118379-2a59-1111-ac3c-a51eb4a3c627",
         "userPrincipalName": "Ann@example.example"},
        {"entityType": "User", "accountName": "SYSTEM", "domainName": "NT AUTHORITY",
         "userSid": "S-1-5-18"},
        {"entityType": "Process", "fileName": "rundll32.exe", "filePath": "C:\\Windows",
         "sha256": "A4" * 32, "processId": 3276, "processCommandLine": "rundll32.exe x.dll"},
        {"entityType": "Ip", "ipAddress": "198.51.100.4"},
        {"entityType": "Url", "url": "http://evil.example/a"},
    ],
}  # fmt: skip
ROW: dict[str, Any] = {
    "id": "m1_chrome_129.0_CVE-2026-30002_", "deviceId": "m1", "deviceName": "pc-7.example.example",
    "osPlatform": "Windows11", "softwareVendor": "google", "softwareName": "chrome",
    "softwareVersion": "129.0", "cveId": "CVE-2026-30002", "cvssScore": 8.1,
    "vulnerabilitySeverityLevel": "High", "recommendedSecurityUpdateId": "5044284",
    "firstSeenTimestamp": "2026-01-02 03:04:05", "lastSeenTimestamp": "2026-02-02 03:04:05",
    "exploitabilityLevel": "ExploitIsInKit", "securityUpdateAvailable": True,
}  # fmt: skip


def test_an_alert_is_a_finding_about_its_computer_and_user() -> None:
    found = normalise.alert(SourceRecord(ALERT))
    assert isinstance(found, Finding)
    assert (found.uid, found.class_uid, found.severity_id) == (ALERT["id"], 2004, 2)
    assert found.time == dt.datetime(2021, 1, 26, 20, 33, 57, 722023, dt.UTC)
    assert found.first_activity_at == dt.datetime(2021, 1, 26, 20, 31, 32, 956266, dt.UTC)
    assert (found.actor, found.target) == ("Ann@example.example", "PC-7.example.example")
    assert found.techniques == ("T1064", "T1218.011")
    assert found.entities == (
        "device:pc-7.example.example",
        "device_id:defender_endpoint:111e6dd8c833c8a052ea231ec1b19adaf497b625",
        "account:ann@example.example", "account_id:11118379-2a59-1111-ac3c-a51eb4a3c627",
        "file:" + "a4" * 32, "ip:198.51.100.4", "url:http://evil.example/a", "incident:1126093",
    )  # fmt: skip
    process = next(e for e in found.ocsf["evidences"] if e["name"] == "Process")
    assert process["process"] == {"cmd_line": "rundll32.exe x.dll", "pid": 3276}
    assert process["file"]["hashes"] == [{"algorithm_id": 3, "value": "A4" * 32}]


def test_an_alert_without_evidence_names_its_related_user() -> None:
    found = normalise.alert(SourceRecord({**ALERT, "evidence": []}))
    assert isinstance(found, Finding)
    assert found.actor == "EXAMPLE\\ann"
    assert "account:example\\ann" in found.entities


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("TruePositive", 2), ("FalsePositive", 1), ("Informational, expected activity", 5),
     ("InformationalExpectedActivity", 5), (None, 0), ("SomethingNew", 99)],
)  # fmt: skip
def test_the_vendors_verdict_is_kept(word, verdict) -> None:
    found = normalise.alert(SourceRecord({**ALERT, "classification": word}))
    assert isinstance(found, Finding)
    assert found.ocsf["verdict_id"] == verdict
    assert found.vendor_verdict == (word or "")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({k: v for k, v in ALERT.items() if k != "id"}, "missing_id"),
        ({"id": "a", "title": "t"}, "missing_time"),
        ({**ALERT, "alertCreationTime": "yesterday"}, "bad_time"),
        ({"id": "m1", "computerDnsName": "pc"}, "not_an_alert"),
    ],
)
def test_an_alert_without_what_matters_is_quarantined(body, code) -> None:
    with pytest.raises(Quarantine) as caught:
        normalise.alert(SourceRecord(body))
    assert caught.value.code == code


def test_a_known_hole_is_a_vulnerability_finding_that_opens_no_case() -> None:
    found = normalise.vulnerability(SourceRecord(ROW))
    assert isinstance(found, Event)
    assert (found.class_uid, found.severity_id) == (2002, 4)
    assert found.ocsf["finding_info"]["title"] == "CVE-2026-30002 in chrome 129.0"
    assert found.uid == "m1-_-CVE-2026-30002-_-google-_-chrome-_-129.0"
    assert found.entities == (
        "device:pc-7.example.example",
        "device_id:defender_endpoint:m1", "cve:cve-2026-30002",
    )  # fmt: skip
    (told,) = found.ocsf["vulnerabilities"]
    assert told["cve"]["uid"] == "CVE-2026-30002"
    assert told["cve"]["cvss"][0]["base_score"] == 8.1
    assert (told["is_exploit_available"], told["is_fix_available"]) == (True, True)
    assert told["kb_article_list"] == [{"uid": "5044284"}]


def test_a_hole_that_was_closed_is_told_as_closed() -> None:
    told = {**ROW, "status": "Fixed", "eventTimestamp": "2026-03-02 03:04:05"}
    found = normalise.vulnerability(SourceRecord(told))
    before = normalise.vulnerability(SourceRecord(ROW))
    assert isinstance(found, Event)
    assert isinstance(before, Event)
    assert (found.uid, found.activity) == (before.uid, "cve-2026-30002 fixed")
    assert (found.ocsf["activity_name"], found.ocsf["status_id"]) == ("Close", 4)


def test_the_shorter_list_of_holes_names_the_same_hole() -> None:
    short = {
        "id": "x", "cveId": "CVE-2026-30002", "machineId": "m1", "fixingKbId": "5044284",
        "productName": "chrome", "productVendor": "google", "productVersion": "129.0",
        "severity": "High",
    }  # fmt: skip
    with pytest.raises(Quarantine) as caught:
        normalise.vulnerability(SourceRecord(short))
    assert caught.value.code == "missing_time"
    timed = normalise.vulnerability(SourceRecord({**short, "lastSeenTimestamp": "2026-02-02"}))
    full = normalise.vulnerability(SourceRecord(ROW))
    assert isinstance(timed, Event)
    assert isinstance(full, Event)
    assert timed.uid == full.uid


def test_a_row_without_a_hole_belongs_to_the_software() -> None:
    with pytest.raises(Quarantine, match="feed software"):
        normalise.vulnerability(SourceRecord({**ROW, "cveId": None}))


def test_a_program_belongs_to_its_computer() -> None:
    found = normalise.software(SourceRecord({**ROW, "numberOfWeaknesses": 3}))
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.name, found.parent) == ("software", "chrome 129.0", "m1")
    assert found.external_id == "m1-_-google-_-chrome-_-129.0"
    assert found.attributes["weaknesses"] == 3


def exchanges(name: str) -> list[dict[str, Any]]:
    folder = RECORDS / "microsoft-defender-endpoint/recorded-http"
    text = (folder / f"microsoft-endpoint-defender--{name}.ndjson").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


@needs_records
def test_recorded_machines_are_read_as_they_stand() -> None:
    bodies = [
        body
        for exchange in exchanges("iterateMachines_pagination")
        for body in exchange["body"]["value"]
    ]
    items = [
        normalise.machine(record)
        for exchange in exchanges("iterateMachines_pagination")
        if exchange["body"]["value"]
        for record in MANIFEST.explode(exchange)
    ]
    assert [i.external_id for i in items if isinstance(i, DirectoryItem)] == [
        b["id"] for b in bodies
    ]
    by_name = {i.name: i.attributes for i in items if isinstance(i, DirectoryItem)}
    server = by_name["virtualmachinee"]
    assert (server["is_server"], server["operating_system"]) == (True, "WindowsServer2012R2 6.3")
    assert server["last_seen_at"] == dt.datetime(2024, 4, 25, 11, 53, 23, 202983, dt.UTC)
    assert "00224831745C" in server["mac_addresses"]
    waiting = by_name["vm-cameron"]
    assert (waiting["is_onboarded"], waiting["onboarding"]) == (False, "CanBeOnboarded")
    sonar = by_name["sonarqube.us-central1-a.c.j1-gc-integration-dev-v3.internal"]
    assert "tags" not in sonar
    assert sonar["cloud_resource"].endswith("machines/sonarqube-4356273881400950770")


@needs_records
def test_simulated_machines_have_the_fields_of_recorded_ones(vendor, client) -> None:
    """The vendor's documentation lists fewer fields than its answers have."""
    recorded = [b for e in exchanges("iterateMachines") for b in e["body"]["value"]]
    recorded += [b for e in exchanges("iterateMachines_pagination") for b in e["body"]["value"]]
    simulated, _, _ = client.page("/machines", "Machine.Read.All")
    kinds: dict[str, set[type]] = {}
    for body in recorded:
        for name, value in body.items():
            kinds.setdefault(name, set()).update({type(value)} - {type(None)})
    assert simulated
    for body in simulated:
        assert body.keys() == kinds.keys()
        told = {name: value for name, value in body.items() if value is not None}
        # What was null in every recording may be of any kind.
        assert {n for n, v in told.items() if kinds[n] and type(v) not in kinds[n]} == set()
        assert {k for a in body["ipAddresses"] for k in a} == {
            k for b in recorded for a in b["ipAddresses"] for k in a
        }


@needs_records
def test_a_row_of_advanced_hunting_is_an_alert_too() -> None:
    path = RECORDS / "microsoft-defender/m365-defender-alerts-events"
    (record,) = MANIFEST.explode(json.loads(next(path.iterdir()).read_text().splitlines()[0]))
    found = normalise.alert(record)
    assert isinstance(found, Finding)
    assert found.title == "Regsvr32 Rundll32 Image Loads Abnormal Extension"
    assert (found.severity_id, found.category) == (4, "DefenseEvasion")
    assert found.techniques == ("T1218", "T1218.010", "T1218.011")
    assert found.time == dt.datetime(2025, 4, 21, 20, 51, 4, 58183, dt.UTC)
