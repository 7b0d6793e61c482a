"""A client's important people (VIPs), how critical people and devices are, and which devices the
internet reaches.
"""

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST, require_safe

from msp.console import actions
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of, writing
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants import criticality, excluded_devices, exposed_devices, vips
from tenants.errors import HoldfastError
from tenants.models import Account, Device, Tenant

_LONGEST = 1000
_WORDS: dict[str, bool | None] = {"yes": True, "no": False, "as_told": None}
_DONE = {
    True: "{} is an important person now, whatever the feeds say.",
    False: "{} is no important person, whatever the feeds say.",
    None: "{} is as important as the feeds say.",
}
_MARKED = {
    True: "The internet reaches {}: a case about it weighs more from now on.",
    False: "The internet does not reach {}, whatever the vendors say.",
    None: "Whether the internet reaches {} is as the vendors say.",
}


@require_safe
def important(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a client's important people, and who was said not to be one."""
    return _page(request, _tenant(request, slug), name=request.GET.get("name", "")[:_LONGEST])


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def mark(request: HttpRequest, slug: str) -> HttpResponse:
    """Say whether somebody is important, or take that word back."""
    found = _tenant(request, slug)
    name = request.POST.get("name", "")[:_LONGEST]
    reason = request.POST.get("reason", "")[:_LONGEST]
    word = _WORDS.get(request.POST.get("vip", ""), True)
    try:
        technician = technician_of(request)
        with writing(technician, found.id):
            rows = vips.mark(name, is_vip=word, actor=actions.actor_of(technician), reason=reason)
    except HoldfastError as error:
        return _page(request, found, error=str(error), name=name, reason=reason)
    messages.success(request, _DONE[word].format(rows[0].display_name or rows[0].username))
    return redirect("console:important", found.slug)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def mark_device(request: HttpRequest, slug: str) -> HttpResponse:
    """Say whether the internet reaches a device, at every connector that knows one of the name."""
    found, technician = _tenant(request, slug), technician_of(request)
    told = {name: request.POST.get(name, "")[:_LONGEST] for name in ("device", "device_reason")}
    word = _WORDS.get(request.POST.get("exposed", ""), True)
    try:
        with writing(technician, found.id):
            for device in (devices := excluded_devices.find(told["device"])):
                exposed_devices.mark(
                    device, is_exposed=word, actor=actions.actor_of(technician),
                    reason=told["device_reason"],
                )  # fmt: skip
    except HoldfastError as error:
        return _page(request, found, error=str(error), **told)
    messages.success(request, _MARKED[word].format(devices[0]))
    return redirect("console:important", found.slug)


@require_POST
@needs_role(Role.TECHNICIAN)
@needs_second_factor
def mark_criticality(request: HttpRequest, slug: str) -> HttpResponse:
    """Say how critical a person or device is, or take that word back."""
    found, technician = _tenant(request, slug), technician_of(request)
    told = {
        name: request.POST.get(name, "")[:_LONGEST]
        for name in ("kind", "critical_name", "level", "critical_reason")
    }
    said = {"actor": actions.actor_of(technician), "reason": told["critical_reason"]}
    rows: Sequence[Account | Device]
    try:
        level = criticality.level_of(told["level"])
        with writing(technician, found.id):
            if told["kind"] == "device":
                rows = criticality.mark_device(told["critical_name"], level, **said)
            else:
                rows = criticality.mark_person(told["critical_name"], level, **said)
    except HoldfastError as error:
        return _page(request, found, error=str(error), **told)
    who = str(getattr(rows[0], "display_name", "") or rows[0])
    how = f"of criticality {level} now" if level else "as critical as the directory says"
    messages.success(request, f"{who} is {how}: open cases are scored anew.")
    return redirect("console:important", found.slug)


def _page(request: HttpRequest, found: Tenant, *, error: str = "", **told: str) -> HttpResponse:
    """Show the page, with what was filled in before where that was refused."""
    technician = technician_of(request)
    with writing(technician, found.id):
        rows = vips.of_client()
        devices = exposed_devices.of_client()
        critical_people = criticality.people_of_client()
        critical_devices = criticality.devices_of_client()
    return page(
        request,
        "important.html",
        f"Important people and devices of {found.name}",
        tenant=found,
        rows=rows,
        devices=devices,
        critical_people=critical_people,
        critical_devices=critical_devices,
        levels=criticality.LEVELS.items(),
        error=error,
        told=told,
        may_mark=technician.has_role(Role.TECHNICIAN),
    )


def _tenant(request: HttpRequest, slug: str) -> Tenant:
    return get_object_or_404(tenants_of(technician_of(request)), slug=slug)
