"""How rules are looked for in one kind of records: which fields to read, and where they stand."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from integrations.detection.asking import Asking, Below, Records, Sign, Steps, spot_of
from integrations.detection.indexing import Field, Index, Known, Numbers
from integrations.detection.recognition import Kind
from integrations.detection.rules import Rule
from integrations.detection.standing import NOWHERE, UNSURE, Spots
from integrations.detection.views import View

_NOTHING: Final[Numbers] = ()
# So many texts in a list are looked at as they stand.
_FEW: Final = 64
_TEXTS: Final = frozenset({str})

# What stands below one part of a record: a key, which rules its values call for, and the field.
Read = tuple[Any, Known, Field]


class Plan:
    """Which rules are worth trying on records of one kind, told in one pass."""

    __slots__ = ("_groups", "_index", "_kind", "_others", "_spots")

    def __init__(
        self,
        index: Index,
        kind: Kind,
        groups: tuple[tuple[Steps, tuple[Read, ...]], ...],
        others: tuple[Field, ...],
        spots: Spots,
    ) -> None:
        self._index, self._kind = index, kind
        self._groups, self._others, self._spots = groups, others, spots

    def candidates(self, records: Records) -> tuple[Sequence[Rule], View] | None:
        """The rules worth trying, in order, and the records' fields; None where there is none."""
        found = self._index.always
        left = self._others
        for steps, reads in self._groups:
            node: Any = records
            for step in steps:
                node = node[step]
            for key, known, field in reads:
                value = node[key]
                kind = type(value)
                if kind is str:
                    found += known[value]
                elif kind is int:
                    found += known[str(value)]
                elif kind is list and _are_few_texts(value):
                    for one in value:
                        found += known[one]
                else:
                    left += (field,)
        if left or self._index.anywhere:
            view = self._view(records)
            found += self._looked_for(left, view)
        elif found:
            view = self._view(records)
        else:
            return None
        return self._index.in_order(found), view

    def _looked_for(self, left: tuple[Field, ...], view: View) -> Numbers:
        found = _NOTHING
        for field in left:
            for value in view.values(field.name):
                found += field.known[value]
        if self._index.anywhere:
            known = self._index.anywhere.known
            for value in view.texts():
                found += known[value]
        return found

    def _view(self, records: Records) -> View:
        parts = tuple((records[number], layout) for number, layout in self._kind.parts)
        return View(records[0], parts, records, self._spots)


def _are_few_texts(values: list[Any]) -> bool:
    return 0 < len(values) <= _FEW and _TEXTS.issuperset(map(type, values))


def plan(index: Index, kind: Kind, asked: Asking) -> Plan:
    """Make a plan for records of the kind that give the same answers."""
    groups: dict[Steps, list[Read]] = defaultdict(list)
    others: list[Field] = []
    for field in index.fields:
        spot = spot_of(field.name, kind.parts, asked.below)
        if spot is UNSURE:
            others.append(field)
        elif spot is not NOWHERE:
            *steps, key = spot.steps
            groups[tuple(steps)].append((key, field.known_at(spot.place), field))
    facts = asked.facts

    def told(steps: Steps) -> Below | Sign:
        return facts.get(steps, Sign.UNCLEAR)

    found = tuple((steps, tuple(reads)) for steps, reads in groups.items())
    spots = Spots(lambda field: spot_of(field, kind.parts, told))
    return Plan(index, kind, found, tuple(others), spots)
