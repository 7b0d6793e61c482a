"""Alerts that name the same program or what is called bad belong together, whoever tells."""

import datetime as dt
import uuid
from typing import Any

import pytest

from integrations import registry, traces
from integrations.alert_identity import alert_uid
from integrations.simulators.crowdstrike import records
from integrations.simulators.sentinelone import seeds
from integrations.simulators.wazuh import seeds as wazuh
from playbooks.correlation import Group, Partition, joining
from tenants.records import Finding, SourceRecord

NOW = dt.datetime(2026, 11, 20, 9, 0, tzinfo=dt.UTC)
HOST = records.host("c" * 32, 1, NOW)
AGENT = HOST["device_id"]
BEGAN = "2026-11-20T08:59:59.1234567Z"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
BAD_HASH = "ab" * 32


def read(connector: str, feed: str, body: dict[str, Any], **settings: str) -> Finding:
    """What the feed makes of a record: an alert."""
    found = registry.connector(connector).feed(feed)
    normalise = found.configured(settings) if found.configured else found.normalise
    made = normalise(SourceRecord(body))
    assert isinstance(made, Finding)
    return made


def of_kind(finding: Finding, kind: str) -> set[str]:
    """An alert's entities of a kind."""
    return {one for one in finding.entities if one.startswith(f"{kind}:")}


def are_one(*findings: Finding) -> bool:
    """Whether the alerts join one case although nothing but what is named here is shared."""
    partition = Partition()
    for finding in findings:
        shared = frozenset(
            one
            for one in joining(finding.entities)
            if one.startswith(("process_tree:", "indicator:", "file:", "message:"))
        )
        partition.add(Group(uuid.uuid4(), shared, NOW, NOW))
    return len(partition.together()) == 1


@pytest.mark.parametrize(
    ("value", "entity"),
    [
        ("203.0.113.9", ""), ("8.8.8.8", "indicator:8.8.8.8"), ("8.8.8.8:443", "indicator:8.8.8.8"),
        ("10.1.2.3", ""), ("127.0.0.1", ""), ("169.254.1.1", ""), ("fe80::1", ""), ("::", ""),
        ("2606:4700::1111", "indicator:2606:4700::1111"),
        ("Evil.Example", "indicator:evil.example"), ("evil", ""), ("printer.local", ""),
        ("dc1.corp.internal", ""), ("", ""), ("not a name", ""),
        ("https://Evil.example/A?b=1", "indicator:https://evil.example/a?b=1"),
        ("http://192.168.0.4/x", ""), ("http://intranet/x", ""), ("http://[bad/x", ""),
        (BAD_HASH.upper(), f"indicator:{BAD_HASH}"), (EMPTY, ""), ("0" * 64, ""),
        ("d41d8cd98f00b204e9800998ecf8427e", ""),
    ],
)  # fmt: skip
def test_what_strangers_share_is_called_bad_by_nobody(value, entity) -> None:
    assert traces.indicator(value) == entity


def test_a_number_of_a_program_tells_nothing_without_when_it_began() -> None:
    began = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert traces.process_tree("x", "pc", traces.started("7", began)).startswith(
        "process_tree:x:pc"
    )
    assert traces.process_tree("x", "pc", traces.started("7", None)) == ""
    assert traces.process_tree("x", "pc", traces.started("0", began)) == ""
    assert traces.process_tree("x", "", "7") == ""


@pytest.mark.parametrize("empty", [EMPTY, "da39a3ee5e6b4b0d3255bfef95601890afd80709", "0" * 32])
def test_an_empty_file_joins_nothing(empty) -> None:
    assert traces.files(empty) == ()
    assert joining([f"file:{empty}"]) == frozenset()
    assert traces.files(empty, BAD_HASH) == (f"file:{BAD_HASH}",)


def _falcon(number: int, **more: Any) -> Finding:
    alert = {**records.alert(HOST, number, NOW), "sha256": "", "sha1": "", "md5": "", **more}
    return read("crowdstrike", "alerts", alert)


def test_a_file_is_named_by_each_of_its_hashes() -> None:
    hashes = {"sha256": "a1" * 32, "sha1": "b2" * 20, "md5": "c3" * 16}
    named = {f"file:{one}" for one in hashes.values()}
    sensor = {"event_simpleName": "ProcessRollup2", "aid": AGENT, "timestamp": "1760000000000",
              "ImageFileName": "x.exe", "SHA256HashData": hashes["sha256"],
              "SHA1HashData": hashes["sha1"], "MD5HashData": hashes["md5"]}  # fmt: skip
    written = {"ActionType": "FileCreated", "DeviceName": "pc", "Timestamp": BEGAN,
               "SHA256": hashes["sha256"], "SHA1": hashes["sha1"],
               "MD5": hashes["md5"]}  # fmt: skip
    row = {"AlertId": "a1", "Title": "Odd", "Timestamp": BEGAN, **written}
    for connector, feed, record in (
        ("crowdstrike", "event_stream", sensor), ("microsoft365", "unified_audit", written),
        ("microsoft365", "alerts", row),
    ):  # fmt: skip
        found = registry.connector(connector).feed(feed).normalise(SourceRecord(record))
        assert named <= set(found.entities), connector
    assert named <= of_kind(_falcon(1, **hashes), "file")


def test_falcon_alerts_of_one_process_tree_are_one() -> None:
    parent = _falcon(1, triggering_process_graph_id=f"pid:{AGENT}:4711")
    child = _falcon(
        2, triggering_process_graph_id=f"pid:{AGENT}:4712",
        parent_details={"process_graph_id": f"pid:{AGENT}:4711"},
    )  # fmt: skip
    other = _falcon(3, triggering_process_graph_id=f"pid:{AGENT}:4799", tree_root="4700")
    streamed = read("crowdstrike", "event_stream", {
        "metadata": {"eventType": "EppDetectionSummaryEvent", "offset": 1},
        "event": {"CompositeId": "c:ind:a:9", "Name": "Later", "SeverityName": "High",
                  "AgentIdString": AGENT, "ProcessId": 4712, "UTCTimestamp": 1795165200,
                  "IOCType": "domain", "IOCValue": "evil.example"},
    })  # fmt: skip
    assert are_one(parent, child, streamed)
    assert not are_one(parent, other)
    assert of_kind(other, "process_tree") == {
        f"process_tree:crowdstrike:{AGENT}/4799", f"process_tree:crowdstrike:{AGENT}/4700"
    }  # fmt: skip
    assert of_kind(streamed, "indicator") == {"indicator:evil.example"}


def test_what_falcon_calls_an_indicator_joins_and_a_private_address_does_not() -> None:
    told = {"triggering_process_graph_id": "", "ioc_type": "domain"}
    one = _falcon(1, **told, ioc_value="evil.example")
    other = _falcon(2, **told, ioc_values=["Evil.example", "10.0.0.7", EMPTY])
    assert are_one(one, other)
    assert of_kind(other, "indicator") == {"indicator:evil.example"}


def test_threats_of_one_storyline_are_one() -> None:
    found = []
    for number in (1, 2):
        threat = seeds.threat(seeds.agent(3, NOW), number, NOW)
        info = {**threat["threatInfo"], "storyline": "9F2A", "sha1": "", "sha256": "", "md5": ""}
        found.append(read("sentinelone", "threats", {**threat, "threatInfo": info}))
    assert are_one(*found)
    assert of_kind(found[0], "process_tree") != set()


def _graph(number: int, *evidence: dict[str, Any]) -> Finding:
    alert = {
        "id": f"ad{number}", "title": f"Alert {number}", "severity": "high", "status": "new",
        "createdDateTime": BEGAN, "evidence": list(evidence),
    }  # fmt: skip
    return read("microsoft365", "alerts", alert)


def _program(number: int, parent: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.security.processEvidence", "mdeDeviceId": "d" * 40,
        "processId": number, "processCreationDateTime": BEGAN,
        "parentProcessId": parent or None, "parentProcessCreationDateTime": BEGAN, **more,
    }  # fmt: skip


def test_defenders_programs_are_the_same_by_graph_and_by_its_own_api() -> None:
    by_graph = _graph(1, _program(44))
    child = _graph(2, _program(45, parent=44))
    evidence = {
        "entityType": "Process", "processId": 45, "processCreationTime": BEGAN,
        "ipAddress": "8.8.4.4", "detectionStatus": "Blocked",
    }  # fmt: skip
    own = read("defender_endpoint", "alerts", {
        "id": "da1", "title": "Own", "severity": "High", "status": "New", "machineId": "d" * 40,
        "alertCreationTime": BEGAN, "evidence": [evidence],
    })  # fmt: skip
    assert are_one(by_graph, child, own)
    assert of_kind(own, "indicator") == {"indicator:8.8.4.4"}
    assert not are_one(by_graph, _graph(3, _program(44, processCreationDateTime=None)))
    assert not are_one(by_graph, _graph(4, _program(44, mdeDeviceId="e" * 40)))


def _ip(address: str, **more: Any) -> dict[str, Any]:
    kind = "#microsoft.graph.security.ipEvidence"
    return {"@odata.type": kind, "ipAddress": address, **more}


def test_only_what_microsoft_calls_bad_is_an_indicator() -> None:
    url = {
        "@odata.type": "#microsoft.graph.security.urlEvidence", "url": "https://evil.example/a",
        "verdict": "suspicious",
    }  # fmt: skip
    found = _graph(
        1, url, _ip("8.8.8.8", verdict="malicious"), _ip("8.8.4.4", verdict="suspicious"),
        _ip("1.1.1.1", roles=["commandAndControl"]), _ip("10.0.0.1", verdict="malicious"),
        _ip("9.9.9.9"),
    )  # fmt: skip
    assert of_kind(found, "indicator") == {
        "indicator:https://evil.example/a", "indicator:8.8.8.8", "indicator:1.1.1.1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "is_bad"),
    [("maliciousIPAddress", True), ("passwordSpray", True), ("newCountry", False)],
)
def test_a_risk_detection_that_calls_the_address_bad(kind, is_bad) -> None:
    told = read("microsoft365", "risk_detections", {
        "id": "r1", "riskEventType": kind, "riskLevel": "high", "riskState": "atRisk",
        "detectedDateTime": BEGAN, "ipAddress": "8.8.8.8", "userPrincipalName": "a@b.example",
    })  # fmt: skip
    assert of_kind(told, "indicator") == ({"indicator:8.8.8.8"} if is_bad else set())


def _wazuh(number: int, groups: list[str], **data: Any) -> Finding:
    alert = wazuh.alert(number, 3, NOW)["_source"]
    rule = {**alert["rule"], "level": 12, "groups": groups}
    return read("wazuh", "alerts", {**alert, "rule": rule, "data": data, "syscheck": {}})


def test_wazuh_tells_programs_by_sysmon_and_who_attacks() -> None:
    guid, other = "{12345678-90ab-cdef-1234-567890abcdef}", "{99999999-90ab-cdef-1234-567890abcdef}"
    parent = _wazuh(1, ["sysmon"], win={"eventdata": {"processGuid": guid}})
    child = _wazuh(
        2, ["sysmon"], win={"eventdata": {"processGuid": other, "parentProcessGuid": guid}}
    )
    assert are_one(parent, child)
    attack = _wazuh(1, ["web", "attack"], srcip="8.8.8.8")
    assert of_kind(attack, "indicator") == {"indicator:8.8.8.8"}
    assert not of_kind(_wazuh(1, ["web"], srcip="8.8.8.8"), "indicator")
    assert not of_kind(_wazuh(1, ["attack"], srcip="10.0.0.8"), "indicator")


def test_google_tells_messages_and_what_hangs_on_them() -> None:
    alert = {
        "alertId": "g1", "type": "Malware reclassification", "source": "Gmail phishing",
        "createTime": BEGAN, "data": {
            "sourceIp": "8.8.8.8",
            "messages": [{"messageId": "<m1@evil.example>", "recipient": "a@b.example",
                          "attachmentsSha256Hash": [BAD_HASH, EMPTY]}],
        },
    }  # fmt: skip
    told = read("google_workspace", "alerts", alert)
    assert of_kind(told, "file") == {f"file:{BAD_HASH}"}
    assert of_kind(told, "message") == {"message:m1@evil.example"}
    assert of_kind(told, "indicator") == {"indicator:8.8.8.8"}


def test_an_alert_without_an_id_is_known_again_as_before() -> None:
    """What was kept before programs and indicators were named is the same alert, not another."""
    told = {"title": "T", "began": NOW, "entities": ("device:pc", "ip:8.8.8.8")}
    before = alert_uid(**told)
    told["entities"] = (*told["entities"], "process_tree:x:pc/1", "indicator:8.8.8.8")
    assert alert_uid(**told) == before
