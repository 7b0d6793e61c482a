"""One plan of a playbook at a time: an older one of the case gives way to the one that is made.

What the older has not begun is withdrawn; what it has called goes on to be verified.
"""

import uuid

from django.utils import timezone

from playbooks.cases import subjects
from playbooks.models import Approval, Plan, PlaybookVersion, Run, Step
from playbooks.plans.standing import OPEN_PLANS
from playbooks.plans.steps import NEVER, NOT_BEGUN, change
from tenants import ledger, work
from tenants.models import Case

REASON = "What the plan was made on has changed: it was planned again."


def lock_open(case_id: uuid.UUID) -> None:
    """Lock the case's open plans; asked before the case is locked, as whoever decides does."""
    rows = Plan.objects.select_for_update().filter(case=case_id, status__in=OPEN_PLANS)
    list(rows.order_by("created_at").values_list("id", flat=True))


def older(case: Case, playbook_sha256: str, about: str) -> list[Plan]:
    """Return the case's open plans of any version of a playbook, the undoing of plans left out.

    Only those for the same of those that the case is about: others stand beside it.
    """
    rows = Plan.objects.filter(
        case=case,
        status__in=OPEN_PLANS,
        document__reverses__isnull=True,
        playbook__playbook_id__in=PlaybookVersion.objects.filter(sha256=playbook_sha256).values(
            "playbook_id"
        ),
    )
    locked = rows.select_for_update(of=("self",)).order_by("created_at")
    return [plan for plan in locked if subjects.key_of(case, plan.facts) == about]


def give_way(plan: Plan, *, why: str, reason: str = REASON) -> bool:
    """Let nothing begin any more of an open plan that another one takes the place of.

    `reason` is told with each step, `why` is kept in the ledger. Returns whether there was anything
    left to withdraw. Runs inside the tenant's scope, with the plan locked.
    """
    waiting = Step.objects.select_for_update(of=("self",)).filter(
        run__plan=plan, status__in=NOT_BEGUN
    )
    steps = list(waiting.select_related("run__plan").order_by("position"))
    if not steps:
        return False
    for step in steps:
        change(step, Step.Status.SKIPPED, error=reason)
    Approval.objects.filter(plan=plan, decision=Approval.Decision.PENDING).update(
        decision=Approval.Decision.SUPERSEDED, decided_at=timezone.now(), comment=reason
    )
    has_begun = Step.objects.filter(run__plan=plan).exclude(status__in=NEVER).exists()
    if has_begun:
        _carry_to_its_end(plan)
    else:
        _end(plan, reason)
    ledger.append(
        "plan.gave_way" if has_begun else "plan.superseded", actor="engine", case_id=plan.case_id,
        subject=f"plan {plan.sha256[:12]}",
        body={"plan": plan.sha256, "why": why, "withdrawn": [step.key for step in steps]},
    )  # fmt: skip
    return True


def _carry_to_its_end(plan: Plan) -> None:
    plan.status = Plan.Status.RUNNING
    plan.save(update_fields=["status"])
    work.schedule("run", plan.run.id)


def _end(plan: Plan, reason: str) -> None:
    plan.status = Plan.Status.SUPERSEDED
    plan.finished_at = timezone.now()
    plan.save(update_fields=["status", "finished_at"])
    run = plan.run
    run.status, run.note, run.finished_at = Run.Status.DONE, reason, plan.finished_at
    run.save(update_fields=["status", "finished_at", "note"])
