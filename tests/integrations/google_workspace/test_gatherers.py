"""Each question, asked of the clinic whose mailbox was taken over."""

from __future__ import annotations

import datetime as dt

import pytest

from integrations import catalog, registry
from integrations.connectors.google_workspace.gatherers import GATHERERS, mail_log
from integrations.connectors.google_workspace.normalise.activity import read
from integrations.contract import Target
from integrations.errors import NotFound, Rejected
from integrations.values import Fields
from tests.integrations.google_workspace.subject import account, user

MESSAGE = Target("message", "", "<unpaid.4711@contosso.example>", "Unpaid invoice 4711")
TENANT = Target("tenant", "", "clinic", "clinic")
TYPES = {
    "object": dict, "list": list, "integer": int, "boolean": bool, "string": str | None,
}  # fmt: skip


def ask(client, name: str, target: Target, **inputs):
    return registry.gatherer("google_workspace", name).gather(client, target, inputs)


def target_of(name: str, victim: Target) -> Target:
    return {"account": victim, "message": MESSAGE, "tenant": TENANT}[catalog.get(name).target]


@pytest.mark.parametrize("name", [gatherer.name for gatherer in GATHERERS])
def test_every_answer_has_the_shape_of_the_catalog(client, victim, name) -> None:
    told, facts = ask(client, name, target_of(name, victim)), catalog.get(name).facts
    assert set(told) <= {*facts, "has_mailbox"}
    for fact, kind in facts.items():
        assert isinstance(told[fact], TYPES[kind]), fact


@pytest.mark.parametrize("gatherer", GATHERERS, ids=lambda gatherer: gatherer.name)
def test_every_question_is_answered_with_exactly_its_scopes(vendor, victim, gatherer) -> None:
    vendor.grant(gatherer.permissions)
    least = vendor.connect()
    assert gatherer.gather(least, target_of(gatherer.name, victim), {})
    least.close()


def test_the_account(client, victim) -> None:
    told = ask(client, "identity.get_account", victim)["account"]
    assert (told["username"], told["is_enabled"], told["is_privileged"]) == (
        victim.name, True, False,
    )  # fmt: skip


def test_an_administrator_is_privileged(vendor, client) -> None:
    told = ask(client, "identity.get_account", account(vendor, "ben.cole"))["account"]
    assert told["is_privileged"]
    assert told["roles"] == ["_GROUPS_ADMIN_ROLE"]


def test_sign_ins_tell_the_strange_one(client, victim) -> None:
    told = ask(client, "identity.list_sign_ins", victim, days=14)
    assert told["count"] == 3
    assert told["suspicious_successes"] == 1
    assert told["unusual_countries"] == ["NG"]
    assert told["countries"] == ["GB"]
    assert told["is_complete"]
    assert told["first_suspicious_at"] == told["sign_ins"][0]["time"]


def test_what_came_since_the_case_began_is_not_usual(client, victim) -> None:
    began = (dt.datetime.now(dt.UTC) - dt.timedelta(days=20)).isoformat()
    told = ask(client, "identity.list_sign_ins", victim, days=14, since=began)
    assert (told["countries"], told["unusual_countries"]) == ([], ["GB", "NG"])


def test_sign_ins_of_somebody_else_tell_nothing(vendor, client) -> None:
    told = ask(client, "identity.list_sign_ins", account(vendor, "sofia.rossi"))
    assert (told["count"], told["suspicious_successes"]) == (2, 0)


def test_prompts_that_were_denied_before_one_was_accepted(client, victim) -> None:
    told = ask(client, "identity.list_mfa_prompts", victim)
    assert (told["count"], told["denied"], told["approved_after_denials"]) == (5, 4, True)
    assert told["prompts"][0]["method"] == "google_prompt"


def test_what_else_the_address_tried(client, victim) -> None:
    told = ask(client, "identity.list_source_activity", victim)
    assert told["sources"] == ["203.0.113.66"]
    assert (told["accounts_tried"], told["accounts_succeeded"], told["failures"]) == (2, 1, 1)


def test_googles_own_warnings(vendor, client, victim) -> None:
    told = ask(client, "identity.list_risk_detections", victim, days=14)
    assert (told["user_risk_level"], told["user_risk_state"]) == ("high", "atRisk")
    assert {d["kind"] for d in told["detections"]} >= {"Suspicious login", "suspicious_login"}
    other = ask(client, "identity.list_risk_detections", account(vendor, "nina.petrov"))
    assert other["user_risk_level"] == "medium"


def test_ways_to_sign_in_that_were_changed_lately(client, victim) -> None:
    methods = {m["kind"]: m for m in ask(client, "identity.list_auth_methods", victim)["methods"]}
    assert {kind for kind, m in methods.items() if m["is_recent"]} == {
        "recovery_phone", "app_password",
    }  # fmt: skip
    assert "two_step" in methods


def test_apps_that_reach_far_and_are_new(client, victim) -> None:
    grants = {g["name"]: g for g in ask(client, "identity.list_oauth_grants", victim)["grants"]}
    assert grants["Mail Helper Pro"]["is_risky"]
    assert grants["Mail Helper Pro"]["is_recent"]
    assert not grants["Mail Helper Pro"]["is_verified"]
    assert not grants["Calendar Helper"]["is_risky"]


def test_a_role_that_was_given_lately_and_by_whom(vendor, client, victim) -> None:
    vendor.act("activity", application="admin", kind="DELEGATED_ADMIN_SETTINGS",
               name="ASSIGN_ROLE", user="ada.admin", ROLE_NAME="_GROUPS_ADMIN_ROLE",
               USER_EMAIL=user(vendor, "ben.cole")["primaryEmail"])  # fmt: skip
    ben = account(vendor, "ben.cole")
    (told,) = ask(client, "identity.list_role_assignments", ben)["assignments"]
    assert told["is_recent"]
    assert told["is_privileged"]
    assert told["granted_by"] == user(vendor, "ada.admin")["primaryEmail"]
    (old,) = ask(client, "identity.list_role_assignments", account(vendor, "ada.admin"))[
        "assignments"
    ]
    assert not old["is_recent"]


def test_groups_can_be_named_for_leaving_them(client, victim) -> None:
    groups = ask(client, "identity.list_groups", victim)["groups"]
    assert {g["name"] for g in groups} == {"All", "Finance"}
    assert all(g["external_id"].endswith(f"/{victim.external_id}") for g in groups)


def test_administrators_and_idle_accounts(client) -> None:
    admins = ask(client, "identity.list_privileged_accounts", TENANT)["accounts"]
    assert [a["name"].partition("@")[0] for a in admins] == ["ada.admin", "ben.cole"]
    idle = ask(client, "identity.list_inactive_accounts", TENANT, days=90)["accounts"]
    assert [a["name"].partition("@")[0] for a in idle] == ["leah.cohen"]
    assert idle[0]["last_sign_in_days"] >= 199


def test_the_filters_of_the_intruder_stand_out(client, victim) -> None:
    rules = {r["id"]: r for r in ask(client, "mailbox.list_inbox_rules", victim)["rules"]}
    assert {i for i, r in rules.items() if r["is_suspicious"]} == {"ANe1BmgEvil"}
    assert rules["ANe1BmgEvil"]["forwards_outside"]
    assert "drop.box.77@mail.example" in rules["ANe1BmgEvil"]["why"][0]
    assert rules["ANe1BmgEvil"]["external_id"] == f"{victim.external_id}/ANe1BmgEvil"


def test_an_account_without_mailbox_has_no_filters_and_forwards_nothing(vendor, client) -> None:
    nobody = account(vendor, "felix.braun")
    assert ask(client, "mailbox.list_inbox_rules", nobody) == {"rules": [], "has_mailbox": False}
    assert not ask(client, "mailbox.get_forwarding", nobody)["is_forwarding"]
    assert ask(client, "mailbox.list_delegates", nobody)["delegates"] == []


def test_forwarding_outside(client, victim) -> None:
    told = ask(client, "mailbox.get_forwarding", victim)
    assert told["is_forwarding"]
    assert told["forwards_outside"]
    assert told["forwarding"]["keeps_copy"] is False


def test_files_that_were_taken(vendor, client, victim) -> None:
    told = ask(client, "files.list_activity", victim, hours=48)
    assert (told["downloads"], told["shared_outside"], told["is_unusual"]) == (12, 1, True)
    # Of more days still the two busiest.
    since = (dt.datetime.now(dt.UTC) - dt.timedelta(days=9)).isoformat()
    assert ask(client, "files.list_activity", victim, hours=48, since=since) == told
    other = ask(client, "files.list_activity", account(vendor, "ben.cole"))
    assert (other["downloads"], other["is_unusual"]) == (0, False)


def test_a_message_and_its_copies(vendor, client) -> None:
    told = ask(client, "email.find_copies", MESSAGE)
    assert told["count"] == 3
    assert {c["mailbox"].partition("@")[0] for c in told["copies"]} == {
        "anna.berg", "ben.cole", "priya.shah",
    }  # fmt: skip
    message = ask(client, "email.get_message", MESSAGE)["message"]
    assert message["sender_domain"] == "contosso.example"
    assert message["passes_authentication"] is False
    with pytest.raises(NotFound):
        ask(client, "email.get_message", Target("message", "", "unheard@of.example", ""))


def test_very_much_mail_to_strangers_is_not_usual(vendor, client, victim) -> None:
    told = ask(client, "mailbox.trace_sent_mail", victim)
    assert told == {"sent": 40, "recipients_outside": 40, "is_unusual": True}
    told = ask(client, "mailbox.trace_sent_mail", victim, hours=1)
    assert told == {"sent": 0, "recipients_outside": 0, "is_unusual": False}
    since = (dt.datetime.now(dt.UTC) - dt.timedelta(days=9)).isoformat()
    told = ask(client, "mailbox.trace_sent_mail", victim, hours=1, since=since)
    assert told == {"sent": 40, "recipients_outside": 40, "is_unusual": True}


def test_a_log_without_a_message_of_the_account_says_nothing(vendor, client) -> None:
    with pytest.raises(Rejected, match="edition"):
        ask(client, "mailbox.trace_sent_mail", account(vendor, "ben.cole"))


def test_who_did_what_with_a_message(vendor, client) -> None:
    told = ask(client, "email.list_interactions", MESSAGE)
    assert (told["opened"], told["clicked"], told["replied"]) == (3, 1, 1)
    people = {one["name"].partition("@")[0]: one for one in told["accounts"]}
    assert people["ben.cole"]["has_clicked"]
    assert not people["ben.cole"]["has_replied"]
    assert people["ben.cole"]["external_id"] == account(vendor, "ben.cole").external_id
    with pytest.raises(Rejected, match="doesn't know this message"):
        ask(client, "email.list_interactions", Target("message", "", "unheard@of.example", ""))


def test_recipients_are_read_from_the_flat_and_from_the_nested_form() -> None:
    both = (
        {"destination": [{"address": "Ann@Clinic.example", "service": "gmail-ui"}]},
        {"flattened_destinations": "gmail-ui::ann@clinic.example"},
    )
    for told in both:
        body = {
            "id": {"applicationName": "gmail", "time": "2026-11-20T09:10:00Z"},
            "events": [{"name": "delivery", "parameters": {"message_info": told}}],
        }
        assert mail_log.recipients(read(Fields(body))) == {"ann@clinic.example"}
