"""What the normalisers make of Wazuh's records."""

import datetime as dt

import pytest

from integrations import ocsf
from integrations.connectors.wazuh.manifest import MANIFEST
from integrations.errors import ConnectionMisconfigured
from integrations.simulators.wazuh import seeds
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Finding, SourceRecord

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
DUMP = seeds.alert(0, 1, NOW)["_source"]
SSH = seeds.alert(1, 3, NOW)["_source"]
HOLE = seeds.vulnerability(3, 0, NOW)["_source"]
NOTICE = {
    "message": "A package.", "severity": "info", "created_at": "2025-02-03T21:41:42.853014+01.00",
    "description": "Rule ID 2902\nLevel 7\nAgent ID 001\nAgent Name test\nTitle New package.\n"
    "Full Log installed rsync\n",
}  # fmt: skip


def read(feed: str, body: dict, url: str = "", **settings: str):
    record = SourceRecord(body, {"url": url} if url else {})
    return MANIFEST.feed(feed).normaliser(settings)(record)


def code_of(body: dict, url: str = "") -> str:
    with pytest.raises(Quarantine) as caught:
        read("alerts", body, url)
    assert caught.value.reason.endswith(".")
    return caught.value.code


def changed(body: dict, **more) -> dict:
    return {**body, **more}


def test_an_alert_is_a_finding_about_its_computer() -> None:
    found = read("alerts", DUMP)
    assert isinstance(found, Finding)
    assert (found.title, found.severity_id) == ("LSASS process was accessed.", 4)
    assert (found.techniques, found.target) == (("T1003.001",), "PC-001")
    assert found.uid == f"wazuh-manager {DUMP['id']}"
    assert set(found.entities) == {
        "account:pc-001\\ann", "ip:198.51.100.0", "device:pc-001", "device_id:wazuh:001",
    }  # fmt: skip
    assert found.ocsf["finding_info"]["analytic"]["uid"] == "92900"


@pytest.mark.parametrize(
    ("location", "names_it"),
    [("office365", False), ("Wazuh-AWS", False), ("10.0.0.9", False),
     ("/var/log/auth.log", True), ("journald", True), ("", True)],
)  # fmt: skip
def test_what_the_manager_passes_on_is_not_about_its_own_computer(location, names_it) -> None:
    """Else all that a client's cloud services and firewalls tell would be one case."""
    told = changed(DUMP, location=location, agent={"id": "000", "name": "wazuh-manager"})
    devices = {one for one in read("alerts", told).entities if one.startswith("device")}
    assert devices == ({"device:wazuh-manager", "device_id:wazuh:000"} if names_it else set())


def test_an_alert_of_a_low_level_is_an_event() -> None:
    found = read("alerts", SSH)
    assert isinstance(found, Event)
    assert (found.class_uid, found.is_success, found.severity_id) == (ocsf.AUTHENTICATION, False, 2)
    assert (found.actor, found.source_ip) == ("PC-003\\ann", "198.51.100.1")
    assert isinstance(read("alerts", SSH, alert_from="5"), Finding)
    assert isinstance(read("alerts", DUMP, alert_from="17"), Event)
    for wrong in ("18", "high", "-1"):
        with pytest.raises(ConnectionMisconfigured, match="alert_from"):
            read("alerts", SSH, alert_from=wrong)


@pytest.mark.parametrize(
    ("level", "severity"),
    [(0, 1), (2, 1), (3, 2), (6, 2), (7, 3), (11, 3), (12, 4), (14, 4), (15, 5), (16, 5)],
)  # fmt: skip
def test_levels(level, severity) -> None:
    body = changed(DUMP, rule={**DUMP["rule"], "level": level})
    assert read("alerts", body).severity_id == severity


def test_a_windows_alert_names_its_accounts_and_file() -> None:
    data = {"win": {"eventdata": {
        "subjectUserName": "PC-001$", "targetUserName": "ann", "targetDomainName": "CORP",
        "ipAddress": "::1", "image": "C:\\Temp\\mimi.exe",
        "hashes": "SHA256=" + "ab" * 32 + ",MD5=" + "cd" * 16}}}  # fmt: skip
    found = read("alerts", changed(DUMP, data=data))
    assert found.actor == "CORP\\ann"
    assert {f"file:{'ab' * 32}", "account:corp\\ann"} <= set(found.entities)
    assert not any(one.startswith("ip:") for one in found.entities)
    assert found.ocsf["evidences"][0]["file"]["name"] == "mimi.exe"


def test_a_changed_file_is_told() -> None:
    check = {"path": "/etc/passwd", "sha256_after": "ab" * 32, "event": "modified"}
    found = read("alerts", changed(DUMP, data={}, syscheck=check))
    assert f"file:{'ab' * 32}" in found.entities


@pytest.mark.parametrize("wrap", ["all_fields", "_source"])
def test_what_others_put_around_an_alert_is_taken_off(wrap) -> None:
    assert read("alerts", {wrap: DUMP, "id": "x"}) == read("alerts", DUMP)


def test_a_notice_of_an_alert_is_read_by_its_lines() -> None:
    found = read("alerts", NOTICE)
    assert isinstance(found, Finding)
    assert (found.title, found.severity_id, found.target) == ("New package.", 3, "test")
    assert found.time.isoformat() == "2025-02-03T20:41:42.853014+00:00"
    assert found.description == "installed rsync"
    assert code_of(changed(NOTICE, description="Something")) == "no_level"
    assert code_of(changed(NOTICE, created_at="soon")) == "bad_time"


def test_a_hole_is_an_event_and_opens_no_case() -> None:
    found = read("vulnerabilities", HOLE)
    assert isinstance(found, Event)
    assert (found.class_uid, found.severity_id) == (ocsf.VULNERABILITY_FINDING, 5)
    assert set(found.entities) == {"device:pc-003", "device_id:wazuh:003", "cve:cve-2025-10000"}
    (hole,) = found.ocsf["vulnerabilities"]
    assert hole["cve"]["cvss"][0]["base_score"] == 9.8
    assert hole["affected_packages"][0]["fixed_in_version"] == "1.1"
    assert read("vulnerabilities", seeds.vulnerability(3, 2, NOW)["_source"]).severity_id == 0


@pytest.mark.parametrize(("status", "name"), [("Active", "Create"), ("Solved", "Close")])
def test_an_alert_of_a_hole_is_an_event_too(status, name) -> None:
    hole = {"cve": "CVE-2025-1", "severity": "High", "status": status, "title": "t",
            "package": {"name": "curl", "version": "1"}}  # fmt: skip
    found = read("alerts", changed(DUMP, data={"vulnerability": hole}))
    assert isinstance(found, Event)
    assert (found.ocsf["activity_name"], found.severity_id) == (name, 4)


def test_an_agent_is_a_device() -> None:
    found = read("agents", seeds.agent(1, NOW, ["a"]))
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.external_id, found.name) == ("device", "001", "PC-001")
    told = found.attributes
    assert (told["is_server"], told["is_active"], told["local_ip"]) == (True, True, "10.40.0.1")
    assert told["groups"] == ["a"]
    assert read("agents", seeds.agent(2, NOW, [])).attributes["is_server"] is False
    assert read("agents", seeds.agent(3, NOW, [])).attributes["is_server"] is None


def test_what_is_on_a_computer() -> None:
    package = seeds.packages(3, NOW)[0]
    found = read("inventory", package)
    assert (found.kind, found.parent, found.name) == ("software", "003", "openssl 3.0.2")
    fixed = read("inventory", {"hotfix": "KB1", "scan": {"id": 1}}, "/syscollector/002/hotfixes")
    assert (fixed.external_id, fixed.parent) == ("002|KB1", "002")
    port = {"local": {"ip": "0.0.0.0", "port": 22}, "remote": {"ip": "0.0.0.0", "port": 0},
            "protocol": "tcp", "agent_id": "003",
            "scan": {"time": "2026-01-01T00:00:00Z"}}  # fmt: skip
    heard = read("inventory", port)
    assert (heard.class_uid, heard.activity) == (ocsf.DEVICE_INVENTORY, "ports tcp 0.0.0.0 22")


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "empty_record"), ({"colour": "red"}, "not_recognised"),
     (changed(DUMP, rule={"id": "1"}), "no_level"),
     (changed(DUMP, rule={**DUMP["rule"], "level": 99}), "no_level"),
     (changed(DUMP, timestamp=None, **{"@timestamp": None}), "missing_time"),
     (changed(DUMP, timestamp="soon"), "bad_time"),
     ({"hotfix": "KB1", "scan": {}}, "no_agent"),
     (changed(HOLE, agent={"name": "x"}), "missing_id")],
    ids=str,
)  # fmt: skip
def test_what_can_not_be_read_is_quarantined(body, code) -> None:
    assert code_of(body) == code


def test_answers_are_taken_apart_and_secrets_out_of_them() -> None:
    page = {"data": {"affected_items": [seeds.agent(1, NOW, [])], "total_affected_items": 1,
                     "total_failed_items": 0, "failed_items": []},
            "message": "x", "error": 0}  # fmt: skip
    assert len(MANIFEST.explode(page)) == 1
    hits = {"took": 1, "hits": {"total": {}, "hits": [{"_id": "1", "_source": DUMP}]}}
    (record,) = MANIFEST.explode(hits)
    assert read("alerts", dict(record.body)) == read("alerts", DUMP)
    (alert,) = MANIFEST.explode(DUMP)
    assert alert.body == DUMP
    answer = {"data": {"token": "very-secret"}, "error": 0}
    for told in (answer, {"url": "https://w/security/user/authenticate", "status": 200,
                          "body": answer}):  # fmt: skip
        assert "very-secret" not in repr(MANIFEST.explode(told))
