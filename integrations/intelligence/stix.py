"""Indicators of a STIX 2.1 bundle, with what they point at and how far they may be told. Pure.

Source: https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html (4.7 Indicator, 5 relations
and sightings, 7.2 markings). What no list can answer is kept, and listed as not matched.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations import techniques
from integrations.intelligence import markings
from integrations.intelligence.found import Found, moment, own_id, percent
from integrations.intelligence.patterns import LONGEST, Alternative, Unsearchable, alternatives

# What an indicator may point at (`indicates`, and what a source relates to it otherwise).
POINTED_AT = frozenset(
    {"campaign", "intrusion-set", "threat-actor", "malware", "tool", "attack-pattern"}
)
# What a server is asked for, so that an indicator is told with what it points at.
READ = ("indicator", "relationship", "sighting", "marking-definition", *sorted(POINTED_AT))
_MOST_KNOWN = 200_000
_MOST_ABOUT = 20
_BENIGN = "its source calls it benign"


@dataclass(slots=True)
class Context:
    """What a source told beside its indicators, over all pages of a reading.

    `named`: what indicators may point at, such as ``malware: Loader``, by id. `points`: at which
    ids each indicator points. `levels`: marking definitions of the source's own.
    """

    named: dict[str, str] = field(default_factory=dict)
    points: dict[str, set[str]] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    seen: dict[str, dt.datetime] = field(default_factory=dict)

    def about(self, indicator: str) -> tuple[str, ...]:
        """Return what an indicator points at, as far as it is named."""
        refs = self.points.get(indicator, ())
        return tuple(sorted({self.named[one] for one in refs if one in self.named}))[:_MOST_ABOUT]

    def take(self, item: Mapping[str, Any]) -> None:
        """Remember an object that is no indicator."""
        kind, ref = str(item.get("type")), str(item.get("id"))
        if len(self.named) + len(self.points) > _MOST_KNOWN:
            return
        if kind in POINTED_AT:
            self.named[ref] = _named(item)
        elif kind == "relationship":
            self._relate(str(item.get("source_ref")), str(item.get("target_ref")))
        elif kind == "sighting" and item.get("count") != 0:
            at = moment(item.get("last_seen") or item.get("modified"))
            of = str(item.get("sighting_of_ref"))
            if at is not None:
                self.seen[of] = max(at, self.seen.get(of, at))
        elif kind == "marking-definition" and (level := markings.defined(item)):
            self.levels[ref] = level

    def _relate(self, one: str, other: str) -> None:
        if one.startswith("indicator--") and other.partition("--")[0] in POINTED_AT:
            self.points.setdefault(one, set()).add(other)
        elif other.startswith("indicator--") and one.partition("--")[0] in POINTED_AT:
            self.points.setdefault(other, set()).add(one)


def read(bundle: Mapping[str, Any], context: Context | None = None) -> Iterator[Found]:
    """Yield what each indicator of a bundle, or of a TAXII envelope, tells.

    `context` is filled with what stands beside them, for pages that belong together.
    """
    known = Context() if context is None else context
    objects = [one for one in bundle.get("objects") or () if isinstance(one, Mapping)]
    items = [one for one in objects if one.get("type") == "indicator"]
    for one in objects:
        if one.get("type") != "indicator":
            known.take(one)
    # An object may be told in several versions (3.6): the newest holds.
    newest: dict[str, Mapping[str, Any]] = {}
    for item in sorted(items, key=lambda one: str(one.get("modified", ""))):
        newest[str(item.get("id"))] = item
    for item in items:
        if item.get("id") is None or newest[str(item["id"])] is item:
            yield from _indicator(item, known)


def _named(item: Mapping[str, Any]) -> str:
    """Return what an object is called, such as ``attack-pattern: T1566 Phishing``."""
    name = str(item.get("name") or "without a name")
    refs = item.get("external_references")
    for one in refs if isinstance(refs, list) else ():
        technique = str(one.get("external_id", "")) if isinstance(one, Mapping) else ""
        if techniques.name_of(technique):
            name = techniques.titled(technique)
            break
    return f"{item['type']}: {name}"[:200]


def _indicator(item: Mapping[str, Any], known: Context) -> Iterator[Found]:
    pattern = str(item.get("pattern", ""))
    for one in _searched(item, pattern):
        external_id = str(item.get("id") or own_id(pattern))[:300]
        times = [moment(item.get(name)) for name in ("modified", "created", "valid_from")]
        times.append(known.seen.get(external_id))
        yield Found(
            external_id=external_id,
            told=pattern[:LONGEST],
            entity=one.entity,
            also=one.also,
            title=str(item.get("name") or "")[:300],
            confidence=percent(item["confidence"]) if "confidence" in item else None,
            valid_from=moment(item.get("valid_from")),
            expires_at=moment(item.get("valid_until")),
            seen_at=max((at for at in times if at), default=None),
            is_revoked=item.get("revoked") is True,
            not_matched=one.why[:300],
            tlp=markings.of_object(item, known.levels),
            about=known.about(external_id),
        )


def _searched(item: Mapping[str, Any], pattern: str) -> list[Alternative]:
    kind = str(item.get("pattern_type") or "stix")
    if kind != "stix":
        return [Alternative("", why=f"its pattern is in {kind}, not STIX"[:280])]
    if item.get("indicator_types") == ["benign"]:
        return [Alternative("", why=_BENIGN)]
    try:
        return alternatives(pattern)
    except Unsearchable as error:
        return [Alternative("", why=str(error)[:280])]
