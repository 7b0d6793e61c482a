"""Cases merged and split by a technician, and put back as they were.

What a person has separated, by a split or by undoing a merge, is never joined by rule again. Only
the last change of a case can be undone: the one before it comes after.
"""

import uuid
from collections.abc import Collection
from typing import Any, cast

from django.db import models
from django.db.models import Q
from django.utils import timezone

from playbooks import response, triage
from playbooks.cases import needs, unread
from playbooks.cases.case_numbers import next_number
from playbooks.correlating import case_entities, joining, merging
from playbooks.correlation import span
from playbooks.errors import CaseError
from playbooks.models import Plan
from playbooks.plans import giving_way, standing
from playbooks.plans.standing import OPEN_PLANS
from tenants import ledger, scope, work
from tenants.models import Case, CaseChange, Finding

_LONGEST_REASON = 1000
_JOINED = "The alerts that it was made for are part of the case again, which deals with them."
# How a case stands, whatever alerts it has.
_STANDS = (
    "status", "needs", "verdict", "verdict_detail", "decided_at", "contained_at", "account_id",
)  # fmt: skip


def merge(case_id: uuid.UUID, other_id: uuid.UUID, *, actor: str, reason: str) -> CaseChange:
    """Make two open cases one, the one with the lower number; CaseError where they can't be.

    Runs inside the tenant's scope.
    """
    reason = _reason(reason)
    if case_id == other_id:
        raise CaseError("Choose another case: a case can't be merged with itself.")
    joining.lock()
    first, second = sorted(_locked(case_id, other_id), key=lambda case: case.number)
    for case in (first, second):
        _check_open(case)
    change = merging.merge(first, second, actor=actor, reason=reason)
    triage.assess([first])
    return change


def split(
    case_id: uuid.UUID, findings: Collection[uuid.UUID], *, actor: str, reason: str
) -> CaseChange:
    """Make some alerts of an open case a case of their own, which is looked into.

    CaseError where none or all of its alerts are named, or they are not its own. Runs inside the
    tenant's scope.
    """
    reason = _reason(reason)
    joining.lock()
    (case,) = _locked(case_id)
    _check_open(case)
    told = list(case.findings.filter(id__in=list(findings)).order_by("time", "id"))
    if not told or len(told) != len(set(findings)):
        raise CaseError("Choose findings of this case: some of these are not (any more).")
    if len(told) == case.findings.count():
        raise CaseError("Leave at least one finding in the case.")
    before = {"case": merging.snapshot(case)}
    other = _open(case, told)
    change = CaseChange.objects.create(
        tenant_id=scope.require_tenant_id(), kind=CaseChange.Kind.SPLIT, case=case, other=other,
        findings=[one.id for one in told], before=before, keeps_apart=True, actor=actor,
        reason=reason, at=timezone.now(),
    )  # fmt: skip
    merging.move(change.findings, (), to=other)
    for one in (case, other):
        _have_only_its_own(one)
    merging.record("case.split", change, f"#{other.number} out of #{case.number}", actor, reason)
    triage.assess([case, other])
    _look_again(case)
    change.before["left"] = merging.decided(case)
    change.save(update_fields=["before"])
    return change


def undo(change_id: uuid.UUID, *, actor: str, reason: str) -> CaseChange:
    """Put back what a merge or split changed; what came since stays where it is.

    CaseError where it was undone already, or a later change has to be undone first. Runs inside
    the tenant's scope.
    """
    reason = _reason(reason)
    joining.lock()
    change = CaseChange.objects.select_related("case", "other").get(id=change_id)
    why_not = why_not_undone(change)
    if why_not:
        raise CaseError(why_not)
    case, other = _locked(change.case_id, change.other_id)
    if change.kind == CaseChange.Kind.MERGE:
        _unmerge(change, case, other)
    else:
        _unsplit(change, case, other, reason)
    change.keeps_apart = change.kind == CaseChange.Kind.MERGE
    change.undone_at, change.undone_by, change.undone_why = timezone.now(), actor, reason
    change.save(update_fields=["keeps_apart", "undone_at", "undone_by", "undone_why"])
    told = "merge" if change.kind == CaseChange.Kind.MERGE else "split"
    subject = f"#{change.other.number} and #{change.case.number}"
    merging.record(f"case.{told}_undone", change, subject, actor, reason)
    return change


def why_not_undone(change: CaseChange) -> str:
    """Say why a change can't be undone; empty where it can."""
    if change.undone_at is not None:
        return "This was undone already."
    ids = [change.case_id, change.other_id]
    later = CaseChange.objects.filter(
        Q(case__in=ids) | Q(other__in=ids), undone_at=None, id__gt=change.id
    ).exclude(id=change.id)
    if later.exists():
        return "These cases were merged or split again since: undo the later change first."
    if change.case.status == Case.Status.CLOSED:
        return "The case is closed: nothing is changed about it any more."
    is_split = change.kind == CaseChange.Kind.SPLIT
    if is_split and change.other.status == Case.Status.CLOSED:
        return "The case that was split off is closed: nothing is changed about it any more."
    return ""


def _unmerge(change: CaseChange, case: Case, other: Case) -> None:
    is_undisturbed = merging.decided(case) == change.before["merged"]
    told = Finding.objects.filter(id__in=change.findings, case=case)
    back = list(Plan.objects.filter(id__in=change.plans, case=case).values_list("id", flat=True))
    merging.move(list(told.values_list("id", flat=True)), back, to=other)
    Case.objects.filter(id__in=change.before["carried"]).update(merged_into=other)
    CaseChange.objects.filter(id__in=change.before["apart"]).update(keeps_apart=True)
    _restore(other, change.before["other"])
    newer = case.findings.filter(received_at__gt=change.at)
    if is_undisturbed and not newer.exists():
        _restore(case, change.before["case"])
    else:
        _have_only_its_own(case)
        if is_undisturbed:
            for name in _STANDS:
                setattr(case, name, _read(case, name, change.before["case"]))
        case.save()
        triage.assess([case])
        if not is_undisturbed:
            _look_again(case)
    for one in (case, other):
        _go_on(one)


def _unsplit(change: CaseChange, case: Case, other: Case, reason: str) -> None:
    is_untouched = (
        not other.verdict
        and not Plan.objects.filter(case=other).exists()
        and other.findings.count() == len(change.findings)
        and not case.findings.filter(received_at__gt=change.at).exists()
        and merging.decided(case) == change.before["left"]
    )
    _, _, plans = merging.absorb(case, other, reason)
    if is_untouched:
        _restore(case, change.before["case"])
        _go_on(case)
        return
    _ask_for_nothing_twice(case, plans)
    triage.assess([case])


def _ask_for_nothing_twice(case: Case, joined: Collection[uuid.UUID]) -> None:
    """Withdraw what was planned while alerts were split off, where the case has all of it anyhow.

    What a person asked for, and the undoing of what was done, is still theirs to decide.
    """
    rows = Plan.objects.filter(id__in=joined, status__in=OPEN_PLANS, requested_by=joining.ENGINE)
    rows = rows.filter(document__reverses__isnull=True).select_related("case")
    withdrawn = [
        giving_way.give_way(plan, why=f"#{case.number} asks for it or has done it", reason=_JOINED)
        for plan in rows.order_by("created_at")
        if standing.is_covered(plan)
    ]
    if any(withdrawn) and case.status in (Case.Status.AWAITING_APPROVAL, Case.Status.RESPONDING):
        response.set_status(case)
        work.schedule("close", case.id)
    elif any(withdrawn):
        case.needs = needs.counted_anew(case.needs, merging.waiting(case))
        case.save(update_fields=["needs"])


def _look_again(case: Case) -> None:
    """Have a case looked into again whose verdict read what is another case's now.

    Where something is being done already, it goes on: what was taken out is looked into by itself.
    """
    waits = (Case.Status.AWAITING_APPROVAL, Case.Status.RESPONDING)
    if case.verdict and case.status in waits and standing.has_begun_nothing(case):
        unread.look_again(case, "Some of what its verdict read is another case's now.")


def _restore(case: Case, told: dict[str, Any]) -> None:
    for name in merging.KEPT:
        setattr(case, name, _read(case, name, told))
    case.save()
    case_entities.replace(case, by=case.entities)
    case.save(update_fields=["entities"])


def _read(case: Case, name: str, told: dict[str, Any]) -> Any:
    field = cast("models.Field[Any, Any]", case._meta.get_field(name))
    return field.to_python(told[name])


def _go_on(case: Case) -> None:
    """Let a case that was put back go on where it was."""
    if case.status in (Case.Status.NEW, Case.Status.INVESTIGATING):
        work.schedule("investigate", case.id)
    elif case.status in (Case.Status.AWAITING_APPROVAL, Case.Status.RESPONDING):
        if Plan.objects.filter(case=case, status__in=OPEN_PLANS).exists():
            response.set_status(case)
        work.schedule("close", case.id)
        work.schedule("replan", case.tenant_id)


def _have_only_its_own(case: Case) -> None:
    """Let a case have what its own alerts tell, and no more."""
    entities: set[str] = set()
    spans = []
    for finding in case.findings.defer("ocsf", "description").iterator(chunk_size=1000):
        entities.update(finding.entities)
        spans.append(span(finding))
    if spans:
        case.first_activity_at = min(start for start, _ in spans)
        case.last_activity_at = max(end for _, end in spans)
    case_entities.replace(case, by=case_entities.widened((), entities))
    case.account_id = None
    case.save(update_fields=["entities", "first_activity_at", "last_activity_at", "account"])


def _open(case: Case, told: list[Finding]) -> Case:
    start, end = span(told[0])
    other = Case.objects.create(
        tenant_id=case.tenant_id, number=next_number(), title=told[0].title,
        severity_id=told[0].severity_id, opened_at=timezone.now(), first_activity_at=start,
        last_activity_at=end,
    )  # fmt: skip
    ledger.append(
        "case.opened", actor=joining.ENGINE, case_id=other.id, subject=str(other),
        body={"number": other.number},
    )  # fmt: skip
    return other


def _locked(*ids: uuid.UUID) -> list[Case]:
    """Return the cases in the order asked for, locked with their open plans before them."""
    for one in sorted(ids):
        giving_way.lock_open(one)
    rows = Case.objects.select_for_update().filter(id__in=ids).order_by("id")
    found = {case.id: case for case in rows}
    if len(found) != len(set(ids)):
        raise CaseError("There is no such case.")
    return [found[one] for one in ids]


def _check_open(case: Case) -> None:
    if case.kind == Case.Kind.ROUTINE:
        raise CaseError("A routine has no findings: it can't be merged or split.")
    if case.merged_into is not None:
        raise CaseError(f"#{case.number} is part of #{case.merged_into.number}: choose that one.")
    if case.status == Case.Status.CLOSED:
        raise CaseError(f"#{case.number} is closed: only open cases can be merged or split.")


def _reason(reason: str) -> str:
    told = reason.strip()[:_LONGEST_REASON]
    if not told:
        raise CaseError("Say why: the reason is kept in the ledger.")
    return told
