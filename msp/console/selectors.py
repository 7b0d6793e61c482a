"""What the console's lists show. Everything here reads in the technician's reading scope."""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from integrations.models import Connection, HealthAlarm
from msp.console import words
from msp.console.words import Word
from msp.staff.models import Technician
from msp.staff.selectors import tenants_of
from playbooks.cases import looking
from playbooks.cases.needs import besides_deciding, counted_anew
from playbooks.models import Approval, Tier
from playbooks.patterns import known_good
from playbooks.quality import case_quality
from tenants.models import Case, Installation, LedgerEntry, RawRecord, Tenant

FOR_A_PERSON = (Case.Status.NEEDS_TECHNICIAN, Case.Status.AWAITING_APPROVAL)
BY_ITSELF = (Case.Status.NEW, Case.Status.INVESTIGATING, Case.Status.RESPONDING)
# A routine that was put off goes on by itself only from its time on.
_GOES_ON = Q(status__in=BY_ITSELF) & ~Q(status=Case.Status.NEW, request__has_key="at")
QUEUE_LENGTH = 200
# Of one client's cases of the same title that a technician has to look into, so many are listed.
_OF_A_KIND = 5
_STANDS_FOR_OTHERS = Q(status=Case.Status.NEEDS_TECHNICIAN, kind=Case.Kind.INCIDENT)
# What is shown of a quarantined record: enough to see what is wrong with it, and no more.
BODY_SHOWN_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One case that needs a person now."""

    case: Case
    risk: Word
    verdict: Word
    confidence: str
    status: Word
    who: str
    needs: str
    approval: Approval | None
    more_of_its_kind: int


@dataclass(frozen=True, slots=True)
class Flood:
    """More new cases of one client than can be on their way; `title` is that of most of them."""

    tenant: Tenant
    waiting: int
    title: str
    of_title: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What goes on beside the queue."""

    waiting: int
    closed_with_proof: int
    running: int
    quarantined: int
    alarms: list[HealthAlarm]
    stopped: list[Tenant]
    floods: list[Flood]
    everything_stopped: bool
    patterns_due: int
    second_looks: int

    @property
    def ailing(self) -> int:
        """How many connections have an alarm that nobody has accepted."""
        return len({alarm.connection_id for alarm in self.alarms})


@dataclass(frozen=True, slots=True)
class TenantRow:
    """One client, with what stands out about it."""

    tenant: Tenant
    waiting: int
    running: int
    broken: int
    connections: int


def queue() -> list[QueueRow]:
    """Return the cases that need a person, the riskiest first.

    Of equal ones those that only wait for a decision come first, then the oldest. Of many of a kind
    the first stand for the others, so that one client's flood leaves room.
    """
    kind = [F("tenant"), F("title"), F("status"), F("kind")]
    place = Window(RowNumber(), partition_by=kind, order_by=[F("risk").desc(), "opened_at", "id"])
    cases = list(
        Case.in_scope()
        .filter(status__in=FOR_A_PERSON)
        .annotate(place=place, of_kind=Window(Count("id"), partition_by=kind))
        .filter(Q(place__lte=_OF_A_KIND) | ~_STANDS_FOR_OTHERS)
        .select_related("tenant", "account__person")
        .order_by("-risk", "opened_at")[:QUEUE_LENGTH]
    )
    pending: dict[uuid.UUID, list[Approval]] = {case.id: [] for case in cases}
    for approval in pending_approvals(cases):
        pending[approval.plan.case_id].append(approval)
    rows = [_queue_row(case, pending[case.id]) for case in cases]
    return sorted(rows, key=lambda row: (-row.case.risk, row.approval is None))


def _queue_row(case: Case, pending: list[Approval]) -> QueueRow:
    return QueueRow(
        case=case,
        risk=words.risk(case.risk),
        verdict=words.verdict(case),
        confidence=str(case.verdict_detail.get("confidence", "")),
        status=words.CASES[Case.Status(case.status)],
        who=who(case),
        needs=_needs(case, pending),
        approval=pending[0] if pending else None,
        more_of_its_kind=_more_of_its_kind(case),
    )


def _more_of_its_kind(case: Any) -> int:
    """Return for how many cases that are not listed the last of a kind stands."""
    is_alone = case.kind == Case.Kind.ROUTINE or case.status != Case.Status.NEEDS_TECHNICIAN
    return 0 if is_alone or case.place != _OF_A_KIND else int(case.of_kind - _OF_A_KIND)


def _needs(case: Case, pending: list[Approval]) -> str:
    if not pending:
        return besides_deciding(case.needs) or "Look into it."
    first, plans = pending[0], len({row.plan_id for row in pending})
    what = f" {plans} plans" if plans > 1 else ""
    asked = f"Approve or reject{what}: {words.ASKED.get(Tier(first.tier), 'somebody')} is asked."
    unsent = "Nobody could be reached." if first.send_error else ""
    return " ".join(filter(None, [asked, unsent, besides_deciding(case.needs)]))


def needed_now(case: Case, waiting: int) -> str:
    """Return what a case needs of a person, while `waiting` of its plans wait for a decision.

    What is kept with the case was counted when its plans were made.
    """
    return counted_anew(case.needs, waiting)


def pending_approvals(cases: Sequence[Case] | None = None) -> list[Approval]:
    """Return the approvals that somebody has to give, the riskiest case first."""
    rows = Approval.in_scope().filter(decision=Approval.Decision.PENDING)
    if cases is not None:
        rows = rows.filter(plan__case__in=cases)
    return list(
        rows.select_related("tenant", "plan__case__account__person", "plan__playbook").order_by(
            "-plan__case__risk", "expires_at"
        )
    )


def decided_approvals(limit: int = 20) -> list[Approval]:
    """Return what was decided last, the newest first."""
    return list(
        Approval.in_scope()
        .exclude(decision=Approval.Decision.PENDING)
        .select_related("tenant", "plan__case")
        .order_by("-decided_at")[:limit]
    )


def who(case: Case) -> str:
    """Return whom the case is about: the person, or the account, or the first entity named."""
    account = case.account
    if account is not None:
        name = account.person.display_name if account.person else account.display_name
        return f"{name} ({account.username})" if name else account.username
    return case.entities[0].partition(":")[2] if case.entities else "not known"


def totals(technician: Technician) -> Totals:
    """Return the counts beside the queue."""
    day_ago = timezone.now() - dt.timedelta(days=1)
    cases = Case.in_scope().aggregate(
        waiting=Count("id", filter=Q(status__in=FOR_A_PERSON)),
        closed=Count("id", filter=Q(closed_with_proof=True, closed_at__gte=day_ago)),
        running=Count("id", filter=_GOES_ON),
    )
    return Totals(
        waiting=cases["waiting"],
        closed_with_proof=cases["closed"],
        running=cases["running"],
        quarantined=quarantined().count(),
        alarms=open_alarms(),
        floods=_floods(technician),
        stopped=list(tenants_of(technician).filter(actions_stopped=True)),
        everything_stopped=everything_stopped(),
        patterns_due=known_good.due(),
        second_looks=case_quality.second_looks(),
    )


def _floods(technician: Technician) -> list[Flood]:
    new = Case.in_scope().filter(kind=Case.Kind.INCIDENT, status=Case.Status.NEW)
    many = {one: number for one, number in _by_tenant(new).items() if number > looking.AT_ONCE}
    floods = []
    for tenant in tenants_of(technician).filter(id__in=list(many)) if many else ():
        of_it = new.filter(tenant=tenant).order_by().values_list("title")
        title, number = of_it.annotate(number=Count("id")).order_by("-number", "title")[0]
        floods.append(Flood(tenant, many[tenant.id], title, number))
    return floods


def everything_stopped() -> bool:
    """Whether the kill switch of the whole installation is on."""
    return Installation.objects.filter(actions_stopped=True).exists()


def tenant_rows(technician: Technician) -> list[TenantRow]:
    """Return the technician's clients by name, with what stands out."""
    waiting = _by_tenant(Case.in_scope().filter(status__in=FOR_A_PERSON))
    running = _by_tenant(Case.in_scope().filter(_GOES_ON))
    connections = _by_tenant(Connection.in_scope())
    ailing = {alarm.connection_id: alarm.tenant_id for alarm in open_alarms()}
    broken = Counter(ailing.values())
    return [
        TenantRow(
            tenant, waiting[tenant.id], running[tenant.id], broken[tenant.id],
            connections[tenant.id],
        )
        for tenant in tenants_of(technician)
    ]  # fmt: skip


def open_alarms() -> list[HealthAlarm]:
    """Return the alarms of connections that are not over and that nobody accepted.

    Connections that don't work at all come first, then the oldest alarms.
    """
    rows = HealthAlarm.in_scope().filter(ended_at=None, accepted_by="")
    rows = rows.exclude(connection__state=Connection.State.PAUSED)
    found = rows.select_related("connection__tenant").order_by("began_at")
    return sorted(found, key=lambda alarm: alarm.kind != HealthAlarm.Kind.CANARY)


def _by_tenant(rows: QuerySet) -> Counter[uuid.UUID]:
    counted = rows.order_by().values_list("tenant_id").annotate(number=Count("id"))
    return Counter(dict(counted))


def ledger_entries(tenant: Tenant) -> QuerySet[LedgerEntry]:
    """Return a client's ledger with the seals, the newest entry first."""
    return LedgerEntry.in_scope().filter(tenant=tenant).select_related("seal").order_by("-id")


def quarantined() -> QuerySet[RawRecord]:
    """Return the records that could not be read, the newest first, without their bodies."""
    return (
        RawRecord.in_scope()
        .filter(outcome=RawRecord.Outcome.QUARANTINED, taken_again=None)
        .select_related("tenant")
        .defer("body")
        .order_by("-received_at")
    )


def quarantine_reasons() -> list[tuple[str, int]]:
    """Return how many records are quarantined for which reason, the most frequent first."""
    rows = quarantined().order_by().values_list("reason_code").annotate(number=Count("id"))
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def shown_body(record: RawRecord) -> tuple[str, int]:
    """Return the start of a raw body as text, and how many bytes are left out."""
    body = bytes(record.body)
    text = (
        body[:BODY_SHOWN_BYTES]
        .decode("utf-8", "replace")
        .replace("\x00", "\N{REPLACEMENT CHARACTER}")
    )
    return text, max(0, len(body) - BODY_SHOWN_BYTES)
