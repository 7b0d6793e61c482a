"""The measures of clients' cases, read for all of them at once.

However many cases and clients there are, it is the same few statements.
"""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Min, Q

from playbooks.cases import unread
from playbooks.models import Agreement, Approval, CaseQuality, Plan, Tier
from playbooks.quality import case_quality
from playbooks.quality.measures import STAGES, CaseMeasures, Interval, Share, Took, waited
from tenants.models import Case, Evidence, Finding, LedgerEntry, Verdict

# From when until when somebody was waited for; None: still.
Waiting = tuple[dt.datetime, dt.datetime | None]
_NEEDED, _TAKEN = "case.needs_technician", "case.taken"
_CLOSED, _DECIDED = "case.closed", "case.verdict"
_BY_HAND = "technician:"
_TECHNICIANS = (Tier.TECHNICIAN, Tier.SECOND_TECHNICIAN)
# The clocks of two machines of one installation may differ by so much.
_SKEW = dt.timedelta(minutes=1)
_READ = (
    "id", "tenant_id", "kind", "status", "verdict", "verdict_detail", "opened_at",
    "acknowledged_at", "decided_at", "contained_at", "closed_at",
)  # fmt: skip


def of_cases(opened: Mapping[uuid.UUID, Interval]) -> list[CaseMeasures]:
    """Return each case that the scope reads and that was opened in its tenant's interval.

    `opened`: from when (inclusive) until when (exclusive), by tenant.
    """
    rows = Case.in_scope().filter(_opened_in(opened), merged_into=None).only(*_READ)
    cases = list(rows.order_by("opened_at", "id"))
    roots = {case.id: case.id for case in cases}
    merged = Case.in_scope().filter(merged_into__in=list(roots))
    roots |= dict(merged.values_list("id", "merged_into_id"))
    read = _Read(roots)
    return [read.measure(case) for case in cases]


def _opened_in(opened: Mapping[uuid.UUID, Interval]) -> Q:
    tenants: dict[Interval, list[uuid.UUID]] = defaultdict(list)
    for tenant_id, interval in opened.items():
        tenants[interval].append(tenant_id)
    # Without any tenant nothing is asked for, rather than everything.
    wanted = Q(pk__in=[])
    for (start, until), ids in tenants.items():
        wanted |= Q(tenant_id__in=ids, opened_at__gte=start, opened_at__lt=until)
    return wanted


class _Read:
    """What the measures need beside the cases, read for all of them at once, by case."""

    def __init__(self, roots: Mapping[uuid.UUID, uuid.UUID]) -> None:
        self.roots = roots
        self.parts = list(roots)
        self.first_alerts = self._first_alerts()
        self.escalated: set[uuid.UUID] = set()
        self.asked = self._approvals()
        self.needed: dict[uuid.UUID, list[Waiting]] = defaultdict(list)
        self.by_hand: set[uuid.UUID] = set()
        self._read_technicians()
        self.plans = self._agreements()
        self.opinions = self._opinions()
        self.evidence = self._evidence()
        self.done = self._playbooks_done()

    def measure(self, case: Case) -> CaseMeasures:
        is_incident = case.kind == Case.Kind.INCIDENT
        is_closed = case.status == Case.Status.CLOSED
        was_escalated = case.id in self.escalated
        answered, asked = case_quality.answered(self.evidence[case.id])
        return CaseMeasures(
            case_id=case.id,
            tenant_id=case.tenant_id,
            is_incident=is_incident,
            is_closed=is_closed,
            is_escalated=was_escalated if is_closed or was_escalated else None,
            verdict=case.verdict,
            times=self._times(case) if is_incident else {},
            verdicts=_kept(case) if is_closed and case.id in self.by_hand else Share(0, 0),
            plans=_agreed(self.plans[case.id]),
            opinions=tuple(self.opinions[case.id]),
            evidence=Share(answered, asked),
            done=self._done(case),
        )

    def _times(self, case: Case) -> dict[str, Took]:
        start = self.first_alerts.get(case.id, case.opened_at)
        waits = [(begins, ends or dt.datetime.max.replace(tzinfo=dt.UTC))
                 for begins, ends in (*self.asked[case.id], *self.needed[case.id])]  # fmt: skip
        times = {}
        for stage, at in zip(STAGES, _reached(case), strict=True):
            # What was reached before its first alert, such as after a split, took no time that
            # could be told.
            if at is not None and at >= start - _SKEW:
                took = max(at - start, dt.timedelta())
                waiting = waited(waits, start, max(at, start))
                times[stage] = Took(took.total_seconds(), (took - waiting).total_seconds())
        return times

    def _done(self, case: Case) -> tuple[str, ...]:
        done = list(self.done[case.id])
        if case.verdict_detail.get("verdict", case.verdict) not in ("", Verdict.INSUFFICIENT_DATA):
            done.append(str(case.verdict_detail.get("playbook", "")))
        return tuple(done)

    def _first_alerts(self) -> dict[uuid.UUID, dt.datetime]:
        found: dict[uuid.UUID, dt.datetime] = {}
        rows = Finding.in_scope().filter(case_id__in=self.parts).order_by()
        for part, at in rows.values_list("case_id").annotate(Min("received_at")):
            root = self.roots[part]
            found[root] = min(at, found.get(root, at))
        return found

    def _approvals(self) -> Mapping[uuid.UUID, list[Waiting]]:
        found = defaultdict(list)
        rows = Approval.in_scope().filter(plan__case_id__in=self.parts).order_by()
        told = rows.values_list(
            "plan__case_id", "requested_at", "decided_at", "tier", "plan__document__reverses"
        )
        for part, asked, decided, tier, reverses in told:
            found[self.roots[part]].append((asked, decided))
            # Who undoes something has been there already.
            if tier in _TECHNICIANS and not reverses:
                self.escalated.add(self.roots[part])
        return found

    def _read_technicians(self) -> None:
        """Read when each case waited for a technician, which ever did, and whom one closed."""
        lives: dict[uuid.UUID, list[tuple[dt.datetime, str]]] = defaultdict(list)
        rows = LedgerEntry.in_scope().filter(
            Q(kind__in=(_NEEDED, _CLOSED, _DECIDED)) | Q(actor__startswith=_BY_HAND),
            case_id__in=self.parts,
        )
        told = rows.order_by("at", "id").values_list("case_id", "at", "kind", "actor")
        for part, at, kind, actor in told:
            if part is None:
                continue
            lives[self.roots[part]].append((at, kind))
            # The last closing counts.
            if kind == _CLOSED and part == self.roots[part]:
                (self.by_hand.add if actor.startswith(_BY_HAND) else self.by_hand.discard)(part)
        self.needed |= {root: _needed(life) for root, life in lives.items()}
        self.escalated |= {
            root for root, life in lives.items() if any(kind == _NEEDED for _, kind in life)
        }

    def _agreements(self) -> Mapping[uuid.UUID, list[tuple[uuid.UUID, str]]]:
        found = defaultdict(list)
        rows = Agreement.in_scope().filter(plan__case_id__in=self.parts).order_by()
        for part, plan, origin, kind in rows.values_list(
            "plan__case_id", "plan_id", "plan__origin_id", "kind"
        ):
            found[self.roots[part]].append((origin or plan, kind))
        return found

    def _opinions(self) -> Mapping[uuid.UUID, list[tuple[str, str]]]:
        found = defaultdict(list)
        rows = CaseQuality.in_scope().filter(case_id__in=self.parts, reviewed_at__isnull=False)
        for part, verdict, second in rows.values_list("case_id", "verdict", "review_verdict"):
            found[self.roots[part]].append((verdict, second))
        return found

    def _evidence(self) -> Mapping[uuid.UUID, list[tuple[str, bool]]]:
        found = defaultdict(list)
        rows = Evidence.in_scope().filter(case_id__in=self.parts).order_by("answered_at", "id")
        for part, step, gatherer, is_available in rows.values_list(
            "case_id", "answer__step", "gatherer", "is_available"
        ):
            found[self.roots[part]].append((step or gatherer, is_available))
        return found

    def _playbooks_done(self) -> Mapping[uuid.UUID, list[str]]:
        found = defaultdict(list)
        rows = Plan.in_scope().filter(
            case_id__in=self.parts, status=Plan.Status.DONE, document__reverses__isnull=True
        )
        for part, name in rows.order_by().values_list("case_id", "playbook__playbook_id"):
            found[self.roots[part]].append(name)
        return found


def _reached(case: Case) -> tuple[dt.datetime | None, ...]:
    """Return when the case reached each of `STAGES`; only an attack is remediated."""
    closed_at = case.closed_at if case.status == Case.Status.CLOSED else None
    return (
        case.acknowledged_at,
        # Where the engine came to no verdict, whoever closes the case gives one.
        unread.sure_since(case) or case.decided_at or (closed_at if case.verdict else None),
        case.contained_at,
        closed_at if case.verdict == Verdict.TRUE_POSITIVE else None,
    )


def _needed(
    life: Iterable[tuple[dt.datetime, str]],
) -> list[Waiting]:
    """Return when a case waited for a technician: nobody waits for one who has it already."""
    spans: list[Waiting] = []
    since, has_technician = None, False
    for at, kind in life:
        if kind == _NEEDED:
            since = since or (None if has_technician else at)
            continue
        if since is not None:
            spans.append((since, at))
            since = None
        has_technician = kind != _CLOSED and (has_technician or kind == _TAKEN)
    return spans if since is None else [*spans, (since, None)]


def _kept(case: Case) -> Share:
    """Return whether a case closed with the engine's verdict; of none where there was none."""
    engine = case.verdict_detail.get("verdict", "")
    if engine in ("", Verdict.INSUFFICIENT_DATA):
        return Share(0, 0)
    return Share(int(engine == case.verdict), 1)


def _agreed(said: Sequence[tuple[uuid.UUID, str]]) -> Share:
    """Return the plans let be, of those judged; both agreed with and overridden is overridden."""
    overridden = {plan for plan, kind in said if kind == Agreement.Kind.OVERRIDDEN}
    judged = overridden | {plan for plan, kind in said if kind == Agreement.Kind.AGREED}
    return Share(len(judged) - len(overridden), len(judged))
