"""Feeds over real HTTP: cursors, overlap, changes, removals, and conformity with the contract."""

import datetime as dt
import json
from typing import Any

import pytest

from integrations.connectors.microsoft365.manifest import MANIFEST
from integrations.errors import PermissionMissing, Throttled
from tenants.records import DirectoryItem, Event, Finding, Normalised
from tests.contracts.published import GRAPH_CONTRACT, WHY_ABSENT, assert_conforms
from tests.integrations.conformance import driving
from tests.integrations.microsoft365.conftest import Vendor
from tests.integrations.simulators.fixtures import running_simulator

FETCHED = [feed.name for feed in MANIFEST.feeds if feed.fetch is not None]
FROM_FILES_ONLY = {"azure_activity"}


def sweep(client: Any, name: str, cursor: dict | None = None) -> tuple[list[Normalised], dict]:
    """Read a feed until it has no more."""
    return driving.sweep(MANIFEST, client, name, cursor)


def test_every_feed_of_the_issue_is_there() -> None:
    assert {f.name for f in MANIFEST.feeds} == {
        "alerts", "incidents", "sign_ins", "risk_detections", "risky_users", "directory_audit",
        "unified_audit", "users", "roles", "groups", "auth_methods", "inbox_rules",
        "mailbox_settings", "oauth_grants", "service_principals", "policies", "message_trace",
        "azure_activity",
    }  # fmt: skip
    assert set(FETCHED) == {f.name for f in MANIFEST.feeds} - FROM_FILES_ONLY


@pytest.mark.parametrize("name", FETCHED)
def test_each_feed_is_read_whole_and_its_second_reading_loses_nothing(client, name) -> None:
    first, cursor = sweep(client, name)
    assert first
    again, _ = sweep(client, name, cursor)
    assert len(again) <= len(first)


@pytest.mark.parametrize("name", FETCHED)
def test_each_feed_works_with_exactly_the_permissions_of_the_manifest(vendor, name) -> None:
    vendor.control.permissions(list(MANIFEST.feed(name).permissions), vendor.tenant["id"])
    client = vendor.connect()
    found, _ = sweep(client, name)
    assert found
    client.close()


@pytest.mark.parametrize("name", ["alerts", "sign_ins", "users", "auth_methods", "roles"])
def test_a_reader_that_stops_after_every_page_misses_nothing(client, name) -> None:
    feed = MANIFEST.feed(name)
    whole, _ = sweep(client, name)
    cursor: dict[str, Any] = {}
    found: list[Normalised] = []
    for _ in range(100):
        page = next(feed.fetch(client, cursor))
        cursor = json.loads(json.dumps(dict(page.cursor)))
        found += [feed.normalise(record) for record in page.records]
        if page.is_last:
            break
    assert {_key(item) for item in found} == {_key(item) for item in whole}


def _key(item: Normalised) -> tuple:
    if isinstance(item, DirectoryItem):
        return item.kind, item.external_id
    return item.class_uid, item.uid


def test_new_alerts_come_with_the_next_reading(vendor, client) -> None:
    first, cursor = sweep(client, "alerts")
    vendor.control.act("false_alarm", tenant=vendor.tenant["id"], user="anna.berg")
    again, _ = sweep(client, "alerts", cursor)
    fresh = {item.uid for item in again} - {item.uid for item in first}
    assert not fresh or len(fresh) == 1
    everything, _ = sweep(client, "alerts")
    assert len(everything) == len(first) + 1


def test_a_late_record_within_the_overlap_is_not_missed(vendor, client) -> None:
    first, cursor = sweep(client, "sign_ins")
    newest = max(vendor.records("signIns"), key=lambda s: s["createdDateTime"])
    late = {**newest, "id": "11111111-aaaa-bbbb-cccc-000000000001"}
    vendor.control.act("put", tenant=vendor.tenant["id"], collection="signIns", record=late)
    again, _ = sweep(client, "sign_ins", cursor)
    assert late["id"] in {item.uid for item in again}
    assert len(again) < len(first)


@pytest.mark.parametrize(
    ("feed", "collection", "time"),
    [
        ("sign_ins", "signIns", "createdDateTime"),
        ("directory_audit", "directoryAudits", "activityDateTime"),
    ],
)
def test_what_microsoft_writes_two_hours_late_is_not_missed(
    vendor, client, feed, collection, time
) -> None:
    _, cursor = sweep(client, feed)
    newest = max(vendor.records(collection), key=lambda one: one[time])
    happened = dt.datetime.fromisoformat(newest[time]) - dt.timedelta(minutes=125)
    late = {**newest, "id": "11111111-aaaa-bbbb-cccc-000000000002",
            time: happened.isoformat().replace("+00:00", "Z")}  # fmt: skip
    vendor.control.act("put", tenant=vendor.tenant["id"], collection=collection, record=late)
    again, _ = sweep(client, feed, cursor)
    assert late["id"] in {item.uid for item in again}


def test_a_risk_that_is_dismissed_days_later_is_read_again(vendor, client) -> None:
    _, cursor = sweep(client, "risk_detections")
    newest = max(vendor.records("riskDetections"), key=lambda one: one["detectedDateTime"])
    moment = dt.datetime.fromisoformat(newest["detectedDateTime"]) - dt.timedelta(days=6)
    older = {**newest, "id": "r-old", "riskState": "dismissed",
             "detectedDateTime": moment.isoformat().replace("+00:00", "Z")}  # fmt: skip
    vendor.control.act("put", tenant=vendor.tenant["id"], collection="riskDetections", record=older)
    again, _ = sweep(client, "risk_detections", cursor)
    assert "r-old" in {item.uid for item in again}


def test_a_changed_user_comes_by_delta_and_a_deleted_one_is_marked(vendor, client) -> None:
    _, cursor = sweep(client, "users")
    vendor.control.act("set_enabled", tenant=vendor.tenant["id"], user="priya.shah",
                       is_enabled=False)  # fmt: skip
    changed, cursor = sweep(client, "users", cursor)
    assert [(u.name, u.attributes["is_enabled"]) for u in changed] == [
        ("priya.shah@contoso-clinic.example", False)
    ]
    nothing, _ = sweep(client, "users", cursor)
    assert nothing == []


def test_users_carry_roles_authority_and_the_kind_of_mailbox(client) -> None:
    users = {u.name.split("@")[0]: u.attributes for u in sweep(client, "users")[0]}
    assert users["sam.adeyemi"]["is_privileged"] is True
    assert "Global Administrator" in users["sam.adeyemi"]["roles"]
    assert users["priya.shah"]["is_privileged"] is False
    assert users["priya.shah"]["kind"] == "member"
    assert users["priya.shah"]["source_of_authority"] == "cloud"
    shared = {name for name, told in users.items() if told["kind"] == "shared"}
    assert [name.rstrip(".") for name in shared] == ["reception"]
    assert users["peter.gone"]["is_enabled"] is False
    assert sum(1 for u in users.values() if u["kind"] == "guest") == 1


def test_a_role_given_later_is_seen_although_delta_is_silent(vendor, client) -> None:
    _, cursor = sweep(client, "users")
    role = next(
        r for r in vendor.records("roleDefinitions") if r["displayName"] == "Global Administrator"
    )
    given = {
        "id": "assignment-for-test", "principalId": vendor.user("priya.shah")["id"],
        "roleDefinitionId": role["id"], "directoryScopeId": "/",
    }  # fmt: skip
    vendor.control.act("put", tenant=vendor.tenant["id"], collection="roleAssignments",
                       record=given)  # fmt: skip
    changed, _ = sweep(client, "users", cursor)
    assert [(u.name.split("@")[0], u.attributes["is_privileged"]) for u in changed] == [
        ("priya.shah", True)
    ]


def test_an_expired_delta_link_starts_from_the_beginning(client) -> None:
    everybody, cursor = sweep(client, "users")
    broken = {**cursor, "link": cursor["link"].replace("deltatoken=", "deltatoken=%20expired")}
    again, _ = sweep(client, "users", broken)
    assert len(again) == len(everybody)


def test_inbox_rules_and_methods_belong_to_their_users(vendor, client) -> None:
    victim = vendor.user("priya.shah")["id"]
    rules = [r for r in sweep(client, "inbox_rules")[0] if r.parent == victim]
    assert any("collector.example" in str(r.attributes["forwards_to"]) for r in rules)
    assert all(r.external_id.startswith(f"{victim}/") for r in rules)
    methods, _ = sweep(client, "auth_methods")
    assert len({m.external_id for m in methods}) == len(methods)


def test_mailboxes_come_with_address_and_purpose(client) -> None:
    found = sweep(client, "mailbox_settings")[0]
    boxes = {m.name: m for m in found if m.kind == "mailbox"}
    shared = [n for n, m in boxes.items() if m.attributes["purpose"] == "shared"]
    assert [name.split("@")[0].rstrip(".") for name in shared] == ["reception"]
    assert boxes["priya.shah@contoso-clinic.example"].attributes["purpose"] == "user"
    assert all(m.parent == m.external_id for m in boxes.values())


def test_a_user_at_risk_is_a_finding_and_the_accounts_risk(client) -> None:
    found, _ = sweep(client, "risky_users")
    finding = next(item for item in found if isinstance(item, Finding))
    account = next(item for item in found if isinstance(item, DirectoryItem))
    assert finding.actor == account.name == "priya.shah@contoso-clinic.example"
    assert finding.severity_id == 4
    assert account.attributes["risk_level"] == "high"


def test_findings_and_events_share_their_entities(vendor, client) -> None:
    victim = vendor.user("priya.shah")
    account = f"account_id:{victim['id']}"
    for name in ("alerts", "incidents", "risk_detections", "sign_ins"):
        found = [i for i in sweep(client, name)[0] if isinstance(i, Finding | Event)]
        assert any(account in item.entities for item in found), name


def test_a_throttled_or_forbidden_feed_says_so(vendor, client) -> None:
    vendor.control.fault("throttle", path="/security/", retry_after=90)
    with pytest.raises(Throttled):
        sweep(client, "alerts")
    vendor.control.clear_faults()
    vendor.control.permissions(["User.Read.All"], vendor.tenant["id"])
    poor = vendor.connect()
    with pytest.raises(PermissionMissing, match=r"SecurityAlert\.Read\.All"):
        sweep(poor, "alerts")
    with pytest.raises(PermissionMissing, match=r"MailboxSettings\.Read"):
        sweep(poor, "inbox_rules")
    poor.close()


@pytest.mark.skipif(not GRAPH_CONTRACT.exists(), reason=WHY_ABSENT)
def test_every_request_conforms_to_the_vendors_contract(tmp_path) -> None:
    recorded = tmp_path / "exchanges.ndjson"
    with running_simulator(seed="bec", page_size=5, record_exchanges=recorded) as simulator:
        vendor = Vendor(simulator, simulator.control.tenants()[0])
        client = vendor.connect()
        for name in FETCHED:
            _, cursor = sweep(client, name)
            sweep(client, name, cursor)
        for gatherer in MANIFEST.gatherers:
            gatherer.gather(client, vendor.asked_about(gatherer.name), {})
        client.close()
    assert len(recorded.read_text().splitlines()) > 50
    assert_conforms(recorded)


@pytest.mark.parametrize("name", ["auth_methods", "inbox_rules", "mailbox_settings"])
def test_who_is_refused_does_not_stop_those_behind(vendor, client, name) -> None:
    refused = vendor.user("anna.berg")["id"]
    others = {item.parent or item.external_id for item in sweep(client, name)[0]} - {refused}
    assert others
    vendor.control.fault("refuse", path=f"/users/{refused}/", status=403)
    pages = list(MANIFEST.feed(name).fetch(client, {}))
    records = [MANIFEST.feed(name).normalise(record) for page in pages for record in page.records]
    assert {item.parent or item.external_id for item in records} == others
    assert pages[-1].is_last
    assert isinstance(pages[-1].refused, PermissionMissing)


def test_a_refusal_is_told_although_the_sweep_took_several_turns(vendor, client) -> None:
    refused = vendor.user("anna.berg")["id"]
    vendor.control.fault("refuse", path=f"/users/{refused}/", status=403)
    feed = MANIFEST.feed("mailbox_settings")
    cursor: dict[str, Any] = {}
    turns = 0
    while True:
        page = next(feed.fetch(client, cursor))
        turns += 1
        cursor = json.loads(json.dumps(dict(page.cursor)))
        if page.is_last:
            break
    assert turns > 2
    assert isinstance(page.refused, PermissionMissing)
    assert cursor == {}


def test_delegates_come_with_the_mailbox_settings(vendor, client) -> None:
    vendor.act("give_access", user="priya.shah", to="x@collector.example")
    items, _ = sweep(client, "mailbox_settings")
    told = {item.name: item for item in items if item.kind == "mailbox_delegates"}
    found = told["priya.shah@contoso-clinic.example"].attributes["delegates"]
    assert found == [
        {"kind": "full_access", "who": "x@collector.example", "rights": ["FullAccess"]}
    ]
    assert told["anna.berg@contoso-clinic.example"].attributes["delegates"] == []


def test_without_exchange_the_settings_come_without_delegates(vendor) -> None:
    vendor.control.permissions(["MailboxSettings.Read", "User.Read.All"], vendor.tenant["id"])
    poor = vendor.connect()
    items, _ = sweep(poor, "mailbox_settings")
    assert {item.kind for item in items} == {"mailbox", "mailbox_settings"}
    poor.close()
