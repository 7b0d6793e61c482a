"""Rules on records: which match, and why."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.detection import fields
from integrations.detection.conditions import Why, reasons
from integrations.detection.fields import Shape, Source
from integrations.detection.indexing import Index
from integrations.detection.recognition import recognised
from integrations.detection.rules import LogSource, Pack, Rule
from integrations.detection.views import View

_MOST_REMEMBERED = 4_096
_LONGEST_REMEMBERED = 256

_log = logging.getLogger(__name__)

OnFailure = Callable[[Rule, Exception], None]


def _logged(rule: Rule, error: Exception) -> None:
    _log.error("rule %s failed on a record: %s", rule.id, type(error).__name__)


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
        # By shapes, and by the values that say to which log sources a record belongs.
        self._remembered: dict[tuple[Any, ...], Index] = {}

    def detect(
        self,
        raw: Mapping[str, Any],
        normalised: Mapping[str, Any] | None = None,
        on_failure: OnFailure = _logged,
    ) -> list[Match]:
        """Return the matches of a vendor's record, in the rules' order.

        `normalised` is the OCSF event that a normaliser made of it, if it did. Empty also where
        the record is of no known shape. `on_failure` is told of each rule that fails on it; the
        others go on.
        """
        view = recognised(raw, normalised)
        if view is None:
            return []
        found = self._index(view).candidates(view)
        if not found:
            return []
        matches = []
        for rule in found:
            try:
                if rule.node.test(view):
                    matches.append(Match(rule, tuple(reasons(rule.node, view))))
            except Exception as error:
                on_failure(rule, error)
        return matches

    def rules_for(self, view: View) -> tuple[Rule, ...]:
        """The rules of the record's log sources, whatever it holds."""
        return self._index(view).rules

    def blind(self) -> list[Rule]:
        """The rules whose log source none of the known shapes brings."""
        known = [_log_source(one) for shape in fields.shapes() for one in shape.sources]
        return [
            rule for rule in self.pack.rules if not any(rule.source.covers(one) for one in known)
        ]

    def _index(self, view: View) -> Index:
        key: list[Any] = []
        for _, layout in view.parts:
            key.append(layout.shape)
            for field in layout.shape.deciding:
                key.append(view.values(field))
        whole = tuple(key)
        remembered = self._remembered.get(whole)
        return self._look_up(view, whole) if remembered is None else remembered

    def _look_up(self, view: View, key: tuple[Any, ...]) -> Index:
        sources = _of_view(view)
        index = self._indexes.get(sources)
        if index is None:
            own = [_log_source(one) for one in sources]
            index = self._indexes[sources] = Index(
                [rule for rule in self.pack.rules if any(map(rule.source.covers, own))]
            )
        told = sum(len(text) for values in key if isinstance(values, tuple) for text in values)
        if told <= _LONGEST_REMEMBERED:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = index
        return index


def log_sources(view: View) -> tuple[LogSource, ...]:
    """Return the log sources that a record belongs to, as vendors and Sigma name them."""
    return tuple(map(_log_source, _of_view(view)))


def _of_view(view: View) -> tuple[Source, ...]:
    return tuple(source for _, layout in view.parts for source in _sources(layout.shape, view))


def _sources(shape: Shape, view: View) -> tuple[Source, ...]:
    return tuple(
        source
        for source in shape.sources
        if all(test.holds(view.values(test.field)) for test in source.when)
    )


def _log_source(source: Source) -> LogSource:
    return LogSource(source.product, source.service, source.category)
