"""Closures that a rule is made of, and what must be true of a record before it can match.

A trigger is a value that a field must equal, or a text that it must contain; a rule without one
has to be tried on each record of its log source.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from integrations.detection.fields import View

_LONGEST_SHOWN = 300
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Why:
    """One reason for a match: what the field held, and which condition that fulfilled."""

    field: str
    value: str | None
    condition: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a field must hold: `text` as a whole, or somewhere in it; in folded case.

    An empty `field` is the record's whole text.
    """

    field: str
    text: str
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A condition: `test` says whether it holds, `explain` why it does.

    At least one of `triggers` is true wherever the condition holds; None where that can't be told.
    `atoms` are the fields and conditions below, for reasons that lie in what is absent.
    """

    test: Callable[[View], bool]
    explain: Callable[[View], list[Why]]
    triggers: frozenset[Trigger] | None
    atoms: tuple[tuple[str, str], ...] = ()


def field_node(
    field: str,
    condition: str,
    accepts: Callable[[str], bool],
    triggers: frozenset[Trigger] | None = None,
) -> Node:
    """A field one of whose values is accepted."""

    def test(view: View) -> bool:
        return any(map(accepts, view.values(field)))

    def explain(view: View) -> list[Why]:
        value = next(value for value in view.values(field) if accepts(value))
        return [Why(field, value[:_LONGEST_SHOWN], condition)]

    return Node(test, explain, triggers, ((field, condition),))


def absent(field: str) -> Node:
    """A field that isn't there, or is null."""
    return Node(
        lambda view: not view.values(field),
        lambda view: [Why(field, None, "is absent")],
        None,
        ((field, "is absent"),),
    )


def refers(field: str, other: str, condition: str, accepts: Callable[[str, str], bool]) -> Node:
    """A field one of whose values is accepted beside one of another field's."""

    def pairs(view: View) -> Iterable[str]:
        others = view.values(other)
        return (value for value in view.values(field) if any(accepts(value, o) for o in others))

    def test(view: View) -> bool:
        return any(True for _ in pairs(view))

    def explain(view: View) -> list[Why]:
        return [Why(field, next(iter(pairs(view)))[:_LONGEST_SHOWN], condition)]

    return Node(test, explain, None, ((field, condition),))


def keyword_node(
    condition: str, accepts: Callable[[str], bool], triggers: frozenset[Trigger] | None
) -> Node:
    """A text that may stand anywhere in the record."""

    def test(view: View) -> bool:
        return any(map(accepts, view.texts()))

    def explain(view: View) -> list[Why]:
        value = next(text for text in view.texts() if accepts(text))
        return [Why("", value[:_LONGEST_SHOWN], condition)]

    return Node(test, explain, triggers, (("", condition),))


def all_of(nodes: list[Node]) -> Node:
    """A condition that holds where all do."""
    tests = [node.test for node in sorted(nodes, key=lambda node: _cost(node.triggers))]

    def test(view: View) -> bool:
        return all(one(view) for one in tests)

    def explain(view: View) -> list[Why]:
        return [why for node in nodes for why in node.explain(view)][:_MOST_TOLD]

    triggers = min((node.triggers for node in nodes), key=_cost)
    return Node(test, explain, triggers, _atoms(nodes))


def any_of(nodes: list[Node]) -> Node:
    """A condition that holds where one does."""
    tests = [node.test for node in nodes]

    def test(view: View) -> bool:
        return any(one(view) for one in tests)

    def explain(view: View) -> list[Why]:
        return next(node for node in nodes if node.test(view)).explain(view)

    known = [node.triggers for node in nodes if node.triggers is not None]
    triggers = frozenset().union(*known) if len(known) == len(nodes) else None
    return Node(test, explain, triggers, _atoms(nodes))


def none_of(node: Node) -> Node:
    """A condition that holds where the other doesn't."""
    return Node(
        lambda view: not node.test(view),
        lambda view: [],
        None,
        tuple((field, f"not: {condition}") for field, condition in node.atoms),
    )


def reasons(node: Node, view: View) -> list[Why]:
    """Why a condition holds; where it holds only for what is absent, what would have spoilt it."""
    found = node.explain(view)
    if found:
        return found
    return [
        Why(field, next(iter(view.values(field)), "")[:_LONGEST_SHOWN] or None, condition)
        for field, condition in node.atoms[:_MOST_TOLD]
    ]


def _atoms(nodes: list[Node]) -> tuple[tuple[str, str], ...]:
    return tuple(atom for node in nodes for atom in node.atoms[:_MOST_TOLD])[:_MOST_TOLD]


def _cost(triggers: frozenset[Trigger] | None) -> tuple[int, int]:
    if triggers is None:
        return (2, 0)
    return (0 if all(one.is_whole for one in triggers) else 1, len(triggers))
