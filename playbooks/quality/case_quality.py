"""Did a closed case keep to the client's own process? A checklist, and a second opinion on some.

Which cases a second technician looks at follows from the case's id, so nobody picks them.
"""

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from playbooks.errors import PlaybookError
from playbooks.guardrails import REQUIRED_APPROVALS, tiers_granted
from playbooks.models import CaseProcess, CaseQuality, Plan, Step
from playbooks.quality.opinions import Opinions, compared
from tenants import evidence, ledger, scope
from tenants.models import Case, LedgerEntry, Verdict

_CALLED = (Step.Status.CALLED, Step.Status.VERIFIED, Step.Status.UNKNOWN, Step.Status.ROLLED_BACK)
_LEAST_NOTE = 15


@dataclass(frozen=True, slots=True)
class Item:
    """One check: whether it holds, and what was seen."""

    name: str
    title: str
    holds: bool
    seen: str

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"name": self.name, "title": self.title, "holds": self.holds, "seen": self.seen}


def process_of() -> CaseProcess:
    """Return what the scope's tenant asks of closed cases; version 0 is what Holdfast brings."""
    newest = CaseProcess.in_scope().order_by("-version").first()
    return newest or CaseProcess(version=0)


def set_process(given: Mapping[str, int], *, actor: str) -> CaseProcess:
    """Keep another version of what is asked; PlaybookError says which value can't be kept."""
    names = ("least_evidence", "acknowledge_minutes", "decide_minutes", "close_minutes",
             "sample_percent")  # fmt: skip
    before = process_of()
    told = {name: given.get(name, getattr(before, name)) for name in names}
    for name, value in told.items():
        most = 100 if name in ("least_evidence", "sample_percent") else 525_600
        if not 0 <= value <= most:
            raise PlaybookError([f"{name.replace('_', ' ')} is a number from 0 to {most}."])
    row = CaseProcess.objects.create(
        tenant_id=scope.require_tenant_id(), version=before.version + 1, author=actor, **told
    )
    ledger.append("case.process_set", actor=actor, subject=str(row), body=told)
    return row


def check_closed(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Check a closed case, once a closing. Handler of work `quality`."""
    with scope.tenant(tenant_id):
        case = Case.objects.select_for_update().get(id=case_id)
        is_incident = case.kind == Case.Kind.INCIDENT
        if case.status != Case.Status.CLOSED or case.closed_at is None or not is_incident:
            return
        if case.quality.filter(closed_at=case.closed_at).exists():
            return
        process = process_of()
        found = checklist(case, process)
        failed = [item.title for item in found if not item.holds]
        CaseQuality.objects.create(
            tenant_id=tenant_id, case=case, closed_at=case.closed_at,
            process_version=process.version, items=[item.as_json() for item in found],
            is_passed=not failed, is_sampled=is_sampled(case.id, process.sample_percent),
            verdict=case.verdict,
        )  # fmt: skip
        ledger.append(
            "case.quality", actor="engine", case_id=case.id, subject=str(case),
            body={"failed": failed, "process": process.version},
        )  # fmt: skip


def is_sampled(case_id: uuid.UUID, percent: int) -> bool:
    """Whether a case is one of the `percent` that a second technician looks at: by its id alone."""
    digest = hashlib.sha256(b"quality sample " + case_id.bytes).digest()
    return int.from_bytes(digest[:4], "big") % 100 < percent


def checklist(case: Case, process: CaseProcess) -> list[Item]:
    """Return each check of a closed case against the client's process."""
    rows = list(evidence.of_case(case).order_by("answered_at"))
    steps = list(Step.objects.filter(run__plan__case=case).select_related("run__plan"))
    return [
        _depth(case, rows, process),
        _intact(rows),
        _approvals(steps),
        _read_backs(steps),
        _in_time(case, "acknowledge", "Looked at in time", process.acknowledge_minutes),
        _in_time(case, "decide", "Decided in time", process.decide_minutes),
        _in_time(case, "close", "Closed in time", process.close_minutes),
        _note(case),
    ]


def answered(rows: Iterable[tuple[str, bool]]) -> tuple[int, int]:
    """Return how many questions were answered, and how many asked: the last time of each counts."""
    asked = dict(rows)
    return sum(asked.values()), len(asked)


def _depth(case: Case, rows: Sequence[Any], process: CaseProcess) -> Item:
    known, asked = answered(
        (row.answer.get("step", row.gatherer), row.is_available) for row in rows
    )
    percent = 100 * known // asked if asked else 0
    return Item(
        "evidence", "Enough evidence", percent >= process.least_evidence,
        f"{known} of {asked} questions answered ({percent} %); "
        f"{process.least_evidence} % are asked for",
    )  # fmt: skip


def _intact(rows: Sequence[Any]) -> Item:
    changed = sum(evidence.content_hash(row) != row.sha256 for row in rows)
    seen = f"{changed} of {len(rows)} records changed since" if changed else "no record changed"
    return Item("intact", "Evidence unchanged", not changed, seen)


def _approvals(steps: Sequence[Step]) -> Item:
    """Whether each step that reached a vendor had the approvals of its tier."""
    done = [step for step in steps if step.status in _CALLED]
    granted: dict[uuid.UUID, set[str]] = {}
    lacking = []
    for step in done:
        plan: Plan = step.run.plan
        given = granted.setdefault(plan.id, set(tiers_granted(plan)))
        if not given.issuperset(REQUIRED_APPROVALS.get(step.tier, ("forbidden",))):
            lacking.append(step.action)
    seen = f"without approval: {', '.join(lacking)}" if lacking else f"{len(done)} actions allowed"
    return Item("approvals", "Allowed as the rules ask", not lacking, seen)


def _read_backs(steps: Sequence[Step]) -> Item:
    called = [step for step in steps if step.status in _CALLED]
    unseen = [
        step.action
        for step in called
        if step.status != Step.Status.ROLLED_BACK
        and not (step.status == Step.Status.VERIFIED and step.read_back.get("holds"))
    ]
    seen = f"not seen: {', '.join(unseen)}" if unseen else f"{len(called)} actions read back"
    return Item("read_backs", "Every action read back", not unseen, seen)


def _in_time(case: Case, name: str, title: str, minutes: int) -> Item:
    """Whether something came within so many minutes of the case's opening."""
    at: dt.datetime | None = {
        "acknowledge": case.acknowledged_at, "decide": case.decided_at or case.closed_at,
        "close": case.closed_at,
    }[name]  # fmt: skip
    if at is None:
        return Item(name, title, False, "never")
    took = max(0, int((at - case.opened_at).total_seconds() // 60))
    return Item(name, title, took <= minutes, f"after {took} minutes; {minutes} are allowed")


def _note(case: Case) -> Item:
    length = len(case.closing_note.strip())
    return Item(
        "note", "Says what was found and done", length >= _LEAST_NOTE, f"{length} characters"
    )


def review(quality_id: uuid.UUID, verdict: str, note: str, *, actor: str, username: str) -> None:
    """Keep a second technician's verdict on a sampled case; PlaybookError where it can't be."""
    row = CaseQuality.objects.select_for_update().select_related("case").get(id=quality_id)
    if not row.is_sampled or row.reviewed_at:
        raise PlaybookError(["Nobody has to look at this case a second time."])
    if row.case.assignee == username or _took_part(row.case, actor):
        raise PlaybookError(["You worked on this case: somebody else has to look at it."])
    if verdict not in Verdict.values:
        raise PlaybookError(["Choose a verdict."])
    if verdict != row.verdict and not note.strip():
        raise PlaybookError(["Say why you see it otherwise: the note is kept."])
    row.reviewer, row.review_verdict, row.review_note = actor, verdict, note.strip()
    row.reviewed_at = timezone.now()
    row.save(update_fields=["reviewer", "review_verdict", "review_note", "reviewed_at"])
    ledger.append(
        "case.reviewed", actor=actor, case_id=row.case_id, subject=str(row.case),
        body={"verdict": row.verdict, "review": verdict, "note": row.review_note},
    )  # fmt: skip


def latest() -> QuerySet[CaseQuality]:
    """Return the check of each case's latest closing: one that was reopened stands once."""
    rows = CaseQuality.in_scope()
    newest = rows.filter(case_id=OuterRef("case_id")).order_by("-closed_at", "-id")
    return rows.filter(id=Subquery(newest.values("id")[:1]))


def waiting(rows: QuerySet[CaseQuality]) -> QuerySet[CaseQuality]:
    """Return those of the sample that nobody has looked at a second time yet."""
    return rows.filter(is_sampled=True, reviewed_at=None)


def second_looks() -> int:
    """Return how many closed cases of the sample nobody has looked at a second time yet."""
    return waiting(latest()).count()


def _took_part(case: Case, actor: str) -> bool:
    """Whether somebody did, approved or decided anything of a case, or of a part of it."""
    parts = [case.id, *case.merged.values_list("id", flat=True)]
    return LedgerEntry.objects.filter(
        tenant_id=case.tenant_id, case_id__in=parts, actor=actor
    ).exists()


def agreement() -> Opinions:
    """Return how far second technicians agreed, at the clients that the scope shows."""
    rows = CaseQuality.in_scope().filter(reviewed_at__isnull=False).order_by()
    return compared(rows.values_list("verdict", "review_verdict"))
