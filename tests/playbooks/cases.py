"""A case about one account, with the verdict reached, ready for its response."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from playbooks import library, planner, response
from playbooks.adoption.versions import remember
from playbooks.engagement import Engagement
from playbooks.investigating import facts as case_facts
from playbooks.language import PlaybookStep
from playbooks.models import Plan
from tenants import evidence
from tenants.models import Account, Case, Evidence, Person
from tests.playbooks.samples import facts, policy

Ladder = Callable[..., Plan]
CONTAIN = "contain-cloud-account"


def make_account(username: str = "priya.shah@acme.example", **fields: Any) -> Account:
    """Put an account with its person into the scope's directory."""
    told = {"is_enabled": True, "source_of_authority": "cloud", **fields}
    return Account.objects.create(
        provider="microsoft365",
        external_id=f"id-of-{username}",
        username=username,
        display_name=username.split("@")[0],
        person=Person.objects.create(display_name=username, primary_email=username),
        **told,
    )


def make_case(account: Account, **fields: Any) -> Case:
    """Open a case about the account, proven by the takeover investigation."""
    now = timezone.now()
    told = {
        "number": Case.objects.count() + 1,
        "title": "Suspicious inbox rule",
        "status": Case.Status.INVESTIGATING,
        "verdict": "true_positive",
        "verdict_detail": {"playbook": "investigate-account-takeover", "confidence": "high"},
        "account": account,
        "risk": 55,
        "opened_at": now,
        "first_activity_at": now - dt.timedelta(hours=1),
        "last_activity_at": now,
        **fields,
    }
    return Case.objects.create(**told)


def give_evidence(case: Case) -> None:
    """Answer what the investigation asks, as in the playbook's example."""
    told = facts()["evidence"]
    steps = library.get("investigate-account-takeover").steps
    evidence.keep([_answered(case, step, dict(told[step.id])) for step in steps])


def _answered(case: Case, step: PlaybookStep, answer: dict[str, Any]) -> Evidence:
    return evidence.of_answer(
        case,
        gatherer=step.uses,
        question=step.id,
        asked_of="test",
        asked_at=timezone.now(),
        answer={"step": step.id, "facts": answer, "reason": ""},
        is_available=answer.pop("available"),
    )


def make_plan(case: Case, rules: Engagement | None = None, **adopted: Any) -> Plan:
    """Plan the containment of the case's account under a policy, and adopt it."""
    if not case.evidence.exists():
        give_evidence(case)
    told = case_facts.of_case(case)
    playbook = library.get(CONTAIN)
    document = planner.plan(playbook, told, rules or policy(default="technician"))
    plan = response.adopt(case, document, told, remember(playbook).sha256, 1, **adopted)
    case.status = (
        Case.Status.AWAITING_APPROVAL
        if plan.status == Plan.Status.AWAITING_APPROVAL
        else Case.Status.RESPONDING
    )
    case.save()
    return plan
