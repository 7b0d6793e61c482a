"""A client's contacts: whom the client has named to answer, and in which order they are asked."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_http_methods, require_POST

from msp.console import actions
from msp.console.sites import page
from msp.staff.access import needs_role, needs_second_factor, technician_of
from msp.staff.models import Role
from msp.staff.selectors import tenants_of
from tenants.errors import HoldfastError
from tenants.models import Contact, Tenant

_LONGEST = 1000


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def add(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a contact to a client."""
    found = _tenant(request, slug)
    told = Contact(name=_text(request, "name"), email=_text(request, "email"), can_approve=True)
    if request.method != "POST":
        return _form(request, found, told)
    told.can_approve = "can_approve" in request.POST
    try:
        made = actions.add_contact(
            found,
            actor=technician_of(request),
            name=told.name,
            email=told.email,
            can_approve=told.can_approve,
        )
    except HoldfastError as error:
        return _form(request, found, told, error=str(error))
    messages.success(request, f"{made.name} is a contact of {found.name} now.")
    return _back(found)


@require_http_methods(["GET", "HEAD", "POST"])
@needs_role(Role.ADMIN)
@needs_second_factor
def change(request: HttpRequest, slug: str, contact_id: uuid.UUID) -> HttpResponse:
    """Change a contact's name, address, or whether they may approve."""
    found = _tenant(request, slug)
    contact = _contact(found, contact_id)
    if request.method != "POST":
        return _form(request, found, contact, kept=contact)
    kept = contact.name
    contact.name, contact.email = _text(request, "name"), _text(request, "email")
    contact.can_approve = "can_approve" in request.POST
    try:
        actions.change_contact(
            contact,
            actor=technician_of(request),
            name=contact.name,
            email=contact.email,
            can_approve=contact.can_approve,
        )
    except HoldfastError as error:
        return _form(request, found, contact, kept=contact, error=str(error))
    messages.success(request, f"What is known of {kept} is changed.")
    return _back(found)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def move(request: HttpRequest, slug: str, contact_id: uuid.UUID) -> HttpResponse:
    """Have a contact asked one place earlier or later."""
    found = _tenant(request, slug)
    contact = _contact(found, contact_id)
    try:
        actions.move_contact(
            contact,
            actor=technician_of(request),
            is_earlier=request.POST.get("direction") == "earlier",
        )
    except HoldfastError as error:
        messages.error(request, str(error))
    return _back(found)


@require_POST
@needs_role(Role.ADMIN)
@needs_second_factor
def set_active(request: HttpRequest, slug: str, contact_id: uuid.UUID) -> HttpResponse:
    """Ask a contact no more, or again."""
    found = _tenant(request, slug)
    contact = _contact(found, contact_id)
    is_active = request.POST.get("asked") == "yes"
    try:
        actions.set_contact_active(contact, actor=technician_of(request), is_active=is_active)
    except HoldfastError as error:
        messages.error(request, str(error))
        return _back(found)
    messages.success(
        request,
        f"{contact.name} is asked again, after all others."
        if is_active
        else f"{contact.name} is asked no more. Links that were sent to them count no more.",
    )
    return _back(found)


def _form(
    request: HttpRequest,
    tenant: Tenant,
    contact: Contact,
    kept: Contact | None = None,
    error: str = "",
) -> HttpResponse:
    title = "Change a contact" if kept else "Add a contact"
    return page(
        request,
        "contact.html",
        f"{title} of {tenant.name}",
        tenant=tenant,
        contact=contact,
        kept=kept,
        error=error,
    )


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "")[:_LONGEST]


def _back(tenant: Tenant) -> HttpResponse:
    response = redirect("console:tenant", tenant.slug)
    response["Location"] += "#contacts"
    return response


def _contact(tenant: Tenant, contact_id: uuid.UUID) -> Contact:
    return get_object_or_404(Contact.in_scope(), tenant=tenant, id=contact_id)


def _tenant(request: HttpRequest, slug: str) -> Tenant:
    return get_object_or_404(tenants_of(technician_of(request)), slug=slug)
