"""The page of one case, its evidence, and what a technician does with it."""

import json
import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from msp.console import actions, case_page, risk_page, verdict_view
from msp.console.case_page import FINDINGS_SHOWN
from msp.console.sites import page
from msp.console.views.plans import back_from
from msp.notifications import mail
from msp.staff.access import (
    mfa_satisfied,
    needs_role,
    needs_second_factor,
    technician_of,
    writing,
)
from msp.staff.models import Role
from playbooks.cases import risk_table
from playbooks.models import Plan
from tenants.errors import HoldfastError
from tenants.evidence import content, content_hash
from tenants.models import Case, CaseChange, Evidence, Verdict

# What is shown of an answer; all of it is in the download.
_MOST_SHOWN = 100_000


@require_safe
def case(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """Show one case."""
    technician = technician_of(request)
    found = _case(case_id)
    with writing(technician, found.tenant_id):
        told = case_page.read(found, actions.actor_of(technician))
    return page(
        request,
        "case.html",
        f"Case #{found.number}",
        page=told,
        verdicts=Verdict.choices,
        may_work=technician.has_role(Role.TECHNICIAN),
        may_approve=technician.has_role(Role.APPROVER),
        has_mfa=mfa_satisfied(request),
        is_mine=found.assignee == technician.username,
        no_mail=mail.obstacle(),
        can_be_closed=found.status == Case.Status.NEEDS_TECHNICIAN,
        may_split=technician.has_role(Role.TECHNICIAN)
        and found.status != Case.Status.CLOSED
        and len(told.findings) > 1,
        can_be_regrouped=found.status != Case.Status.CLOSED and found.kind == Case.Kind.INCIDENT,
    )


@require_safe
def evidence(request: HttpRequest, evidence_id: uuid.UUID) -> HttpResponse:
    """Show one piece of evidence with the hash it was kept with; ?raw=1 downloads it as JSON."""
    row = get_object_or_404(Evidence.in_scope().select_related("case", "tenant"), id=evidence_id)
    if request.GET.get("raw"):
        return _download(row)
    text = json.dumps(row.answer, indent=2, ensure_ascii=False)
    return page(
        request,
        "evidence.html",
        "Evidence",
        row=row,
        answer=verdict_view.answer(row),
        is_intact=content_hash(row) == row.sha256,
        text=text[:_MOST_SHOWN],
        left_out=max(0, len(text) - _MOST_SHOWN),
    )


def _download(row: Evidence) -> HttpResponse:
    return JsonResponse(
        {"id": row.id, **content(row), "sha256": row.sha256},
        json_dumps_params={"indent": 2, "ensure_ascii": False},
        headers={"Content-Disposition": f'attachment; filename="evidence-{row.id}.json"'},
    )


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def roll_back(request: HttpRequest, plan_id: uuid.UUID) -> HttpResponse:
    """Ask for the undoing of what a plan did: of chosen steps, all of it, or the block alone."""
    plan = get_object_or_404(Plan.in_scope().select_related("case"), id=plan_id)
    technician = technician_of(request)
    what = request.POST.get("what", "chosen")
    try:
        if what == "open":
            undoing = actions.open_again(plan, actor=technician)
        else:
            undoing = actions.roll_back(
                plan,
                actor=technician,
                chosen=set(request.POST.getlist("step")),
                everything=what == "all",
            )
    except HoldfastError as error:
        messages.error(request, str(error))
        return back_from(request, plan)
    messages.success(request, "The undoing is planned. Somebody else has to approve it.")
    return back_from(request, undoing)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def stop_plan(request: HttpRequest, plan_id: uuid.UUID) -> HttpResponse:
    """Let nothing begin any more of a plan."""
    plan = get_object_or_404(Plan.in_scope(), id=plan_id)
    try:
        actions.stop_plan(plan, actor=technician_of(request))
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The plan is stopped: what has not begun does not begin.")
    return redirect("console:plan", plan.id)


@require_safe
def risk(request: HttpRequest) -> HttpResponse:
    """Show the table that risk is worked out by."""
    return page(
        request,
        "risk.html",
        "How risk is worked out",
        lines=risk_page.lines(),
        sha256=risk_table.in_force().sha256,
    )


@require_POST
@needs_role(Role.TECHNICIAN)
def take(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """Make the technician responsible for the case."""
    found = _case(case_id)
    actions.take_case(found, actor=technician_of(request))
    messages.success(request, "This case is yours now.")
    return redirect("console:case", found.id)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def close(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """Close the case with the technician's verdict and note."""
    found = _case(case_id)
    try:
        actions.close_case(
            found,
            actor=technician_of(request),
            verdict=request.POST.get("verdict", ""),
            note=request.POST.get("note", "")[:4000],
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Closed.")
    return redirect("console:case", found.id)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def merge(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """Make this case and another one."""
    found = _case(case_id)
    try:
        whole = actions.merge_cases(
            found,
            request.POST.get("other", "").strip().removeprefix("#")[:10],
            actor=technician_of(request),
            reason=request.POST.get("reason", ""),
        )
    except HoldfastError as error:
        messages.error(request, str(error))
        return redirect("console:case", found.id)
    messages.success(request, f"They are one case now: #{whole.number}.")
    return redirect("console:case", whole.id)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def split(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """Make some findings of the case a case of their own."""
    found = _case(case_id)
    try:
        chosen = [uuid.UUID(one) for one in request.POST.getlist("finding")[:FINDINGS_SHOWN]]
        other = actions.split_case(
            found, chosen, actor=technician_of(request), reason=request.POST.get("reason", "")
        )
    except ValueError:
        messages.error(request, "Choose the findings on the page of the case.")
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"They are case #{other.number} now.")
        return redirect("console:case", other.id)
    return redirect("console:case", found.id)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def undo_change(request: HttpRequest, change_id: uuid.UUID) -> HttpResponse:
    """Put back what a merge or split changed."""
    change = get_object_or_404(CaseChange.in_scope(), id=change_id)
    try:
        actions.undo_change(
            change, actor=technician_of(request), reason=request.POST.get("reason", "")
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The cases are as they were.")
    return redirect("console:case", change.case_id)


def _case(case_id: uuid.UUID) -> Case:
    found = case_page.find(case_id)
    if found is None:
        raise Http404("There is no such case.")
    return found
