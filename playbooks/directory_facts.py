"""What the tenant's directory knows of accounts and devices, as facts for playbooks and plans.

A playbook may act on others than the case's own account, as its evidence names them. Whether such
a target is protected, privileged, a VIP, synced or a server is what the directory says of it; one
that the directory doesn't know is not known to be free.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from django.db.models import Q

from integrations import catalog
from integrations.errors import UnknownAction
from tenants.models import Account, Device, Evidence

ACTIVE_DIRECTORY = "active_directory"
Facts = dict[str, Any]
_Row = TypeVar("_Row", Account, Device)
# Whoever is listed here is an administrator, whether or not the directory knows it by now.
_PRIVILEGED = "identity.list_privileged_accounts"
# What the evidence lists, by connector (empty: not kept) and external id.
_Named = dict[str, dict[str, list[Mapping[str, Any]]]]


def account(row: Account) -> Facts:
    """Return what the directory knows of an account."""
    return {
        "id": str(row.id),
        "external_id": row.external_id,
        "provider": row.provider,
        "username": row.username,
        "display_name": row.display_name or row.username,
        "kind": row.kind,
        "is_enabled": row.is_enabled,
        "is_privileged": row.is_privileged,
        "is_vip": bool(row.person and row.person.is_vip),
        "is_protected": row.is_protected,
        "source_of_authority": row.source_of_authority,
        "roles": sorted(set(row.roles)),
    }


def device(row: Device) -> Facts:
    """Return what the directory knows of a device."""
    return {
        "id": str(row.id),
        "external_id": row.external_id,
        "provider": row.provider,
        "name": row.hostname or row.external_id,
        "is_server": row.is_server,
        "operating_system": row.operating_system,
        "owner": row.owner.display_name if row.owner else "",
    }


def on_premises_twin(row: Account) -> Account | None:
    """Return the account of the same person in Active Directory; None where none is known.

    Found by the security identifier that the cloud keeps of it, never by a name.
    """
    if row.provider == ACTIVE_DIRECTORY or not row.on_premises_sid:
        return None
    return (
        Account.objects.filter(
            provider=ACTIVE_DIRECTORY,
            on_premises_sid=row.on_premises_sid,
            deleted_upstream_at=None,
        )
        .select_related("person")
        .first()
    )


def directory(evidence: Iterable[Evidence]) -> dict[str, dict[str, Facts]]:
    """Return the accounts and devices that answers list, by external id, as they are known here.

    What the directory doesn't know, or knows at two connectors under one id, is left out.
    """
    named: dict[str, _Named] = {"account": {}, "device": {}}
    for row in evidence:
        _add(row, named)
    return {"accounts": _accounts(named["account"]), "devices": _devices(named["device"])}


def _add(row: Evidence, named: dict[str, _Named]) -> None:
    """Add what one answer lists, if its question lists accounts or devices at all."""
    try:
        lists = catalog.get(row.gatherer).lists
    except UnknownAction:
        # Asked by an earlier release.
        return
    facts = row.answer.get("facts", {})
    for name, kind in lists.items():
        items = facts.get(name)
        for item in items if isinstance(items, list) else []:
            external_id = item.get("external_id") if isinstance(item, Mapping) else None
            if isinstance(external_id, str) and external_id:
                by_id = named[kind].setdefault(row.answer.get("provider", ""), {})
                told = {**item, "is_privileged": True} if row.gatherer == _PRIVILEGED else item
                by_id.setdefault(external_id, []).append(told)


def _accounts(named: _Named) -> dict[str, Facts]:
    if not named:
        return {}
    there = Account.objects.filter(deleted_upstream_at=None).select_related("person")
    rows = _once(there.filter(_any_of(named)))
    families = _families(rows.values())
    found: dict[str, Facts] = {}
    for row in rows.values():
        told = [item for by_id in named.values() for item in by_id.get(row.external_id, [])]
        family = families.get(row.on_premises_sid) or [row]
        traits = _of_family(family)
        # The directory may not have been read since a role was given.
        traits["is_privileged"] |= any(i.get("is_privileged") or i.get("roles") for i in told)
        one = found[row.external_id] = {**account(row), **traits}
        twin = next((other for other in family if other.provider == ACTIVE_DIRECTORY), row)
        if twin.id != row.id:
            one["on_premises"] = {**account(twin), **traits}
            found.setdefault(twin.external_id, one["on_premises"])
    return found


def _any_of(named: _Named) -> Q:
    """Return the filter for what was named, each at the connector that named it."""
    found = Q(pk__in=[])
    for provider, by_id in named.items():
        found |= Q(external_id__in=list(by_id), **({"provider": provider} if provider else {}))
    return found


def _once(rows: Iterable[_Row]) -> dict[str, _Row]:
    """Return the rows by external id, without those that two connectors know by the same."""
    found: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        found[row.external_id].append(row)
    return {external_id: same[0] for external_id, same in found.items() if len(same) == 1}


def _families(rows: Iterable[Account]) -> dict[str, list[Account]]:
    """Return all accounts of one security identifier, on both sides of the synchronisation."""
    sids = {row.on_premises_sid for row in rows if row.on_premises_sid}
    found: dict[str, list[Account]] = defaultdict(list)
    if sids:
        there = Account.objects.filter(on_premises_sid__in=sids, deleted_upstream_at=None)
        for row in there.select_related("person").order_by("provider", "external_id"):
            found[row.on_premises_sid].append(row)
    return found


def _of_family(rows: Iterable[Account]) -> dict[str, bool]:
    """Return what holds for both sides where it holds for one of them."""
    all_of_them = [account(row) for row in rows]
    return {
        name: any(one[name] for one in all_of_them)
        for name in ("is_protected", "is_privileged", "is_vip")
    }


def _devices(named: _Named) -> dict[str, Facts]:
    if not named:
        return {}
    there = Device.objects.filter(deleted_upstream_at=None).select_related("owner")
    found = {}
    for external_id, row in _once(there.filter(_any_of(named))).items():
        told = [item for by_id in named.values() for item in by_id.get(external_id, [])]
        said = any(item.get("is_server") for item in told)
        found[external_id] = {**device(row), "is_server": row.is_server or said}
    return found
