"""Who may copy the whole directory, and since when: read off the head of the domain.

Sources: [MS-DTYP] 2.4.4 to 2.4.6 (access control lists and security descriptors), [MS-ADTS]
5.1.3.2.1 (DS-Replication-Get-Changes-All), [MS-DRSR] (the vector of replPropertyMetaData, and the
number of nTSecurityDescriptor, which is its OID 1.2.840.113556.1.2.281 in the table of prefixes).
"""

import datetime as dt
import struct
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from integrations.connectors.active_directory import ids
from integrations.connectors.active_directory.answers import Asked, missing
from integrations.connectors.active_directory.client import DirectoryClient
from integrations.connectors.active_directory.line import Control
from integrations.connectors.active_directory.permissions import READ
from integrations.errors import Rejected

COPY_ALL: Final = uuid.UUID("1131f6ad-9c07-11d1-f79f-00c04fc2dcd2")
# Everybody, and everybody who has signed in.
_OF_ALL: Final = ("S-1-1-0", "S-1-5-11")
# LDAP_SERVER_SD_FLAGS_OID with flag 4: only who may do what, which needs no more than reading.
_ONLY_DACL: Final[Control] = ("1.2.840.113556.1.4.801", True, bytes.fromhex("3003020104"))
_CONTROL_ACCESS, _GENERIC_ALL = 0x100, 0x10000000
_INHERIT_ONLY, _DACL_PRESENT = 0x08, 0x4
_ALLOWED, _DENIED, _ALLOWED_OBJECT, _DENIED_OBJECT = 0, 1, 5, 6
_DESCRIPTOR_NUMBER = 0x20119
_EPOCH: Final = dt.datetime(1601, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of the domain: who may do what to it, and when that was last changed, if known."""

    descriptor: bytes
    changed_at: dt.datetime | None

    def holders(self, sids: Collection[str]) -> list[str]:
        """Return which of these SIDs let somebody who has them all copy the whole directory.

        Empty where none does, or one of them is denied it first. Rejected where the descriptor
        can't be read.
        """
        having = {*sids, *_OF_ALL}
        found: list[str] = []
        for is_allowed, sid in _entries(self.descriptor):
            if sid not in having:
                continue
            if not is_allowed:
                break
            found.append(sid)
        return list(dict.fromkeys(found))


def of_domain(client: DirectoryClient) -> Head:
    """Read the head of the domain; PermissionMissing where its rights may not be read."""
    told = client.read(
        client.domain.name, "nTSecurityDescriptor", "replPropertyMetaData",
        permission=READ, controls=(_ONLY_DACL,),
    ).values  # fmt: skip
    if not told.get("ntsecuritydescriptor"):
        raise missing(Asked("read who may copy the directory", READ))
    meta = told.get("replpropertymetadata")
    return Head(told["ntsecuritydescriptor"][0], _changed_at(meta[0]) if meta else None)


def _entries(descriptor: bytes) -> Iterator[tuple[bool, str]]:
    """Yield of each entry about copying the directory whether it allows that, and whom."""
    try:
        yield from _read(descriptor)
    except (struct.error, ValueError, IndexError):
        raise Rejected(
            "The server's list of who may do what to the domain can't be read."
        ) from None


def _read(descriptor: bytes) -> Iterator[tuple[bool, str]]:
    control, start = struct.unpack_from("<2xH12xI", descriptor)
    if not control & _DACL_PRESENT:
        raise ValueError("a descriptor without a list")
    if not start:
        # A list that is none keeps nobody from anything.
        yield True, _OF_ALL[0]
        return
    (number,) = struct.unpack_from("<H", descriptor, start + 4)
    at = start + 8
    for _ in range(number):
        kind, flags, size, mask = struct.unpack_from("<BBHI", descriptor, at)
        if not size:
            raise ValueError("an entry without a length")
        entry, at = descriptor[at + 8 : at + size], at + size
        is_object = kind in (_ALLOWED_OBJECT, _DENIED_OBJECT)
        if flags & _INHERIT_ONLY or not (is_object or kind in (_ALLOWED, _DENIED)):
            continue
        of, entry = _of(entry) if is_object else (None, entry)
        is_meant = of in (None, COPY_ALL) and mask & (_CONTROL_ACCESS | _GENERIC_ALL)
        if is_meant:
            yield kind in (_ALLOWED, _ALLOWED_OBJECT), ids.sid_text(entry[: 8 + 4 * entry[1]])


def _of(entry: bytes) -> tuple[uuid.UUID | None, bytes]:
    """Return what right an entry is of, None for each, and the rest of the entry."""
    (present,) = struct.unpack_from("<I", entry)
    of = uuid.UUID(bytes_le=entry[4:20]) if present & 1 else None
    return of, entry[4 + 16 * (present & 1) + 8 * (present & 2) :]


def _changed_at(vector: bytes) -> dt.datetime | None:
    """Return when the descriptor was last changed; None where the vector doesn't say."""
    try:
        version, _, number = struct.unpack_from("<III", vector)
        for place in range(number if version == 1 else 0):
            attribute, _, changed = struct.unpack_from("<IIQ", vector, 16 + 48 * place)
            if attribute == _DESCRIPTOR_NUMBER:
                return _EPOCH + dt.timedelta(seconds=changed)
    except (struct.error, OverflowError):
        return None
    return None
