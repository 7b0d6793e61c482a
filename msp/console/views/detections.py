"""Detections: which rules run, what they find, what is wrong with them, and what they cover."""

from collections.abc import Sequence
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from integrations.alerting import coverage as techniques
from integrations.alerting import importing
from msp.console import coverage_pages, detection_actions, detection_pages
from msp.console.detection_pages import URGENT
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants.errors import HoldfastError
from tenants.models import Tenant

_PAGE = 50
_SHOWN = {
    "urgent": "what needs somebody",
    "hits": "what fired in 30 days",
    "ready": "what may go live",
    "never": "what never fired",
    "blind": "what is blind or silent",
    "all": "all rules",
}
_COVERAGE_SHOWN = {
    "all": "all techniques",
    "covered": "what is covered",
    "blind": "what is blind",
    "quiet": "what is in shadow or off",
}


def _chosen(request: HttpRequest) -> tuple[list[Tenant], Tenant | None, Sequence[Tenant]]:
    """Return the clients that may be chosen, the chosen one, and those that are looked at."""
    tenants = list(tenants_of(technician_of(request)))
    slug = request.GET.get("client", "")
    chosen = next((tenant for tenant in tenants if tenant.slug == slug), None)
    return tenants, chosen, [chosen] if chosen else tenants


@require_safe
def detections(request: HttpRequest) -> HttpResponse:
    """List the rules for all clients together, or for a chosen one."""
    tenants, chosen, looked_at = _chosen(request)
    rows = detection_pages.rows(looked_at)
    show, wanted = request.GET.get("show", "all"), request.GET.get("q", "").strip()
    kept = {
        "urgent": [row for row in rows if row.kinds & set(URGENT)],
        "hits": [row for row in rows if row.measured.month],
        "ready": [row for row in rows if "ready" in row.kinds],
        "never": [row for row in rows if "never" in row.kinds],
        "blind": [row for row in rows if row.kinds & {"blind", "silent"}],
    }.get(show, rows)
    kept = [row for row in kept if detection_pages.is_about(row, wanted)]
    asked = {"client": chosen.slug if chosen else "", "show": show, "q": wanted}
    return page(
        request, "detections.html", "Detections",
        tenants=tenants, chosen=chosen, total=len(rows), show=show, shown=_SHOWN, wanted=wanted,
        pages=Paginator(kept, _PAGE).get_page(request.GET.get("page")),
        query=f"{urlencode(asked)}&",
        client_query=f"{urlencode({'client': chosen.slug})}&" if chosen else "",
        urgent=sum(bool(row.kinds & set(URGENT)) for row in rows),
        blind=sum("blind" in row.kinds for row in rows),
        hits=sum(row.measured.month for row in rows),
        ready=sum("ready" in row.kinds for row in rows),
        never=sum("never" in row.kinds for row in rows),
        not_run=detection_pages.not_run(), withdrawn=importing.withdrawn(),
        engine_failure=detection_pages.engine_failure(looked_at),
    )  # fmt: skip


@require_safe
def detection(request: HttpRequest, rule_id: str) -> HttpResponse:
    """Show one rule."""
    technician = technician_of(request)
    found = detection_pages.rule_page(rule_id, list(tenants_of(technician)))
    if found is None:
        raise Http404("There is no such rule.")
    return page(
        request, "detection.html", found.row.entry.title,
        found=found, entry=found.row.entry, stages=detection_pages.STAGES,
        may_change=technician.has_role(Role.ADMIN), may_change_all=technician.sees_all_tenants,
    )  # fmt: skip


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def change_stage(request: HttpRequest, rule_id: str) -> HttpResponse:
    """Set how far a rule may go, for all clients or for one."""
    technician = technician_of(request)
    slug = request.POST.get("client", "")
    tenant = tenants_of(technician).filter(slug=slug).first() if slug else None
    if slug and tenant is None:
        raise Http404("There is no such client.")
    stage, why = request.POST.get("stage", ""), request.POST.get("why", "")
    try:
        detection_actions.set_stage(rule_id, stage, tenant, actor=technician, why=why)
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        whom = tenant.name if tenant else "all clients without a stage of their own"
        messages.success(request, f"Kept for {whom}.")
    return redirect("console:detection", rule_id)


@require_safe
def coverage(request: HttpRequest) -> HttpResponse:
    """Show which ATT&CK techniques are covered, by what, and where a feed is missing."""
    tenants, chosen, looked_at = _chosen(request)
    found = techniques.of_tenants([tenant.id for tenant in looked_at])
    show = request.GET.get("show", "all")
    kept = {
        "covered": [one for one in found if one.covered],
        "blind": [one for one in found if one.blind],
        "quiet": [one for one in found if not one.covered and not one.blind],
    }.get(show, found)
    return page(
        request, "coverage.html", "ATT&CK coverage",
        tenants=tenants, chosen=chosen, clients=len(looked_at),
        tactics=coverage_pages.by_tactic(kept), total=len(found), show=show,
        shown=_COVERAGE_SHOWN, to_connect=coverage_pages.to_connect(found),
        covered=sum(bool(one.covered) for one in found),
        proven=sum(bool(one.proofs) for one in found),
        blind=sum(bool(one.blind) for one in found),
    )  # fmt: skip
