"""How the cases of a month went: times, escalations, agreement, evidence, minutes saved."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from msp.console.sites import page
from msp.licensing.errors import PeriodError
from msp.licensing.periods import Period
from msp.reports import measures as reported
from msp.staff.access import technician_of
from msp.staff.selectors import tenants_of

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
    return page(
        request, "measures.html", "Measures", period=period, client=client, clients=clients,
        together=found.together, each=() if client else found.clients,
        stages=[(*_STAGES[stage], told) for stage, told in found.together.times.items()],
    )  # fmt: skip


def _period(request: HttpRequest) -> Period:
    """Return the month asked for; this one where none was, or what was asked is none."""
    today = timezone.now().date()
    asked = request.GET.get("month", "").strip()
    try:
        return Period.parse(asked) if asked else Period(today.year, today.month)
    except PeriodError as error:
        messages.error(request, str(error))
        return Period(today.year, today.month)
