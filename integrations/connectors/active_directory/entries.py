"""One object as the server gave it: raw values, and how they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integrations.connectors.active_directory import ids
from integrations.errors import Rejected


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: its distinguished name, and raw values by attribute in lower case."""

    name: str
    values: Mapping[str, Sequence[bytes]]


def text(entry: Entry, attribute: str) -> str:
    """Return an attribute's first value as text, "" where there is none."""
    found = entry.values.get(attribute.lower()) or (b"",)
    return found[0].decode("utf-8", "replace")


def number(entry: Entry, attribute: str) -> int | None:
    """Return an attribute's first value as a number, None where it is none."""
    try:
        return int(text(entry, attribute))
    except ValueError:
        return None


def guid(entry: Entry, attribute: str = "objectGUID") -> str:
    """Return a GUID as text; Rejected where the server doesn't tell it."""
    found = entry.values.get(attribute.lower())
    if not found:
        raise Rejected(f"The server doesn't tell the {attribute} of {ids.shown(entry.name)}.")
    return ids.guid_text(found[0])


def sid(entry: Entry) -> str:
    """Return the object's SID as text, "" where it has none."""
    found = entry.values.get("objectsid")
    return ids.sid_text(found[0]) if found else ""


def newest(entries: Sequence[Entry]) -> int:
    """Return the highest number of change among these."""
    return max(number(entry, "uSNChanged") or 0 for entry in entries)
