"""Withdrawing what was planned for what is connected no more: an organisation, or altogether."""

from collections.abc import Sequence

from django.db import models

from integrations.models import Connection
from playbooks import approvals
from playbooks.models import Plan, Step
from playbooks.plans.steps import NOT_BEGUN, UNDER_WAY, change, spoken
from playbooks.running import stuck
from playbooks.targeting import replaced
from tenants.models import Case

_NAMED = 3


def withdraw_all() -> None:
    """Withdraw what is open for organisations that the scope's tenant has connected no more."""
    since = Connection.ever.filter(id=models.OuterRef("connection_id"))
    steps = Step.objects.filter(
        status__in=NOT_BEGUN + UNDER_WAY,
        run__plan__created_at__lte=models.Subquery(since.values("organisation_since")[:1]),
    )
    for plan_id in sorted(set(steps.values_list("run__plan", flat=True))):
        rows = Plan.objects.select_for_update(of=("self",)).select_related("case")
        withdraw(rows.get(id=plan_id))


def withdraw(plan: Plan) -> None:
    """End the open steps of a plan that are of an organisation which was replaced, and say it.

    What is with the vendor is not known any more. Runs with the plan locked, its case at hand.
    """
    ended, reason = [], ""
    rows = Step.objects.filter(run__plan=plan, status__in=NOT_BEGUN + UNDER_WAY)
    for step in rows.select_related("run__plan").select_for_update(of=("self",)):
        why = replaced.why_not(step)
        if not why:
            continue
        if step.status in NOT_BEGUN:
            change(step, Step.Status.SKIPPED, error=why)
        else:
            change(step, Step.Status.UNKNOWN, error=f"It is not known: {why}")
        ended.append(spoken(step))
        reason = why
    if ended:
        approvals.ask_no_more(plan)
        _tell(plan.case, ended, reason)


def _tell(case: Case, ended: Sequence[str], reason: str) -> None:
    if case.status == Case.Status.CLOSED:
        return
    more = f" and {len(ended) - _NAMED} more" if len(ended) > _NAMED else ""
    stuck.also_needs(case, f"Withdrawn: {', '.join(ended[:_NAMED])}{more}. {reason}")
