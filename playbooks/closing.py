"""Closing a case with proof, or saying what still needs a person."""

import uuid

from django.db.models import Max
from django.utils import timezone

from integrations import catalog
from playbooks.models import Plan, Step
from playbooks.response import OPEN_PLANS, needs_technician
from tenants import ledger, scope
from tenants.models import Case, Verdict


def close(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Close the case if everything planned for it is over and proven. Handler of work `close`."""
    with scope.tenant(tenant_id):
        case = Case.objects.select_for_update().get(id=case_id)
        if case.status in (Case.Status.CLOSED, Case.Status.NEEDS_TECHNICIAN):
            return
        _note_containment(case)
        if Plan.objects.filter(case=case, status__in=OPEN_PLANS).exists():
            return
        unproven = _unproven(case)
        if unproven:
            needs_technician(case, unproven)
        else:
            _close(case)


def _note_containment(case: Case) -> None:
    containing = [action.name for action in catalog.ACTIONS if action.is_containment]
    steps = Step.objects.filter(run__plan__case=case, action__in=containing)
    if (
        steps.filter(status=Step.Status.VERIFIED).exists()
        and not steps.exclude(status__in=[Step.Status.VERIFIED, Step.Status.SKIPPED]).exists()
    ):
        case.contained_at = steps.aggregate(last=Max("verified_at"))["last"]
        case.save(update_fields=["contained_at"])


def _unproven(case: Case) -> str:
    """Return what stands between the case and its proof, in one sentence; empty if nothing."""
    for step in Step.objects.filter(run__plan__case=case).order_by("position"):
        title = catalog.get(step.action).title
        if step.status == Step.Status.FAILED:
            return f"“{title}” for {step.target_name} failed: {step.error}"
        if step.status == Step.Status.FORBIDDEN:
            return f"“{title}” for {step.target_name} is forbidden by the rules: do it by hand."
        if step.status == Step.Status.SKIPPED:
            return f"“{title}” for {step.target_name} was not done. {step.error}"
        if step.status != Step.Status.VERIFIED and step.status != Step.Status.ROLLED_BACK:
            return f"“{title}” for {step.target_name} is not finished."
    return ""


def _close(case: Case) -> None:
    now = timezone.now()
    done = Step.objects.filter(run__plan__case=case, status=Step.Status.VERIFIED).count()
    case.status = Case.Status.CLOSED
    case.needs = ""
    case.closed_at = now
    case.closed_with_proof = case.evidence.filter(is_available=True).exists()
    case.closing_note = (
        f"{done} actions done and read back."
        if done
        else f"No action needed: {Verdict(case.verdict).label}."
    )
    case.save()
    ledger.append(
        "case.closed",
        actor="engine",
        case_id=case.id,
        subject=str(case),
        body={"with_proof": case.closed_with_proof, "note": case.closing_note},
    )
