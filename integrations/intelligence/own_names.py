"""A client's own domains and addresses: meeting those is no sighting of an attacker.

What somebody entered in the threat profile, the domains that its people sign in with, and the
addresses from which several of its computers reach the internet.
"""

from collections.abc import Iterable

from django.db.models import Count, F, Func, Value
from django.db.models.fields import CharField
from django.db.models.fields.json import KT

from integrations.intelligence import profiles, warning_lists
from integrations.intelligence.found import entity_of
from integrations.intelligence.naming import with_parents
from tenants.models import Account, Device

# Fewer may stand at home, or behind somebody else's proxy.
_COMPUTERS = 3
_MOST = 1_000
_GUEST = "#ext#"


def of_scope() -> frozenset[str]:
    """Return the entities of the scope's tenant that are its own, such as ``domain:acme.example``.

    A guest's domain is not the client's, nor is one where anybody has an address.
    """
    profile = profiles.current()
    entered = set(profile.own) if profile is not None else set()
    return frozenset(entered | _domains() | _addresses())


def are_own(entities: Iterable[str], own: frozenset[str]) -> set[str]:
    """Return which of the entities are the client's own, or stand below them."""
    return {one for one in entities if own and not own.isdisjoint(with_parents([one]))}


def _domains() -> set[str]:
    told = Func(F("username"), Value("@"), Value(2), function="split_part",
                output_field=CharField())  # fmt: skip
    accounts = Account.in_scope().exclude(kind=Account.Kind.GUEST).filter(deleted_upstream_at=None)
    signed_in_with = accounts.filter(username__contains="@").exclude(username__icontains=_GUEST)
    names = signed_in_with.order_by().values_list(told, flat=True).distinct()[:_MOST]
    found = {entity_of("domain", name)[0] for name in names if name}
    return {
        one for one in found - {""} if not warning_lists.is_free_provider(one.partition(":")[2])
    }


def _addresses() -> set[str]:
    shared = (
        Device.in_scope()
        .filter(attributes__has_key="external_ip")
        .order_by()
        .values_list(KT("attributes__external_ip"))
        .annotate(Count("id"))
        .filter(id__count__gte=_COMPUTERS)
    )
    found = {entity_of("ip", str(address))[0] for address, _ in shared[:_MOST] if address}
    return found - {""}
