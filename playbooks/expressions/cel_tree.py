"""What an expression is made of: its checked syntax tree, as CEL serializes it.

The library has no door to the tree but its Protocol Buffers form, so the few messages in it are
read here: cel.expr.CheckedExpr (https://github.com/google/cel-spec/tree/master/proto/cel/expr).
"""

from collections.abc import Iterator
from dataclasses import dataclass

# Terms beyond it, one inside the other, are no condition that a person would write.
DEEPEST_TREE = 150
_VALUE_OF_ANY, _TYPES, _TREE, _MAP_TYPE = 2, 3, 4, 7
_KINDS = {3: "constant", 4: "name", 5: "select", 6: "call", 7: "list", 8: "map", 9: "loop"}
_TARGET, _FUNCTION, _ARGUMENTS = 1, 2, 3
_ENTRY_KEY, _ENTRY_VALUE = 3, 4
_STRING = 6
_CONSTANTS = {1: "null", 2: "bool", 3: "int", 4: "uint", 5: "double", 6: "string", 7: "bytes"}
_ID = 2


class TooDeep(Exception):
    """The tree has more than DEEPEST_TREE levels."""


@dataclass(frozen=True, slots=True)
class Node:
    """One term. `text`: a name, a field, a function, or a constant string; `parts`: terms in it.

    A loop (`exists`, `map`, …) has its list as first part; `makes_list` tells `map` and `filter`.
    `variables` are those that a loop brings, `type` is that of a constant or of `has`.
    """

    kind: str
    text: str = ""
    parts: tuple["Node", ...] = ()
    variables: tuple[str, ...] = ()
    makes_list: bool = False
    is_map: bool = False
    type: str = ""

    def walk(self) -> Iterator["Node"]:
        """Yield this term and every one in it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def is_constant(self) -> bool:
        """Whether it is written out: a constant, or a list of them."""
        if self.kind == "list":
            return all(part.kind == "constant" for part in self.parts)
        return self.kind == "constant"

    def path(self) -> tuple[str, ...]:
        """Return the names of ``a.b["c"]``, from the fact on; () where it is none."""
        if self.kind == "name":
            return (self.text.lstrip("."),)
        if self.kind == "select":
            before = self.parts[0].path()
            return (*before, self.text) if before else ()
        if self.kind == "call" and self.text == "_[_]" and self.parts[1].kind == "constant":
            before = self.parts[0].path()
            return (*before, self.parts[1].text) if before and self.parts[1].text else ()
        return ()


def read(serialized: bytes) -> Node:
    """Return the tree of a serialized expression; TooDeep where it has too many levels."""
    checked = _last(serialized, _VALUE_OF_ANY)
    maps = {
        _number(entry, 1)
        for entry in _all(checked, _TYPES)
        if any(field == _MAP_TYPE for field, _ in _fields(_last(entry, 2)))
    }
    return _node(_last(checked, _TREE), maps, 0)


def _node(message: bytes, maps: set[int], depth: int) -> Node:
    if depth > DEEPEST_TREE:
        raise TooDeep
    kind, body, number = "empty", b"", 0
    for field, value in _fields(message):
        if field == _ID and isinstance(value, int):
            number = value
        elif field in _KINDS and isinstance(value, bytes):
            kind, body = _KINDS[field], value

    def child(part: bytes) -> Node:
        return _node(part, maps, depth + 1)

    is_map = number in maps
    if kind == "loop":
        return _loop(body, [child(_last(body, field)) for field in (2, 4, 5, 6, 7)])
    if kind == "call":
        target = [child(part) for part in _all(body, _TARGET)]
        arguments = [child(part) for part in _all(body, _ARGUMENTS)]
        function = _text(body, _FUNCTION)
        return Node(kind, function, (*target, *arguments), is_map=is_map)
    if kind == "select":
        # `has(a.b)` asks for a.b, and is a yes or no.
        asked = "bool" if _number(body, 3) else ""
        return Node(kind, _text(body, 2), (child(_last(body, 1)),), is_map=is_map, type=asked)
    if kind == "list":
        return Node(kind, parts=tuple(child(part) for part in _all(body, 1)))
    if kind == "map":
        entries = _all(body, 2)
        parts = [_last(one, field) for one in entries for field in (_ENTRY_KEY, _ENTRY_VALUE)]
        return Node(kind, parts=tuple(child(part) for part in parts), is_map=True)
    if kind == "constant":
        written = [name for field, _ in _fields(body) if (name := _CONSTANTS.get(field))]
        return Node(kind, _text(body, _STRING), type=written[-1] if written else "")
    return Node(kind, _text(body, 1), is_map=is_map)


def _loop(body: bytes, parts: list[Node]) -> Node:
    variables = tuple(name for field in (1, 8) if (name := _text(body, field)))
    return Node("loop", "", tuple(parts), variables, makes_list=parts[1].kind == "list")


def _all(message: bytes, wanted: int) -> list[bytes]:
    return [v for field, v in _fields(message) if field == wanted and isinstance(v, bytes)]


def _last(message: bytes, wanted: int) -> bytes:
    return (_all(message, wanted) or [b""])[-1]


def _text(message: bytes, wanted: int) -> str:
    return _last(message, wanted).decode("utf-8", "replace")


def _number(message: bytes, wanted: int) -> int:
    return next((v for f, v in _fields(message) if f == wanted and isinstance(v, int)), 0)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message: numbers as int, all that has a length as bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        else:
            length = 8 if wire == 1 else 4
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
