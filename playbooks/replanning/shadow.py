"""Carrying out, at a technician's wish, what a playbook in shadow would have done."""

import uuid

from django.utils import timezone

from playbooks import availability, planner
from playbooks.adoption.versions import playbook_of
from playbooks.errors import PlaybookError
from playbooks.models import Plan
from playbooks.policy import rules
from playbooks.response import adopt, in_shadow, set_status
from tenants import ledger
from tenants.models import Case, PlaybookMode


def carry_out(plan_id: uuid.UUID, *, actor: str) -> Plan:
    """Make a plan that runs out of a shadow plan, for a technician at least to approve.

    It counts as agreement once somebody lets it go on. PlaybookError where it is no shadow plan any
    more, the case is closed, or something that it needs is not connected. Runs inside the tenant's
    scope.
    """
    shadow = Plan.objects.select_for_update().get(id=plan_id)
    case = Case.objects.select_for_update().get(id=shadow.case_id)
    if shadow.status != Plan.Status.SHADOW:
        raise PlaybookError(["This plan is not in shadow any more: open the case again."])
    if case.status == Case.Status.CLOSED:
        raise PlaybookError(["The case is closed: nothing is done for it any more."])
    playbook = playbook_of(shadow.playbook)
    in_force = rules.in_force()
    document = planner.plan(playbook, shadow.facts, in_force, "technician")
    needs = availability.of_plan(document, case.account.provider if case.account else "")
    if needs:
        raise PlaybookError([f"It can't be carried out here: it {needs}."])
    shadow.status = Plan.Status.SUPERSEDED
    shadow.finished_at = timezone.now()
    shadow.save(update_fields=["status", "finished_at"])
    ledger.append(
        "plan.carried_out", actor=actor, case_id=case.id, subject=f"plan {shadow.sha256[:12]}",
        body={"plan": shadow.sha256, "playbook": document["playbook"]},
    )  # fmt: skip
    plan = adopt(
        case,
        {**document, "carries_out": shadow.sha256},
        shadow.facts,
        shadow.playbook_id,
        in_force.version,
        actor,
        mode=PlaybookMode.APPROVE,
        replaces=shadow,
    )
    set_status(case, settled=[in_shadow(shadow)])
    return plan
