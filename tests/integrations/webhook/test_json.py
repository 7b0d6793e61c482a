"""OCSF that is checked and kept, and JSON by a mapping."""

import json

import pytest

from integrations import ocsf
from integrations.connectors.webhook import mapping
from integrations.connectors.webhook.manifest import MANIFEST
from integrations.errors import ConnectionMisconfigured
from tenants.errors import Quarantine
from tenants.records import Event, Finding, SourceRecord

BASE = {"activity_id": 1, "category_uid": 3, "class_uid": 3002, "type_uid": 300201,
        "severity_id": 1, "time": 1764064800000,
        "metadata": {"version": "1.8.0", "product": {"name": "IdP"}}}  # fmt: skip
SIGN_IN = BASE | {
    "activity_name": "Logon", "status_id": 2, "user": {"name": "ann@example.example"},
    "src_endpoint": {"ip": "203.0.113.9", "location": {"country": "NL"}},
    "dst_endpoint": {"hostname": "vpn1"},
}  # fmt: skip
DETECTION = BASE | {
    "class_uid": 2004, "category_uid": 2, "type_uid": 200401, "severity_id": 4,
    "confidence_score": 80, "status": "New",
    "finding_info": {"uid": "f1", "title": "Beacon", "desc": "It calls home.", "types": ["c2"],
                     "attacks": [{"technique": {"uid": "T1071"},
                                  "sub_technique": {"uid": "T1071.001"}}]},
    "device": {"hostname": "PC-7"},
    "evidences": [{"dst_endpoint": {"ip": "198.51.100.1"}, "process": {"file": {"hashes": [
        {"algorithm_id": 1, "value": "9e107d9d372bb6826bd81d3542a419d6"}]}}}],
}  # fmt: skip
RULE = {"uid": "id", "time": "at", "title": "what"}


def read(feed: str, body: dict, told: object = None):
    settings = {"mapping": json.dumps(told)} if told is not None else {}
    return MANIFEST.feed(feed).normaliser(settings)(SourceRecord(body))


def code_of(feed: str, body: dict, told: object = None) -> str:
    with pytest.raises(Quarantine) as caught:
        read(feed, body, told)
    assert caught.value.reason.endswith(".")
    return caught.value.code


def test_an_ocsf_event_is_kept_as_it_came() -> None:
    found = read("ocsf", SIGN_IN)
    assert isinstance(found, Event)
    assert found.ocsf == SIGN_IN
    assert (found.class_uid, found.is_success, found.country) == (3002, False, "NL")
    assert (found.actor, found.target) == ("ann@example.example", "vpn1")
    assert set(found.entities) == {
        "account:ann@example.example", "device:vpn1", "ip:203.0.113.9",
    }  # fmt: skip
    assert found.uid == read("ocsf", SIGN_IN).uid != read("ocsf", SIGN_IN | {"status_id": 1}).uid


def test_an_ocsf_detection_is_a_finding() -> None:
    found = read("ocsf", DETECTION)
    assert isinstance(found, Finding)
    assert (found.uid, found.title, found.severity_id) == ("IdP f1", "Beacon", 4)
    assert (found.confidence, found.techniques, found.category) == (80, ("T1071.001",), "c2")
    assert set(found.entities) == {
        "device:pc-7", "ip:198.51.100.1", "file:9e107d9d372bb6826bd81d3542a419d6",
    }  # fmt: skip


@pytest.mark.parametrize("class_uid", [2002, 2003])
def test_holes_and_failed_checks_open_no_case(class_uid) -> None:
    body = DETECTION | {"class_uid": class_uid, "type_uid": class_uid * 100 + 1}
    assert isinstance(read("ocsf", body), Event)


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"class_uid": None}, "not_ocsf"), ({"class_uid": 999999}, "not_ocsf"),
     ({"severity_id": 7}, "not_ocsf"), ({"severity_id": "bad"}, "not_ocsf"),
     ({"type_uid": 300299}, "not_ocsf"), ({"time": None}, "missing_time"),
     ({"time": "soon"}, "bad_time"), ({"metadata": {}}, "ocsf_version"),
     ({"metadata": {"version": "2.0.0"}}, "ocsf_version"), ({"activity_id": None}, "not_ocsf")],
    ids=str,
)  # fmt: skip
def test_what_is_no_ocsf_is_quarantined(changed, code) -> None:
    assert code_of("ocsf", SIGN_IN | changed) == code


def test_a_finding_needs_a_title() -> None:
    assert code_of("ocsf", DETECTION | {"finding_info": {"uid": "x"}}) == "missing_title"


def test_a_mapping_says_which_field_is_what() -> None:
    told = {
        "uid": "meta.id", "time": "meta.at", "title": ["summary", "name"],
        "severity": {"from": "prio", "values": {"P1": "critical"}, "otherwise": "low"},
        "category": {"value": "Backup"}, "techniques": "mitre", "confidence": "sure",
        "actor": "users.0.mail",
        "entities": {"account": "users.mail", "ip": ["net.src", "net.dst"], "file": "hash"},
    }  # fmt: skip
    body = {
        "meta": {"id": 7, "at": 1764064800}, "name": "Odd", "prio": "P1", "sure": "90",
        "mitre": ["T1486", "other"], "users": [{"mail": "a@x.example"}, {"mail": "b@x.example"}],
        "net": {"src": "203.0.113.9:443", "dst": "nowhere"}, "hash": "0" * 63 + "a",
    }  # fmt: skip
    found = read("json", body, told)
    assert isinstance(found, Finding)
    assert (found.uid, found.title, found.severity_id, found.category) == ("7", "Odd", 5, "Backup")
    assert (found.actor, found.techniques, found.confidence) == ("a@x.example", ("T1486",), 90)
    assert found.entities == (
        "account:a@x.example", "account:b@x.example", "ip:203.0.113.9", f"file:{'0' * 63}a",
    )  # fmt: skip
    assert read("json", {**body, "prio": "P9"}, told).severity_id == 2
    assert found.ocsf["unmapped"] == body


def test_an_id_counts_at_its_own_source_and_its_last_change_is_told() -> None:
    body = {"id": 7, "at": "2026-01-01T00:00:00Z", "what": "w", "changed": "2026-01-02T00:00:00Z"}
    settings = {
        "mapping": json.dumps(RULE | {"updated": "changed"}), "connection": "backup",
    }  # fmt: skip
    found = MANIFEST.feed("json").normaliser(settings)(SourceRecord(body))
    assert found.uid == "backup 7"
    assert found.ocsf["finding_info"]["modified_time"] == 1767312000000


def test_events_of_two_sources_that_count_alike_are_two() -> None:
    told = RULE | {"kind": "event"}
    body = {"id": 17, "at": "2026-01-01T00:00:00Z", "what": "w"}
    found = [
        MANIFEST.feed("json").normaliser({"mapping": json.dumps(told), "connection": name})
        (SourceRecord(body))
        for name in ("backup", "door")
    ]  # fmt: skip
    assert [one.uid for one in found] == ["backup 17", "door 17"]
    assert found[0].ocsf["metadata"]["uid"] == "backup 17"
    products = ({"name": "IdP"}, {"vendor_name": "Acme"}, {})
    metadata = ({"version": "1.8.0", "uid": "17", "product": one} for one in products)
    assert [read("ocsf", SIGN_IN | {"metadata": one}).uid for one in metadata] == [
        "IdP 17", "Acme 17", "17",
    ]  # fmt: skip


def test_times_without_a_zone_are_of_the_connections_zone() -> None:
    settings = {"mapping": json.dumps(RULE), "time_zone": "Asia/Tokyo"}
    body = {"id": 7, "at": "2026-01-01 09:00:00", "what": "w"}
    found = MANIFEST.feed("json").normaliser(settings)(SourceRecord(body))
    assert found.time.isoformat() == "2026-01-01T00:00:00+00:00"


def test_the_systems_own_accounts_are_nobody_that_a_case_is_about() -> None:
    told = RULE | {"entities": {"account": "who"}}
    body = {"id": 7, "at": "2026-01-01", "what": "w"}
    for name in ("SYSTEM", "NT AUTHORITY\\\\SYSTEM", "PC-7$", "root"):
        assert read("json", body | {"who": name}, told).entities == ()


def test_the_first_rule_that_fits_reads_a_record() -> None:
    told = [
        {"when": {"type": ["alert", "1"]}, **RULE},
        {"when": {"type": "login"}, "kind": "event", "class": "authentication", "time": "at",
         "success": "ok", "source_ip": "ip", "country": "land", "activity": "type"},
    ]  # fmt: skip
    at = "2026-01-01T00:00:00Z"
    assert isinstance(read("json", {"type": 1, "id": "x", "at": at, "what": "w"}, told), Finding)
    found = read(
        "json", {"type": "login", "at": at, "ok": False, "ip": "1.2.3.4", "land": "de"}, told
    )
    assert isinstance(found, Event)
    assert (found.class_uid, found.is_success) == (ocsf.AUTHENTICATION, False)
    assert (found.source_ip, found.country, found.activity) == ("1.2.3.4", "DE", "login")
    assert code_of("json", {"type": "noise"}, told) == "not_mapped"


@pytest.mark.parametrize(
    ("body", "code"),
    [({"at": "2026-01-01T00:00:00Z", "what": "w"}, "missing_uid"), ({"id": "1"}, "missing_time"),
     ({"id": "1", "at": "2026-01-01T00:00:00Z"}, "missing_title"),
     ({"id": "1", "at": "soon", "what": "w"}, "bad_time")],
)  # fmt: skip
def test_a_record_without_what_matters_is_quarantined(body, code) -> None:
    assert code_of("json", body, RULE) == code


def test_without_a_mapping_everything_is_kept_for_later() -> None:
    assert code_of("json", {"id": "1"}) == "no_mapping"


@pytest.mark.parametrize(
    ("told", "place"),
    [("x", "mapping: a rule"), ([], "no rule"), (RULE | {"colour": "x"}, "mapping.colour"),
     ({"uid": "id", "title": "t"}, "mapping.time"), (RULE | {"kind": "alarm"}, "mapping.kind"),
     (RULE | {"class": "other"}, "mapping.class"),
     ({"kind": "event", "time": "at", "class": "x"}, "mapping.class"),
     (RULE | {"severity": {"values": {}}}, "mapping.severity"),
     (RULE | {"uid": "a..b"}, "mapping.uid"),
     (RULE | {"uid": 7}, "mapping.uid"), (RULE | {"when": "x"}, "mapping.when"),
     (RULE | {"entities": {"colour": "x"}}, "mapping.entities"),
     (RULE | {"severity": {"value": "high", "from": "x"}}, "mapping.severity"),
     (RULE | {"severity": {"from": "x", "values": []}}, "mapping.severity.values"),
     ([RULE, {"time": "at"}], r"mapping\[1\].title")],
    ids=str,
)  # fmt: skip
def test_a_mapping_that_is_wrong_says_where(told, place) -> None:
    with pytest.raises(ConnectionMisconfigured, match=place):
        mapping.parse(json.dumps(told))


def test_a_mapping_that_is_no_json_or_too_long_is_refused() -> None:
    for text in ("{", "[" * 100_000, " " * 70_000):
        with pytest.raises(ConnectionMisconfigured, match="mapping"):
            mapping.parse(text)


def test_records_are_taken_out_of_lists_and_of_an_object_around_one() -> None:
    one, two = {"id": 1}, {"id": 2}
    for document in ([one, two], {"events": [one, two]}):
        assert [record.body for record in MANIFEST.explode(document)] == [one, two]
    both = {"id": 1, "list": [two]}
    assert [record.body for record in MANIFEST.explode(both)] == [both]
    for nothing in (7, None, "x", {}, [[]]):
        (record,) = MANIFEST.explode(nothing)
        assert record.context["quarantine"]["code"] == "not_an_object"
