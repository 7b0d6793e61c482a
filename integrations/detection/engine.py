"""Rules on records: which match, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.detection import fields
from integrations.detection.conditions import Why, reasons
from integrations.detection.fields import Shape, Source, View
from integrations.detection.indexing import Index
from integrations.detection.rules import LogSource, Pack, Rule


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that a record fulfils, with the fields that say so."""

    rule: Rule
    why: tuple[Why, ...]


class Engine:
    """A pack of rules, ready for records of every shape."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self._indexes: dict[tuple[Source, ...], Index] = {}

    def detect(
        self, raw: Mapping[str, Any], normalised: Mapping[str, Any] | None = None
    ) -> list[Match]:
        """Return the matches of a vendor's record, in the rules' order.

        `normalised` is the OCSF event that a normaliser made of it, if it did. Empty also where
        the record is of no known shape.
        """
        shapes = _shapes(raw, normalised)
        if not shapes:
            return []
        view = View(raw, normalised or raw, shapes)
        sources = tuple(one for shape in shapes for one in fields.log_sources(shape, view))
        return [
            Match(rule, tuple(reasons(rule.node, view)))
            for rule in self._index(sources).candidates(view)
            if rule.node.test(view)
        ]

    def blind(self) -> list[Rule]:
        """The rules whose log source none of the known shapes brings."""
        known = [_log_source(one) for shape in fields.shapes() for one in shape.sources]
        return [
            rule for rule in self.pack.rules if not any(rule.source.covers(one) for one in known)
        ]

    def _index(self, sources: tuple[Source, ...]) -> Index:
        index = self._indexes.get(sources)
        if index is None:
            own = [_log_source(one) for one in sources]
            index = self._indexes[sources] = Index(
                [rule for rule in self.pack.rules if any(map(rule.source.covers, own))]
            )
        return index


def _log_source(source: Source) -> LogSource:
    return LogSource(source.product, source.service, source.category)


def _shapes(raw: Mapping[str, Any], normalised: Mapping[str, Any] | None) -> tuple[Shape, ...]:
    own = fields.recognised(raw, is_ocsf=False)
    event = normalised or raw
    ocsf = fields.recognised(event, is_ocsf=True) if "class_uid" in event else None
    return tuple(shape for shape in (own, ocsf) if shape)
