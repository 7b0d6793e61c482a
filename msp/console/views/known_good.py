"""What technicians said is expected: patterns, how they did, and what could be one."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from msp.console import actions, case_page
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from playbooks.cases import case_alerts
from playbooks.models import KnownGood
from playbooks.patterns import known_good, known_good_practice
from playbooks.patterns.known_good_practice import Practice
from playbooks.people import named
from tenants.errors import HoldfastError
from tenants.models import Case

_LONGEST = 2000
_MOST = 200
_LASTS = dt.timedelta(days=90)


@dataclass(frozen=True, slots=True)
class _Row:
    """A pattern as the page shows it. `waits`: a second technician has to approve it.

    `for_doubts`: it covers these only; `instead_of` is what the table had said of the case that it
    was made from.
    """

    row: KnownGood
    practice: Practice
    by: str
    approver: str
    is_in_force: bool
    is_due: bool
    waits: bool
    for_doubts: bool
    instead_of: str


@require_safe
def patterns(request: HttpRequest) -> HttpResponse:
    """List the patterns with how they did, and what could be one."""
    rows = known_good.newest()
    return page(
        request,
        "known_good.html",
        "Known good",
        rows=[_row(row) for row in rows],
        proposals=known_good_practice.proposals(rows),
        may_change=technician_of(request).has_role(Role.TECHNICIAN),
    )


def _row(row: KnownGood) -> _Row:
    now = timezone.now()
    is_in_force = row.is_active and row.expires_at > now
    return _Row(
        row=row,
        practice=known_good_practice.of_pattern(row),
        by=named(row.created_by),
        approver=named(row.approved_by) if row.approved_by else "",
        is_in_force=is_in_force,
        is_due=is_in_force and row.review_at <= now,
        waits=is_in_force and row.covers_privileged and not row.approved_by,
        for_doubts=is_in_force and known_good.covers_doubts_only(row),
        instead_of=_instead_of(row.from_case),
    )


def _instead_of(case: Case) -> str:
    detail = case.verdict_detail
    return str(detail.get("known_good", {}).get("because") or detail.get("because", ""))


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def new(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """Say that what a case shows is expected."""
    case = case_page.find(case_id)
    if case is None:
        raise Http404("There is no such case.")
    if request.method != "POST":
        return _form(request, case)
    technician = technician_of(request)
    try:
        with writing(technician, case.tenant_id):
            known_good.create(case, _wish(request), actor=actions.actor_of(technician))
    except (HoldfastError, ValueError) as error:
        return _form(request, case, error=str(error))
    messages.success(request, "Kept. It decides the next case that shows just this.")
    return redirect("console:known_good")


def _wish(request: HttpRequest) -> known_good.Wish:
    told = request.POST
    return known_good.Wish(
        title=told.get("title", "")[:200],
        alerts=told.getlist("alert")[:_MOST],
        entities=told.getlist("entity")[:_MOST],
        reason=told.get("reason", "")[:_LONGEST],
        owner=told.get("owner", "")[:200],
        review_at=_day(told.get("review_at", "")),
        expires_at=_day(told.get("expires_at", "")),
        condition=told.get("condition", "")[:_LONGEST],
        covers_privileged=told.get("covers_privileged") == "on",
    )


def _day(told: str) -> dt.datetime:
    """Return the end of a day as a form gives it, in UTC; ValueError says what to enter."""
    try:
        day = dt.date.fromisoformat(told)
    except ValueError:
        raise ValueError("Enter both days, such as 2027-01-31.") from None
    return dt.datetime.combine(day, dt.time(23, 59, 59), dt.UTC)


def _form(request: HttpRequest, case: Case, error: str = "") -> HttpResponse:
    findings = case_alerts.of_case(case)
    entities = {entity for one in findings for entity in one.entities}
    shown = {entity for entity in entities if not entity.startswith(known_good.PASSING)}
    now, told = timezone.now(), request.POST
    context: dict[str, Any] = {
        "case": case,
        "alerts": sorted({one.title for one in findings}),
        "entities": sorted(shown),
        "error": error,
        "told": told,
        "owner": told.get("owner") or technician_of(request).username,
        "review_at": told.get("review_at") or f"{now + _LASTS / 3:%Y-%m-%d}",
        "expires_at": told.get("expires_at") or f"{now + _LASTS:%Y-%m-%d}",
    }
    return page(request, "known_good_new.html", "This is expected", **context)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def change(request: HttpRequest, pattern: uuid.UUID) -> HttpResponse:
    """Renew, end or approve a pattern."""
    row = KnownGood.in_scope().filter(pattern=pattern).first()
    if row is None:
        raise Http404("There is no such pattern.")
    technician, told = technician_of(request), request.POST
    actor = actions.actor_of(technician)
    try:
        with writing(technician, row.tenant_id):
            if told.get("do") == "approve":
                known_good.approve(pattern, actor=actor)
            elif told.get("do") == "end":
                known_good.end(pattern, actor=actor)
            else:
                known_good.renew(
                    pattern, _day(told.get("expires_at", "")), actor=actor,
                    reason=told.get("reason", "")[:_LONGEST],
                )  # fmt: skip
    except (HoldfastError, ValueError) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Kept, as a new version of the pattern.")
    return redirect("console:known_good")
