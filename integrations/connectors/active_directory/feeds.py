"""How each feed is read: in the order of change, a page at a time, from a durable cursor.

Every object carries the number of its last change (uSNChanged), which counts in one server's copy
of the directory only. The cursor holds that copy's id, up to where it is known (`known`), and in
the middle of a sweep where to go on (`from`) and where the sweep ends (`top`). Another copy, or a
change of who is privileged, begins a sweep of everything: privilege changes on the group and is
shown on its members, whose own numbers stay.
Source: [MS-ADTS] 3.1.1.1.9, https://learn.microsoft.com/windows/win32/ad/
polling-for-changes-using-usnchanged.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.connectors.active_directory import ids, privileged
from integrations.connectors.active_directory.client import (
    EXTENDED_NAMES,
    LARGEST_PAGE,
    SHOW_DELETED,
    DirectoryClient,
)
from integrations.connectors.active_directory.entries import Entry, newest
from integrations.connectors.active_directory.permissions import READ, READ_DELETED
from integrations.contract import Json, Page, Reading
from integrations.errors import NotFound, PermissionMissing, Unavailable
from integrations.sweeps import Fetch
from tenants.records import SourceRecord

_COMMON = (
    "objectClass", "objectGUID", "objectSid", "distinguishedName", "sAMAccountName",
    "displayName", "description", "whenCreated", "isDeleted", "adminCount",
    "isCriticalSystemObject",
)  # fmt: skip
USER = (
    *_COMMON, "userPrincipalName", "mail", "proxyAddresses", "title", "department", "company",
    "userAccountControl", "pwdLastSet", "accountExpires", "lastLogonTimestamp", "lockoutTime",
    "primaryGroupID", "servicePrincipalName", "sIDHistory", "mS-DS-ConsistencyGuid", "manager",
)  # fmt: skip
GROUP = (*_COMMON, "groupType", "mail", "managedBy", "member")
COMPUTER = (
    *_COMMON, "dNSHostName", "operatingSystem", "operatingSystemVersion", "userAccountControl",
    "pwdLastSet", "lastLogonTimestamp", "managedBy", "msDS-AllowedToDelegateTo",
)  # fmt: skip
POLICY = (
    "objectClass", "objectGUID", "distinguishedName", "minPwdLength", "pwdHistoryLength",
    "pwdProperties", "maxPwdAge", "minPwdAge", "lockoutThreshold", "lockoutDuration",
    "lockOutObservationWindow",
)  # fmt: skip
FINE_POLICY = (
    "objectClass", "objectGUID", "distinguishedName", "name", "msDS-PasswordSettingsPrecedence",
    "msDS-MinimumPasswordLength", "msDS-PasswordHistoryLength", "msDS-PasswordComplexityEnabled",
    "msDS-MaximumPasswordAge", "msDS-MinimumPasswordAge", "msDS-LockoutThreshold",
    "msDS-LockoutDuration", "msDS-LockoutObservationWindow", "msDS-PSOAppliesTo",
)  # fmt: skip
_MANAGED = ids.some(
    ids.is_equal("objectClass", "msDS-ManagedServiceAccount"),
    ids.is_equal("objectClass", "msDS-GroupManagedServiceAccount"),
)
_COMPUTER = ids.is_equal("objectClass", "computer")
IS_USER = ids.some(ids.every(ids.is_equal("objectClass", "user"), ids.none_of(_COMPUTER)), _MANAGED)
IS_COMPUTER = ids.every(_COMPUTER, ids.none_of(_MANAGED))
IS_GROUP = ids.is_equal("objectClass", "group")
_DELETED = ids.is_equal("isDeleted", "TRUE")
# Attributes whose values are no text.
_READERS: Mapping[str, Callable[[bytes], str]] = {
    "objectGUID": ids.guid_text,
    "mS-DS-ConsistencyGuid": ids.guid_text,
    "objectSid": ids.sid_text,
    "sIDHistory": ids.sid_text,
}
_MOST_MEMBERS = 20_000
# A server tells up to 1,500 members of each at once, about 180 bytes for each.
_GROUPS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One sweep: from the change `start` to `top`; what was deleted up to `known` is not news."""

    copy_id: str
    start: int
    top: int
    known: int
    mark: str

    def cursor(self, following: int | None) -> dict[str, Any]:
        """The cursor before the change `following`, or after the sweep."""
        told: dict[str, Any] = {"copy": self.copy_id, "privileged": self.mark}
        if following is None:
            return told | {"known": self.top}
        return told | {"known": self.known, "from": following, "top": self.top}

    @property
    def deleted(self) -> str:
        """A filter for what is there, or was deleted after `known`."""
        return ids.some(ids.none_of(_DELETED), ids.is_at_least("uSNChanged", self.known + 1))


def _begin(client: DirectoryClient, cursor: Json, mark: str) -> _Sweep:
    copy_id, top = client.domain.copy_id, client.newest_change()
    known = int(cursor.get("known") or 0)
    if not cursor:
        # Nobody was ever told of what was deleted before the first sweep.
        return _Sweep(copy_id, 0, top, top, mark)
    if cursor.get("copy") != copy_id:
        return _Sweep(copy_id, 0, top, 0, mark)
    if cursor.get("privileged") != mark:
        return _Sweep(copy_id, 0, top, known, mark)
    if "from" in cursor:
        return _Sweep(copy_id, int(cursor["from"]), int(cursor["top"]), known, mark)
    return _Sweep(copy_id, known + 1, top, known, mark)


def changes(kind: str, attributes: Sequence[str]) -> Fetch:
    """A feed of everything that fits the filter `kind`, with who of it is privileged."""
    most = _GROUPS_AT_ONCE if kind == IS_GROUP else LARGEST_PAGE

    def fetch(client: DirectoryClient, cursor: Json) -> Iterator[Page]:
        held = privileged.holders(client)
        sweep = _begin(client, cursor, privileged.digest(held))
        if kind == IS_USER and "from" not in cursor:
            yield _policies(client, sweep)
        start = sweep.start
        where = ids.every(kind, sweep.deleted, ids.is_at_most("uSNChanged", sweep.top))
        while True:
            entries, has_more = client.page(
                where, start, attributes, controls=(SHOW_DELETED, EXTENDED_NAMES),
                permission=READ_DELETED, most=most,
            )  # fmt: skip
            records = [_record(client, entry, attributes, held) for entry in entries]
            if client.domain.copy_id != sweep.copy_id:
                raise Unavailable(
                    "Another domain controller answers, which counts its changes by itself: "
                    "everything is read again."
                )
            has_more = has_more and bool(entries)
            start = newest(entries) + 1 if has_more else start
            yield Page(tuple(records), sweep.cursor(start if has_more else None), not has_more)
            if not has_more:
                return

    return fetch


def _record(
    client: DirectoryClient, entry: Entry, attributes: Sequence[str],
    held: Mapping[str, Sequence[str]],
) -> SourceRecord:  # fmt: skip
    told = body(entry, attributes)
    if "member" in attributes:
        told["member"] = members(client, entry)
    own = str(next(iter(told.get("objectGUID", [])), ""))
    context = {"domain": client.domain.short_name, "privileged_by": list(held.get(own, ()))}
    return SourceRecord(told, context)


def body(entry: Entry, attributes: Sequence[str]) -> dict[str, list[str]]:
    """Return an object's attributes as JSON: each a list of texts, GUIDs and SIDs readable."""
    found: dict[str, list[str]] = {}
    for attribute in attributes:
        values = entry.values.get(attribute.lower())
        if values:
            found[attribute] = [_readable(attribute, value) for value in values]
    if "distinguishedName" in found:
        found["distinguishedName"] = [ids.parted(found["distinguishedName"][0])[2]]
    return found


def _readable(attribute: str, value: bytes) -> str:
    try:
        return _READERS[attribute](value) if attribute in _READERS else value.decode()
    except ValueError:
        return value.hex()


def members(client: DirectoryClient, group: Entry) -> list[str]:
    """Return the members of a group that was read with extended names, at most 20,000.

    A server gives large groups in ranges ([MS-ADTS] 3.1.1.3.1.3.3).
    """
    found, end = _range(group)
    name = ids.parted(group.name)[2]
    while end is not None and len(found) < _MOST_MEMBERS:
        entry = client.read(
            name, f"member;range={end + 1}-*", permission=READ, controls=(EXTENDED_NAMES,)
        )
        more, end = _range(entry)
        if not more:
            break
        found += more
    return found[:_MOST_MEMBERS]


def _range(group: Entry) -> tuple[list[str], int | None]:
    """The members in this answer, and the number of the last where there are more."""
    for attribute, values in group.values.items():
        name, _, option = attribute.partition(";range=")
        if name == "member":
            last = option.rpartition("-")[2]
            found = [value.decode("utf-8", "replace") for value in values]
            if found:
                return found, int(last) if last.isdigit() else None
    return [], None


def _policies(client: DirectoryClient, sweep: _Sweep) -> Page:
    """The domain's password policy, and the finer ones where the account may read them.

    They are listed each time, so that one that is gone is noticed.
    """
    head = client.read(client.domain.name, *POLICY, permission=READ)
    container = f"CN=Password Settings Container,CN=System,{client.domain.name}"
    try:
        finer = client.all(
            ids.is_equal("objectClass", "msDS-PasswordSettings"), *FINE_POLICY, base=container
        )
        are_shown = True
    except (NotFound, PermissionMissing):
        finer, are_shown = [], False
    context = {"domain": client.domain.short_name}
    records = (
        SourceRecord(body(head, POLICY), context),
        *(SourceRecord(body(one, FINE_POLICY), context) for one in finer),
    )
    reading = Reading(begins=True, ends=are_shown, part="policies")
    return Page(records, sweep.cursor(sweep.start), False, reading=reading)
