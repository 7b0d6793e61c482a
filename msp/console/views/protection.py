"""What no action may touch: a client's accounts and devices, and the MSP's own identities."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from msp.console import protection_actions as actions
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants import excluded_devices, protection
from tenants.errors import HoldfastError
from tenants.models import Account, Device, Tenant

_LONGEST = 1000
_LONGEST_LIST = 200_000


@require_safe
def protected(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a client's protected accounts and excluded devices."""
    return _page(request, _tenant(request, slug))


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def protect(request: HttpRequest, slug: str) -> HttpResponse:
    """Protect the accounts of a name, at every provider that has one."""
    found = _tenant(request, slug)
    technician = technician_of(request)
    name, reason = _text(request, "name"), _text(request, "reason")
    is_break_glass = request.POST.get("kind") == "break_glass"
    try:
        with writing(technician, found.id):
            accounts = protection.find(name)
        for account in accounts:
            actions.protect(
                account,
                actor=technician,
                is_break_glass=account.is_break_glass or is_break_glass,
                is_excluded=account.is_excluded or not is_break_glass,
                reason=reason,
            )
    except HoldfastError as error:
        return _page(request, found, error=str(error), name=name, reason=reason)
    messages.success(request, f"No action touches {accounts[0].username} any more.")
    return redirect("console:protected", found.slug)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def unprotect(request: HttpRequest, slug: str, account_id: uuid.UUID) -> HttpResponse:
    """Let actions touch an account again."""
    found = _tenant(request, slug)
    account = get_object_or_404(Account.in_scope().filter(tenant=found), id=account_id)
    try:
        actions.protect(
            account,
            actor=technician_of(request),
            is_break_glass=False,
            is_excluded=False,
            reason=_text(request, "reason"),
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.warning(request, f"{account.username} is an account like any other now.")
    return redirect("console:protected", found.slug)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def exclude(request: HttpRequest, slug: str) -> HttpResponse:
    """Exclude the devices of a name from all actions, at every connector that knows one."""
    found = _tenant(request, slug)
    technician = technician_of(request)
    told = {name: _text(request, name) for name in ("device", "device_reason", "until")}
    try:
        with writing(technician, found.id):
            devices = excluded_devices.find(told["device"])
        for device in devices:
            actions.exclude_device(
                device, actor=technician, reason=told["device_reason"], until=told["until"]
            )
    except HoldfastError as error:
        return _page(request, found, error=str(error), **told)
    messages.success(request, f"No action touches {devices[0]} any more.")
    return redirect("console:protected", found.slug)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def include(request: HttpRequest, slug: str, device_id: uuid.UUID) -> HttpResponse:
    """Let actions touch a device again."""
    found = _tenant(request, slug)
    device = get_object_or_404(Device.in_scope().filter(tenant=found), id=device_id)
    try:
        actions.include_device(
            device, actor=technician_of(request), reason=_text(request, "reason")
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    else:
        messages.warning(request, f"{device} is a device like any other now.")
    return redirect("console:protected", found.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def own_identities(request: HttpRequest) -> HttpResponse:
    """Show and change which identities are the MSP's own."""
    told = request.POST.get("identities", "")[:_LONGEST_LIST]
    error = ""
    if request.method == "POST":
        try:
            actions.set_own_identities(told.splitlines(), actor=technician_of(request))
        except HoldfastError as refused:
            error = str(refused)
        else:
            messages.success(request, "Kept. No action touches these identities at any client.")
            return redirect("console:own_identities")
    return page(
        request,
        "own_identities.html",
        "The MSP's own identities",
        identities=told if error else "\n".join(protection.own_identities()),
        error=error,
        may_change=technician_of(request).sees_all_tenants,
    )


def _page(request: HttpRequest, found: Tenant, *, error: str = "", **told: str) -> HttpResponse:
    """Show the page, with what was filled in before where that was refused."""
    technician = technician_of(request)
    with writing(technician, found.id):
        rows = protection.of_client()
        devices = excluded_devices.of_client()
    return page(
        request,
        "protected.html",
        f"Protected at {found.name}",
        tenant=found,
        rows=rows,
        devices=devices,
        error=error,
        told=told,
        may_protect=technician.has_role(Role.TECHNICIAN),
        may_unprotect=technician.has_role(Role.ADMIN),
    )


def _tenant(request: HttpRequest, slug: str) -> Tenant:
    return get_object_or_404(tenants_of(technician_of(request)), slug=slug)


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "")[:_LONGEST]
