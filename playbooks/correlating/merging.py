"""Two cases become one, because an alert belongs to both or a technician says so.

The older goes on. What the other was in the middle of goes with it: its alerts and plans, with
their runs, approvals and links, are those of the one that goes on. Its evidence and its entries in
the ledger, which are never changed, stay where they are and are shown there. It keeps its number,
is closed, and counts no more.
"""

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any

from django.db.models import Q
from django.utils import timezone

from playbooks.cases import needs
from playbooks.correlating import case_entities
from playbooks.models import Plan
from playbooks.plans import standing
from tenants import ledger, scope, work
from tenants.canonical import jsonable
from tenants.models import Case, CaseChange, Finding, Verdict

# What undoing puts back.
KEPT = (
    "title", "status", "severity_id", "risk", "risk_terms", "account_id", "entities", "verdict",
    "verdict_detail", "assignee", "needs", "first_activity_at", "last_activity_at",
    "acknowledged_at", "decided_at", "contained_at", "closed_at", "closed_with_proof",
    "closing_note", "reopened_count", "merged_into_id",
)  # fmt: skip
_DECIDED = ("verdict", "decided_at", "assignee", "contained_at", "closed_at")
_GRAVITY = (
    "", Verdict.FALSE_POSITIVE, Verdict.BENIGN, Verdict.INSUFFICIENT_DATA, Verdict.SUSPICIOUS,
    Verdict.TRUE_POSITIVE,
)  # fmt: skip
# Of two cases' states that one holds which must not be forgotten.
_STATES = (
    Case.Status.NEEDS_TECHNICIAN, Case.Status.AWAITING_APPROVAL, Case.Status.RESPONDING,
    Case.Status.INVESTIGATING, Case.Status.NEW,
)  # fmt: skip


def snapshot(case: Case) -> dict[str, Any]:
    """Return what of a case undoing puts back, as JSON."""
    return jsonable({name: getattr(case, name) for name in KEPT})


def decided(case: Case) -> dict[str, Any]:
    """Return what a verdict, or whoever works on a case, changes of it; as JSON."""
    told = snapshot(case)
    return {name: told[name] for name in _DECIDED}


def merge(case: Case, other: Case, *, actor: str, reason: str) -> CaseChange:
    """Make `other` a part of `case`; both are open, and locked with their plans.

    Runs inside the tenant's scope, under `joining.lock`. The case has then to be assessed.
    """
    before: dict[str, Any] = {"case": snapshot(case), "other": snapshot(other)}
    before["apart"] = _apart_no_more(case, other)
    before["carried"], findings, plans = absorb(case, other, reason)
    before["merged"] = decided(case)
    change = CaseChange.objects.create(
        tenant_id=scope.require_tenant_id(), kind=CaseChange.Kind.MERGE, case=case, other=other,
        findings=findings, plans=plans, before=before, actor=actor, reason=reason,
        at=timezone.now(),
    )  # fmt: skip
    record("case.merged", change, f"#{other.number} into #{case.number}", actor, reason)
    return change


def absorb(
    case: Case, other: Case, reason: str
) -> tuple[list[str], list[uuid.UUID], list[uuid.UUID]]:
    """Let a case have all of another; return the cases, alerts and plans that changed theirs."""
    carried = _carry_on(case, other)
    findings = list(Finding.objects.filter(case=other).values_list("id", flat=True))
    plans = list(Plan.objects.filter(case=other).values_list("id", flat=True))
    leads, follows = (other, case) if _how_far(other) > _how_far(case) else (case, other)
    move(findings, plans, to=case)
    _adopt(case, other, leads, follows)
    _end(other, case, reason)
    case.save()
    case_entities.replace(case, by=case_entities.widened(case.entities, other.entities))
    case.save(update_fields=["entities"])
    other.save()
    case_entities.replace(other, by=other.entities)
    if case.status == Case.Status.INVESTIGATING:
        # Whoever looked into the other may not go on with it.
        work.schedule("investigate", case.id)
    return carried, findings, plans


def move(findings: Collection[uuid.UUID], plans: Collection[uuid.UUID], *, to: Case) -> None:
    """Let alerts and plans be those of another case."""
    Finding.objects.filter(id__in=list(findings)).update(case=to)
    Plan.objects.filter(id__in=list(plans)).update(case=to)


def record(kind: str, change: CaseChange, subject: str, actor: str, reason: str) -> None:
    """Write a change into the ledger, for both cases."""
    for one in (change.case_id, change.other_id):
        ledger.append(
            kind, actor=actor, case_id=one, subject=subject,
            body={
                "change": change.id, "reason": reason,
                "case": change.case_id, "other": change.other_id,
                "findings": len(change.findings), "plans": len(change.plans),
            },
        )  # fmt: skip


def waiting(case: Case) -> int:
    """Return how many plans of a case wait for a decision."""
    return Plan.objects.filter(case=case, approvals__decision="pending").distinct().count()


def kept_apart(cases: Collection[Case]) -> set[frozenset[uuid.UUID]]:
    """Return which of the cases a person has separated, in pairs of ids."""
    ids = {case.id for case in cases}
    return {
        pair for change in _apart(ids) for pair in [_pair(change)] if len(pair) == 2 and pair <= ids
    }


def _apart(ids: Collection[uuid.UUID]) -> Collection[CaseChange]:
    """Return the decisions that keep one of the cases, or of what is part of them, from others."""
    rows = CaseChange.objects.filter(
        Q(case__in=ids) | Q(case__merged_into__in=ids) | Q(other__in=ids)
        | Q(other__merged_into__in=ids),
        keeps_apart=True,
    )  # fmt: skip
    return list(rows.select_related("case", "other"))


def _pair(change: CaseChange) -> frozenset[uuid.UUID]:
    one, other = change.case, change.other
    return frozenset({one.merged_into_id or one.id, other.merged_into_id or other.id})


def _apart_no_more(case: Case, other: Case) -> list[str]:
    """Let no decision keep the two apart any more; return which did."""
    ended = [
        change for change in _apart([case.id, other.id]) if _pair(change) == {case.id, other.id}
    ]
    CaseChange.objects.filter(id__in=[one.id for one in ended]).update(keeps_apart=False)
    return [str(one.id) for one in ended]


def _carry_on(case: Case, other: Case) -> list[str]:
    """Make what is part of `other` part of `case`: nothing is part of a part."""
    carried = Case.objects.filter(merged_into=other)
    ids = [str(one) for one in carried.values_list("id", flat=True)]
    carried.update(merged_into=case)
    return ids


def _adopt(case: Case, other: Case, leads: Case, follows: Case) -> None:
    """Let a case stand as the one of the two that is further, `leads`; it is not saved."""
    left = [
        *leads.verdict_detail.get("left_before", []),
        *follows.verdict_detail.get("left_before", []),
        *follows.verdict_detail.get("not_planned", []),
    ]
    detail = dict(leads.verdict_detail)
    if left:
        detail["left_before"] = list(dict.fromkeys(left))
    case.needs = needs.together(*(needs.besides_deciding(one.needs) for one in (leads, follows)))
    case.status = min((case.status, other.status), key=lambda one: _STATES.index(Case.Status(one)))
    case.contained_at = _contained_at(leads, follows)
    case.verdict, case.decided_at = leads.verdict, leads.decided_at
    case.verdict_detail = detail
    case.account_id = leads.account_id or follows.account_id
    case.assignee = case.assignee or other.assignee
    case.acknowledged_at = min(
        filter(None, (case.acknowledged_at, other.acknowledged_at)), default=None
    )
    case.first_activity_at = min(case.first_activity_at, other.first_activity_at)
    case.last_activity_at = max(case.last_activity_at, other.last_activity_at)
    case.reopened_count += other.reopened_count
    if plans := waiting(case):
        case.needs = needs.counted_anew(case.needs, plans)


def _contained_at(leads: Case, follows: Case) -> dt.datetime | None:
    """Return since when an attack is contained: not while one of its halves is not."""
    if follows.verdict == Verdict.TRUE_POSITIVE and follows.contained_at is None:
        return None
    if leads.contained_at is None or follows.contained_at is None:
        return leads.contained_at
    return max(leads.contained_at, follows.contained_at)


def _how_far(case: Case) -> tuple[int, bool, bool]:
    """Return what makes one case's verdict stand: the graver, then that it is acted upon."""
    has_begun = not standing.has_begun_nothing(case)
    return _GRAVITY.index(case.verdict), has_begun, case.decided_at is not None


def _end(other: Case, case: Case, reason: str) -> None:
    other.status = Case.Status.CLOSED
    other.merged_into = case
    other.needs = ""
    other.closed_at = timezone.now()
    other.closed_with_proof = False
    other.closing_note = f"Part of case #{case.number} since then: {reason}"
