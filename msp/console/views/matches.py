"""Accounts that may be one person's: a technician joins them or keeps them apart."""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from msp.console import actions, match_page
from msp.console.sites import page
from msp.staff.access import needs_role, technician_of
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants.errors import HoldfastError
from tenants.models import Account, MatchDecision, MatchDoubt

_PAGE = 20
_MOST_SHOWN = 200
_LONGEST_NAME = 200


@require_safe
def matches(request: HttpRequest) -> HttpResponse:
    """List what is doubtful with its reasons, and what was decided."""
    technician = technician_of(request)
    client = tenants_of(technician).filter(slug=request.GET.get("client", "")[:63]).first()
    slug = client.slug if client else ""
    asked = request.GET.get("q", "").strip()[:_LONGEST_NAME]
    shown = Paginator(match_page.doubts(slug), _PAGE).get_page(request.GET.get("page"))
    return page(
        request,
        "matches.html",
        "Doubtful matches",
        pages=shown,
        rows=match_page.rows(shown),
        decisions=match_page.decisions(slug),
        joined=match_page.joined(asked, slug),
        asked=asked,
        client=client,
        query=f"client={slug}&" if slug else "",
        may_decide=technician.has_role(Role.TECHNICIAN),
    )


@require_POST
@needs_role(Role.TECHNICIAN)
def decide(request: HttpRequest, doubt_id: uuid.UUID) -> HttpResponse:
    """Join two people, or keep them apart."""
    doubt = get_object_or_404(MatchDoubt.in_scope(), id=doubt_id)
    decision = request.POST.get("decision")
    if decision not in ("join", "apart"):
        messages.error(request, "Choose whether they are one person or two.")
        return redirect("console:matches")
    try:
        actions.decide_match(
            doubt,
            actor=technician_of(request),
            is_same=decision == "join",
            comment=request.POST.get("comment", ""),
            seen=tuple(request.POST.getlist("seen")[:_MOST_SHOWN]),
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            "They are one person from now on."
            if decision == "join"
            else "They stay two people, whatever the feeds bring.",
        )
    return redirect("console:matches")


@require_POST
@needs_role(Role.TECHNICIAN)
def part(request: HttpRequest, account_id: uuid.UUID) -> HttpResponse:
    """Part an account from another one of the same person."""
    account = get_object_or_404(Account.in_scope(), id=account_id)
    try:
        other = uuid.UUID(request.POST.get("other", ""))
        actions.part_accounts(
            account, other, actor=technician_of(request), comment=request.POST.get("comment", "")
        )
    except ValueError:
        messages.error(request, "Choose the account that is somebody else’s.")
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "They are two people from now on, whatever the feeds bring.")
    return redirect("console:matches")


@require_POST
@needs_role(Role.TECHNICIAN)
def revert(request: HttpRequest, decision_id: uuid.UUID) -> HttpResponse:
    """Take a decision back."""
    decision = get_object_or_404(MatchDecision.in_scope(), id=decision_id)
    try:
        actions.revert_match(decision, actor=technician_of(request))
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "The decision is taken back: what is known decides again.")
    return redirect("console:matches")
