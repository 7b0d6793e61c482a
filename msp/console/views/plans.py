"""The page of one plan: why each step has its tier, and how far it is."""

import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from msp.console import plan_page
from msp.console.sites import page
from msp.staff.access import mfa_satisfied, technician_of
from msp.staff.models import Role


@require_safe
def plan(request: HttpRequest, plan_id: uuid.UUID) -> HttpResponse:
    """Show one plan; while it is open the page looks again by itself."""
    found = plan_page.find(plan_id)
    if found is None:
        raise Http404("There is no such plan.")
    return page(
        request,
        "plan.html",
        f"Plan for case #{found.case.number}",
        page=plan_page.read(found),
        may_work=technician_of(request).has_role(Role.TECHNICIAN),
        has_mfa=mfa_satisfied(request),
    )
