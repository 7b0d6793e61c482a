"""Which facts a term of an expression may be, found without evaluating it.

``case.findings.filter(f, f.is_new).map(n, n.names)`` goes through ``case.findings``, each of it,
and ``names`` of each. With the facts at hand that tells how large a value may be, and whether it
is a list: what CEL makes of an object's keys comes in another order in every process.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from playbooks.expressions.cel_tree import Node

# None stands for each item of a list, or each value of an object.
Path = tuple[str | None, ...]
_MOST_PATHS = 16
# So many characters count as one value more.
TEXT = 20


class TooMany(Exception):
    """A term may be more different facts than are looked at."""


@dataclass(frozen=True, slots=True)
class Values:
    """What a term may be: facts, by path, or a list or object written out with `items` in it."""

    facts: frozenset[Path] = frozenset()
    items: "Values | None" = None

    def each(self) -> "Values":
        """Return what may be in it."""
        return either(Values(frozenset((*path, None) for path in self.facts)), self.items)

    def at(self, key: str) -> "Values":
        """Return what may stand under a key of it."""
        return either(Values(frozenset((*path, key) for path in self.facts)), self.items)


Names = Mapping[str, Values]
_NOTHING = Values()


def either(*several: Values | None) -> Values:
    """Return what is one of several; TooMany where that may be too many different facts."""
    known = [one for one in several if one is not None]
    items = [one.items for one in known if one.items is not None]
    facts = frozenset(path for one in known for path in one.facts)
    if len(facts) > _MOST_PATHS:
        raise TooMany
    return Values(facts, either(*items) if items else None)


def values_of(node: Node, names: Names) -> Values:
    """Return what a term may be; `names` are the variables of the loops around it."""
    if node.kind == "name":
        name = node.text.lstrip(".")
        return names.get(name, _NOTHING if name.startswith("@") else Values(frozenset({(name,)})))
    if node.kind == "select":
        return values_of(node.parts[0], names).at(node.text)
    if node.kind in ("list", "map"):
        return Values(items=either(*(values_of(part, names) for part in node.parts)))
    if node.kind == "loop" and node.makes_list:
        each = values_of(node.parts[0], names).each()
        return values_of(node.parts[3], {**names, **dict.fromkeys(node.variables, each)})
    return _of_call(node, names) if node.kind == "call" else _NOTHING


def _of_call(node: Node, names: Names) -> Values:
    if node.text == "_[_]":
        source, index = node.parts
        found = values_of(source, names)
        is_key = index.kind == "constant" and bool(index.text)
        return found.at(index.text) if is_key else found.each()
    if node.text in ("_?_:_", "_+_", "dyn", "string", "bytes"):
        return either(*(values_of(part, names) for part in node.parts[-2:]))
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Term:
    """One term with what is known where it stands: `around` are the lists of the loops it is in."""

    node: Node
    names: Names
    around: tuple[Values, ...] = ()


def terms(
    node: Node, names: Names | None = None, around: tuple[Values, ...] = ()
) -> Iterator[Term]:
    """Yield a term and every one in it."""
    names = names or {}
    yield Term(node, names, around)
    if node.kind != "loop":
        for part in node.parts:
            yield from terms(part, names, around)
        return
    source, *others = node.parts
    yield from terms(source, names, around)
    through = values_of(source, names)
    inner = {**names, **dict.fromkeys(node.variables, through.each())}
    for part in others:
        yield from terms(part, inner, (*around, through))


def in_order(tree: Node) -> list[Values]:
    """Return what the loops go through whose order counts.

    It does where a list is made, and where loops stand in each other: CEL gives up after so many
    rounds, and how many are needed depends on which item comes first.
    """
    return [
        values_of(term.node.parts[0], term.names)
        for term in terms(tree)
        if term.node.kind == "loop"
        and (term.node.makes_list or term.around or _has_loop(term.node.parts[1:]))
    ]


def _has_loop(parts: tuple[Node, ...]) -> bool:
    return any(one.kind == "loop" for part in parts for one in part.walk())


def found(facts: Any, path: Path) -> Iterator[Any]:
    """Yield every value at a path of the facts."""
    if not path:
        yield facts
    elif path[0] is None:
        inner = facts.values() if isinstance(facts, Mapping) else facts
        for item in inner if isinstance(facts, Mapping | list) else ():
            yield from found(item, path[1:])
    elif isinstance(facts, Mapping) and path[0] in facts:
        yield from found(facts[path[0]], path[1:])


def size(value: Any) -> int:
    """Return how many values there are in one, itself included; a long text counts for several."""
    found = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        found += 1
        # This is done for every condition of every alert: plain JSON, so no other types.
        kind = type(one)
        if kind is str:
            found += len(one) // TEXT
        elif kind is dict:
            waiting += one.values()
        elif kind is list:
            waiting += one
    return found


def length(value: Any) -> int:
    """Return how many rounds a loop through a value takes."""
    return len(value) if isinstance(value, Mapping | list) else 0
