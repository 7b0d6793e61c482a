"""Indicators of a table or a plain list, as vendors write them. Pure.

Known by their columns: MISP's CSV, URLhaus, ThreatFox, MalwareBazaar and Feodo Tracker of abuse.ch
(whose line of names is a remark: https://urlhaus.abuse.ch/api/), Spamhaus DROP and plain lists.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from integrations.intelligence import markings
from integrations.intelligence.found import (
    Found,
    entity_of,
    moment,
    own_id,
    percent,
    refanged,
)
from integrations.intelligence.misp import NOT_FOR_LOOKING
from tenants.errors import HoldfastError

# What others call the columns of a table.
_COLUMNS = {
    "value": "value", "indicator": "value", "ioc": "value", "ioc_value": "value",
    "indicator_value": "value", "observable": "value", "type": "type", "indicator_type": "type",
    "ioc_type": "type", "kind": "type", "id": "id", "uuid": "id", "ioc_id": "id",
    "title": "title", "comment": "title", "description": "title", "name": "title",
    "threat": "title", "signature": "malware", "malware_printable": "malware",
    "malware": "malware", "malware_family": "malware", "confidence": "confidence",
    "confidence_level": "confidence", "expires": "expires", "valid_until": "expires",
    "expiration": "expires", "last_seen_utc": "seen", "last_seen": "seen", "last_online": "seen",
    "first_seen_utc": "first", "first_seen": "first", "dateadded": "first",
    "firstseen": "first", "date": "first", "valid_from": "from", "tlp": "tlp",
    "to_ids": "to_ids",
}  # fmt: skip
# Columns that say by their name of what kind they are.
_OF_KIND = {
    "url": "url", "domain": "domain", "hostname": "domain", "fqdn": "domain", "ip": "ip",
    "dst_ip": "ip", "dstip": "ip", "src_ip": "ip", "ip_address": "ip", "ipaddress": "ip",
    "cidr": "ip", "network": "ip", "sha256_hash": "hash", "sha1_hash": "hash",
    "md5_hash": "hash", "sha256": "hash", "sha1": "hash", "md5": "hash", "email": "email",
    "sender": "email", "cve": "cve", "cveid": "cve", "cve_id": "cve",
}  # fmt: skip
_REMARKS = ("#", ";", "//")
_HEX = re.compile(r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})")
_CVE = re.compile(r"(?i)CVE-\d{4}-\d{4,}")
_NAME = re.compile(r"(?i)(?:\*\.)?[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.[a-z][a-z0-9-]{1,62}\.?")
# So many lines may one quoted value stand on.
_LONGEST_QUOTE = 20
_MOST_REMARKS = 200
_LONGEST_LINE = 100_000
# What may stand behind a quote that closes.
_BEHIND = frozenset({"", "\n", ",", ";", "\t", "|", " "})
_NOTHING = frozenset({"", "none", "n/a", "null", "-"})


class NoTable(HoldfastError):
    """A text that is no table of indicators; the message says what to give."""


def read(text: str) -> Iterator[Found]:
    """Yield what each row tells; a line that can't be read is told as that. NoTable: what to give.

    A table has a line of names; a list has one value a line.
    """
    lines = _lines(text)
    remarks, first = _begin(lines)
    delimiter = max(",;\t|", key=first.count)
    for told in (first, *reversed(remarks)):
        names = _names(told, delimiter if told is first else max(",;\t|", key=told.count))
        if names:
            rest = lines if told is first else chain([first], lines)
            yield from _table(names, rest, delimiter)
            return
    if not _guessed(_cells(first, delimiter)[0]) and not _guessed(first.split(" ")[0]):
        raise NoTable(
            "The first line names the columns: type and value, and if known confidence, expires, "
            "title and id. A plain list has one address, name, URL or hash a line."
        )
    yield from _list(chain([first], lines))


def _lines(text: str) -> Iterator[str]:
    """Yield the lines without making a copy of the whole text."""
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield text[at:end].rstrip("\r")
        at = end + 1


def _begin(lines: Iterator[str]) -> tuple[list[str], str]:
    """Return the remarks that stand before the table, and its first line."""
    remarks: list[str] = []
    for line in lines:
        if line.strip() and not line.startswith(_REMARKS):
            return remarks, line
        if line.strip("#; \t") and len(remarks) < _MOST_REMARKS:
            remarks.append(line.lstrip("#; \t").removeprefix("HEADER:").strip())
    # A table that is empty today is no mistake, if it is one.
    return remarks, remarks.pop() if remarks else ""


def _names(line: str, delimiter: str) -> dict[str, int]:
    """Return the place of each known column that a line of names tells; empty for other lines."""
    found: dict[str, int] = {}
    for place, cell in enumerate(_cells(line, delimiter)):
        name = cell.strip().strip('"').lower().replace(" ", "_")
        for role in (_COLUMNS.get(name), f"={name}" if name in _OF_KIND else None):
            if role:
                found.setdefault(role, place)
    has_kind = any(role.startswith("=") for role in found)
    is_table = "value" in found or (has_kind and ("type" not in found or len(found) > 2))
    return found if is_table else {}


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [""]) or [""]
    except csv.Error:
        return [""]


def _table(names: Mapping[str, int], lines: Iterator[str], delimiter: str) -> Iterator[Found]:
    needed = max(place for role, place in names.items() if role in ("type", "value")
                 or role.startswith("=")) if names else 0  # fmt: skip
    for line, whole in _records(lines):
        cells = _cells(line, delimiter) if whole and len(line) <= _LONGEST_LINE else []
        if not line.strip() or line.startswith("#"):
            continue
        if len(cells) <= needed and not _short(cells, names):
            yield _unread(line)
            continue
        yield from _row(cells, names)


def _short(cells: Sequence[str], names: Mapping[str, int]) -> bool:
    """Whether a row has what it is about, though it is shorter than the line of names."""
    return "value" in names and len(cells) > max(names["value"], names.get("type", 0))


def _records(lines: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """Yield each record; a quote that is never closed spoils its own line and none behind it."""
    held: list[str] = []
    while True:
        line = held.pop(0) if held else next(lines, None)
        if line is None:
            return
        if line.count('"') % 2 == 0:
            yield line, True
            continue
        joined, used = line, 0
        while joined.count('"') % 2 and used < _LONGEST_QUOTE:
            if used == len(held):
                more = next(lines, None)
                if more is None:
                    break
                held.append(more)
            # A record of its own begins here: the quote was never closed.
            if held[used].count('"') % 2 == 0 and '"' in held[used]:
                break
            joined = f"{joined}\n{held[used]}"
            used += 1
        if _is_whole(joined):
            del held[:used]
            yield joined, True
        else:
            yield line, False


def _is_whole(record: str) -> bool:
    """Whether each quote is closed, and a delimiter or the end stands behind it."""
    parts = record.split('"')
    return len(parts) % 2 == 1 and all(part[:1] in _BEHIND for part in parts[2::2])


def _row(cells: Sequence[str], names: Mapping[str, int]) -> Iterator[Found]:
    told = {
        role: cells[place].strip() if place < len(cells) else "" for role, place in names.items()
    }
    if "value" in told:
        kind = told.get("type", "") if "type" in names else _guessed(told["value"])
        yield _found(kind, told["value"], told)
        return
    for role, value in told.items():
        if role.startswith("=") and value.lower() not in _NOTHING:
            yield _found(_OF_KIND[role[1:]], value, told)


def _found(kind: str, value: str, told: Mapping[str, str]) -> Found:
    entity, why = entity_of(kind, value)
    if told.get("to_ids", "").lower() in ("0", "false"):
        entity, why = "", NOT_FOR_LOOKING
    line = f"{kind}: {value}"
    malware = told.get("malware", "")
    is_named = malware.lower() not in (*_NOTHING, "unknown", "unknown malware")
    first = moment(told.get("first"))
    return Found(
        external_id=(told.get("id") or own_id(line))[:300],
        told=line[:20_000],
        entity=entity,
        title=(told.get("title") or (malware if is_named else ""))[:300],
        confidence=percent(told.get("confidence")),
        valid_from=moment(told.get("from")),
        expires_at=moment(told.get("expires")),
        seen_at=moment(told.get("seen")) or first,
        not_matched=why,
        tlp=markings.strictest([told.get("tlp", "")]),
        about=(f"malware: {malware}"[:200],) if is_named else (),
    )


def _list(lines: Iterator[str]) -> Iterator[Found]:
    """Yield the value of each line; what stands behind it is a remark."""
    for line in lines:
        if not line.strip() or line.startswith(_REMARKS):
            continue
        value, _, remark = line.strip().replace("\t", " ").partition(" ")
        value = value.rstrip(",;").strip('"')
        kind = _guessed(value)
        if not kind:
            yield _unread(line)
            continue
        entity, why = entity_of(kind, value)
        yield Found(
            own_id(f"{kind}: {value}"), f"{kind}: {value}"[:20_000], entity,
            title=remark.strip(" ;#,")[:300], not_matched=why,
        )  # fmt: skip


def _guessed(value: str) -> str:
    """Return of what kind a value is by its look; empty for none that is known."""
    text = refanged(value[:2_100])
    if _HEX.fullmatch(text):
        return "hash"
    if _CVE.fullmatch(text):
        return "cve"
    if "://" in text:
        return "url"
    if entity_of("ip", text)[0] or (entity_of("ip", text)[1].startswith("its network")):
        return "ip"
    if "@" in text:
        return "email"
    return "domain" if _NAME.fullmatch(text) else ""


def _unread(line: str) -> Found:
    """Return a line that can't be read as what is kept of it."""
    return Found(
        own_id(f"line {line}"), line[:20_000],
        not_matched="the line can’t be read: it lacks columns, or a quote is not closed",
    )  # fmt: skip
