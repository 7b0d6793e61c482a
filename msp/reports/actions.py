"""Making reports."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from django.template.loader import render_to_string
from django.utils import timezone

from msp.licensing.periods import Period
from msp.reports import charts, pdf, selectors
from msp.reports.content import Outcome
from msp.reports.models import Report
from tenants import ledger, scope

OUTCOME = "outcome"


def make_outcome_report(
    tenant_id: uuid.UUID,
    month: str | Period,
    *,
    made_at: dt.datetime | None = None,
    actor: str = "engine",
) -> Report:
    """Make the monthly outcome report of one tenant, and keep the PDF as it was made.

    The ledger is sealed first, so that the report cites everything up to itself. The same rows
    and the same `made_at` give the same bytes. PeriodError for what is no month, ReportError for
    a month that hasn't begun.
    """
    period = Period.parse(month) if isinstance(month, str) else month
    made_at = made_at or timezone.now()
    _seal_all(tenant_id)
    with _one_state(), scope.tenant(tenant_id):
        outcome = selectors.outcome(tenant_id, period, made_at)
    content = render(outcome)
    return _keep(tenant_id, outcome, content, actor)


def render(outcome: Outcome) -> bytes:
    """Return the outcome report as PDF."""
    return pdf.render(as_html(outcome), render_to_string("reports/outcome.css"))


def as_html(outcome: Outcome) -> str:
    """Return the outcome report as the page that the PDF is made of."""
    numbers = outcome.numbers
    last_known = (outcome.span.until - dt.timedelta(microseconds=1)).astimezone(outcome.span.zone)
    return render_to_string(
        "reports/outcome.html",
        {
            "report": outcome,
            "zone": outcome.span.zone,
            "funnel": charts.funnel(numbers.alerts, numbers.cases, numbers.real, numbers.contained),
            "by_day": charts.alerts_by_day(
                outcome.alerts_by_day, outcome.attack_days, last_known.date()
            ),
        },
    )


def _seal_all(tenant_id: uuid.UUID) -> None:
    sealed = 1
    while sealed:
        with scope.tenant(tenant_id):
            sealed = ledger.seal()


@contextmanager
def _one_state() -> Iterator[None]:
    """Read everything from one state of the database: outcomes, people and bill agree.

    Inside somebody else's transaction, that one's isolation stays.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _keep(tenant_id: uuid.UUID, outcome: Outcome, content: bytes, actor: str) -> Report:
    sha256 = hashlib.sha256(content).hexdigest()
    with scope.tenant(tenant_id):
        report = Report.objects.create(
            tenant_id=tenant_id,
            kind=OUTCOME,
            period=outcome.period,
            made_at=outcome.span.made_at,
            sha256=sha256,
            pdf=content,
            ledger_head=outcome.proof.head,
        )
        ledger.append(
            "report.made",
            actor=actor,
            subject=f"{OUTCOME} {outcome.period}",
            body={
                "report": report.id,
                "kind": OUTCOME,
                "period": outcome.period,
                "sha256": sha256,
                "ledger_head": outcome.proof.head,
                "seats": outcome.people.seats,
            },
        )
    return report
