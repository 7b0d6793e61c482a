"""How the cases of a month went: times, escalations, agreement, evidence, minutes saved."""

import datetime as dt

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from msp.console import baseline_actions
from msp.console.sites import page
from msp.licensing.errors import PeriodError
from msp.licensing.periods import Period
from msp.reports import measures as reported
from msp.staff.access import needs_role, needs_second_factor, technician_of
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from playbooks.quality import baselines
from tenants.errors import HoldfastError

_STAGES = {
    "acknowledge": ("Acknowledge", "somebody or something looked at it"),
    "investigate": ("Investigate", "the verdict"),
    "contain": ("Contain", "the last containment step was read back"),
    "remediate": ("Remediate", "an attack was closed"),
}


@require_safe
def measures(request: HttpRequest) -> HttpResponse:
    """Show the measures of the chosen month: of one client, or of all that the technician sees."""
    clients = tenants_of(technician_of(request))
    client = clients.filter(slug=request.GET.get("client", "")[:63].replace("\0", "")).first()
    period = _period(request)
    found = reported.of_period(period, [client] if client else clients)
    declared = {one.playbook: one for one in baselines.declared(period.end(dt.UTC))}
    return page(
        request, "measures.html", "Measures", period=period, client=client, clients=clients,
        saved=[(one, declared.get(one.playbook)) for one in found.together.saved],
        together=found.together, each=() if client else found.clients,
        stages=[(*_STAGES[stage], told) for stage, told in found.together.times.items()],
    )  # fmt: skip


@require_safe
def declared(request: HttpRequest) -> HttpResponse:
    """Show what each playbook takes by hand, who declared it, and what was declared before."""
    technician = technician_of(request)
    return page(
        request, "baselines.html", "Work by hand", rows=baselines.declared(timezone.now()),
        history=baselines.history(),
        may_declare=technician.has_role(Role.ADMIN) and technician.sees_all_tenants,
    )  # fmt: skip


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def declare(request: HttpRequest) -> HttpResponse:
    """Keep what a playbook takes by hand from now on."""
    try:
        baseline_actions.declare(
            request.POST.get("playbook", ""), request.POST.get("minutes", "").strip(),
            request.POST.get("reason", ""), actor=technician_of(request),
        )  # fmt: skip
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Kept. It holds for this month and those after it.")
    return redirect("console:baselines")


def _period(request: HttpRequest) -> Period:
    """Return the month asked for; this one where none was, or what was asked is none."""
    today = timezone.now().date()
    asked = request.GET.get("month", "").strip()
    try:
        return Period.parse(asked) if asked else Period(today.year, today.month)
    except PeriodError as error:
        messages.error(request, str(error))
        return Period(today.year, today.month)
