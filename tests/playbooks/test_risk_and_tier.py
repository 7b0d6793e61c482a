"""The risk of a case chooses the tier of its plan, through the rules of engagement."""

import pytest

from playbooks import library, planner
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan
from playbooks.planning import replanning
from playbooks.policy import rules
from tenants.models import Case, Severity
from tests.playbooks.cases import CONTAIN, give_evidence, make_account, make_plan
from tests.playbooks.test_triage import _alert, _arrive

pytestmark = pytest.mark.django_db
# A client that has a technician asked, and two where much is at stake.
BY_RISK = {
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
