"""Indicators of MISP events, as they are exported, fed or searched for. Pure.

Sources: https://www.misp-standard.org/rfc/misp-standard-core.html (attributes, objects, proposals,
tags, sightings), https://www.misp-project.org/taxonomies.html (misp:confidence-level, tlp).
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.intelligence import markings
from integrations.intelligence.found import Found, entity_of, moment, own_id

NOT_FOR_LOOKING = "its source says that it is not for looking for (to_ids)"
_TOO_COMMON = "its source finds it too common to compare (disable_correlation)"
_PROPOSED = "it is a proposal that the event’s owner has not taken in"
_DISPUTED = "more people reported it as a false alarm than saw it"
# MISP's attributes of two values in one: the first names the file, the second its hash.
_PAIRS = "|"
_GALAXY = "misp-galaxy:"
_ABOUT = {
    "threat-actor": "threat-actor", "mitre-intrusion-set": "intrusion-set",
    "mitre-attack-pattern": "attack-pattern", "mitre-malware": "malware", "malpedia": "malware",
    "mitre-tool": "tool", "tool": "tool", "ransomware": "malware", "rat": "malware",
    "botnet": "malware", "banker": "malware", "stealer": "malware", "campaign": "campaign",
    "360net-threat-actor": "threat-actor", "microsoft-activity-group": "threat-actor",
}  # fmt: skip
_CONFIDENCE = {
    'misp:confidence-level="completely-confident"': 100,
    'misp:confidence-level="usually-confident"': 75,
    'misp:confidence-level="fairly-confident"': 50,
    'misp:confidence-level="rarely-confident"': 25,
    'misp:confidence-level="unconfident"': 0,
}
_MOST_ABOUT = 20
# https://www.misp-standard.org/rfc/misp-standard-core.html (Sighting, type)
_SEEN, _FALSE_ALARM, _EXPIRED = "0", "1", "2"


@dataclass(frozen=True, slots=True)
class _Of:
    """What holds for all attributes of an event."""

    title: str
    tags: tuple[str, ...]


def events(document: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the events of an export: one, a list, a search's `response`, or single attributes."""
    rows = document.get("response", document) if isinstance(document, Mapping) else document
    if isinstance(rows, Mapping) and isinstance(rows.get("Attribute"), list):
        # Of a search for attributes each tells its event.
        yield rows
        return
    for row in rows if isinstance(rows, list) else [rows]:
        if not isinstance(row, Mapping):
            continue
        event = row.get("Event")
        if isinstance(event, Mapping):
            yield event
        elif "Attribute" in row or "Object" in row:
            yield row


def read(event: Mapping[str, Any]) -> Iterator[Found]:
    """Yield what each attribute of an event tells, also those of its objects and proposals."""
    of = _Of(str(event.get("info") or ""), _tags(event))
    yield from _attributes(event, of)
    for one in _rows(event, "Object"):
        yield from _attributes(one, of, is_gone=one.get("deleted") in (True, "1", 1))


def _attributes(holder: Mapping[str, Any], of: _Of, *, is_gone: bool = False) -> Iterator[Found]:
    for row in _rows(holder, "Attribute"):
        yield _attribute(row, of, is_gone=is_gone)
        for proposal in _rows(row, "ShadowAttribute"):
            yield _attribute(proposal, of, why=_PROPOSED)
    for proposal in _rows(holder, "ShadowAttribute"):
        yield _attribute(proposal, of, why=_PROPOSED)


def _rows(holder: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = holder.get(name)
    return [one for one in rows if isinstance(one, Mapping)] if isinstance(rows, list) else []


def _attribute(row: Mapping[str, Any], of: _Of, *, why: str = "", is_gone: bool = False) -> Found:
    kind, value = str(row.get("type", "")), str(row.get("value", ""))
    told = f"{kind}: {value}"
    if _PAIRS in kind and _PAIRS in value:
        at = 1 if kind.startswith("filename") else 0
        kind, value = kind.split(_PAIRS)[at], value.split(_PAIRS)[at]
    entity, reason = entity_of(kind, value)
    sightings = _Sightings(_rows(row, "Sighting"))
    if not why and sightings.are_disputed:
        why = _DISPUTED
    if not why and row.get("disable_correlation") in (True, "1", 1):
        why = _TOO_COMMON
    if row.get("to_ids") in (False, "0", 0):
        why = NOT_FOR_LOOKING
    tags = (*of.tags, *_tags(row))
    changed = moment(row.get("timestamp"))
    told_by = row.get("Event")
    title = str(told_by.get("info") or "") if isinstance(told_by, Mapping) else of.title
    return Found(
        external_id=str(row.get("uuid") or own_id(told)),
        told=told[:20_000],
        entity="" if why else entity,
        title=(str(row.get("comment") or "") or title)[:300],
        confidence=next((_CONFIDENCE[one] for one in reversed(tags) if one in _CONFIDENCE), None),
        valid_from=moment(row.get("first_seen")),
        expires_at=sightings.expires_at,
        seen_at=moment(row.get("last_seen")) or sightings.seen_at or changed,
        is_revoked=is_gone or row.get("deleted") in (True, "1", 1),
        not_matched=why or reason,
        tlp=markings.strictest(one for one in tags if one.lower().startswith("tlp")),
        about=_about(tags),
    )


class _Sightings:
    """What those say who met an attribute: when last, whether it was a false alarm or is over."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        times: dict[str, list[dt.datetime]] = {_SEEN: [], _FALSE_ALARM: [], _EXPIRED: []}
        for row in rows:
            at = moment(row.get("date_sighting"))
            if at is not None:
                times.setdefault(str(row.get("type", _SEEN)), []).append(at)
        self.seen_at = max(times[_SEEN], default=None)
        self.expires_at = max(times[_EXPIRED], default=None)
        self.are_disputed = len(times[_FALSE_ALARM]) > len(times[_SEEN])


def _tags(holder: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one.get("name", "")) for one in _rows(holder, "Tag"))


def _about(tags: Iterable[str]) -> tuple[str, ...]:
    """Return what tags of galaxies name, such as ``threat-actor: APT 28``."""
    found: dict[str, None] = {}
    for tag in tags:
        galaxy, sign, name = tag.removeprefix(_GALAXY).partition("=")
        if tag.startswith(_GALAXY) and sign and galaxy in _ABOUT:
            plain = name.strip('"')
            found[f"{_ABOUT[galaxy]}: {plain}"[:200]] = None
    return tuple(found)[:_MOST_ABOUT]
