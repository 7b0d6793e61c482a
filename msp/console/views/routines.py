"""Routines: which a client has, starting one now or for later, and what is still to come."""

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from msp.console import actions, routine_pages
from msp.console.routine_pages import RoutineRow
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants.errors import HoldfastError
from tenants.models import Case, Tenant


@require_safe
def routines(request: HttpRequest) -> HttpResponse:
    """Show what is scheduled and what began lately; for a chosen client what may be started."""
    technician = technician_of(request)
    tenants = list(tenants_of(technician))
    slug = request.GET.get("client", tenants[0].slug if len(tenants) == 1 else "")
    chosen = next((tenant for tenant in tenants if tenant.slug == slug), None)
    rows: list[RoutineRow] = []
    if chosen is not None:
        with writing(technician, chosen.id):
            rows = routine_pages.of_scope()
    return page(
        request,
        "routines.html",
        "Routines",
        tenants=tenants,
        chosen=chosen,
        rows=rows,
        scheduled=routine_pages.scheduled(),
        lately=routine_pages.lately(),
        may_work=technician.has_role(Role.TECHNICIAN),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def start(request: HttpRequest, slug: str, playbook_id: str) -> HttpResponse:
    """Fill in what a routine needs, and start it; its case is shown then."""
    technician = technician_of(request)
    found = get_object_or_404(tenants_of(technician), slug=slug)
    with writing(technician, found.id):
        row = next(
            (one for one in routine_pages.of_scope() if one.playbook.id == playbook_id), None
        )
        if row is None:
            raise Http404("This client has no such routine.")
        if request.method != "POST":
            return _form(request, found, row)
        try:
            if request.POST.get("what") == "defaults":
                return _keep_defaults(request, found, row)
            return _start(request, found, row)
        except HoldfastError as error:
            return _form(request, found, row, problems=str(error).split("\n"))


def _start(request: HttpRequest, tenant: Tenant, row: RoutineRow) -> HttpResponse:
    wish = routine_pages.read(row.playbook, request.POST.dict(), tenant.time_zone)
    case = actions.start_routine(
        tenant,
        row.playbook.id,
        actor=technician_of(request),
        account=wish.account,
        inputs=wish.inputs,
        at=wish.at,
        once=request.POST.get("once", "")[:64] or routine_pages.new_wish(),
    )
    begins = routine_pages.in_words(wish.at, tenant.time_zone) if wish.at else "now"
    messages.success(request, f"Case #{case.number} is opened. It begins {begins}.")
    return redirect("console:case", case.id)


def _keep_defaults(request: HttpRequest, tenant: Tenant, row: RoutineRow) -> HttpResponse:
    """Keep what was entered as the client's defaults, which is for an administrator to say."""
    technician = technician_of(request)
    if not technician.has_role(Role.ADMIN):
        raise PermissionDenied("A client's defaults are for an administrator to say.")
    inputs = routine_pages.read_defaults(row.playbook, request.POST.dict())
    actions.set_routine_defaults(tenant, row.playbook.id, actor=technician, inputs=inputs)
    messages.success(request, f"{tenant.name} has these defaults now. Nothing was started.")
    return redirect("console:routine_start", tenant.slug, row.playbook.id)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def cancel(request: HttpRequest, case_id: uuid.UUID) -> HttpResponse:
    """End a routine that has not begun."""
    case = get_object_or_404(Case.in_scope(), id=case_id)
    try:
        actions.cancel_routine(
            case, actor=technician_of(request), reason=request.POST.get("reason", "")[:500]
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{case} is cancelled: nothing of it was done.")
    return redirect("console:case", case.id)


def _form(
    request: HttpRequest, tenant: Tenant, row: RoutineRow, problems: list[str] | None = None
) -> HttpResponse:
    posted = request.POST.dict() if request.method == "POST" else None
    is_about_account = row.playbook.is_about_one_account
    return page(
        request,
        "routine_start.html",
        f"{row.playbook.title}: {tenant.name}",
        tenant=tenant,
        row=row,
        fields=routine_pages.fields(row.playbook, posted),
        accounts=routine_pages.accounts() if is_about_account else [],
        untouchable=routine_pages.untouchable(row.playbook),
        account=(posted or request.GET).get("account", ""),
        at=(posted or {}).get("at", ""),
        once=(posted or {}).get("once") or routine_pages.new_wish(),
        problems=problems or [],
        may_set_defaults=technician_of(request).has_role(Role.ADMIN),
    )
