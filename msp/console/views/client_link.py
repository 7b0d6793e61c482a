"""A link by which a client's contact decides: sent by mail, or shown once to be copied."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from msp.console import actions
from msp.console.sites import page
from msp.notifications.actions import path_of
from msp.staff.access import needs_role, needs_second_factor, technician_of
from msp.staff.models import Role
from playbooks.models import Approval
from tenants.errors import HoldfastError
from tenants.models import Contact


@require_POST
@needs_role(Role.APPROVER)
@needs_second_factor
def client_link(request: HttpRequest, approval_id: uuid.UUID) -> HttpResponse:
    """Make a new link for the chosen contact of the approval's client."""
    approval = get_object_or_404(Approval.in_scope().select_related("plan"), id=approval_id)
    contact = _contact(approval, request.POST.get("contact", ""))
    if contact is None:
        messages.error(request, "Choose one of the client's contacts.")
        return redirect("console:case", approval.plan.case_id)
    is_sent = "send" in request.POST
    try:
        link = actions.make_client_link(
            approval, contact, actor=technician_of(request), send=is_sent
        )
    except HoldfastError as error:
        messages.error(request, str(error))
        return redirect("console:case", approval.plan.case_id)
    if is_sent:
        messages.success(request, f"A link is on its way to {contact.email}.")
        return redirect("console:case", approval.plan.case_id)
    path = path_of(link)
    url = (
        f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path)
    )
    return page(
        request, "client_link.html", "Link for the client", link=link, contact=contact, url=url,
        case_id=approval.plan.case_id,
    )  # fmt: skip


def _contact(approval: Approval, given: str) -> Contact | None:
    try:
        return Contact.in_scope().filter(tenant_id=approval.tenant_id, id=given).first()
    except (ValidationError, ValueError):
        return None
