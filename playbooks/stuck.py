"""Work that fails again and again: a person is told, while it goes on being tried."""

import uuid

from playbooks.models import Approval, Plan, Run, Step
from playbooks.response import needs_technician
from tenants import ledger, scope
from tenants.models import Case

_WORDS = {
    "investigate": "look into this case",
    "respond": "plan what follows from the verdict",
    "routine": "carry out this routine",
    "run": "carry out a plan of this case",
    "close": "close this case",
    "remind": "remind those who have to approve",
    "notify": "send a mail about this case",
    "expire": "end an approval that nobody gave",
    "recheck": "read an action of this case back again",
    "compare": "compare practice with a plan in shadow",
}


def tell(tenant_id: uuid.UUID, kind: str, subject: uuid.UUID, error: str) -> None:
    """Say on the case, and in the ledger, that work on it fails with `error` (a class's name)."""
    with scope.tenant(tenant_id):
        case = _case_of(kind, subject)
        ledger.append(
            "work.stuck",
            actor="engine",
            case_id=case.id if case else None,
            subject=f"{kind} {subject}",
            body={"kind": kind, "error": error},
        )
        if case is not None and case.status != Case.Status.CLOSED:
            needs_technician(
                case,
                f"Holdfast could not {_WORDS[kind]} ({error}). It goes on trying; look at the "
                "worker's log.",
            )


def _case_of(kind: str, subject: uuid.UUID) -> Case | None:
    """Return the case that the work is about; feeds and triage are about none yet."""
    of_subject = {
        "run": Run.objects.filter(id=subject).values("plan__case"),
        "remind": Approval.objects.filter(id=subject).values("plan__case"),
        "expire": Approval.objects.filter(id=subject).values("plan__case"),
        "notify": Approval.objects.filter(links__id=subject).values("plan__case"),
        "recheck": Step.objects.filter(id=subject).values("run__plan__case"),
        "compare": Plan.objects.filter(id=subject).values("case"),
    }
    if kind in of_subject:
        return Case.objects.filter(id__in=of_subject[kind]).first()
    return Case.objects.filter(id=subject).first() if kind in _WORDS else None
