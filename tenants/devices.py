"""Whose devices are, by the addresses and logins that their providers tell."""

import uuid
from collections.abc import Collection, Iterable

from tenants.models import AccountIdentifier, Device

_BATCH = 500


def find_owners(devices: Iterable[Device]) -> list[Device]:
    """Set the owner of each device; return those whose owner changed, not stored yet.

    Its owner is the one person whom all its users are, as far as they are known. A server has
    none: whoever signs in there works on it, and it is not theirs.
    """
    rows = list(devices)
    people = _people_by_key({key for row in rows for key in row.user_keys})
    changed = []
    for row in rows:
        found = {person for key in row.user_keys for person in people.get(key, ())}
        owner = found.pop() if len(found) == 1 and not row.is_server else None
        if owner != row.owner_id:
            row.owner_id = owner
            changed.append(row)
    return changed


def find_owners_again(accounts: Collection[uuid.UUID]) -> None:
    """Find the owners of the devices that these accounts use, after their people changed."""
    known = AccountIdentifier.objects.filter(kind__in=["address", "login"], account__in=accounts)
    values = list(known.values_list("value", flat=True).distinct())
    if values:
        rows = Device.objects.filter(user_keys__overlap=values)
        Device.objects.bulk_update(find_owners(rows), ["owner"], _BATCH)


def _people_by_key(keys: set[str]) -> dict[str, set[uuid.UUID]]:
    if not keys:
        return {}
    known = AccountIdentifier.objects.filter(
        kind__in=["address", "login"], value__in=keys, is_current=True
    ).exclude(account__person=None)
    found: dict[str, set[uuid.UUID]] = {}
    for value, person in known.values_list("value", "account__person"):
        found.setdefault(value, set()).add(person)
    return found
