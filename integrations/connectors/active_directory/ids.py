"""Identifiers of Active Directory: objectGUID, objectSid, and how a request names an object.

An object is named by its GUID or SID, never by a name: names change and are used again. Values in
a filter are written byte by byte, so that none can mean anything else than itself.
Sources: [MS-DTYP] 2.3.4 (GUID) and 2.4.2 (SID), [MS-ADTS] 3.1.1.3.1.2.4 (alternative forms of
names), RFC 4515 (filters).
"""

import re
import struct
import uuid

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SID = re.compile(r"S-1-\d{1,15}(-\d{1,10}){1,15}")
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_EXTENDED = re.compile(
    rf"(?:<GUID=({_GUID.pattern})>;)?(?:<SID=({_SID.pattern})>;)?(.*)", re.DOTALL
)


def guid_text(value: bytes) -> str:
    """Return a GUID's text form; ValueError where the bytes are none."""
    return str(uuid.UUID(bytes_le=bytes(value)))


def guid_of(text: str) -> str:
    """Return a GUID in lower case without braces; "" where the text is none."""
    bare = text.strip().removeprefix("{").removesuffix("}")
    return bare.lower() if _GUID.fullmatch(bare) else ""


def sid_text(value: bytes) -> str:
    """Return a SID's text form; ValueError where the bytes are none."""
    if len(value) < 8 or value[0] != 1 or len(value) != 8 + 4 * value[1]:
        raise ValueError("these bytes are no SID")
    authority = int.from_bytes(value[2:8], "big")
    parts = struct.unpack(f"<{value[1]}I", value[8:])
    return "-".join(["S-1", str(authority), *map(str, parts)])


def sid_of(text: str) -> str:
    """Return a SID in capitals; "" where the text is none."""
    bare = text.strip().upper()
    return bare if _SID.fullmatch(bare) else ""


def relative_id(sid: str) -> str:
    """Return the last part of a SID, which is the same in every domain for what Windows made."""
    return sid.rpartition("-")[2]


def name_of(identity: str) -> str:
    """Return how a request names the object with this GUID or SID; "" where it is neither."""
    guid, sid = guid_of(identity), sid_of(identity)
    return f"<GUID={guid}>" if guid else f"<SID={sid}>" if sid else ""


def parted(extended: str) -> tuple[str, str, str]:
    """Return GUID, SID and name of an extended name ``<GUID=…>;<SID=…>;CN=…``; "" for a part that
    isn't there ([MS-ADTS] 3.1.1.3.4.1.5)."""
    found = _EXTENDED.fullmatch(extended)
    assert found is not None
    return (found[1] or "").lower(), found[3] or "", found[5]


def first_part(name: str) -> tuple[str, str]:
    """Return the first part of a distinguished name, and the rest (RFC 4514 section 2)."""
    position = 0
    while position < len(name):
        if name[position] == "\\":
            position += 1
        elif name[position] == ",":
            return name[:position], name[position + 1 :]
        position += 1
    return name, ""


def shown(name: str) -> str:
    """Return how errors name an object: by its GUID, or by the first part of its name."""
    return name if name.startswith("<") else first_part(name)[0] or "the root"


def is_equal(attribute: str, value: str | int | bytes) -> str:
    """Return a filter for an attribute that has this value."""
    return f"({_checked(attribute)}={_escaped(value)})"


def has_guid(text: str) -> str:
    """Return a filter for the object with this GUID."""
    return is_equal("objectGUID", uuid.UUID(text).bytes_le)


def is_at_least(attribute: str, value: int) -> str:
    """Return a filter for a number that is no smaller."""
    return f"({_checked(attribute)}>={int(value)})"


def is_at_most(attribute: str, value: int) -> str:
    """Return a filter for a number that is no larger."""
    return f"({_checked(attribute)}<={int(value)})"


def every(*filters: str) -> str:
    """Return a filter that takes all of these."""
    return f"(&{''.join(filters)})"


def some(*filters: str) -> str:
    """Return a filter that takes one of these."""
    return f"(|{''.join(filters)})"


def none_of(one: str) -> str:
    """Return a filter for what another filter leaves out."""
    return f"(!{one})"


def _checked(attribute: str) -> str:
    if not _ATTRIBUTE.fullmatch(attribute):
        raise ValueError(f"{attribute!r} is no attribute")
    return attribute


def _escaped(value: str | int | bytes) -> str:
    raw = value if isinstance(value, bytes) else str(value).encode()
    return "".join(f"\\{byte:02x}" for byte in raw)
