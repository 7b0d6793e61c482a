"""Rules on records: which match, and why."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.detection import fields
from integrations.detection.asking import Asking, Records, Tree
from integrations.detection.conditions import Why, reasons
from integrations.detection.fields import Source
from integrations.detection.indexing import Index
from integrations.detection.planning import Plan, plan
from integrations.detection.recognition import Kind, kind_of, records_of
from integrations.detection.rules import LogSource, Pack, Rule

# What is remembered of kinds of records takes no more.
_MOST_BYTES = 32 * 2**20
_OF_A_PLAN = 4_096

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
        self._plans: dict[Kind, Tree[Plan]] = {}
        # About how many bytes they take.
        self.weight = 0

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
        records = records_of(raw, normalised)
        kind = kind_of(records)
        if not kind.sources:
            return []
        found = self._plan(kind, records).candidates(records)
        if found is None:
            return []
        rules, view = found
        matches = []
        for rule in rules:
            try:
                if rule.node.test(view):
                    matches.append(Match(rule, tuple(reasons(rule.node, view))))
            except Exception as error:
                on_failure(rule, error)
        return matches

    def rules_for(
        self, raw: Mapping[str, Any], normalised: Mapping[str, Any] | None = None
    ) -> tuple[Rule, ...]:
        """The rules of a record's log sources, whatever it holds."""
        return self._index(kind_of(records_of(raw, normalised)).sources).rules

    def blind(self) -> list[Rule]:
        """The rules whose log source none of the known shapes brings."""
        known = [_log_source(one) for shape in fields.shapes() for one in shape.sources]
        return [
            rule for rule in self.pack.rules if not any(rule.source.covers(one) for one in known)
        ]

    def _plan(self, kind: Kind, records: Records) -> Plan:
        """The plan for a kind of records, made where there is none yet."""
        tree = self._plans.get(kind)
        if tree is None:
            tree = Tree()
        found = tree.find(records)
        if found is None:
            asked = Asking(records, kind.facts)
            found = plan(self._index(kind.sources), kind, asked)
            if asked.is_worth_keeping:
                self._keep(kind, tree, asked, found)
        return found

    def _keep(self, kind: Kind, tree: Tree[Plan], asked: Asking, found: Plan) -> None:
        if self.weight > _MOST_BYTES:
            self._plans.clear()
            self.weight = 0
        if kind not in self._plans:
            self._plans[kind] = tree
            self.weight += kind.weight
        tree.keep(asked, found)
        self.weight += asked.weight + _OF_A_PLAN

    def _index(self, sources: tuple[Source, ...]) -> Index:
        index = self._indexes.get(sources)
        if index is None:
            own = [_log_source(one) for one in sources]
            index = self._indexes[sources] = Index(
                [rule for rule in self.pack.rules if any(map(rule.source.covers, own))]
            )
        return index


def log_sources(
    raw: Mapping[str, Any], normalised: Mapping[str, Any] | None = None
) -> tuple[LogSource, ...]:
    """Return the log sources that a record belongs to, as vendors and Sigma name them."""
    return tuple(map(_log_source, kind_of(records_of(raw, normalised)).sources))


def _log_source(source: Source) -> LogSource:
    return LogSource(source.product, source.service, source.category)
