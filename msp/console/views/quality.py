"""Closed cases that did not keep to their client's process, and those that wait for a review."""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from msp.console import actions
from msp.console.sites import page
from msp.staff.access import needs_role, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from playbooks.models import CaseQuality
from playbooks.quality import case_quality
from tenants.errors import HoldfastError
from tenants.models import Verdict

_PAGE = 30
_ASKED = (
    ("least_evidence", "Questions answered, percent at least"),
    ("acknowledge_minutes", "Looked at within minutes"),
    ("decide_minutes", "Decided within minutes"),
    ("close_minutes", "Closed within minutes"),
    ("sample_percent", "Looked at by a second technician, percent"),
)


@require_safe
def quality(request: HttpRequest) -> HttpResponse:
    """List what failed, what waits for a second technician, and how often they agree."""
    technician = technician_of(request)
    client = tenants_of(technician).filter(slug=request.GET.get("client", "")[:63]).first()
    rows = CaseQuality.in_scope().select_related("case", "tenant")
    latest = case_quality.latest().select_related("case", "tenant")
    if client is not None:
        rows, latest = rows.filter(tenant=client), latest.filter(tenant=client)
    failed = Paginator(latest.filter(is_passed=False), _PAGE).get_page(request.GET.get("page"))
    asked = []
    if client is not None:
        with writing(technician, client.id):
            process = case_quality.process_of()
        asked = [(name, title, getattr(process, name)) for name, title in _ASKED]
    return page(
        request, "quality.html", "Quality", client=client, pages=failed, asked=asked,
        waiting=case_quality.waiting(latest)[:_PAGE],
        reviewed=rows.exclude(reviewed_at=None)[:_PAGE], agreement=case_quality.agreement(),
        clients=tenants_of(technician), verdicts=Verdict.choices,
        query=f"client={client.slug}&" if client else "",
        may_review=technician.has_role(Role.TECHNICIAN), may_set=technician.has_role(Role.ADMIN),
    )  # fmt: skip


@require_POST
@needs_role(Role.TECHNICIAN)
def review(request: HttpRequest, quality_id: uuid.UUID) -> HttpResponse:
    """Keep a second technician's verdict."""
    row = CaseQuality.in_scope().filter(id=quality_id).first()
    if row is None:
        raise Http404("There is no such check.")
    technician = technician_of(request)
    try:
        with writing(technician, row.tenant_id):
            case_quality.review(
                row.id, request.POST.get("verdict", ""), request.POST.get("note", "")[:2000],
                actor=actions.actor_of(technician), username=technician.username,
            )  # fmt: skip
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Kept.")
    return redirect("console:quality")


@require_POST
@needs_role(Role.ADMIN)
def process(request: HttpRequest, slug: str) -> HttpResponse:
    """Set what a client's process asks of a closed case."""
    technician = technician_of(request)
    client = get_object_or_404(tenants_of(technician), slug=slug)
    given = {
        name: int(told)
        for name, _ in _ASKED
        if (told := request.POST.get(name, "").strip()).isdigit() and len(told) < 8
    }
    try:
        with writing(technician, client.id):
            case_quality.set_process(given, actor=actions.actor_of(technician))
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Kept. It holds for cases that close from now on.")
    return redirect("console:quality")
