"""Whose names are: what many of a client's people share, and one person's different ones.

Many share mailboxes, service accounts, domain controllers. An alert that names something else
beside them belongs to others by that alone: nearly every alert of a client may name them, and it
must not become one case. What is about them alone is joined by them, as anything else is.
"""

import uuid
from collections.abc import Collection, Iterator
from typing import Final

from django.db.models import Q, Value
from django.db.models.functions import Lower

from playbooks.correlation import Names, short_name
from tenants.models import Account, AccountIdentifier, Device, Mailbox

_KINDS: Final = (Account.Kind.SHARED, Account.Kind.SERVICE)
_OF_PEOPLE: Final = ("account:", "mailbox:")
_PURPOSES: Final = ("shared", "room", "equipment")


def known(entities: Collection[str]) -> Names:
    """Return what the directory of the scope's tenant says of names; whose those of these are."""
    return Names(frozenset(_of_accounts() | _of_computers()), _people(entities))


def _people(entities: Collection[str]) -> dict[str, str]:
    """Return whose accounts and mailboxes are; a name that two people have is nobody's."""
    people: dict[str, set[str]] = {}
    for entity, person in [*_by_name(entities), *_by_id(entities)]:
        people.setdefault(entity, set()).add(f"person:{person}")
    return {entity: next(iter(found)) for entity, found in people.items() if len(found) == 1}


def _by_name(entities: Collection[str]) -> Iterator[tuple[str, uuid.UUID]]:
    named = _values(entities, *_OF_PEOPLE)
    rows = AccountIdentifier.objects.filter(
        kind__in=("address", "login"), value__in=list(named), is_current=True,
        account__deleted_upstream_at=None,
    ).exclude(account__person=None)  # fmt: skip
    rows = rows.exclude(account__kind__in=_KINDS)
    for value, person in rows.values_list("value", "account__person") if named else ():
        yield from ((entity, person) for entity in named[value])


def _by_id(entities: Collection[str]) -> Iterator[tuple[str, uuid.UUID]]:
    """Some alerts name an account only by its id, others only by its name."""
    named = _values(entities, "account_id:")
    rows = Account.objects.exclude(person=None).exclude(kind__in=_KINDS)
    rows = rows.annotate(own=Lower("external_id")).filter(
        own__in=list(named), deleted_upstream_at=None
    )
    for value, person in rows.values_list("own", "person") if named else ():
        yield from ((entity, person) for entity in named[value])


def _values(entities: Collection[str], *prefixes: str) -> dict[str, list[str]]:
    """Return what is named, each with the entities that name it so."""
    found: dict[str, list[str]] = {}
    for one in entities:
        if one.startswith(prefixes):
            found.setdefault(one.partition(":")[2], []).append(one)
    return found


def _of_accounts() -> set[str]:
    accounts = Account.objects.filter(kind__in=_KINDS, deleted_upstream_at=None).order_by()
    rooms = Mailbox.objects.filter(purpose__in=_PURPOSES, deleted_upstream_at=None).order_by()
    rows = accounts.values_list("username", "email", "external_id").union(
        rooms.values_list("address", Value(""), Value("")), all=True
    )
    found: set[str] = set()
    for username, email, external_id in rows:
        found.add(f"account_id:{external_id.lower()}")
        for name in (username.lower(), email.lower()):
            found |= {f"account:{name}", f"mailbox:{name}"}
    return found


def _of_computers() -> set[str]:
    """Return the names and ids of domain controllers: they report what anybody does anywhere."""
    rows = Device.objects.filter(deleted_upstream_at=None).order_by()
    named = rows.filter(attributes__is_domain_controller=True).values_list("hostname", flat=True)
    names = {short_name(one.lower()) for one in named if one}
    having = Q(pk__in=[])
    for name in names:
        having |= Q(hostname__iexact=name) | Q(hostname__istartswith=f"{name}.")
    found = {f"device:{name}" for name in names}
    for provider, external_id, entra in rows.filter(having).values_list(
        "provider", "external_id", "attributes__entra_device_id"
    ):
        found |= {f"device_id:{provider}:{external_id}".lower(), f"device_id:entra:{entra}".lower()}
    return found
