"""The playbooks: what each does, how far it may go for each client, and what practice says."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from msp.console import actions, playbook_pages
from msp.console.sites import page
from msp.staff.access import mfa_satisfied, needs_role, needs_second_factor, technician_of
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from playbooks.models import Plan
from tenants.errors import HoldfastError


@require_safe
def playbooks(request: HttpRequest) -> HttpResponse:
    """List the playbooks."""
    rows = playbook_pages.rows(technician_of(request))
    return page(request, "playbooks.html", "Playbooks", rows=rows)


@require_safe
def playbook(request: HttpRequest, playbook_id: str) -> HttpResponse:
    """Show one playbook."""
    technician = technician_of(request)
    row = playbook_pages.find(playbook_id, technician)
    if row is None:
        raise Http404("There is no such playbook.")
    return page(
        request,
        "playbook.html",
        row.playbook.title,
        playbook=row.playbook,
        held=row.held,
        steps=playbook_pages.steps(row.playbook),
        golden=playbook_pages.golden_state(row.playbook),
        versions=playbook_pages.versions(row.playbook.id),
        sources=playbook_pages.sources(row.playbook),
        may_change=technician.has_role(Role.ADMIN) and mfa_satisfied(request),
    )


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def change_mode(request: HttpRequest, playbook_id: str, slug: str) -> HttpResponse:
    """Promote or lower a playbook for one client."""
    technician = technician_of(request)
    tenant = get_object_or_404(tenants_of(technician), slug=slug)
    try:
        mode = playbook_pages.change(
            actions.actor_of(technician),
            tenant,
            playbook_id,
            direction=request.POST.get("direction", ""),
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{tenant.name}: {playbook_id} is now in mode {mode}.")
    return redirect("console:playbook", playbook_id)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def carry_out(request: HttpRequest, plan_id: uuid.UUID) -> HttpResponse:
    """Have a shadow plan carried out."""
    plan = get_object_or_404(Plan.in_scope(), id=plan_id)
    try:
        actions.carry_out(plan, actor=technician_of(request))
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The plan is asked for now. It begins when it is approved.")
    return redirect("console:case", plan.case_id)
