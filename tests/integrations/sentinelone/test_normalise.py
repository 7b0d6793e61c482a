"""What the normalisers make of SentinelOne's records."""

import datetime as dt

import pytest

from integrations import ocsf
from integrations.connectors.sentinelone.manifest import MANIFEST
from integrations.connectors.sentinelone.normalise.threats import is_quarantined, was_done
from integrations.simulators.sentinelone import seeds
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Finding, SourceRecord

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
AGENT = seeds.agent(3, NOW)
THREAT = seeds.threat(AGENT, 3, NOW)
ALERT = {
    "activitytype": 3608, "id": "5423", "agentid": "77", "createdat": "2022-12-07 17:36:05.076",
    "primarydescription": "Alert created for sshd from Custom Rule: r.", "siteid": "9",
    "data": {"alertid": "157", "severity": "E_CRITICAL", "rulename": "r", "agentipv4": "1.2.3.4",
             "detectedat": "2022-12-07T17:35:48Z", "dstip": "", "ruleid": "1"},
}  # fmt: skip


def read(feed: str, body: dict, **context):
    return MANIFEST.feed(feed).normalise(SourceRecord(body, context))


def changed(**info) -> dict:
    return {**THREAT, "threatInfo": {**THREAT["threatInfo"], **info}}


def test_an_agent_is_a_device() -> None:
    found = read("agents", AGENT)
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.external_id, found.name) == ("device", AGENT["id"], "PC-003")
    told = found.attributes
    assert (told["operating_system"], told["is_server"]) == ("Windows 11 Pro", False)
    assert (told["local_ip"], told["mac_address"]) == ("10.30.0.13", "00:00:5e:00:53:03")
    assert not found.is_deleted
    assert read("agents", seeds.agent(0, NOW)).attributes["is_server"] is True
    assert read("agents", {**AGENT, "isUninstalled": True}).is_deleted


@pytest.mark.parametrize(
    ("status", "isolated"),
    [("connected", False), ("disconnecting", False), ("disconnected", True), ("connecting", True),
     ("new word", None)],
)  # fmt: skip
def test_a_computer_counts_as_isolated_until_it_is_reconnected(status, isolated) -> None:
    found = read("agents", {**AGENT, "networkStatus": status})
    assert found.attributes["is_isolated"] is isolated


def test_a_threat_is_a_finding_about_its_computer_and_user() -> None:
    found = read("threats", THREAT)
    assert isinstance(found, Finding)
    assert (found.uid, found.severity_id) == (THREAT["id"], 4)
    assert found.title == "Malicious file update3.exe (Malware)"
    assert (found.category, found.techniques) == ("Malware", ("T1003.001",))
    assert (found.actor, found.target) == ("EXAMPLE\\user3", "PC-003")
    assert set(found.entities) == {
        "device:pc-003", f"device_id:sentinelone:{AGENT['id']}",
        "account:example\\user3", "ip:10.30.0.13",
        "ip:198.51.100.7",
        *(f"file:{THREAT['threatInfo'][name]}" for name in ("sha256", "sha1")),
        f"process_tree:sentinelone:{AGENT['id']}/s000000000000003",
    }  # fmt: skip
    (evidence,) = found.ocsf["evidences"]
    assert [one["algorithm"] for one in evidence["file"]["hashes"]] == ["SHA-256", "SHA-1"]
    assert evidence["process"]["name"] == "explorer.exe"


@pytest.mark.parametrize(
    ("info", "title", "severity"),
    [({"confidenceLevel": "suspicious"}, "Suspicious file update3.exe (Malware)", 3),
     ({"isFileless": True, "classification": ""}, "Malicious program update3.exe", 4),
     ({"confidenceLevel": "n/a"}, "Suspicious file update3.exe (Malware)", 0),
     ({"confidenceLevel": "quite"}, "Suspicious file update3.exe (Malware)", 99)],
)  # fmt: skip
def test_how_sure_a_threat_is(info, title, severity) -> None:
    found = read("threats", changed(**info))
    assert (found.title, found.severity_id) == (title, severity)


@pytest.mark.parametrize(
    ("info", "code"),
    [({"createdAt": None, "identifiedAt": None}, "missing_time"),
     ({"createdAt": "yesterday"}, "bad_time")],
)  # fmt: skip
def test_a_threat_without_what_matters_is_quarantined(info, code) -> None:
    with pytest.raises(Quarantine) as caught:
        read("threats", changed(**info))
    assert caught.value.code == code


def done(action: str, status: str, second: int) -> dict:
    return {"action": action, "status": status, "lastUpdate": f"2026-01-02T03:04:{second:02d}Z"}


@pytest.mark.parametrize(
    ("mitigations", "expected"),
    [([], False), ([done("quarantine", "success", 1)], True),
     ([done("quarantine", "failed", 1)], False), ([done("quarantine", "pending", 1)], False),
     ([done("quarantine", "success", 1), done("unquarantine", "success", 2)], False),
     ([done("unquarantine", "success", 2), done("quarantine", "success", 3)], True),
     ([done("quarantine", "success", 1), done("unquarantine", "failed", 2)], True)],
)  # fmt: skip
def test_a_file_is_locked_away_as_the_last_thing_that_worked_says(mitigations, expected) -> None:
    assert is_quarantined(Fields({"mitigationStatus": mitigations})) is expected


def test_what_was_done_last_counts() -> None:
    told = [done("kill", "success", 1), done("kill", "success", 5), done("kill", "failed", 9)]
    assert was_done(Fields({"mitigationStatus": told}), "kill").second == 5
    assert was_done(Fields({}), "kill") is None


def test_an_alert_of_an_own_rule_is_a_finding() -> None:
    found = read("activities", ALERT)
    assert isinstance(found, Finding)
    assert (found.uid, found.title, found.severity_id) == ("157", "Rule r", 5)
    assert set(found.entities) == {"device_id:sentinelone:77", "ip:1.2.3.4"}
    assert found.first_activity_at.isoformat() == "2022-12-07T17:35:48+00:00"


@pytest.mark.parametrize(
    ("kind", "class_uid", "activity", "success"),
    [(27, ocsf.AUTHENTICATION, "Logon", True), (133, ocsf.AUTHENTICATION, "Logon", False),
     (33, ocsf.AUTHENTICATION, "Logoff", True), (23, ocsf.ACCOUNT_CHANGE, "Create", True),
     (90, ocsf.API_ACTIVITY, "Activity 90", None)],
)  # fmt: skip
def test_activities_are_events(kind, class_uid, activity, success) -> None:
    body = {
        "id": "1", "activityType": kind, "createdAt": "2026-01-02T03:04:05Z", "agentId": "a",
        "primaryDescription": "It happened.",
        "data": {"username": "ann@example.example", "computerName": "PC-1"},
    }  # fmt: skip
    found = read("activities", body)
    assert isinstance(found, Event)
    assert (found.class_uid, found.ocsf["activity_name"]) == (class_uid, activity)
    assert found.is_success is success
    assert set(found.entities) == {
        "device:pc-1",
        "device_id:sentinelone:a",
        "account:ann@example.example",
    }


def test_a_record_is_read_as_what_it_is_and_what_is_none_is_refused() -> None:
    assert isinstance(read("agents", THREAT), Finding)
    assert isinstance(read("threats", AGENT), DirectoryItem)
    for body, code in (
        ({}, "empty_record"), ({"colour": "red"}, "not_recognised"),
        ({"errors": [{"code": 4010010, "title": "Authentication Failed"}]}, "error_answer"),
    ):  # fmt: skip
        with pytest.raises(Quarantine) as caught:
            read("threats", body)
        assert caught.value.code == code


def test_answers_are_taken_apart() -> None:
    url = "https://usea1-example.sentinelone.net/web/api/v2.1/threats?cursor=x"
    page = {"data": [THREAT], "pagination": {"nextCursor": None, "totalItems": 1}}
    (record,) = MANIFEST.explode({"url": url, "status": 200, "body": page})
    assert record.body["id"] == THREAT["id"]
    refused = {"errors": [{"code": 4290000, "title": "Too many requests"}]}
    (record,) = MANIFEST.explode({"url": url, "status": 429, "body": refused})
    assert record.context["quarantine"]["code"] == "error_answer"
