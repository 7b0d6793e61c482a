"""What a domain controller tells of the service account's rights.

Of each object it tells which attributes the asking account may write (allowedAttributesEffective,
[MS-ADTS] 3.1.1.4.5.19). It doesn't tell whether a password may be reset or an object moved: these
count as granted, and show when they are refused.
"""

from typing import Final

from integrations.connectors.active_directory import ids
from integrations.connectors.active_directory import permissions as rights
from integrations.connectors.active_directory.client import DirectoryClient
from integrations.connectors.active_directory.feeds import IS_GROUP, IS_USER
from integrations.connectors.active_directory.setting_up import PERMISSIONS
from integrations.contract import Standing

_TELLS: Final = "allowedAttributesEffective"
# The first few show whether the rights were delegated; not those of administrators, who take none
# from their organisational unit.
_MOST: Final = 100
_OF_OTHERS: Final = (
    ids.none_of(ids.is_equal("adminCount", 1)),
    ids.none_of(ids.is_equal("isCriticalSystemObject", "TRUE")),
)
_WRITES: Final = {
    rights.WRITE_CONTROL: (IS_USER, "useraccountcontrol"),
    rights.WRITE_PASSWORD_SET: (IS_USER, "pwdlastset"),
    rights.WRITE_EXPIRY: (IS_USER, "accountexpires"),
    rights.WRITE_MEMBERS: (IS_GROUP, "member"),
}


def standing(client: DirectoryClient) -> Standing:
    """Return which rights the account has on any ordinary user or group, as far as it is told."""
    writable = {kind: _writable(client, kind) for kind in (IS_USER, IS_GROUP)}
    lacking = set()
    for name, (kind, attribute) in _WRITES.items():
        found = writable[kind]
        if found is not None and attribute not in found:
            lacking.add(name)
    return Standing(frozenset(one.name for one in PERMISSIONS) - lacking)


def _writable(client: DirectoryClient, kind: str) -> frozenset[str] | None:
    """Return the attributes that may be written of any; None where there are no such objects."""
    found, _ = client.page(ids.every(kind, *_OF_OTHERS), 0, (_TELLS,), most=_MOST)
    if not found:
        return None
    told = (value for entry in found for value in entry.values.get(_TELLS.lower(), ()))
    return frozenset(value.decode("utf-8", "replace").lower() for value in told)
