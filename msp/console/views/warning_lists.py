"""Taking in warning lists, which say what is never looked for, and forgetting them."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from integrations.models import WarningList
from msp.console import source_actions
from msp.staff.access import needs_role, needs_second_factor, technician_of
from msp.staff.models import Role
from tenants.errors import HoldfastError

# What a page may take in while somebody waits for it.
_LARGEST_BYTES = 8 * 2**20
_NAMED = 3


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def add(request: HttpRequest) -> HttpResponse:
    """Take in a list from a file in MISP's format; one of the same name is replaced."""
    file = request.FILES.get("file")
    if file is None or (file.size or 0) > _LARGEST_BYTES:
        messages.error(
            request,
            f"Choose a file of at most {_LARGEST_BYTES // 2**20} MB. A larger one is taken in on "
            "the server: manage.py intelligence warn FILE.",
        )
        return redirect("console:intelligence")
    try:
        row, left = source_actions.take_in_list(file.read(), actor=technician_of(request))
    except HoldfastError as refused:
        messages.error(request, str(refused))
        return redirect("console:intelligence")
    number = "1 entry is" if row.entries == 1 else f"{row.entries} entries are"
    messages.success(request, f"{row.name}: {number} never looked for from now.")
    if left:
        told = "; ".join(f"{value}: {why}" for value, why in left[:_NAMED])
        more = f"; and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        messages.warning(request, f"Of {row.name} these can’t be used: {told}{more}.")
    return redirect("console:intelligence")


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def remove(request: HttpRequest, list_id: uuid.UUID) -> HttpResponse:
    """Forget a list: what it kept out is looked for again."""
    row = get_object_or_404(WarningList, id=list_id)
    try:
        source_actions.forget_list(row.name, actor=technician_of(request))
    except HoldfastError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{row.name} is forgotten; what it kept out is looked for again.")
    return redirect("console:intelligence")
