"""The questions that Active Directory can answer: one class for each."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from integrations.connectors.active_directory import ids, privileged, rights
from integrations.connectors.active_directory.actions.targets import named
from integrations.connectors.active_directory.client import DirectoryClient
from integrations.connectors.active_directory.entries import Entry, guid, number, sid, text
from integrations.connectors.active_directory.feeds import (
    FINE_POLICY,
    IS_GROUP,
    IS_USER,
    POLICY,
    body,
)
from integrations.connectors.active_directory.normalise import (
    DISABLED,
    SMART_CARD_REQUIRED,
    password_rules,
    told_by,
    when,
)
from integrations.connectors.active_directory.permissions import READ
from integrations.contract import Gatherer, Json, Target
from integrations.values import Fields

_ACCOUNT = (
    "objectGUID", "objectSid", "distinguishedName", "sAMAccountName", "displayName",
    "userAccountControl", "pwdLastSet", "lastLogonTimestamp", "whenCreated", "tokenGroups",
)  # fmt: skip
_LISTED = _ACCOUNT[:-1]
# A sign-in is written down only when the last one noted is 9 to 14 days old
# (https://learn.microsoft.com/windows/win32/adschema/a-lastlogontimestamp).
_NOTED_LATE = 14
_AT_ONCE = 50
# Whoever gives an account a right to use it against the domain does not wait so long.
_LONG = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class GetAccount:
    """The account, the privileged groups it is in, and its state."""

    name: str = "identity.get_account"
    permissions: tuple[str, ...] = (READ,)

    def gather(self, client: DirectoryClient, target: Target, inputs: Json) -> Json:
        """Return ``account`` as the catalog states; its roles are the privileged groups."""
        entry = client.read(named(target), *_ACCOUNT, permission=READ)
        held = {ids.sid_text(one) for one in entry.values.get("tokengroups", ())}
        ruling = [one for one in privileged.groups(client) if sid(one) in held]
        changed = when(text(entry, "pwdLastSet"))
        return {
            "account": {
                "id": guid(entry),
                "username": f"{client.domain.short_name}\\{text(entry, 'sAMAccountName')}",
                "display_name": text(entry, "displayName"),
                "is_enabled": _is_enabled(entry),
                "is_privileged": bool(ruling),
                "roles": sorted(text(one, "sAMAccountName") for one in ruling),
                "source_of_authority": "active_directory",
                "sessions_valid_from": None,
                "last_password_change": changed.isoformat() if changed else None,
                "is_guest": False,
            }
        }


@dataclass(frozen=True, slots=True)
class ListGroups:
    """The groups in whose lists the account stands: those that it can be taken out of."""

    name: str = "identity.list_groups"
    permissions: tuple[str, ...] = (READ,)

    def gather(self, client: DirectoryClient, target: Target, inputs: Json) -> Json:
        """Return ``groups``; each id is that of the membership, ``account/group``."""
        entry = client.read(named(target), "distinguishedName", "objectGUID", permission=READ)
        found = client.all(
            ids.every(IS_GROUP, ids.is_equal("member", text(entry, "distinguishedName"))),
            "objectGUID", "objectSid", "sAMAccountName",
        )  # fmt: skip
        held = privileged.holders(client) if found else {}
        return {
            "groups": [
                {
                    "external_id": f"{guid(entry)}/{guid(one)}",
                    "name": text(one, "sAMAccountName"),
                    "is_privileged": guid(one) in held,
                }
                for one in found
            ]
        }


@dataclass(frozen=True, slots=True)
class ListPrivilegedAccounts:
    """Who is in a privileged group, also through other groups."""

    name: str = "identity.list_privileged_accounts"
    permissions: tuple[str, ...] = (READ,)

    def gather(self, client: DirectoryClient, target: Target, inputs: Json) -> Json:
        """Return ``accounts``. A second proof, as far as the directory knows, is a smart card."""
        held = privileged.holders(client)
        found = (
            _account(entry)
            | {
                "roles": held[guid(entry)],
                "is_enabled": _is_enabled(entry),
                "is_mfa_registered": bool(_flags(entry) & SMART_CARD_REQUIRED),
            }
            for some in _chunks(held)
            for entry in client.all(ids.every(IS_USER, ids.some(*some)), *_LISTED)
        )
        return {"accounts": sorted(found, key=lambda one: one["name"])}


@dataclass(frozen=True, slots=True)
class ListInactiveAccounts:
    """Accounts that may sign in and have not done so for long."""

    name: str = "identity.list_inactive_accounts"
    permissions: tuple[str, ...] = (READ,)

    def gather(self, client: DirectoryClient, target: Target, inputs: Json) -> Json:
        """Return ``accounts`` that nobody has used for ``days`` (90), two weeks left out of doubt.

        One that was never used counts from its making.
        """
        least = (Fields(inputs).number("days") or 90) + _NOTED_LATE
        found = [_account(one) for one in client.all(IS_USER, *_LISTED) if _is_enabled(one)]
        return {"accounts": [one for one in found if one["last_sign_in_days"] >= least]}


@dataclass(frozen=True, slots=True)
class GetPasswordPolicy:
    """What is demanded of the account's password: the finer policy, else the domain's."""

    name: str = "identity.get_password_policy"
    permissions: tuple[str, ...] = (READ,)

    def gather(self, client: DirectoryClient, target: Target, inputs: Json) -> Json:
        """Return ``policy``."""
        entry = client.read(named(target), "msDS-ResultantPSO", "objectGUID", permission=READ)
        finer = text(entry, "msDS-ResultantPSO")
        attributes = FINE_POLICY if finer else POLICY
        told = client.read(finer or client.domain.name, *attributes, permission=READ)
        rules = password_rules(told_by(body(told, attributes)))
        return {"policy": rules | {"is_fine_grained": bool(finer)}}


@dataclass(frozen=True, slots=True)
class GetReplicationRight:
    """Whether the account may copy the whole directory, through whom, and since when."""

    name: str = "identity.get_replication_right"
    permissions: tuple[str, ...] = (READ,)

    def gather(self, client: DirectoryClient, target: Target, inputs: Json) -> Json:
        """Return the right; it is long held where the account itself has had it for 30 days.

        Since when it is in a group that has the right is another thing, and may be since today.
        """
        entry = client.read(
            named(target), "objectSid", "sAMAccountName", "tokenGroups", permission=READ
        )
        held = {ids.sid_text(one) for one in entry.values.get("tokengroups", ())} | {sid(entry)}
        head = rights.of_domain(client)
        through = head.holders(held)
        changed = head.changed_at
        return {
            "may_replicate": bool(through),
            "is_long_held": sid(entry) in through
            and changed is not None
            and changed < dt.datetime.now(dt.UTC) - _LONG,
            "rights_changed_at": changed.isoformat() if changed else "",
            "through": sorted(_names(client, through)),
        }


def _names(client: DirectoryClient, sids: Iterable[str]) -> Iterator[str]:
    """Yield what the directory calls these SIDs, itself where it doesn't know one."""
    for one in sids:
        found = client.all(ids.is_equal("objectSid", one), "sAMAccountName", most=1)
        yield (text(found[0], "sAMAccountName") if found else "") or one


def _chunks(held: Iterable[str]) -> Iterator[list[str]]:
    known = sorted(held)
    for start in range(0, len(known), _AT_ONCE):
        yield [ids.has_guid(one) for one in known[start : start + _AT_ONCE]]


def _account(entry: Entry) -> dict[str, Any]:
    seen = when(text(entry, "lastLogonTimestamp")) or when(text(entry, "whenCreated"))
    return {
        "external_id": guid(entry),
        "name": text(entry, "sAMAccountName"),
        "last_sign_in_days": (dt.datetime.now(dt.UTC) - seen).days if seen else 0,
    }


def _flags(entry: Entry) -> int:
    return number(entry, "userAccountControl") or 0


def _is_enabled(entry: Entry) -> bool:
    return not _flags(entry) & DISABLED


GATHERERS: tuple[Gatherer, ...] = (
    GetAccount(),
    ListGroups(),
    ListPrivilegedAccounts(),
    ListInactiveAccounts(),
    GetPasswordPolicy(),
    GetReplicationRight(),
)
