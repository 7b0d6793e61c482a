"""Adding, pausing and removing sources of indicators that are read on their schedule."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from integrations.intelligence import sources, store
from integrations.models import IndicatorSource
from msp.console import source_actions
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of
from msp.staff.models import Role
from tenants.errors import HoldfastError

_LONGEST = 10_000
_NUMBERS = {"every_hours": 24, "confidence": store.USUAL_CONFIDENCE, "days": store.BY_KIND}
_TEXTS = ("name", "kind", "address", "collection", "username")


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def add(request: HttpRequest) -> HttpResponse:
    """Show the form for a source, and keep what is entered; the secret is never shown again."""
    told = {name: request.POST.get(name, "")[:_LONGEST] for name in _TEXTS}
    numbers = {name: request.POST.get(name, str(usual)) for name, usual in _NUMBERS.items()}
    error = ""
    if request.method == "POST":
        try:
            row = source_actions.add(
                sources.Wish(
                    told["name"], told["kind"], told["address"], told["collection"],
                    told["username"], request.POST.get("secret", ""),
                    *(_number(numbers[name]) for name in _NUMBERS),
                ),
                actor=technician_of(request),
            )  # fmt: skip
        except HoldfastError as refused:
            error = str(refused)
        else:
            messages.success(request, f"{row.name} is read now, and then on its schedule.")
            return redirect("console:intelligence")
    return page(
        request, "source_add.html", "Add a source of indicators", told=told | numbers, error=error,
        kinds=sources.Kind.choices, may_change=technician_of(request).sees_all_tenants,
    )  # fmt: skip


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def change(request: HttpRequest, source_id: uuid.UUID) -> HttpResponse:
    """Pause a source, go on with it, read it now or remove it."""
    row = get_object_or_404(IndicatorSource.objects.exclude(kind=""), id=source_id)
    how = request.POST.get("do", "")
    try:
        messages.success(request, source_actions.change(row, how, actor=technician_of(request)))
    except HoldfastError as refused:
        messages.error(request, str(refused))
    return redirect("console:intelligence")


def _number(told: str) -> int:
    """Return a whole number; -1, which no bound allows, for anything else."""
    return int(told) if told.isascii() and told.isdigit() and len(told) < 6 else -1
