"""What the tenant's directory knows of accounts and devices, as facts for playbooks and plans.

A playbook may act on others than the case's own account, as its evidence names them. Whether such
a target is protected, privileged, a VIP, synced or a server is what the directory says of it; one
that the directory doesn't know is not known to be free. A copy of a message is as the account is
whose mailbox it is in.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from django.db.models import Q

from integrations import catalog
from integrations.errors import UnknownAction
from integrations.models import Connection, FeedState
from playbooks.targeting import mailboxes
from tenants.models import Account, Device, Evidence

ACTIVE_DIRECTORY = "active_directory"
Facts = dict[str, Any]
_Row = TypeVar("_Row", Account, Device)
# Whoever is listed here is an administrator, whether or not the directory knows it by now.
_PRIVILEGED = "identity.list_privileged_accounts"
# A mailbox where no account of the client's is kept, as on a mail server by itself: none can have
# been protected, and anybody's it may be.
_OF_NOBODY = {
    "kind": Account.Kind.MEMBER, "is_protected": False, "is_privileged": True, "is_vip": True,
    "source_of_authority": Account.Authority.CLOUD,
}  # fmt: skip
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
        "is_vip": row.is_vip,
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
        "is_protected": row.is_protected,
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


def unread_for_twin(row: Account, authority: str) -> FeedState | None:
    """Return the feed of Active Directory that has still to be read to know an account's twin.

    None where there is no such account to expect, or none to be read: the account is known to be
    the cloud's own, its twin is known, or the server can't be read now.
    """
    is_clouds_own = authority == Account.Authority.CLOUD
    if row.provider == ACTIVE_DIRECTORY or is_clouds_own or on_premises_twin(row) is not None:
        return None
    return (
        FeedState.objects.filter(
            connection__connector=ACTIVE_DIRECTORY,
            connection__state=Connection.State.ACTIVE,
            feed="users",
            error="",
        )
        .filter(Q(caught_up_at=None) | Q(caught_up_at__lt=row.first_seen_at))
        .select_related("connection")
        .first()
    )


def directory(
    evidence: Iterable[Evidence], messages: Iterable[str] = ()
) -> dict[str, dict[str, Facts]]:
    """Return the accounts, devices and messages that answers list, as they are known here, by id.

    What the directory doesn't know, or knows at two connectors under one id, is left out. Of a
    message it is the account that its mailbox belongs to; `messages` are ids of more of them.
    """
    named: dict[str, _Named] = {"account": {}, "device": {}, "message": {}}
    for row in evidence:
        _add(row, named)
    for external_id in messages:
        named["message"].setdefault("", {}).setdefault(external_id, [])
    return {
        "accounts": _accounts(named["account"]),
        "devices": _devices(named["device"]),
        "messages": _messages(named["message"]),
    }


def _add(row: Evidence, named: dict[str, _Named]) -> None:
    """Add what one answer lists, if its question lists accounts or devices at all."""
    try:
        asked = catalog.get(row.gatherer)
    except UnknownAction:
        # Asked by an earlier release.
        return
    facts = row.answer.get("facts", {})
    for name, kind in asked.lists.items():
        items = facts.get(name)
        for item in items if isinstance(items, list) else []:
            external_id = item.get("external_id") if isinstance(item, Mapping) else None
            if isinstance(external_id, str) and external_id:
                provider = item.get("provider") if asked.is_asked_everywhere else ""
                provider = provider or row.answer.get("provider", "")
                by_id = named[kind].setdefault(provider, {})
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


def _messages(named: _Named) -> dict[str, Facts]:
    """Return, by the id of a copy, the account whose mailbox it is in."""
    found: dict[str, Facts] = {}
    for provider, by_id in named.items():
        owners = mailboxes.accounts(by_id, provider)
        families = _families(row for rows in owners.values() for row in rows)
        has_accounts = Account.objects.filter(provider=provider).exists()
        for external_id, rows in owners.items():
            there = [row for row in rows if row.deleted_upstream_at is None]
            if there:
                found[external_id] = _owner(there, families)
            elif by_id[external_id] and not has_accounts:
                found[external_id] = dict(_OF_NOBODY)
            if provider and external_id in found:
                # Who told of the copy can act on it, whoever keeps the owner's account.
                found[external_id]["provider"] = provider
    return found


def _owner(rows: list[Account], families: Mapping[str, list[Account]]) -> Facts:
    """Return what holds for all accounts that a mailbox is known by, with their other sides."""
    all_of_them = rows + [twin for row in rows for twin in families.get(row.on_premises_sid, [])]
    synced = [row for row in all_of_them if row.source_of_authority == ACTIVE_DIRECTORY]
    told = {**account((synced or rows)[0]), **_of_family(all_of_them)}
    # The account's own row is not the message's.
    del told["id"]
    return told
