"""Indicators out of a file: STIX 2.1, MISP export, CISA KEV or CSV, recognised by themselves. Pure.

Sources: https://www.misp-standard.org/rfc/misp-standard-core.html,
https://www.cisa.gov/known-exploited-vulnerabilities-catalog (JSON schema).
"""

import csv
import io
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.intelligence import stix
from integrations.intelligence.found import Found, entity_of, moment, own_id, percent
from tenants.errors import HoldfastError

MOST = 1_000_000
LARGEST = 256 * 2**20
_NOT_FOR_LOOKING = "its source says that it is not for looking for (to_ids)"
# What others call the columns of a table.
_COLUMNS = {
    "indicator": "value", "ioc": "value", "ioc_value": "value", "indicator_value": "value",
    "indicator_type": "type", "ioc_type": "type", "kind": "type", "uuid": "id",
    "comment": "title", "description": "title", "valid_until": "expires", "expiration": "expires",
}  # fmt: skip
# MISP's attributes of two values in one: the first names the file, the second its hash.
_PAIRS = "|"


class Unreadable(HoldfastError):
    """A file that is none of the kinds that can be read; the message says what to give."""


def read(content: bytes) -> Iterator[Found]:
    """Yield what a file tells; Unreadable where it is of no known kind."""
    if len(content) > LARGEST:
        raise Unreadable(f"The file has more than {LARGEST // 2**20} MB: split it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("The file is not UTF-8 text. Export it again as UTF-8.") from None
    if text.lstrip()[:1] not in ("{", "["):
        yield from _csv(text)
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"The file begins as JSON and is not whole: {error}") from None
    yield from read_document(document)


def read_document(document: Any) -> Iterator[Found]:
    """Yield what parsed JSON tells; Unreadable where it is of no known kind."""
    if isinstance(document, Mapping):
        if isinstance(document.get("vulnerabilities"), list):
            yield from _kev(document)
            return
        if document.get("type") == "bundle" or isinstance(document.get("objects"), list):
            yield from stix.read(document)
            return
    events = list(_misp_events(document))
    if not events:
        raise Unreadable(
            "This JSON is no STIX 2.1 bundle, no MISP event and no KEV catalogue: export it as one."
        )
    for event in events:
        yield from _misp(event)


def _kev(catalogue: Mapping[str, Any]) -> Iterator[Found]:
    for row in catalogue["vulnerabilities"]:
        if not isinstance(row, Mapping) or not row.get("cveID"):
            continue
        cve = str(row["cveID"])
        entity, why = entity_of("cve", cve)
        yield Found(
            external_id=cve,
            told=cve,
            entity=entity,
            title=f"{row.get('vendorProject', '')} {row.get('product', '')}: "
            f"{row.get('vulnerabilityName', '')}"[:300],
            confidence=100,
            valid_from=moment(row.get("dateAdded")),
            not_matched=why,
        )


def _misp_events(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the events of an export: one, a list of them, or a search's `response`."""
    rows = document.get("response", document) if isinstance(document, Mapping) else document
    for row in rows if isinstance(rows, list) else [rows]:
        event = row.get("Event") if isinstance(row, Mapping) else None
        if isinstance(event, Mapping):
            yield event


def _misp(event: Mapping[str, Any]) -> Iterator[Found]:
    attributes = list(event.get("Attribute") or ())
    for one in event.get("Object") or ():
        attributes += (one.get("Attribute") or ()) if isinstance(one, Mapping) else ()
    for row in attributes:
        if isinstance(row, Mapping):
            yield _misp_attribute(row, str(event.get("info") or ""))


def _misp_attribute(row: Mapping[str, Any], title: str) -> Found:
    kind, value = str(row.get("type", "")), str(row.get("value", ""))
    told = f"{kind}: {value}"
    if _PAIRS in kind and _PAIRS in value:
        at = 1 if kind.startswith("filename") else 0
        kind, value = kind.split(_PAIRS)[at], value.split(_PAIRS)[at]
    entity, why = entity_of(kind, value)
    if row.get("to_ids") in (False, "0", 0):
        entity, why = "", _NOT_FOR_LOOKING
    return Found(
        external_id=str(row.get("uuid") or own_id(told)),
        told=told[:20_000],
        entity=entity,
        title=(str(row.get("comment") or "") or title)[:300],
        valid_from=moment(row["first_seen"] if row.get("first_seen") else row.get("timestamp")),
        is_revoked=row.get("deleted") is True,
        not_matched=why,
    )


def _csv(text: str) -> Iterator[Found]:
    """Yield the rows of a table with a line of names: type, value, and what else is known."""
    lines = io.StringIO(text, newline="")
    # Remarks may stand before the table.
    head = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    most = max(",;\t", key=head.count)
    rows = csv.DictReader(itertools.chain([head], lines), skipinitialspace=True, delimiter=most)
    told_names = ((str(name).strip().lower(), name) for name in rows.fieldnames or ())
    names = {_COLUMNS.get(name, name): column for name, column in told_names}
    if not {"type", "value"} <= names.keys():
        raise Unreadable(
            "The first line names the columns: type and value, and if known confidence, expires, "
            "title and id."
        )
    try:
        for row in rows:
            told = {name: str(row.get(column) or "").strip() for name, column in names.items()}
            entity, why = entity_of(told["type"], told["value"])
            if told.get("to_ids", "").lower() in ("0", "false"):
                entity, why = "", _NOT_FOR_LOOKING
            line = f"{told['type']}: {told['value']}"
            yield Found(
                external_id=(told.get("id") or own_id(line))[:300],
                told=line[:20_000],
                entity=entity,
                title=told.get("title", "")[:300],
                confidence=percent(told.get("confidence")),
                expires_at=moment(told.get("expires")),
                not_matched=why,
            )
    except csv.Error as error:
        raise Unreadable(f"Line {rows.line_num} can't be read: {error}") from None
