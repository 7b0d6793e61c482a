"""What a reader of the feeds sees of the clinic, and how the sweep of several logs goes on."""

from __future__ import annotations

import json

from integrations.connectors.google_workspace.feeds import APPLICATIONS
from integrations.connectors.google_workspace.manifest import MANIFEST
from integrations.connectors.google_workspace.normalise import accounts
from integrations.errors import PermissionMissing
from integrations.values import Fields
from tests.integrations.conformance.driving import sweep
from tests.integrations.google_workspace.subject import user


def items(client, feed: str, kind: str = "") -> dict:
    """The directory items of a feed, by external id."""
    found, _ = sweep(MANIFEST, client, feed)
    return {one.external_id: one for one in found if kind in ("", one.kind)}


def test_users_come_with_their_state_and_roles(vendor, client) -> None:
    vendor.act("update_user", user="ben.cole", suspended=True)
    vendor.act("update_user", user="omar.haddad", archived=True)
    found = {one.name.partition("@")[0]: one for one in items(client, "users").values()}
    ada, anna, ben = (found[n].attributes for n in ("ada.admin", "anna.berg", "ben.cole"))
    assert (ada["roles"], ada["is_privileged"], ada["is_enabled"]) == (["Super Admin"], True, True)
    assert (ben["roles"], ben["is_privileged"], ben["is_enabled"]) == (
        ["_GROUPS_ADMIN_ROLE"], True, False,
    )  # fmt: skip
    assert (anna["roles"], anna["is_privileged"], anna["is_mfa_registered"]) == ([], False, False)
    assert found["omar.haddad"].attributes["is_enabled"] is False
    assert found["old.hand"].is_deleted
    assert not found["anna.berg"].is_deleted
    assert anna["display_name"] == "Anna Berg"
    assert anna["job_title"] == "Clerk"


def test_the_manager_is_the_relation_of_that_type() -> None:
    told = [{"type": "assistant", "value": "a@x"}, {"type": "manager", "value": "mia@x"}]
    record = {"id": "1", "primaryEmail": "ben@x"}
    assert accounts.user(Fields(record | {"relations": told})).attributes["manager"] == "mia@x"
    assert accounts.user(Fields(record | {"relations": []})).attributes["manager"] == ""
    assert "manager" not in accounts.user(Fields(record)).attributes


def test_tokens_are_known_by_user_and_app(vendor, client) -> None:
    owner = user(vendor)["id"]
    found = items(client, "tokens")
    assert len(found) == 24
    mine = [one for one in found.values() if one.parent == owner]
    assert {one.name for one in mine} == {"Calendar Helper", "Mail Helper Pro"}
    assert all(one.external_id.startswith(f"{owner}/") for one in mine)


def test_mail_settings_leave_out_who_has_no_mailbox(vendor, client) -> None:
    owner, without = user(vendor)["id"], user(vendor, "felix.braun")["id"]
    suspended = user(vendor, "ben.cole")["id"]
    vendor.act("update_user", user="ben.cole", suspended=True)
    boxes = items(client, "mail_settings", "mailbox")
    rules = items(client, "mail_settings", "inbox_rule")
    assert boxes[owner].attributes["forwarding_smtp_address"] == "drop.box.77@mail.example"
    assert len(boxes) == 21
    assert not {without, suspended} & {*boxes, *(rule.parent for rule in rules.values())}
    evil = rules[f"{owner}/ANe1BmgEvil"]
    assert evil.attributes["forwards_to"] == ["drop.box.77@mail.example"]
    assert evil.attributes["deletes"]
    settings = items(client, "mail_settings", "mailbox_settings")[owner]
    assert settings.attributes["delegates"] == [user(vendor, "anna.berg")["primaryEmail"]]


def test_each_log_is_swept_and_goes_on_where_it_was(vendor, client) -> None:
    first, cursor = sweep(MANIFEST, client, "activities")
    assert {e.ocsf["metadata"]["product"]["name"].split()[-1] for e in first} <= set(APPLICATIONS)
    assert cursor["of"].keys() == set(APPLICATIONS)
    vendor.act("activity", application="admin", kind="USER_SETTINGS", name="SUSPEND_USER",
               user="ada.admin", USER_EMAIL="x@contoso-clinic.example")  # fmt: skip
    again, _ = sweep(MANIFEST, client, "activities", cursor)
    new = {e.uid for e in again} - {e.uid for e in first}
    assert [e.activity for e in again if e.uid in new] == ["SUSPEND_USER"]
    assert [(e.class_uid, e.ocsf["activity_id"]) for e in again if e.uid in new] == [(3001, 5)]


def test_a_sweep_that_stopped_in_one_log_does_not_read_the_others_again(vendor, client) -> None:
    feed = MANIFEST.feed("activities")
    cursor: dict = {}
    for page in feed.fetch(client, {}):
        cursor = json.loads(json.dumps(dict(page.cursor)))
        if cursor.get("now") == "drive":
            break
    before = len(vendor.requests("GET", "/applications/login$"))
    list(feed.fetch(client, cursor))
    assert len(vendor.requests("GET", "/applications/login$")) == before
    assert vendor.requests("GET", "/applications/user_accounts$")


def test_an_alert_names_whom_it_is_about_and_the_technique(client) -> None:
    found, _ = sweep(MANIFEST, client, "alerts")
    login = next(one for one in found if one.title == "Suspicious login")
    assert login.severity_id == 4
    assert login.techniques == ("T1078.004",)
    assert "account:priya.shah@contoso-clinic.example" in login.entities
    assert "ip:203.0.113.66" in login.entities
    phishing = next(one for one in found if one.title == "User reported phishing")
    assert phishing.actor == "billing@contosso.example"
    assert any(entity.startswith("message:m") for entity in phishing.entities)


def test_who_is_refused_does_not_stop_those_behind(vendor, client) -> None:
    refused = user(vendor)["id"]
    for name, path in (
        ("tokens", f"/users/{refused}/tokens"),
        ("mail_settings", "priya.shah[^/]*/settings|/users/me/settings"),
    ):
        others = {one.parent or one.external_id for one in items(client, name).values()}
        count = 1 if name == "mail_settings" else None
        vendor.fault("refuse", path=path, status=403, times=count)
        *_, last = pages = list(MANIFEST.feed(name).fetch(client, {}))
        normalise = MANIFEST.feed(name).normalise
        found = [normalise(record) for page in pages for record in page.records]
        assert len(others - {one.parent or one.external_id for one in found}) == 1
        assert last.is_last
        assert isinstance(last.refused, PermissionMissing)
        vendor.clear_faults()
