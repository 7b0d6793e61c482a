"""The page of one plan: why each step has its tier, and how far it is."""

import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from msp.console import actions, plan_page
from msp.console.sites import page
from msp.staff.access import (
    mfa_satisfied,
    needs_role,
    needs_second_factor,
    technician_of,
    writing,
)
from msp.staff.models import Role
from playbooks.models import Plan
from tenants.errors import HoldfastError


@require_safe
def plan(request: HttpRequest, plan_id: uuid.UUID) -> HttpResponse:
    """Show one plan; while it is open the page looks again by itself."""
    found = plan_page.find(plan_id)
    if found is None:
        raise Http404("There is no such plan.")
    technician = technician_of(request)
    with writing(technician, found.tenant_id):
        told = plan_page.read(found, actions.actor_of(technician))
    return page(
        request,
        "plan.html",
        f"Plan for case #{found.case.number}",
        page=told,
        may_work=technician.has_role(Role.TECHNICIAN),
        may_approve=technician.has_role(Role.APPROVER),
        has_mfa=mfa_satisfied(request),
    )


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def ask_again(request: HttpRequest, plan_id: uuid.UUID) -> HttpResponse:
    """Ask once more for what a plan was for that nobody approved."""
    plan = get_object_or_404(Plan.in_scope(), id=plan_id)
    try:
        fresh = actions.ask_again(plan, actor=technician_of(request))
    except HoldfastError as error:
        messages.error(request, str(error))
        return redirect("console:plan", plan.id)
    messages.success(request, "It is planned on what is known now, and asked for.")
    return redirect("console:plan", fresh.id)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def tell_step(request: HttpRequest, plan_id: uuid.UUID) -> HttpResponse:
    """Say what a technician saw at the vendor of a step that nobody knows the outcome of."""
    plan = get_object_or_404(Plan.in_scope(), id=plan_id)
    told = request.POST.get("was_done")
    if told not in ("yes", "no"):
        messages.error(request, "Choose whether it was done or was not done.")
        return redirect("console:plan", plan.id)
    try:
        actions.tell_step(
            plan,
            request.POST.get("step", ""),
            actor=technician_of(request),
            was_done=told == "yes",
            note=request.POST.get("note", ""),
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, "It is read back once more now. Where that does not tell, your word counts."
        )
    return redirect("console:plan", plan.id)


def back_from(request: HttpRequest, plan: Plan) -> HttpResponse:
    """Return to where a form about a plan stood: the page of the plan, or that of its case."""
    if request.POST.get("back") == "plan":
        return redirect("console:plan", plan.id)
    return redirect("console:case", plan.case_id)
