"""The outcome of one tenant's month: everything the report says, read from the rows."""

import datetime as dt
import uuid
import zoneinfo
from collections.abc import Iterable, Sequence

from django.db.models import Count, Q
from django.db.models.functions import TruncDate

from msp.licensing import selectors as licensing
from msp.licensing.periods import Period
from msp.licensing.rules import NOT_COUNTED
from msp.reports import coverage, narrative, performance, siem, threats, words
from msp.reports import measures as reported
from msp.reports.content import (
    Incident,
    Need,
    NotCounted,
    Numbers,
    Outcome,
    Proof,
    Span,
    Undecided,
)
from msp.reports.errors import ReportError
from msp.reports.factors import second_factors
from msp.reports.incidents import incidents, person_of
from msp.reports.measures import Measured
from msp.reports.models import Report
from playbooks.models import Approval, Step, Tier, UserQuestion
from playbooks.quality import measures
from tenants import ledger
from tenants.models import (
    Case,
    Finding,
    Installation,
    LedgerSeal,
    Tenant,
    Verdict,
)

_FALSE_ALARMS = (Verdict.FALSE_POSITIVE, Verdict.BENIGN)
_TOLD = 20
_NAMED = 20


def span_of(tenant: Tenant, period: Period, made_at: dt.datetime) -> Span:
    """Return the month's span in the tenant's time zone; ReportError where it hasn't begun."""
    try:
        zone = zoneinfo.ZoneInfo(tenant.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ReportError(
            f"{tenant.name} has the time zone {tenant.time_zone!r}, which doesn't exist. Give it "
            "one such as Europe/London."
        ) from None
    span = Span(period.start(zone), period.end(zone), made_at)
    if span.start >= made_at:
        raise ReportError(
            f"{period} has not begun at {tenant.name}: there is nothing to report yet."
        )
    return span


def outcome(tenant_id: uuid.UUID, period: Period, made_at: dt.datetime) -> Outcome:
    """Return what the tenant's report of a month says, in the tenant's scope.

    Only what happened in the month (in the tenant's time zone) is told; how it went on is told as
    it stands at `made_at`.
    """
    tenant = Tenant.objects.get(id=tenant_id)
    installation = Installation.objects.first() or Installation()
    span = span_of(tenant, period, made_at)
    came_in = coverage.intake(span)
    measured = reported.of_period(period, [tenant], until=span.until)
    stories = incidents(span, {one.case_id: one for one in measured.cases})
    people = licensing.usage(period, [tenant_id])[0]
    numbers = _numbers(span, came_in.signals, measured)
    needs = _needs(span, stories)
    told = _most_important(stories)
    return Outcome(
        tenant=words.printable(tenant.name),
        slug=tenant.slug,
        time_zone=tenant.time_zone,
        msp=words.printable(installation.msp_name),
        msp_contact=words.printable(installation.msp_contact),
        period=str(period),
        month=f"{period.first_day:%B %Y}",
        span=span,
        summary=narrative.summary(tenant.name, span, numbers, len(needs)),
        numbers=numbers,
        performance=performance.of(measured.together),
        siems=siem.looks(span),
        threats=threats.likely(tenant_id),
        alerts_by_day=_alerts_by_day(span),
        incidents=told,
        untold=len(stories) - len(told),
        undecided=_undecided(span),
        needs=needs,
        people=people,
        not_counted=tuple(
            NotCounted(number, NOT_COUNTED.get(reason, reason))
            for reason, number in people.not_counted.items()
        ),
        unmeasured=tuple(coverage.unmeasured(span, came_in, people)),
        proof=_proof(),
    )


def first_head_not_in_chain() -> str:
    """Return which report cites a ledger head that the chain of the scope's tenant lacks.

    It finds what recomputing can't: a chain that was cut off at its end, or rewritten whole, since
    a report cited it. Empty where every cited head is there.
    """
    for report in Report.objects.exclude(ledger_head__in=("", ledger.GENESIS)).order_by("made_at"):
        if not LedgerSeal.objects.filter(chain_hash=report.ledger_head).exists():
            return (
                f"the {report.kind} report of {report.period}, made at "
                f"{report.made_at:%Y-%m-%d %H:%M} UTC, cites {report.ledger_head}, which the chain "
                "no longer has"
            )
    return ""


def _in(span: Span, field: str) -> Q:
    return Q((f"{field}__gte", span.start), (f"{field}__lt", span.until))


def _numbers(span: Span, signals: int, measured: Measured) -> Numbers:
    together = measured.together
    attacks = measures.summarise(
        (one for one in measured.cases if one.verdict == Verdict.TRUE_POSITIVE), {}
    )
    false_alarms = sum(together.by_verdict.get(verdict, 0) for verdict in _FALSE_ALARMS)
    contained = attacks.times["contain"]
    return Numbers(
        signals=signals,
        alerts=Finding.objects.filter(_in(span, "received_at")).count(),
        cases=together.cases,
        real=attacks.cases,
        contained=contained.cases,
        false_alarms=false_alarms,
        asked=_asked(one.case_id for one in measured.cases if one.verdict in _FALSE_ALARMS),
        undecided=together.cases - false_alarms - attacks.cases,
        checked_actions=Step.objects.filter(_in(span, "verified_at")).count(),
        evidence=together.evidence,
        median=performance.length(contained.median),
        median_without_waiting=performance.length(contained.median_without_waiting),
    )


def _asked(false_alarms: Iterable[uuid.UUID]) -> int:
    """Return about how many of these cases the client was asked."""
    asked = Approval.objects.filter(plan__case__in=list(false_alarms), tier=Tier.CLIENT)
    return asked.values("plan__case").distinct().count()


def _alerts_by_day(span: Span) -> tuple[tuple[dt.date, int], ...]:
    by_day = dict(
        Finding.objects.filter(_in(span, "received_at"))
        .order_by()
        .annotate(day=TruncDate("received_at", tzinfo=span.zone))
        .values_list("day")
        .annotate(Count("id"))
    )
    day, days = span.start.date(), []
    while day < span.end.date():
        days.append((day, by_day.get(day, 0)))
        day += dt.timedelta(days=1)
    return tuple(days)


def _most_important(stories: Sequence[Incident]) -> tuple[Incident, ...]:
    """Return the stories to tell: all of a usual month; those not contained first in a bad one."""
    if len(stories) <= _TOLD:
        return tuple(stories)
    first = sorted(stories, key=lambda story: (story.contained_at is not None, story.number))
    return tuple(sorted(first[:_TOLD], key=lambda story: story.number))


def _undecided(span: Span) -> tuple[Undecided, ...]:
    cases = (
        Case.objects.filter(_in(span, "opened_at"), kind=Case.Kind.INCIDENT, merged_into=None)
        .exclude(verdict__in=(*_FALSE_ALARMS, Verdict.TRUE_POSITIVE))
        .select_related("account__person")
        .order_by("number")
    )
    return tuple(Undecided(case.number, narrative.undecided(case)) for case in cases[:_NAMED])


def _needs(span: Span, stories: Sequence[Incident]) -> tuple[Need, ...]:
    needs: list[Need] = []
    waiting = list(
        Approval.objects.filter(
            decision=Approval.Decision.PENDING,
            tier=Tier.CLIENT,
            requested_at__lt=span.until,
        ).select_related("plan__case__account__person")
    )
    if waiting:
        items = tuple(narrative.waiting(approval, span) for approval in waiting)
        needs.append(
            Need(
                f"{words.sentence(words.count(len(waiting), 'decision'))} of yours "
                f"{'is' if len(waiting) == 1 else 'are'} waited for",
                "We may act only when you agree. Please answer us.",
                items,
            )
        )
    needs += _questions(span)
    needs += _blocked_people(stories)
    needs += _without_second_factor()
    needs += coverage.connections_needed()
    return tuple(needs)


def _questions(span: Span) -> list[Need]:
    """Return the questions to the client's people that can still be answered.

    Those of closed cases are among them: an answer is weighed there too.
    """
    waiting = list(
        UserQuestion.objects.filter(
            answered_at=None, created_at__lt=span.until, expires_at__gt=span.made_at
        ).select_related("case__account")
    )
    if not waiting:
        return []
    return [
        Need(
            f"{words.sentence(words.count(len(waiting), 'question'))} of ours "
            f"{'is' if len(waiting) == 1 else 'are'} not answered yet",
            "The answer helps us to tell an attack from everyday work.",
            tuple(narrative.question(one, span) for one in waiting[:_NAMED]),
        )
    ]


def _blocked_people(stories: Sequence[Incident]) -> list[Need]:
    people = tuple(dict.fromkeys(who for story in stories for who in story.blocked))
    if not people:
        return []
    return [
        Need(
            f"{words.sentence(words.count(len(people), 'person', 'people'))} can’t sign in for now",
            "We blocked the sign-in to keep the intruder out. Call us together with "
            "them: when we know that it is the right person, we open it again.",
            people,
        )
    ]


def _without_second_factor() -> list[Need]:
    accounts = [account for account, has_one in second_factors().values() if has_one is False]
    if not accounts:
        return []
    accounts.sort(key=lambda account: (not account.is_privileged, person_of(account).casefold()))
    items = [
        person_of(account) + (" (administrator)" if account.is_privileged else "")
        for account in accounts
    ]
    more = len(items) - _NAMED
    shown = (*items[:_NAMED], f"and {more} more") if more > 0 else tuple(items)
    return [
        Need(
            f"{words.sentence(words.count(len(items), 'account'))} without a second sign-in factor",
            "A stolen password is enough to get in. Please have these people set up a second "
            "factor; we help with it.",
            shown,
        )
    ]


def _proof() -> Proof:
    found = ledger.verify()
    return Proof(
        head=found.head,
        entries=found.sealed,
        unsealed=found.unsealed,
        broken=found.broken or first_head_not_in_chain(),
    )
