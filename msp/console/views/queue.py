"""The work queue and the approvals."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST, require_safe

from msp import relaxed
from msp.console import actions, selectors, words
from msp.console.sites import page
from msp.console.views.plans import back_from
from msp.staff.access import mfa_satisfied, needs_role, needs_second_factor, technician_of
from msp.staff.models import Role
from playbooks.models import Approval, Tier
from playbooks.people import named
from tenants.errors import HoldfastError


@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """Show what needs a person now."""
    technician = technician_of(request)
    return page(
        request,
        "queue.html",
        "Work queue",
        rows=selectors.queue(),
        relaxed=relaxed.all_of_it(),
        totals=selectors.totals(technician),
        may_start=technician.has_role(Role.ADMIN) and technician.sees_all_tenants,
        needs_mfa=technician.has_role(Role.APPROVER) and not mfa_satisfied(request),
    )


@require_safe
def approvals(request: HttpRequest) -> HttpResponse:
    """Show what waits for an approval, and what was decided last."""
    waiting = [
        (row, words.ASKED.get(Tier(row.tier), row.tier), selectors.who(row.plan.case))
        for row in selectors.pending_approvals()
    ]
    decided = [
        (
            row,
            words.DECISIONS[Approval.Decision(row.decision)],
            named(row.decided_by or "engine"),
        )
        for row in selectors.decided_approvals()
    ]
    return page(request, "approvals.html", "Approvals", waiting=waiting, decided=decided)


@require_POST
@needs_role(Role.APPROVER)
@needs_second_factor
def decide(request: HttpRequest, approval_id: uuid.UUID) -> HttpResponse:
    """Record Approve or Reject on the plan whose hash the form carries."""
    approval = get_object_or_404(Approval.in_scope().select_related("plan"), id=approval_id)
    answer = request.POST.get("decision", "")
    if answer not in ("approve", "reject"):
        messages.error(request, "Choose Approve or Reject.")
        return back_from(request, approval.plan)
    try:
        actions.decide(
            approval,
            actor=technician_of(request),
            approve=answer == "approve",
            sha256=request.POST.get("sha256", ""),
            comment=request.POST.get("comment", "").strip()[:2000],
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            "Approved. The plan goes on now."
            if answer == "approve"
            else "Rejected: nothing of it that has not begun is done.",
        )
    return back_from(request, approval.plan)
