"""Closures that a rule is made of, and what must be true of a record before it can match.

A trigger is a value that a field must equal, or a text that it must contain; a rule without one
has to be tried on each record of its log source.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from integrations.detection.predicates import Accepts, How, Predicate
from integrations.detection.views import View

_LONGEST_SHOWN = 300
_MOST_TOLD = 20
_MOST_WAYS = 12


@dataclass(frozen=True, slots=True)
class Why:
    """One reason for a match: what the field held, and which condition that fulfilled."""

    field: str
    value: str | None
    condition: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a field must hold in folded case; an empty `field` is the record's whole text."""

    field: str
    text: str
    how: How


Way = frozenset[Trigger]


@dataclass(frozen=True, slots=True)
class Node:
    """A condition: `test` says whether it holds, `explain` why it does.

    Where it holds, at least one trigger of each of `ways` is true: any one of them will do to find
    the records worth trying. `atoms` are the fields and conditions below, for reasons that lie in
    what is absent. `leaf` is the field and its predicate, where there is but one.
    """

    test: Callable[[View], bool]
    explain: Callable[[View], list[Why]]
    ways: tuple[Way, ...]
    atoms: tuple[tuple[str, str], ...] = ()
    leaf: tuple[str, Predicate] | None = None


def field_node(field: str, predicate: Predicate) -> Node:
    """A field one of whose values is accepted."""
    accepts = predicate.accepts
    read = View.folded if predicate.is_folded else View.values

    def test(view: View) -> bool:
        for text in read(view, field):
            if accepts(text):
                return True
        return False

    def explain(view: View) -> list[Why]:
        pairs = zip(view.values(field), read(view, field), strict=True)
        value = next(value for value, text in pairs if accepts(text))
        return [Why(field, value[:_LONGEST_SHOWN], predicate.condition)]

    atoms = ((field, predicate.condition),)
    return Node(test, explain, _ways(field, predicate), atoms, (field, predicate))


def absent(field: str) -> Node:
    """A field that isn't there, or is null."""
    return Node(
        lambda view: not view.values(field),
        lambda view: [Why(field, None, "is absent")],
        (),
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

    return Node(test, explain, (), ((field, condition),))


def keyword_node(predicate: Predicate) -> Node:
    """A text that may stand anywhere in the record."""
    accepts = predicate.accepts
    read = View.folded_texts if predicate.is_folded else View.texts

    def test(view: View) -> bool:
        return any(map(accepts, read(view)))

    def explain(view: View) -> list[Why]:
        pairs = zip(view.texts(), read(view), strict=True)
        value = next(value for value, text in pairs if accepts(text))
        return [Why("", value[:_LONGEST_SHOWN], predicate.condition)]

    return Node(test, explain, _ways("", predicate), (("", predicate.condition),))


def all_of(nodes: list[Node]) -> Node:
    """A condition that holds where all do."""
    tests = [node.test for node in sorted(nodes, key=lambda node: _cost(_best(node.ways)))]

    def test(view: View) -> bool:
        for one in tests:
            if not one(view):
                return False
        return True

    def explain(view: View) -> list[Why]:
        return [why for node in nodes for why in node.explain(view)][:_MOST_TOLD]

    ways = sorted(dict.fromkeys(way for node in nodes for way in node.ways), key=_cost)
    return Node(test, explain, tuple(ways[:_MOST_WAYS]), _atoms(nodes))


def any_of(nodes: list[Node]) -> Node:
    """A condition that holds where one does."""
    tests = _merged(nodes)

    def test(view: View) -> bool:
        for one in tests:
            if one(view):
                return True
        return False

    def explain(view: View) -> list[Why]:
        return next(node for node in nodes if node.test(view)).explain(view)

    return Node(
        tests[0] if len(tests) == 1 else test, explain, tuple(_common(nodes)), _atoms(nodes)
    )


def none_of(node: Node) -> Node:
    """A condition that holds where the other doesn't."""
    return Node(
        lambda view: not node.test(view),
        lambda view: [],
        (),
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


def _ways(field: str, predicate: Predicate) -> tuple[Way, ...]:
    if not predicate.literals:
        return ()
    return (frozenset(Trigger(field, text, predicate.how) for text in predicate.literals),)


def _merged(nodes: list[Node]) -> list[Callable[[View], bool]]:
    """The tests, those of one field in one: it is read and folded but once."""
    groups: dict[tuple[str, bool], list[Predicate]] = defaultdict(list)
    tests = []
    for node in nodes:
        if node.leaf is None:
            tests.append(node.test)
        else:
            field, predicate = node.leaf
            groups[field, predicate.is_folded].append(predicate)
    for (field, is_folded), predicates in groups.items():
        merged = replace(predicates[0], accepts=_any(predicates), is_folded=is_folded)
        tests.insert(0, field_node(field, merged).test)
    return tests


def _any(predicates: list[Predicate]) -> Accepts:
    if len(predicates) == 1:
        return predicates[0].accepts
    is_set = all(one.how is How.WHOLE and one.is_folded for one in predicates)
    if is_set:
        return frozenset().union(*(one.literals for one in predicates)).__contains__
    accepted = [one.accepts for one in predicates]

    def accepts(text: str) -> bool:
        for one in accepted:
            if one(text):
                return True
        return False

    return accepts


def _common(nodes: list[Node]) -> Iterable[Way]:
    """Ways of an alternative: one of each branch, the best, or those by the same field."""
    if not all(node.ways for node in nodes):
        return
    yield frozenset().union(*(_best(node.ways) or () for node in nodes))
    fields = set.intersection(*({_field(way) for way in node.ways} for node in nodes))
    for field in sorted(fields - {None}, key=str)[:_MOST_WAYS]:
        by_field = ([way for way in node.ways if _field(way) == field] for node in nodes)
        yield frozenset().union(*(_best(tuple(ways)) or () for ways in by_field))


def _field(way: Way) -> str | None:
    """The field that all of a way's triggers look at; None where there are several."""
    fields = {trigger.field for trigger in way}
    return fields.pop() if len(fields) == 1 else None


def _best(ways: tuple[Way, ...]) -> Way | None:
    return min(ways, key=_cost, default=None)


def _atoms(nodes: list[Node]) -> tuple[tuple[str, str], ...]:
    return tuple(atom for node in nodes for atom in node.atoms[:_MOST_TOLD])[:_MOST_TOLD]


def _cost(way: Way | None) -> tuple[int, int, int]:
    """What is looked up quickly and seldom true comes first."""
    if way is None:
        return (2, 0, 0)
    is_looked_for = any(trigger.how is How.PART for trigger in way)
    shortest = min(len(trigger.text) for trigger in way) if is_looked_for else 0
    return (int(is_looked_for), len(way), -shortest)
