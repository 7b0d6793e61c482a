"""The risk of a case chooses the tier of its plan, through the rules of engagement."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import catalog
from playbooks import engagement, library, planner
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan
from playbooks.policy import rules
from playbooks.replanning import replanning, what_if
from tenants.models import Case, Severity
from tests.examples import examples
from tests.playbooks.cases import CONTAIN, give_evidence, make_account, make_plan
from tests.playbooks.test_triage import _alert, _arrive

pytestmark = pytest.mark.django_db
# A client that has a technician asked, and two where much is at stake.
BY_RISK: dict[str, Any] = {
    "version": 1,
    "default": "technician",
    "rules": [
        {"id": "much", "title": "Much is at stake", "tier": "second_technician",
         "when": "risk >= 60"},
    ],
}  # fmt: skip


def _proven(severity: Severity, **account: object) -> Case:
    """A case as triage makes it of one alert, with a verdict."""
    rules.save(BY_RISK, actor="test")
    who = make_account("ann@acme.example", is_mfa_registered=True, **account)
    _arrive(_alert("a", severity=severity))
    case = Case.objects.select_related("account__person", "tenant").get()
    assert case.account == who
    case.status = Case.Status.INVESTIGATING
    case.verdict = "true_positive"
    case.verdict_detail = {"playbook": "investigate-account-takeover", "confidence": "high"}
    case.save()
    give_evidence(case)
    return case


def _tiers(plan: Plan) -> set[str]:
    return {step["tier"] for step in plan.document["steps"]}


@pytest.mark.parametrize(
    ("severity", "account", "tier"),
    [
        (Severity.MEDIUM, {}, "technician"),
        (Severity.HIGH, {}, "technician"),
        (Severity.HIGH, {"is_privileged": True}, "second_technician"),
        (Severity.CRITICAL, {"risk_level": "high"}, "second_technician"),
    ],
)
def test_the_same_alert_needs_more_consent_where_more_is_at_stake(
    in_tenant, severity, account, tier
) -> None:
    case = _proven(severity, **account)
    assert (case.risk >= 60) == (tier == "second_technician")
    document = planner.plan(library.get(CONTAIN), case_facts.of_case(case), rules.in_force())
    assert {step["tier"] for step in document["steps"]} == {tier}


def test_a_risk_that_grows_while_a_plan_waits_asks_for_more_consent(in_tenant) -> None:
    case = _proven(Severity.HIGH)
    first = make_plan(case, rules.in_force())
    assert _tiers(first) == {"technician"}
    _arrive(_alert("b", 1, severity=Severity.CRITICAL), _alert("c", 1, confidence=90))
    case.refresh_from_db()
    assert case.risk >= 60
    # What is to be decided on is planned anew on the risk of now.
    Case.objects.filter(id=case.id).update(status=Case.Status.AWAITING_APPROVAL)
    replanning.look(in_tenant.id, in_tenant.id)
    first.refresh_from_db()
    assert first.status == Plan.Status.SUPERSEDED
    assert _tiers(Plan.objects.get(status=Plan.Status.AWAITING_APPROVAL)) == {"second_technician"}


def _by_default(
    risk: int,
    action: str = "identity.disable_sign_in",
    verdict: str = "true_positive",
    **target: object,
) -> str:
    """The tier by the rules that come with Holdfast, of an attack on an ordinary account."""
    facts: dict[str, Any] = {
        "risk": risk, "verdict": {"value": verdict, "confidence": "high"},
        "account": {"is_protected": False, "is_privileged": False, "is_vip": False,
                    "source_of_authority": "cloud"},
    }  # fmt: skip
    told = {"kind": "account", "external_id": "1", "name": "ann", **target}
    found = engagement.judge(
        engagement.default(), action=action, target=told, objects=1, facts=facts
    )
    assert found.failed is False
    return found.tier


@pytest.mark.parametrize(
    ("risk", "action", "tier"),
    [(19, "identity.disable_sign_in", "technician"), (20, "identity.disable_sign_in", "automatic"),
     (0, "identity.reset_password", "technician"), (100, "identity.reset_password", "automatic"),
     (19, "identity.remove_auth_method", "technician"),
     (0, "identity.revoke_sessions", "automatic"), (0, "mailbox.disable_inbox_rule", "automatic"),
     (79, "mailbox.delete_inbox_rule", "technician"),
     (80, "mailbox.delete_inbox_rule", "second_technician"),
     (80, "endpoint.retire", "second_technician")],
)  # fmt: skip
def test_the_rules_that_come_with_holdfast_go_by_the_risk(risk, action, tier) -> None:
    assert _by_default(risk, action) == tier


@pytest.mark.parametrize("verdict", ["true_positive", "suspicious", "insufficient_data"])
@pytest.mark.parametrize(("risk", "tier"), [(79, "technician"), (80, "second_technician")])
def test_where_much_is_at_stake_two_agree_to_deleting_whatever_is_proven(
    verdict, risk, tier
) -> None:
    assert _by_default(risk, "mailbox.delete_inbox_rule", verdict=verdict) == tier


def test_what_an_ordinary_routine_deletes_needs_one_technician() -> None:
    assert _by_default(0, "mailbox.delete_inbox_rule", verdict="not_applicable") == "technician"
    assert _by_default(90, "endpoint.retire", verdict="not_applicable") == "technician"


@pytest.mark.parametrize("trait", ["is_privileged", "is_vip"])
@pytest.mark.parametrize("risk", [0, 50, 100])
def test_no_risk_lets_an_administrator_or_important_person_be_touched_without_consent(
    trait, risk
) -> None:
    assert _by_default(risk, "identity.revoke_sessions", **{trait: True}) == "technician"


@given(st.integers(0, 100), st.sampled_from([one.name for one in catalog.ACTIONS]))
@settings(max_examples=examples(40), print_blob=True)
def test_what_is_not_proven_never_goes_by_itself_whatever_the_risk(risk, action) -> None:
    facts = {
        "risk": risk, "verdict": {"value": "suspicious", "confidence": "high"},
        "account": {"is_protected": False, "is_privileged": False, "is_vip": False},
    }  # fmt: skip
    told = {"kind": "account", "external_id": "1", "name": "ann"}
    found = engagement.judge(
        engagement.default(), action=action, target=told, objects=1, facts=facts
    )
    assert found.tier != "automatic"


def test_a_plan_of_little_risk_locks_nobody_out_by_itself_and_says_why(in_tenant) -> None:
    case = _proven(Severity.LOW)
    assert case.risk < 20
    facts = case_facts.of_case(case)
    facts["account"]["is_privileged"] = False
    document = planner.plan(library.get(CONTAIN), facts, engagement.default())
    tiers = {step["action"]: (step["tier"], step["tier_rule"]["id"]) for step in document["steps"]}
    assert tiers["identity.disable_sign_in"] == ("technician", "little-at-stake")
    assert tiers["identity.revoke_sessions"] == ("automatic", "contain-ordinary-account")


def test_what_if_tells_what_rules_by_risk_would_have_changed(in_tenant) -> None:
    """Judged on the risk of then, as the plan keeps it."""
    case = _proven(Severity.HIGH)
    make_plan(case, engagement.default())
    Case.objects.update(risk=5)
    assert what_if.replay(engagement.default()).changes == ()
    stricter = {"extends": "msp", "rules": [BY_RISK["rules"][0] | {"when": "risk >= 40"}]}
    found = what_if.replay(engagement.lay_on(engagement.default().document, stricter))
    assert {change.rule for change in found.changes} == {"much"}
    assert {change.after for change in found.changes} == {"second_technician"}
