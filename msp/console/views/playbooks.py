"""The playbooks: what each does, how far it may go for each client, and what practice says."""

import uuid
from collections.abc import Sequence

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from msp.console import actions, playbook_list, playbook_pages, playbook_practice
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from playbooks.adoption import spreading
from playbooks.errors import PlaybookError
from playbooks.models import Plan
from tenants.errors import HoldfastError
from tenants.models import Tenant


@require_safe
def playbooks(request: HttpRequest) -> HttpResponse:
    """List the playbooks for all clients together, or for a chosen one."""
    technician = technician_of(request)
    tenants = list(tenants_of(technician))
    slug = request.GET.get("client", "")
    chosen = next((tenant for tenant in tenants if tenant.slug == slug), None)
    rows: Sequence[playbook_list.ListRow | playbook_list.ClientRow]
    if chosen is None:
        rows = playbook_list.for_all(tenants)
    else:
        with writing(technician, chosen.id):
            rows = playbook_list.for_one(chosen)
    return page(request, "playbooks.html", "Playbooks", tenants=tenants, chosen=chosen, rows=rows)


@require_safe
def playbook(request: HttpRequest, playbook_id: str) -> HttpResponse:
    """Show one playbook."""
    technician = technician_of(request)
    found = playbook_pages.find(playbook_id, list(tenants_of(technician)), request.GET.get("page"))
    if found is None:
        raise Http404("There is no such playbook.")
    return page(
        request,
        "playbook.html",
        found.playbook.title,
        found=found,
        playbook=found.playbook,
        steps=playbook_pages.steps(found.playbook),
        results=playbook_pages.results(found.playbook),
        golden=playbook_pages.golden_state(found.playbook),
        versions=playbook_pages.versions(found.playbook.id),
        sources=playbook_pages.sources(found.playbook),
        may_change=technician.has_role(Role.ADMIN),
    )


@require_safe
def practice(request: HttpRequest, playbook_id: str, slug: str) -> HttpResponse:
    """Show one playbook at one client: its runs, what practice said, how far it went when."""
    technician = technician_of(request)
    tenant = _tenant(request, slug)
    with writing(technician, tenant.id):
        found = playbook_practice.find(tenant, playbook_id, request.GET.get("page"))
    if found is None:
        raise Http404("This client has no such playbook.")
    return page(
        request,
        "practice.html",
        f"{found.playbook.title}: {tenant.name}",
        tenant=tenant,
        found=found,
        playbook=found.playbook,
        may_change=technician.has_role(Role.ADMIN),
    )


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def change_mode(request: HttpRequest, playbook_id: str, slug: str) -> HttpResponse:
    """Promote or lower a playbook for one client."""
    technician = technician_of(request)
    tenant = _tenant(request, slug)
    direction = request.POST.get("direction", "")
    try:
        if direction == "promote":
            mode = actions.promote_playbook(tenant, playbook_id, actor=technician)
        elif direction == "lower":
            reason = request.POST.get("reason", "")[:500]
            mode = actions.lower_playbook(tenant, playbook_id, actor=technician, reason=reason)
        else:
            raise PlaybookError(["Choose Promote or Lower."])
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{tenant.name}: {playbook_id} is now in mode {mode}.")
    return redirect("console:practice", playbook_id, slug)


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def spread(request: HttpRequest, playbook_id: str, slug: str) -> HttpResponse:
    """Let what one client has of a playbook hold for other clients, or for all of them."""
    technician = technician_of(request)
    source = _tenant(request, slug)
    tenants = list(tenants_of(technician))
    if request.method == "POST":
        chosen = set(request.POST.getlist("client"))
        try:
            changed = actions.spread_playbook(
                playbook_id,
                source,
                [tenant for tenant in tenants if tenant.slug in chosen],
                actor=technician,
                seen=request.POST.get("seen", ""),
                reason=request.POST.get("reason", "")[:500],
            )
        except HoldfastError as error:
            messages.error(request, str(error))
        else:
            count = len(changed)
            messages.success(request, f"It holds for {count} more client{'s' * (count != 1)} now.")
            return redirect("console:playbook", playbook_id)
    try:
        found = spreading.preview(playbook_id, source, tenants)
    except PlaybookError as error:
        raise Http404(str(error)) from None
    return page(
        request,
        "spread.html",
        f"{found.held.playbook.title}: as at {source.name}",
        source=source,
        found=found,
        playbook=found.held.playbook,
        word=playbook_list.word_of(found.held),
        may_spread=any(one.changes and not one.why_not for one in found.targets),
        needs_reason=any(one.changes and not one.why_not and one.missing for one in found.targets),
        reason=request.POST.get("reason", "")[:500],
        targets=[
            (target, playbook_list.word_of(target.before) if target.before else None)
            for target in found.targets
        ],
    )


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


def _tenant(request: HttpRequest, slug: str) -> Tenant:
    return get_object_or_404(tenants_of(technician_of(request)), slug=slug)
