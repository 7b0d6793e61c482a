"""Whom the MSP may ask at a client, and in which order. Everything is about the scope's tenant."""

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from tenants import ledger, scope
from tenants.errors import ContactError
from tenants.models import Contact, Tenant
from tenants.storable import storable

_LONGEST_NAME = 200
_LONGEST_EMAIL = 254


def ordered() -> list[Contact]:
    """Return the contacts: those who are asked first, in their order, then the others."""
    return list(Contact.in_scope().order_by("-is_active", "position", "name", "id"))


def add(*, name: str, email: str, can_approve: bool, actor: str) -> Contact:
    """Add a contact, who is asked after all others; ContactError says what can't be kept."""
    others = _locked()
    name, email = _checked(name, email, others)
    contact = Contact.objects.create(
        tenant_id=scope.require_tenant_id(),
        name=name,
        email=email,
        can_approve=can_approve,
        position=_last(others) + 1,
    )
    _note("contact.added", contact, actor)
    return contact


def change(
    contact_id: uuid.UUID, *, name: str, email: str, can_approve: bool, actor: str
) -> Contact:
    """Change what is known of a contact; ContactError says what can't be kept."""
    contact, others = _split(contact_id)
    name, email = _checked(name, email, others)
    before = _told(contact)
    contact.name, contact.email, contact.can_approve = name, email, can_approve
    if _told(contact) != before:
        contact.save(update_fields=["name", "email", "can_approve"])
        _note("contact.changed", contact, actor, before=before)
    return contact


def set_active(contact_id: uuid.UUID, *, is_active: bool, actor: str) -> Contact:
    """Ask a contact no more, or again: then after all others. Nothing is deleted."""
    contact, others = _split(contact_id)
    if contact.is_active == is_active:
        return contact
    contact.is_active = is_active
    if is_active:
        contact.position = _last(others) + 1
    contact.save(update_fields=["is_active", "position"])
    _note("contact.activated" if is_active else "contact.deactivated", contact, actor)
    return contact


def move(contact_id: uuid.UUID, *, is_earlier: bool, actor: str) -> Contact:
    """Have a contact asked one place earlier or later; at the end of the row nothing changes.

    ContactError for one who is not asked at all.
    """
    contact, _ = _split(contact_id)
    if not contact.is_active:
        raise ContactError(f"{contact.name} is not asked at present: ask them again first.")
    row = [one for one in ordered() if one.is_active]
    place = [one.id for one in row].index(contact_id)
    other = place + (-1 if is_earlier else 1)
    if not 0 <= other < len(row):
        return contact
    row[place], row[other] = row[other], row[place]
    for position, one in enumerate(row, start=1):
        one.position = position
    Contact.objects.bulk_update(row, ["position"])
    _note("contact.moved", contact, actor, order=[one.email for one in row])
    return contact


def _locked() -> list[Contact]:
    """Return the contacts in order; who changes them waits for whoever does so now."""
    Tenant.objects.select_for_update(no_key=True).get(id=scope.require_tenant_id())
    return ordered()


def _split(contact_id: uuid.UUID) -> tuple[Contact, list[Contact]]:
    contacts = _locked()
    found = [one for one in contacts if one.id == contact_id]
    if not found:
        raise ContactError("There is no such contact: open the client's page again.")
    return found[0], [one for one in contacts if one.id != contact_id]


def _checked(name: str, email: str, others: list[Contact]) -> tuple[str, str]:
    """Return name and address as they are kept; ContactError says what is wrong with them."""
    name, email = " ".join(storable(name).split()), email.strip()
    if not name:
        raise ContactError("Enter the contact's name.")
    if len(name) > _LONGEST_NAME:
        raise ContactError(f"The name is longer than {_LONGEST_NAME} characters: shorten it.")
    try:
        validate_email(email)
    except ValidationError:
        email = ""
    if not email or len(email) > _LONGEST_EMAIL:
        raise ContactError("Enter an e-mail address, such as olive@client.example.")
    same = [one for one in others if one.email.lower() == email.lower()]
    if same:
        raise ContactError(
            f"{same[0].name} has this address already"
            + (": change that contact." if same[0].is_active else ": ask that contact again.")
        )
    return name, email


def _last(others: list[Contact]) -> int:
    return max((one.position for one in others), default=0)


def _told(contact: Contact) -> dict[str, Any]:
    return {"name": contact.name, "email": contact.email, "can_approve": contact.can_approve}


def _note(kind: str, contact: Contact, actor: str, **more: Any) -> None:
    ledger.append(
        kind,
        actor=actor,
        subject=f"{contact.name}, {contact.email}",
        body={"contact": contact.id, "position": contact.position, **_told(contact), **more},
    )
