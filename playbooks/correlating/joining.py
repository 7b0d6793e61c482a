"""Putting alerts into cases: the open one that they belong to, a closed one, or a new one.

What belongs to two open cases makes them one. A batch costs a handful of queries, however many
alerts and cases there are. Only one worker at a time does it for a client (`lock`).
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from playbooks.cases import shared_names, unread
from playbooks.cases.case_numbers import next_number
from playbooks.correlating import case_entities, merging
from playbooks.correlation import (
    WINDOW,
    Group,
    Names,
    Partition,
    joining,
    shifted,
    span,
)
from playbooks.plans import giving_way
from tenants import ledger, scope
from tenants.models import Case, Finding, LedgerEntry, new_id

ENGINE = "engine"
# A case that has been open for so long takes no more alerts by rule: else a noisy computer's would
# never end. What comes is a case of its own, and looked into by itself.
LONGEST = dt.timedelta(days=30)


def lock() -> None:
    """Make whatever joins, merges or splits cases of the scope's tenant wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 3))",
            [f"triage {scope.require_tenant_id()}"],
        )


def join(findings: Sequence[Finding]) -> list[Case]:
    """Put alerts, in the order of their times, into cases; return the cases that have more now.

    Runs inside the tenant's scope, under `lock`.
    """
    batch = _Batch(findings)
    batch.sort()
    while not batch.is_locked():
        batch.sort()
    return batch.put()


class _Batch:
    """Alerts on their way into cases."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = findings
        self._new = {one.id: one for one in findings if one.case_id is None}
        self._cases: dict[uuid.UUID, Case] = {}
        self._shared: dict[uuid.UUID, set[str]] = {}
        self._late: dict[uuid.UUID, Case] = {}
        self._found = Partition()
        self._names = shared_names.known({e for one in findings for e in one.entities})
        self._opened_since = timezone.now() - LONGEST
        # What an alert tells anew that is in a case already.
        self._more: dict[uuid.UUID, list[Finding]] = {}
        for one in findings:
            if one.case_id is not None:
                self._more.setdefault(one.case_id, []).append(one)
        self._add(Case.objects.filter(id__in=list(self._more), kind=Case.Kind.INCIDENT))

    def sort(self) -> None:
        """Find out what belongs together; what grows may come near to further cases."""
        wanted = set().union(*(self._group(one).shared for one in self._findings))
        spans = [span(one) for one in self._findings]
        while wanted and spans and self._read(wanted, *_hull(spans)):
            self._sort_once()
            grown = [case.id for case in self._open()]
            spans += [self._found.span(one) for one in grown]
            wanted |= set().union(*(self._found.shared(one) for one in grown))
        self._sort_once()

    def is_locked(self) -> bool:
        """Lock the cases that change; False where one was closed, or opened again, meanwhile.

        The plans of what is merged are locked first, as whoever decides on one does.
        """
        sets = [cases for cases, told in self._sets() if len(cases) > 1]
        for case in sorted((case for cases in sets for case in cases), key=lambda one: one.id):
            giving_way.lock_open(case.id)
        changing = [case.id for cases, _ in self._sets() for case in cases]
        changing += [case.id for case in self._late.values()]
        changing += [case.id for case in self._told_anew()]
        rows = Case.objects.select_for_update().filter(id__in=changing).order_by("id")
        before = {one: self._cases[one].status == Case.Status.CLOSED for one in changing}
        fresh = {case.id: case for case in rows}
        self._cases |= fresh
        self._late = {one: self._cases[case.id] for one, case in self._late.items()}
        return all(
            before[case.id] == (case.status == Case.Status.CLOSED) for case in fresh.values()
        )

    def put(self) -> list[Case]:
        """Write it down; return the cases that have more now."""
        joined: list[tuple[Case, list[Finding]]] = []
        fresh: list[list[Finding]] = []
        for cases, told in self._sets():
            if cases:
                self._merge(cases, told)
                joined.append((cases[0], told))
                _grow(cases[0], [more for one in cases for more in self._more.get(one.id, ())])
            else:
                fresh.append(told)
        joined += zip(_opened(fresh), fresh, strict=True)
        for case in {case.id: case for case in self._late.values()}.values():
            told = [one for one in self._findings if self._late.get(one.id) is case]
            joined.append((case, told))
        for case, told in joined:
            _grow(case, told)
        had = {case.id for case, _ in joined}
        for case in self._told_anew():
            _grow(case, self._more[case.id])
            if case.id not in had:
                joined.append((case, []))
        _keep(joined, self._shared, self._names)
        self._note_triaged(joined)
        return [case for case, _ in joined]

    def _told_anew(self) -> list[Case]:
        """Return the closed cases of which an alert tells what their verdict has not read."""
        rows = (self._cases[one] for one in self._more if one in self._cases)
        return [one for one in rows if one.status == Case.Status.CLOSED and unread.news(one)]

    def _sets(self) -> list[tuple[list[Case], list[Finding]]]:
        """Return each set that changes: its cases, the oldest first, and its new alerts."""
        sets = []
        for ids in self._found.together():
            cases = sorted(
                (self._cases[one] for one in ids if one in self._cases), key=lambda one: one.number
            )
            told = [self._new[one] for one in ids if one in self._new]
            if told or len(cases) > 1 or any(self._tells_more(case) for case in cases):
                sets.append((cases, sorted(told, key=lambda one: (one.time, one.id))))
        return sets

    def _tells_more(self, case: Case) -> bool:
        """Whether its alerts name others by now, are worse, or are known to be about somebody."""
        more = self._more.get(case.id, ())
        told = set().union(*(one.entities for one in more))
        if not joining(told, self._names) <= self._shared.get(case.id, set()):
            return True
        # OCSF's 99 is "other", and no severity.
        is_worse = any(one.severity_id % 99 > case.severity_id % 99 for one in more)
        return is_worse or not told <= set(case.entities)

    def _open(self) -> list[Case]:
        rows = [one for one in self._cases.values() if one.status != Case.Status.CLOSED]
        return sorted(rows, key=lambda one: one.number)

    def _read(self, wanted: set[str], start: dt.datetime, end: dt.datetime) -> bool:
        """Read the cases that share something and are near; return whether there were new ones."""
        having = case_entities.having(wanted).exclude(case__in=list(self._cases))
        return self._add(
            Case.objects.filter(
                Q(opened_at__gt=self._opened_since) & ~Q(status=Case.Status.CLOSED)
                | Q(status=Case.Status.CLOSED, decided_at__gte=start),
                id__in=having.values("case"),
                merged_into=None,
                first_activity_at__lte=shifted(end, WINDOW),
                last_activity_at__gte=shifted(start, -WINDOW),
            )
        )

    def _add(self, rows: Iterable[Case]) -> bool:
        found = {case.id: case for case in rows}
        self._cases |= found
        for case_id, entity in case_entities.of(list(found)) if found else ():
            self._shared.setdefault(case_id, set()).add(entity)
        return bool(found)

    def _sort_once(self) -> None:
        cases = self._open()
        self._found = Partition(merging.kept_apart(cases) if len(cases) > 1 else ())
        for case in cases:
            self._found.add(self._group_of(case))
        self._late = {}
        for finding in self._new.values():
            group = self._group(finding)
            closed = None if self._found.is_near(group) else self._dealt_with(group)
            if closed is None:
                self._found.add(group)
            else:
                self._late[finding.id] = closed

    def _group(self, finding: Finding) -> Group:
        return Group(finding.id, joining(finding.entities, self._names), *span(finding))

    def _group_of(self, case: Case) -> Group:
        more = [self._group(one) for one in self._more.get(case.id, ())]
        return Group(
            case.id,
            frozenset(self._shared.get(case.id, ())).union(*(one.shared for one in more)),
            min([case.first_activity_at, *(one.start for one in more)]),
            max([case.last_activity_at, *(one.end for one in more)]),
        )

    def _dealt_with(self, group: Group) -> Case | None:
        """Return the closed case that an alert belongs to: its verdict came after what is told.

        An alert may reach us when the attack that it is about has been dealt with already.
        """
        closed = [
            case
            for case in self._cases.values()
            if case.status == Case.Status.CLOSED
            and not group.shared.isdisjoint(self._shared.get(case.id, ()))
            and case.first_activity_at <= shifted(group.end, WINDOW)
            and case.last_activity_at >= shifted(group.start, -WINDOW)
            and case.decided_at is not None
            and case.decided_at >= group.end
        ]
        return max(closed, key=lambda case: (case.opened_at, case.number), default=None)

    def _merge(self, cases: Sequence[Case], told: Sequence[Finding]) -> None:
        first, *others = cases
        for other in others:
            reason = (
                f"“{told[0].title}” belongs to both."
                if told
                else "What is known by now belongs to both."
            )
            merging.merge(first, other, actor=ENGINE, reason=reason)

    def _note_triaged(self, joined: Iterable[tuple[Case, Sequence[Finding]]]) -> None:
        pairs = [(one.id, case.id) for case, told in joined for one in told]
        ids, cases = [one for one, _ in pairs], [case for _, case in pairs]
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE tenants_finding AS finding SET case_id = told.to_case, needs_triage = false"
                "  FROM unnest(%s::uuid[], %s::uuid[]) AS told (id, to_case)"
                " WHERE finding.id = told.id AND finding.tenant_id = %s",
                [ids, cases, scope.require_tenant_id()],
            )
        seen = [one.id for told in self._more.values() for one in told]
        if seen:
            Finding.objects.filter(id__in=seen).update(needs_triage=False)


def _hull(spans: Iterable[tuple[dt.datetime, dt.datetime]]) -> tuple[dt.datetime, dt.datetime]:
    told = list(spans)
    return min(start for start, _ in told), max(end for _, end in told)


def _opened(sets: Sequence[Sequence[Finding]]) -> list[Case]:
    """Return a new case for each set of alerts; it has none of them yet."""
    if not sets:
        return []
    now, number = timezone.now(), next_number()
    cases = []
    for place, told in enumerate(sets):
        start, end = span(told[0])
        cases.append(
            Case(
                id=new_id(),
                tenant_id=scope.require_tenant_id(),
                number=number + place,
                title=told[0].title,
                severity_id=told[0].severity_id,
                opened_at=now,
                first_activity_at=start,
                last_activity_at=end,
            )
        )
    Case.objects.bulk_create(cases)
    ledger.append_all(
        LedgerEntry(kind="case.opened", actor=ENGINE, case_id=one.id, subject=str(one),
                    body={"number": one.number})
        for one in cases
    )  # fmt: skip
    return cases


def _grow(case: Case, told: Sequence[Finding]) -> None:
    """Let a case have what its alerts tell; it is not saved."""
    more = set().union(*(one.entities for one in told))
    case.entities = case_entities.widened(case.entities, more)
    start, end = _hull([(case.first_activity_at, case.last_activity_at), *map(span, told)])
    case.first_activity_at, case.last_activity_at = start, end


def _keep(
    joined: Sequence[tuple[Case, Sequence[Finding]]],
    known: Mapping[uuid.UUID, set[str]],
    names: Names,
) -> None:
    cases = [case for case, _ in joined]
    fields = ["entities", "first_activity_at", "last_activity_at"]
    Case.objects.bulk_update(cases, fields, batch_size=100)
    case_entities.note(cases, known, names)
    ledger.append_all(
        LedgerEntry(
            kind="case.finding_joined", actor=ENGINE, case_id=case.id, subject=one.title,
            body={"finding": one.id, "uid": one.uid, "severity": one.severity_id},
        )
        for case, told in joined
        for one in told
    )  # fmt: skip
