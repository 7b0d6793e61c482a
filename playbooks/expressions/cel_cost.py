"""What evaluating an expression may cost, and a bound on it.

Counted, not timed: the same facts are refused or not on every machine. A unit is at most 0.3 µs,
so what one plan or verdict asks takes less than 20 s of processor time, and its answers 60 MB.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from playbooks.errors import ConditionError
from playbooks.expressions import cel_values
from playbooks.expressions.cel_tree import Node
from playbooks.expressions.cel_values import Term, Values

MOST = 60_000_000
# CEL stops an evaluation after this many rounds through lists.
MOST_ROUNDS = 10_000
_A_VALUE_IN, _A_VALUE_OUT = 5, 100
_EQUAL = ("_==_", "_!=_")
_COMPARISONS = (*_EQUAL, "@in", "_+_")
_LOOKUP = "_[_]"
_TEXT_FUNCTIONS = ("contains", "matches", "startsWith", "endsWith", "size", "string", "bytes")
_COPIED_IN_A_UNIT = 5
_left: ContextVar[list[int] | None] = ContextVar("cel_left", default=None)


@contextmanager
def bounded(most: int = MOST) -> Iterator[None]:
    """Let all the expressions that are evaluated inside share one bound; an outer one counts."""
    if _left.get() is not None:
        yield
        return
    token = _left.set([most])
    try:
        yield
    finally:
        _left.reset(token)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one term reads in each of its rounds; of values that are equal, the smaller."""

    sides: tuple[Values, ...]
    looked_in: Values | None
    is_in_loop: bool
    is_equal: bool = False


class Cost:
    """The cost of one expression, as far as it is known without facts."""

    def __init__(self, tree: Node, text: str) -> None:
        """Look at the tree once, when the expression is compiled."""
        self._text = text
        terms = list(cel_values.terms(tree))
        self._terms = len(terms)
        self._loops = [
            ((*term.around, _values(term)[0]), term.node.makes_list)
            for term in terms
            if term.node.kind == "loop"
        ]
        self._readings = [
            _reading(term)
            for term in terms
            if _compares(term.node) or term.node.text in (*_TEXT_FUNCTIONS, _LOOKUP)
        ]
        self.compared_in_loops = sum(1 for one in terms if one.around and _compares(one.node))

    def spend(self, facts: Mapping[str, Any]) -> None:
        """Take what evaluating it on these facts may cost; ConditionError where it is too much."""
        if not facts and not self._loops:
            # `true` always holds, however much was asked before it.
            return
        values = cel_values.size(facts)
        units = self._terms + _A_VALUE_IN * values
        if self._loops or self._readings:
            units += self._in_rounds(facts, values)
        _spend(units, self._text)

    def spend_answer(self, values: int) -> None:
        """Take what an answer of so many values costs; ConditionError where it is too much."""
        # One by itself is paid for with the question.
        _spend(_A_VALUE_OUT * (values - 1), self._text)

    def _in_rounds(self, facts: Mapping[str, Any], values: int) -> int:
        longest = _Largest(facts, values, cel_values.length)
        largest = _Largest(facts, values, cel_values.size)
        searched = _Largest(facts, values, _searched)
        rounds = copied = 0
        for lists, makes_list in self._loops:
            lengths = [longest.of(one) for one in lists]
            rounds += math.prod(lengths)
            # Adding to a list copies it.
            copied += lengths[-1] // _COPIED_IN_A_UNIT if makes_list else 0
        once = each = 0
        for reading in self._readings:
            sizes = [largest.of(side) for side in reading.sides]
            # Values of other sizes are unequal at once; looking for one, or joining, reads all.
            units = min(sizes) if reading.is_equal else sum(sizes)
            units += searched.of(reading.looked_in) if reading.looked_in else 0
            once, each = (once, each + units) if reading.is_in_loop else (once + units, each)
        return once + min(rounds, MOST_ROUNDS) * (self._terms + copied + each)


class _Largest:
    """Measures the largest value that a term may be, each path once."""

    def __init__(
        self, facts: Mapping[str, Any], values: int, measure: Callable[[Any], int]
    ) -> None:
        self._facts = facts
        self._values = values
        self._measure = measure
        self._known: dict[cel_values.Path, int] = {}

    def of(self, told: Values) -> int:
        """Return the measure; that of all facts where the expression makes the value itself."""
        if told.items is not None:
            return self._values
        return max(map(self._at, told.facts), default=1)

    def _at(self, path: cel_values.Path) -> int:
        if path not in self._known:
            values = cel_values.found(self._facts, path)
            self._known[path] = max(map(self._measure, values), default=1)
        return self._known[path]


def _spend(units: int, text: str) -> None:
    left = _left.get()
    if left is None:
        left = [MOST]
    left[0] -= units
    if units and left[0] < 0:
        raise ConditionError(
            f"{text[:200]!r} asks too much of so many facts: ask for less of them, or gather less."
        )


def _values(term: Term) -> tuple[Values, ...]:
    return tuple(cel_values.values_of(part, term.names) for part in term.node.parts)


def _reading(term: Term) -> _Reading:
    sides = _values(term)
    if term.node.text == _LOOKUP:
        # What is found isn't read, and what an expression makes is small.
        return _Reading((), Values(sides[0].facts), bool(term.around))
    if term.node.text == "@in":
        return _Reading(sides[:1], sides[1], bool(term.around))
    return _Reading(sides, None, bool(term.around), term.node.text in _EQUAL)


def _searched(value: Any) -> int:
    """Return what looking for something costs: an object's names are gone through, not its values.

    That an item of a list is found by its place isn't counted in its favour.
    """
    return len(value) if isinstance(value, Mapping) else cel_values.size(value)


def _compares(node: Node) -> bool:
    """Whether it compares or joins what may be large on both sides.

    What is written out isn't, nor is what a loop adds to its list.
    """
    return (
        node.kind == "call"
        and node.text in _COMPARISONS
        and not any(part.is_constant() or part.text == "@result" for part in node.parts)
    )
