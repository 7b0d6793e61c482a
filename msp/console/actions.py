"""What a technician changes from the console; every change stands in the client's ledger."""

import logging
import uuid

from django.db import transaction
from django.utils import timezone

from msp.console.errors import ConsoleError
from msp.staff.access import writing
from msp.staff.models import Technician
from playbooks import agreement, approvals, rollback, shadow
from playbooks.models import Approval, Plan
from playbooks.response import OPEN_PLANS
from tenants import ledger, scope
from tenants.models import Case, Installation, Tenant, Verdict

_log = logging.getLogger(__name__)


def actor_of(technician: Technician) -> str:
    """Return how a technician is named in the ledger."""
    return f"technician:{technician.username}"


def decide(
    technician: Technician, approval: Approval, *, approve: bool, sha256: str, comment: str
) -> None:
    """Record the technician's decision on the plan with this hash; ApprovalError if it can't be."""
    with writing(technician, approval.tenant_id):
        approvals.decide(
            approval.id,
            approve=approve,
            actor=actor_of(technician),
            sha256=sha256,
            comment=comment,
        )


def roll_back(technician: Technician, plan: Plan, step_key: str = "") -> Plan:
    """Ask for the undoing of what a plan did, or one step of it.

    PlaybookError where nothing can be undone.
    """
    with writing(technician, plan.tenant_id):
        return rollback.request(plan.id, actor=actor_of(technician), step_key=step_key)


def carry_out(technician: Technician, plan: Plan) -> Plan:
    """Have a shadow plan carried out; PlaybookError where it can't be."""
    with writing(technician, plan.tenant_id):
        return shadow.carry_out(plan.id, actor=actor_of(technician))


def take_case(technician: Technician, case: Case) -> None:
    """Make the technician responsible for the case, and note when somebody first looked."""
    with writing(technician, case.tenant_id):
        row = Case.objects.select_for_update().get(id=case.id)
        row.assignee = technician.username
        row.acknowledged_at = row.acknowledged_at or timezone.now()
        row.save(update_fields=["assignee", "acknowledged_at"])
        ledger.append(
            "case.taken", actor=actor_of(technician), case_id=row.id, subject=str(row), body={}
        )


def close_case(technician: Technician, case: Case, *, verdict: str, note: str) -> None:
    """Close a case that needs a technician, with their verdict and what they did.

    ConsoleError where the verdict is none of ours, the note is empty, the case is closed, or a
    plan still waits for somebody.
    """
    if verdict not in Verdict.values:
        raise ConsoleError("Choose a verdict.")
    if not note.strip():
        raise ConsoleError("Say in the note what you found and did: the client may ask.")
    with writing(technician, case.tenant_id):
        row = Case.objects.select_for_update().get(id=case.id)
        if row.status != Case.Status.NEEDS_TECHNICIAN:
            raise ConsoleError("Only a case that needs a technician can be closed by hand.")
        if Plan.objects.filter(case=row, status__in=OPEN_PLANS).exists():
            raise ConsoleError(
                "A plan of this case waits for approval or is being carried out: approve or "
                "reject it, or let it end."
            )
        row.status = Case.Status.CLOSED
        row.verdict = verdict
        row.needs = ""
        row.assignee = technician.username
        row.closed_at = timezone.now()
        # Nothing was read back for what a person did by hand.
        row.closed_with_proof = False
        row.closing_note = note.strip()
        row.save()
        ledger.append(
            "case.closed",
            actor=actor_of(technician),
            case_id=row.id,
            subject=str(row),
            body={"with_proof": False, "verdict": verdict, "note": row.closing_note},
        )
        agreement.case_closed(row, verdict=verdict, actor=actor_of(technician))


def set_tenant_stopped(
    technician: Technician, tenant: Tenant, *, stopped: bool, reason: str = ""
) -> None:
    """Turn one client's kill switch: no step begins while it is on."""
    with writing(technician, tenant.id):
        row = Tenant.objects.select_for_update().get(id=tenant.id)
        if row.actions_stopped == stopped:
            return
        row.actions_stopped = stopped
        row.save(update_fields=["actions_stopped"])
        ledger.append(
            f"tenant.actions_{'stopped' if stopped else 'started'}",
            actor=actor_of(technician),
            subject=row.name,
            body={"reason": reason},
        )


@transaction.atomic
def set_everything_stopped(technician: Technician, *, stopped: bool, reason: str = "") -> None:
    """Turn the kill switch of the whole installation; it stands in every client's ledger.

    ConsoleError for a technician who doesn't see every client.
    """
    if not technician.sees_all_tenants:
        raise ConsoleError("You don't see every client: ask an administrator who does.")
    row, _ = Installation.objects.get_or_create(id=1)
    row = Installation.objects.select_for_update().get(id=row.id)
    if row.actions_stopped == stopped:
        return
    row.actions_stopped = stopped
    row.save(update_fields=["actions_stopped"])
    for tenant_id in _all_tenant_ids():
        with scope.tenant(tenant_id):
            ledger.append(
                f"installation.actions_{'stopped' if stopped else 'started'}",
                actor=actor_of(technician),
                subject=row.msp_name,
                body={"reason": reason},
            )
    _log.warning(
        "actions of all clients %s by %s", "stopped" if stopped else "started", technician.username
    )


def _all_tenant_ids() -> list[uuid.UUID]:
    return list(Tenant.objects.values_list("id", flat=True))
