"""A client's rules laid on the MSP's: what comes of it, and what is refused."""

import datetime as dt
import re
from typing import Any, get_args

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from integrations.catalog import TargetKind
from playbooks import engagement, planner
from playbooks.engagement import TIERS, judge, lay_on, load_engagement
from playbooks.errors import PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.models import RulesOfEngagement
from playbooks.policy import rules
from tenants import scope
from tenants.models import Case, LedgerEntry, Tenant
from tests.playbooks.cases import make_account, make_case
from tests.playbooks.samples import DISABLE, facts, policy, response

ACTION = "identity.disable_sign_in"
TARGET = {"kind": "account", "external_id": "1", "name": "ann"}
# Conditions, each with what it comes to on the ordinary facts; None for an error.
CONDITIONS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "target.is_privileged": False,
    "target.is_server": False,
    "!target.is_synced": True,
    "target.never_told": None,
    "objects > 3": False,
}
ONE_RULE = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "c", "d"]),
        "title": st.just("Rule"),
        "tier": st.sampled_from(TIERS),
        "when": st.sampled_from(sorted(CONDITIONS)),
    }
)
RULES = st.lists(ONE_RULE, max_size=4, unique_by=lambda rule: rule["id"])
MSP = {
    "version": 4,
    "default": "technician",
    "rules": [
        {"id": "a", "title": "A", "tier": "automatic"},
        {"id": "b", "title": "B", "tier": "client", "when": "objects > 3"},
    ],
    "budgets": {"identity.*": 20, "mailbox.*": 30},
    "canary_above": 7,
    "freezes": [{"title": "Christmas", "from": "2026-12-24", "to": "2026-12-26"}],
    "approvals": {"technician": {"hours": 6}},
}


def _judge(policy: engagement.Engagement, **changes: Any) -> engagement.Judgement:
    return judge(policy, action=ACTION, target=TARGET, objects=2, facts=facts(**changes))


def _rule(when: str, tier: str = "client", rule_id: str = "own") -> dict[str, Any]:
    return {"id": rule_id, "title": "Own", "tier": tier, "when": when}


@given(base=RULES, own=RULES, left_out=st.lists(st.sampled_from("abcd"), unique=True))
def test_no_rule_that_matches_is_ever_undercut_by_laying_on(base, own, left_out) -> None:
    without = [one for one in left_out if one not in {rule["id"] for rule in own}]
    merged = lay_on({"rules": base}, {"extends": "msp", "rules": own, "without": without})
    found = _judge(merged)
    replaced = {rule["id"] for rule in own} | set(without)
    counted = [*own, *(rule for rule in base if rule["id"] not in replaced)]
    tiers = [
        "forbidden" if CONDITIONS[rule["when"]] is None else rule["tier"]
        for rule in counted
        if CONDITIONS[rule["when"]] is not False
    ]
    assert all(TIERS.index(found.tier) >= TIERS.index(tier) for tier in tiers)
    assert found.tier in (tiers or ["technician"])


def test_what_the_client_does_not_say_is_as_the_msp_says() -> None:
    merged = lay_on(MSP, {"version": 9, "extends": "msp"})
    assert (merged.version, merged.default, merged.canary_above) == (9, "technician", 7)
    assert [rule.id for rule in merged.rules] == ["a", "b"]
    assert (merged.budget("identity.disable_sign_in"), merged.approvals["technician"].hours) == (
        20,
        6,
    )


def test_what_the_client_says_replaces_it_piece_by_piece() -> None:
    own = {
        "extends": "msp",
        "default": "client",
        "rules": [_rule("true", "forbidden", "b")],
        "without": ["a"],
        "budgets": {"identity.*": 2},
        "canary_above": 0,
        "freezes": [{"title": "Fridays", "weekdays": ["friday"]}],
        "approvals": {"client": {"hours": 10, "on_timeout": "reversible_part"}},
    }
    merged = lay_on(MSP, own)
    assert [(rule.id, rule.tier) for rule in merged.rules] == [("b", "forbidden")]
    assert dict(merged.budgets) == {"identity.*": 2, "mailbox.*": 30}
    assert (merged.default, merged.canary_above) == ("client", 0)
    assert [freeze.title for freeze in merged.freezes] == ["Christmas", "Fridays"]
    assert merged.approvals["technician"].hours == 6
    assert merged.approvals["client"].on_timeout == "reversible_part"


def test_a_change_of_the_msps_rules_changes_the_hash_of_a_clients() -> None:
    own = {"extends": "msp", "default": "client"}
    changed = {**MSP, "canary_above": 8}
    assert lay_on(MSP, own).sha256 != lay_on(changed, own).sha256


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"extends": "holdfast"}, "only `extends: msp`"),
        ({"extends": "msp", "without": "a"}, "`without:` is a list"),
        ({"extends": "msp", "without": ["own"], "rules": [_rule("true")]}, "left out and given"),
        ({"extends": "msp", "rules": [_rule("1 +")]}, "rule 1 (own)"),
        ({"extends": "msp", "budgets": {"identty.*": 5}}, "'identty.*' is no action"),
        ({"extends": "msp", "budgets": {"identity.*": -1}}, "-1 is no whole number"),
        ({"extends": "msp", "budgets": [5]}, "`budgets:` is a mapping"),
        ({"extends": "msp", "canary_above": "ten"}, "canary_above: 'ten'"),
        ({"extends": "msp", "freezes": ["x"]}, "a freeze is a mapping"),
        ({"extends": "msp", "freezes": [{"title": "x"}]}, "give either"),
        ({"freezes": [{"weekdays": ["friday"]}]}, "`title:` is missing"),
        ({"freezes": [{"title": "x", "weekdays": ["freitag"]}]}, "'freitag' is no weekday"),
        ({"freezes": [{"title": "x", "hours": "evening"}]}, "not written like"),
        ({"freezes": [{"title": "x", "from": "2026-12-24", "to": "soon"}]}, "'soon' is no moment"),
        ({"freezes": [{"title": "x", "from": "0001-01-01", "to": "2026-12-24"}]}, "no moment"),
        ({"freezes": [{"title": "x", "from": "2026-12-24", "to": "2026-12-01"}]}, "not after"),
        ({"freezes": [{"title": "x", "hours": "18:00-07:00", "except": ["no.such"]}]}, "no.such"),
        ({"approvals": {"automatic": {"hours": 1}}}, "nobody is asked"),
        ({"approvals": {"client": {"hours": 0}}}, "hours 0 is no whole number"),
        ({"approvals": {"client": {"hours": 4, "remind_after_hours": 4}}}, "before the 4 h"),
        ({"approvals": {"client": {"on_timeout": "approve"}}}, "'approve' is none of"),
        ({"approvals": {"technician": {"on_timeout": "technician"}}}, "only the client's"),
    ],
)
def test_what_is_wrong_with_a_document_is_told(own, told) -> None:
    with pytest.raises(PlaybookError, match=re.escape(told)):
        lay_on(MSP, own) if "extends" in own else load_engagement(own)


@pytest.mark.parametrize(
    ("local", "frozen"),
    [
        ("2026-12-23T23:59", ""),
        ("2026-12-24T00:00", "Christmas"),
        ("2026-12-26T23:59", "Christmas"),
        ("2026-12-27T00:00", ""),
        # A Friday from six in the evening until seven on the Saturday.
        ("2026-11-27T17:59", ""),
        ("2026-11-27T18:00", "Nights"),
        ("2026-11-28T06:59", "Nights"),
        ("2026-11-28T07:00", ""),
        ("2026-11-28T18:00", ""),
    ],
)
def test_freezes_hold_in_the_clients_time_zone(local: str, frozen: str) -> None:
    told = {
        "title": "Nights",
        "weekdays": ["friday"],
        "hours": "18:00-07:00",
        "except": "mailbox.*",
    }
    policy = load_engagement({"freezes": [*MSP["freezes"], told]})
    berlin = dt.timezone(dt.timedelta(hours=1))
    now = dt.datetime.fromisoformat(local).replace(tzinfo=berlin)
    found = [title for freeze in policy.freezes if (title := freeze.holds(now, "Europe/Berlin"))]
    assert found == ([frozen] if frozen else [])
    assert policy.frozen("identity.disable_sign_in", now, "Europe/Berlin") == frozen
    assert policy.frozen("mailbox.disable_inbox_rule", now, "Europe/Berlin") == (
        frozen if frozen == "Christmas" else ""
    )


@pytest.mark.parametrize("trait", ["is_privileged", "is_vip"])
def test_rules_judge_a_target_by_what_it_is(trait: str) -> None:
    policy = load_engagement({"rules": [_rule(f"target.{trait}")]})
    assert _judge(policy, account={trait: True}).tier == "client"
    assert _judge(policy, account={trait: False}).rule == "default"


def test_a_target_that_says_what_it_is_itself_is_believed_before_the_account() -> None:
    policy = load_engagement(
        {"rules": [_rule("target.is_server"), _rule("target.is_vip", "client", "v")]}
    )
    target = {"kind": "device", "external_id": "1", "name": "srv", "is_server": True}
    found = judge(
        policy, action=ACTION, target={**target, "is_vip": False}, objects=1, facts={"case": {}}
    )
    assert (found.tier, found.rule) == ("client", "own")


OF_AN_ACCOUNT = {
    "account", "mailbox", "mailbox_rule", "auth_method", "oauth_grant", "role_assignment",
    "group_membership", "licence", "mailbox_delegate", "trusted_sender", "message",
}  # fmt: skip


@pytest.mark.parametrize("kind", get_args(TargetKind))
def test_without_an_account_only_what_belongs_to_none_may_be_touched(kind: str) -> None:
    policy = load_engagement({"default": "automatic"})
    target = {"kind": kind, "external_id": "1", "name": "x"}
    told = {"action": ACTION, "objects": 1, "facts": {"case": {}}}
    expected = "forbidden" if kind in OF_AN_ACCOUNT else "automatic"
    assert judge(policy, target=target, **told).tier == expected
    assert judge(policy, target={**target, "is_protected": True}, **told).tier == "forbidden"


@pytest.mark.parametrize(
    ("twin", "tier"),
    [
        ({"is_protected": False}, "automatic"),
        ({"is_protected": True}, "forbidden"),
        ({}, "forbidden"),
    ],
)
def test_the_account_in_active_directory_is_guarded_as_well(twin, tier) -> None:
    told = {**facts(), "on_premises": twin}
    policy = load_engagement({"default": "automatic"})
    assert judge(policy, action=ACTION, target=TARGET, objects=1, facts=told).tier == tier


def test_without_rules_of_its_own_the_msps_hold(in_tenant) -> None:
    assert rules.in_force().sha256 == engagement.default().sha256


def test_a_new_version_is_in_force_and_in_the_ledger(in_tenant) -> None:
    first = rules.save({"extends": "msp", "default": "client"}, actor="technician:ann")
    second = rules.save({"extends": "msp", "without": ["wide"]}, actor="technician:bob")
    assert (first.version, second.version, second.author) == (1, 2, "technician:bob")
    found = rules.in_force()
    assert (found.version, found.default, found.sha256) == (2, "technician", second.sha256)
    assert "wide" not in [rule.id for rule in found.rules]
    entry = LedgerEntry.objects.filter(kind="rules.changed").latest("id")
    assert (entry.actor, entry.body["version"]) == ("technician:bob", 2)


def test_a_document_that_does_not_extend_stands_alone(in_tenant) -> None:
    rules.save({"default": "forbidden"}, actor="technician:ann")
    assert (rules.in_force().default, rules.in_force().rules) == ("forbidden", ())


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"extends": "msp", "without": ["no-such-rule"]}, "the MSP has no rule 'no-such-rule'"),
        ({"extends": "msp", "rules": [_rule("account.never_told")]}, "So nothing could be done in"),
        ({"default": "anyone"}, "default 'anyone'"),
    ],
)
def test_rules_that_could_not_work_are_not_kept(in_tenant, document, told) -> None:
    with pytest.raises(PlaybookError, match=re.escape(told)):
        rules.save(document, actor="technician:ann")
    assert not RulesOfEngagement.objects.exists()


@pytest.mark.parametrize("title", ["a\x00b", "a\ud800b"])
def test_what_the_database_cant_hold_is_replaced(in_tenant, title: str) -> None:
    rule = {"id": "own", "title": title, "tier": "client"}
    row = rules.save({"extends": "msp", "rules": [rule]}, actor="technician:ann")
    assert rules.in_force().sha256 == row.sha256
    assert rules.in_force().rules[-1].title in ("a\ufffdb", "a?b")


def test_forbidding_on_purpose_is_allowed(in_tenant) -> None:
    rules.save({"extends": "msp", "rules": [_rule("true", "forbidden")]}, actor="technician:ann")
    assert _judge(rules.in_force()).tier == "forbidden"


def test_new_msp_wide_rules_reach_every_client_and_its_ledger(tenant, other_tenant) -> None:
    with scope.tenant(tenant.id):
        rules.save({"extends": "msp", "without": ["wide"]}, actor="technician:ann")
    with transaction.atomic():
        row = rules.save_msp_wide({"default": "client"}, actor="technician:ann")
    for one in (tenant, other_tenant):
        with scope.tenant(one.id):
            assert (rules.in_force().default, rules.in_force().rules) == ("client", ())
            entry = LedgerEntry.objects.get(kind="rules.msp_changed")
            assert entry.body["sha256"] == row.sha256


@pytest.mark.parametrize(
    ("zone", "hour", "weekday", "tier"),
    [
        # Half past eight on Thursday morning in Tokyo, while it is still Wednesday in London.
        ("Asia/Tokyo", 8, 3, "client"),
        ("Europe/London", 23, 2, "technician"),
        ("America/New_York", 18, 2, "technician"),
    ],
)
def test_hour_and_weekday_are_those_of_the_tenants_time_zone(
    in_tenant, monkeypatch, zone, hour, weekday, tier
) -> None:
    Tenant.objects.filter(id=in_tenant.id).update(time_zone=zone)
    now = dt.datetime(2026, 11, 25, 23, 30, tzinfo=dt.UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    case = Case.objects.get(id=make_case(make_account()).id)
    told = case_facts.of_case(case)
    assert (told["hour"], told["weekday"]) == (hour, weekday)
    early = {"id": "early", "title": "Early", "tier": "client", "when": "hour < 9 && weekday == 3"}
    steps = planner.plan(response(DISABLE), told, policy(early))["steps"]
    assert [step["tier"] for step in steps] == [tier]
