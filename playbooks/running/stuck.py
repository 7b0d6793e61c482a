"""Calling a person while Holdfast goes on trying, such as for work that fails again and again.

The case stands among those that need a technician, but nothing waits for one: what goes on by
itself later takes the call back.
"""

import uuid

from playbooks.cases import needs
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
            call(case, f"Holdfast could not {_WORDS[kind]} ({error}): look at the worker's log.")


def call(case: Case, words: str) -> None:
    """Call a technician to an open case for as long as Holdfast can't go on, and say why.

    Where the case is before a person already, this is said first, and what they have to do stays.
    """
    said = f"{words} {needs.TRYING}"
    if said in case.needs:
        return
    left = needs.without_call(case.needs)
    if left and case.status in (Case.Status.AWAITING_APPROVAL, Case.Status.NEEDS_TECHNICIAN):
        case.needs = f"{said} {left}"
        case.save(update_fields=["needs"])
    elif left:
        needs_technician(case, f"{said} {left}")
    else:
        may_close = case.status == Case.Status.RESPONDING or needs.closes_by_itself(case.needs)
        needs_technician(case, f"{said} {needs.CLOSES}" if may_close else said)


def also_needs(case: Case, words: str) -> None:
    """Put a case before a technician for one thing more; what they had to do before stays."""
    # Others may say something of it at the same time.
    case.needs = Case.objects.select_for_update().get(id=case.id).needs
    if words in case.needs:
        return
    called, trying, _ = case.needs.rpartition(needs.TRYING)
    needs_technician(
        case, " ".join(filter(None, [f"{called}{trying}", needs.without_call(case.needs), words]))
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
