"""Whose mailbox a message is in: what touches a copy of a message touches its owner's account."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from django.db.models import Q
from django.db.models.functions import Lower

from tenants.models import Account


def named(external_id: str) -> str:
    """Return the mailbox in a copy's id, ``mailbox/message``; "" where it names none.

    It is the id of an account at its connector, or an address. A message's own id may hold a slash.
    """
    mailbox, slash, _ = external_id.partition("/")
    return mailbox if slash else ""


def accounts(external_ids: Iterable[str], provider: str = "") -> dict[str, list[Account]]:
    """Return the accounts whose mailbox each copy is in, in one order; [] where none is known.

    Found by the id at the connector that told it (empty: at any), or by the address at any: a mail
    server lists no accounts of its own. Runs in the tenant's scope.
    """
    mailboxes = {one: named(one).lower() for one in external_ids}
    by_name = _by_name(set(mailboxes.values()) - {""}, provider)
    return {one: by_name.get(mailbox, []) for one, mailbox in mailboxes.items()}


def _by_name(wanted: Collection[str], provider: str) -> dict[str, list[Account]]:
    """Return the accounts with these ids or addresses, in lower case, by them."""
    if not wanted:
        return {}
    addresses = {name for name in wanted if "@" in name}
    at_home = {"provider": provider} if provider else {}
    rows = (
        Account.objects.alias(
            id_lower=Lower("external_id"), name_lower=Lower("username"), mail_lower=Lower("email")
        )
        .filter(
            Q(id_lower__in=wanted, **at_home)
            | Q(name_lower__in=addresses)
            | Q(mail_lower__in=addresses)
            | Q(
                identifiers__kind="address",
                identifiers__is_current=True,
                identifiers__value__in=addresses,
            )
        )
        .select_related("person")
        .prefetch_related("identifiers")
        .order_by("provider", "external_id")
        .distinct()
    )
    found: dict[str, list[Account]] = defaultdict(list)
    for row in rows:
        current = {one.value for one in row.identifiers.all() if one.is_current}
        for name in {row.external_id, row.username, row.email} | current:
            if name.lower() in wanted and row not in found[name.lower()]:
                found[name.lower()].append(row)
    return found
