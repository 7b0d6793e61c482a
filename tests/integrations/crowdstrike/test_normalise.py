"""What the normalisers make of Falcon's records."""

import datetime as dt

import pytest

from integrations import ocsf
from integrations.connectors.crowdstrike.manifest import MANIFEST
from integrations.simulators.crowdstrike import records
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Finding, SourceRecord

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
HOST = records.host("c" * 32, 1, NOW)
ALERT = records.alert(HOST, 1, NOW)
DETECTION = {
    "metadata": {"eventType": "EppDetectionSummaryEvent", "offset": 7, "customerIDString": "c",
                 "eventCreationTime": 1795000000000},
    "event": {
        "CompositeId": ALERT["composite_id"], "Name": "NGAV", "Severity": 4, "SeverityName": "High",
        "Tactic": "Credential Access", "Technique": "OS Credential Dumping",
        "MitreAttack": [{"TechniqueID": "T1003.001"}], "Hostname": "PC-001",
        "AgentIdString": HOST["device_id"], "UserName": "ann", "LocalIP": "10.20.0.11",
        "SHA256String": "AB" * 32, "FileName": "dumper.exe", "UTCTimestamp": 1795000000000,
        "FalconHostLink": "https://falcon.crowdstrike.com/x", "LogonDomain": "EXAMPLE",
    },
}  # fmt: skip
AUDIT = {
    "metadata": {"eventType": "AuthActivityAuditEvent", "offset": 8, "customerIDString": "c",
                 "eventCreationTime": 1795000000000},
    "event": {
        "OperationName": "grantUserRoles", "Success": True, "UserId": "ann@example.example",
        "UserIp": "203.0.113.9", "UTCTimestamp": "2024-07-22 21:32:49.000000000",
        "ServiceName": "CrowdStrike Authentication",
        "AuditKeyValues": [{"Key": "target_name", "ValueString": "bob@example.example"},
                           {"Key": "roles", "ValueString": "admin"},
                           {"Key": "roles", "ValueString": "reader"}],
    },
}  # fmt: skip
PROGRAM = {
    "event_simpleName": "ProcessRollup2", "aid": "a1", "aip": "198.51.100.7", "cid": "c",
    "event_platform": "Win", "timestamp": "1795000000000", "id": "e-1",
    "event": {"ImageFileName": "\\Device\\HarddiskVolume2\\Windows\\ps.exe", "RawProcessId": "31",
              "CommandLine": "ps.exe -e", "SHA256HashData": "cd" * 32, "TargetProcessId": "99",
              "SHA1HashData": "0" * 40, "ParentBaseFileName": "cmd.exe", "UserSid": "S-1-5-18"},
}  # fmt: skip


def read(feed: str, body: dict, **context):
    return MANIFEST.feed(feed).normalise(SourceRecord(body, context))


def test_a_host_is_a_device() -> None:
    found = read("hosts", HOST)
    assert isinstance(found, DirectoryItem)
    assert (found.kind, found.external_id, found.name) == ("device", HOST["device_id"], "PC-001")
    told = found.attributes
    assert (told["operating_system"], told["is_server"]) == ("Windows 11", False)
    assert (told["is_isolated"], told["local_ip"]) == (False, "10.20.0.11")


@pytest.mark.parametrize(
    ("status", "isolated"),
    [("normal", False), ("contained", True), ("lift_containment_pending", True),
     ("containment_pending", False), ("something new", None)],
)  # fmt: skip
def test_a_host_counts_as_isolated_until_it_is_let_back(status, isolated) -> None:
    assert read("hosts", {**HOST, "status": status}).attributes["is_isolated"] is isolated


def test_a_hidden_host_is_gone_and_a_mac_has_its_name() -> None:
    body = {**HOST, "host_hidden_status": "hidden", "platform_name": "Mac",
            "os_version": "Ventura (13)", "product_type_desc": "Server"}  # fmt: skip
    found = read("hosts", body)
    assert found.is_deleted
    assert found.attributes["operating_system"] == "macOS Ventura (13)"
    assert found.attributes["is_server"] is True


def test_an_alert_is_a_finding_about_its_host_and_user() -> None:
    found = read("alerts", ALERT)
    assert isinstance(found, Finding)
    assert (found.uid, found.class_uid) == (ALERT["composite_id"], ocsf.DETECTION_FINDING)
    assert (found.severity_id, found.category) == (2, "Credential Access")
    assert found.techniques == ("T1003", "T1003.001")
    assert (found.actor, found.target) == ("EXAMPLE\\user1", "PC-001")
    assert set(found.entities) == {
        "device:pc-001", f"device_id:crowdstrike:{HOST['device_id']}",
        "account:example\\user1", "ip:10.20.0.11",
        "ip:198.51.100.7", f"file:{ALERT['sha256']}",
        f"process_tree:crowdstrike:{HOST['device_id']}/1",
    }  # fmt: skip
    process = found.ocsf["evidences"][0]["process"]
    assert process["cmd_line"] == "dumper.exe -o out.dmp"
    assert process["file"]["hashes"] == [
        {"algorithm_id": 3, "algorithm": "SHA-256", "value": ALERT["sha256"]}
    ]


def test_the_stream_tells_of_the_same_finding_as_the_alert() -> None:
    found = read("event_stream", DETECTION)
    assert isinstance(found, Finding)
    assert (found.uid, found.severity_id) == (ALERT["composite_id"], 4)
    assert found.techniques == ("T1003.001",)
    assert {"device:pc-001", "account:example\\ann", f"file:{'ab' * 32}"} <= set(found.entities)


@pytest.mark.parametrize(
    ("changed", "severity"),
    [({"severity_name": "Critical"}, 5), ({"severity_name": "", "severity": 79}, 4),
     ({"severity_name": None, "severity": 100}, 5), ({"severity_name": None, "severity": 19}, 1),
     ({"severity_name": None, "severity": None}, 0), ({"severity_name": "Strange"}, 99)],
)  # fmt: skip
def test_how_severe_an_alert_is(changed, severity) -> None:
    assert read("alerts", {**ALERT, **changed}).severity_id == severity


@pytest.mark.parametrize(
    ("user", "domain", "sid", "account"),
    [("SYSTEM", "NT AUTHORITY", "S-1-5-18", None), ("PC-001$", "EXAMPLE", "", None),
     ("root", "", "0", None), ("ann", "", "S-1-5-21-1", "account:pc-001\\ann"),
     ("ann@example.example", "EXAMPLE", "", "account:ann@example.example")],
)  # fmt: skip
def test_the_systems_own_accounts_join_no_case_and_local_ones_only_their_computer(
    user, domain, sid, account
) -> None:
    changed = {"user_name": user, "logon_domain": domain, "user_id": sid}
    found = read("alerts", {**ALERT, **changed})
    assert [e for e in found.entities if e.startswith("account:")] == ([account] if account else [])


@pytest.mark.parametrize(
    ("lost", "code"),
    [(("composite_id", "id"), "missing_id"),
     (("created_timestamp", "timestamp", "context_timestamp"), "missing_time")],
)  # fmt: skip
def test_an_alert_without_what_matters_is_quarantined(lost, code) -> None:
    body = {name: value for name, value in ALERT.items() if name not in lost}
    with pytest.raises(Quarantine) as caught:
        read("alerts", body, url="/alerts/entities/alerts/v2")
    assert caught.value.code == code


def test_a_vulnerability_is_an_event_that_opens_no_case() -> None:
    hole = records.vulnerability(HOST, 4, NOW)
    found = read("vulnerabilities", hole)
    assert isinstance(found, Event)
    assert (found.class_uid, found.severity_id) == (ocsf.VULNERABILITY_FINDING, 4)
    assert "cve:cve-2026-10004" in found.entities
    (told,) = found.ocsf["vulnerabilities"]
    assert told["cve"]["uid"] == "CVE-2026-10004"
    assert told["cve"]["cvss"][0] == {
        "base_score": 7.8, "vector_string": hole["cve"]["vector"], "version": "3.1",
    }  # fmt: skip
    assert told["is_exploit_available"] is True
    closed = read("vulnerabilities", {**hole, "status": "closed"})
    assert closed.ocsf["activity_name"] == "Close"


def test_the_audit_tells_a_role_that_was_given() -> None:
    found = read("event_stream", AUDIT)
    assert (found.class_uid, found.ocsf["activity_name"]) == (ocsf.ACCOUNT_CHANGE, "Attach Policy")
    assert (found.actor, found.target) == ("ann@example.example", "bob@example.example")
    assert found.ocsf["unmapped"]["values"]["roles"] == "admin, reader"
    assert found.time.isoformat() == "2024-07-22T21:32:49+00:00"
    assert found.is_success is True


@pytest.mark.parametrize(
    ("operation", "class_uid", "activity"),
    [("userAuthenticate", ocsf.AUTHENTICATION, "Logon"),
     ("twoFactorAuthenticate", ocsf.AUTHENTICATION, "Logon"),
     ("deleteUser", ocsf.ACCOUNT_CHANGE, "Delete"),
     ("CreateAPIClient", ocsf.API_ACTIVITY, "Create"),
     ("DeleteAllowlistGroup", ocsf.API_ACTIVITY, "Delete"),
     ("quarantined_file_update", ocsf.API_ACTIVITY, "quarantined_file_update")],
)  # fmt: skip
def test_what_was_done_in_falcon(operation, class_uid, activity) -> None:
    body = {**AUDIT, "event": {**AUDIT["event"], "OperationName": operation}}
    found = read("event_stream", body)
    assert (found.class_uid, found.ocsf["activity_name"]) == (class_uid, activity)


def test_a_program_that_a_sensor_saw() -> None:
    found = read("event_stream", PROGRAM)
    assert (found.class_uid, found.target) == (ocsf.PROCESS_ACTIVITY, "ps.exe")
    process = found.ocsf["process"]
    assert (process["pid"], process["uid"]) == (31, "99")
    assert [h["value"] for h in process["file"]["hashes"]] == ["cd" * 32]
    assert set(found.entities) == {
        "device_id:crowdstrike:a1",
        "ip:198.51.100.7",
        f"file:{'cd' * 32}",
    }
    # The replicator's files have the same fields without the inner event.
    flat = {**PROGRAM["event"], **{k: v for k, v in PROGRAM.items() if k != "event"}}
    assert read("event_stream", flat).ocsf["process"] == process


@pytest.mark.parametrize(
    ("kind", "fields", "class_uid", "target"),
    [("DnsRequest", {"DomainName": "evil.example"}, ocsf.DNS_ACTIVITY, "evil.example"),
     ("NetworkConnectIP4", {"RemoteAddressIP4": "203.0.113.5", "RemotePort": "443"},
      ocsf.NETWORK_ACTIVITY, "203.0.113.5"),
     ("UserLogonFailed2", {"UserName": "ann", "LogonDomain": "EX"}, ocsf.AUTHENTICATION, "a1"),
     ("AgentOnline", {}, ocsf.BASE_EVENT, "a1")],
)  # fmt: skip
def test_what_else_sensors_see(kind, fields, class_uid, target) -> None:
    body = {"event_simpleName": kind, "aid": "a1", "timestamp": "1795000000000", **fields}
    found = read("event_stream", body)
    assert (found.class_uid, found.target, found.activity) == (class_uid, target, kind)
    if kind == "UserLogonFailed2":
        assert found.is_success is False


def test_an_event_of_a_kind_not_known_is_kept_whole() -> None:
    body = {"metadata": {"eventType": "FirewallMatchEvent", "offset": 1, "customerIDString": "c",
                         "eventCreationTime": 1795000000000},
            "event": {"RuleName": "r", "HostName": "PC-1", "DeviceId": "d1"}}  # fmt: skip
    found = read("event_stream", body)
    assert (found.class_uid, found.activity) == (ocsf.BASE_EVENT, "FirewallMatchEvent")
    assert found.uid == "c/1/1795000000000"
    assert found.ocsf["unmapped"]["RuleName"] == "r"
    assert set(found.entities) == {"device:pc-1", "device_id:crowdstrike:d1"}


def test_a_record_given_to_another_feed_is_read_as_what_it_is() -> None:
    assert isinstance(read("hosts", ALERT), Finding)
    assert isinstance(read("alerts", HOST), DirectoryItem)
    with pytest.raises(Quarantine) as caught:
        read("hosts", {"colour": "red"})
    assert caught.value.code == "not_recognised"
    with pytest.raises(Quarantine) as caught:
        read("hosts", {"id": "p"}, url="https://api.us-2.crowdstrike.com/policy/combined/x/v1?q=1")
    assert caught.value.code == "other_resource"
    assert "q=1" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "empty_record"), ({"_unparsed": "x"}, "unreadable_json"),
     ({"meta": {}, "errors": [{"code": 500}], "resources": None}, "error_answer"),
     ({"access_token": "x"}, "token_answer")],
)  # fmt: skip
def test_what_is_no_record(body, code) -> None:
    with pytest.raises(Quarantine) as caught:
        read("event_stream", body)
    assert caught.value.code == code


def test_an_error_of_falcon_in_a_recording_is_quarantined_with_its_status() -> None:
    told = {"meta": {}, "errors": [{"code": 429, "message": "API rate limit exceeded."}]}
    url = "https://api.crowdstrike.com/devices/entities/devices/v2"
    (record,) = MANIFEST.explode({"url": url, "status": 429, "body": told})
    assert record.context["quarantine"]["code"] == "error_answer"
    (record,) = MANIFEST.explode({"url": url, "status": 200, "body": told})
    with pytest.raises(Quarantine):
        MANIFEST.feed("hosts").normalise(record)
