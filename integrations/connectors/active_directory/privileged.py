"""Who is privileged: members of the groups that rule the domain, also through other groups.

The groups are known by their SIDs, which are the same in every domain and language. adminCount
tells less: it stays when somebody has left (AdminSDHolder only ever sets it).
Source: https://learn.microsoft.com/windows-server/identity/ad-ds/plan/security-best-practices/
appendix-c--protected-accounts-and-groups-in-active-directory.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from integrations.connectors.active_directory import ids
from integrations.connectors.active_directory.client import DirectoryClient
from integrations.connectors.active_directory.entries import Entry, guid, sid, text

# Administrators, Account, Server, Print and Backup Operators.
_BUILT_IN: Final = ("544", "548", "549", "550", "551")
# Domain, Schema and Enterprise Admins, Group Policy Creator Owners, (Enterprise) Key Admins.
_OF_DOMAIN: Final = ("512", "518", "519", "520", "526", "527")
_MEMBER: Final = (
    "objectGUID", "objectSid", "objectClass", "distinguishedName", "memberOf", "primaryGroupID",
)  # fmt: skip
_AT_ONCE: Final = 50


def sids(domain_sid: str) -> list[str]:
    """Return the SIDs of the privileged groups of a domain."""
    return [f"S-1-5-32-{one}" for one in _BUILT_IN] + [f"{domain_sid}-{one}" for one in _OF_DOMAIN]


def groups(client: DirectoryClient) -> list[Entry]:
    """Read the privileged groups that this domain has."""
    known = ids.some(
        *(ids.is_equal("objectSid", one) for one in sids(client.domain.sid)),
    )
    return client.all(known, "objectGUID", "objectSid", "sAMAccountName", "distinguishedName")


def holders(client: DirectoryClient) -> dict[str, list[str]]:
    """Return for each object in a privileged group, by GUID, the names of these groups.

    Groups that are in one hold it too; whoever has such a group as primary group is a member of
    it although no list of members says so.
    """
    level = groups(client)
    found = {guid(one): {text(one, "sAMAccountName")} for one in level}
    while level:
        following: dict[str, Entry] = {}
        for some in _chunks(level):
            for one in client.all(_is_in(some), *_MEMBER):
                held = {name for group in _of(one, some) for name in found[guid(group)]}
                if not held <= found.setdefault(guid(one), set()):
                    found[guid(one)] |= held
                    following[guid(one)] = one
        level = [one for one in following.values() if b"group" in one.values["objectclass"]]
    return {one: sorted(names) for one, names in sorted(found.items())}


def _chunks(level: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(level), _AT_ONCE):
        yield level[start : start + _AT_ONCE]


def _is_in(some: Iterable[Entry]) -> str:
    """A filter for what one of these groups has as a direct member."""
    return ids.some(
        *(ids.is_equal("memberOf", text(one, "distinguishedName")) for one in some),
        *(ids.is_equal("primaryGroupID", ids.relative_id(sid(one))) for one in some),
    )


def _of(one: Entry, some: Iterable[Entry]) -> Iterator[Entry]:
    """Those of these groups that one object is a direct member of."""
    names = one.values.get("memberof", ())
    primary = text(one, "primaryGroupID")
    for group in some:
        if group.values["distinguishedname"][0] in names or ids.relative_id(sid(group)) == primary:
            yield group


def digest(held: Mapping[str, Iterable[str]]) -> str:
    """Return a short mark by which a change of privileges is seen."""
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:16]
