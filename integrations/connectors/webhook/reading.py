"""From the body of a delivery or a file to its records: lines, or JSON in any common envelope."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.connectors.webhook.normalise import head
from tenants.records import SourceRecord, Unreadable


def lines(content: bytes, arrived: dt.datetime) -> Iterator[SourceRecord | Unreadable]:
    """One record for each line that is not empty.

    What a line's own time lacks stands in its context: the year, or all of it. Nothing that changes
    from day to day does, so that the same line taken in again is the same.
    """
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        cleaned = line.rstrip(b"\r\x00").strip(b"\x00")
        if not cleaned.strip():
            continue
        try:
            text = cleaned.decode("utf-8")
        except UnicodeDecodeError:
            reason = f"Line {number} is not UTF-8 text. Have the source send UTF-8."
            yield Unreadable(line, "not_utf8", reason)
            continue
        yield SourceRecord({"line": text}, _added(text, arrived))


def _added(line: str, arrived: dt.datetime) -> dict[str, Any]:
    lacking = head.lacks(line)
    if lacking == "year":
        return {"year": head.year_of(line, arrived)}
    return {"arrived_at": arrived.isoformat(timespec="seconds")} if lacking else {}


def explode(document: Any) -> list[SourceRecord]:
    """The records of a JSON document: a list's items, or those of the only list in an object."""
    if isinstance(document, Mapping) and len(document) == 1:
        (inner,) = document.values()
        if isinstance(inner, list) and inner and all(isinstance(one, Mapping) for one in inner):
            document = inner
    found = document if isinstance(document, list) else [document]
    return [_record(one) for one in found]


def _record(item: Any) -> SourceRecord:
    if isinstance(item, Mapping) and item:
        return SourceRecord(item)
    reason = "A record must be a JSON object with something in it."
    refused = {"quarantine": {"code": "not_an_object", "reason": reason}}
    return SourceRecord({"_value": item}, refused)
