"""A record as rules see it: its fields by their Sigma names, as texts.

Where a field stands is worked out once for all records of a shape that have the same keys.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from integrations.detection.fields import Place, Shape
from integrations.detection.predicates import folded, readable

_LONGEST_INNER_JSON = 256 * 1024
_MOST_VALUES = 5_000
_MOST_TEXTS = 200_000
_LONGEST_NAMES = 64 * 1024
# What is remembered of records' keys is bounded, however many kinds of records there are.
MOST_KEYS = 256
_MOST_KEY_CHARACTERS = 8_192
_MOST_KINDS = 2_048
_DOMAIN = re.compile(r"@([A-Za-z0-9][A-Za-z0-9.-]*)")
# How vendors write lists of names with values.
_NAMES = ("name", "key", "displayname", "@name")
_VALUES = ("value", "valuestring", "multivalue", "boolvalue", "intvalue", "newvalue", "#text")
_PAIR = {*_NAMES, *_VALUES}
_MISSING = object()

Record = Mapping[str, Any]
Steps = tuple[tuple[str, str], ...]
Texts = tuple[str, ...]


class Keys:
    """The keys of a record or of a part of one; `names` are the same by their lower case.

    `is_pair`: it is nothing but a name with a value.
    """

    __slots__ = ("is_pair", "names", "own")

    def __init__(self, keys: Iterable[Any]) -> None:
        self.own = frozenset(keys)
        self.names = {str(key).lower(): key for key in keys}
        self.is_pair = self.names.keys() <= _PAIR

    @property
    def has_pair(self) -> bool:
        """Whether there is a name with a value among them."""
        names = self.names.keys()
        return not names.isdisjoint(_NAMES) and not names.isdisjoint(_VALUES)

    def find(self, step: str, lower: str) -> Any:
        """The key that is the step, in whatever case; None where there is none."""
        return step if step in self.own else self.names.get(lower)


class Standing(NamedTuple):
    """A place below a key that the record has; `steps` in the rule's case and in lower case."""

    key: str
    steps: Steps
    place: Place | None


class _Standings(dict[str, tuple[Standing, ...]]):
    """By a field, the places that a record with certain keys can have, most likely first."""

    __slots__ = ("_keys", "_shape")

    def __init__(self, shape: Shape, keys: Keys) -> None:
        super().__init__()
        self._shape, self._keys = shape, keys

    def __missing__(self, field: str) -> tuple[Standing, ...]:
        found = self[field] = tuple(self._look(field))
        return found

    def _look(self, field: str) -> Iterator[Standing]:
        for place in self._shape.places(field):
            first, *rest = place.path
            key = self._keys.find(first, first.lower())
            if key is not None:
                steps = tuple((step, step.lower()) for step in rest)
                yield Standing(key, steps, None if place.is_plain else place)


class Layout:
    """Where the fields of a shape stand in records that have the same keys."""

    __slots__ = ("shape", "standing")

    def __init__(self, shape: Shape, keys: Keys) -> None:
        self.shape, self.standing = shape, _Standings(shape, keys)


class Spot(NamedTuple):
    """Where a field of records stands, if what is there is a text; `place` completes it.

    The steps are the number of one of the records, then keys, or 0 for a list's only item.
    """

    steps: tuple[Any, ...]
    place: Place | None


# Signs in the place of a spot: no place is left, and: each record has to be looked through.
NOWHERE: Final = Spot((), None)
UNSURE: Final = Spot((), None)


class Spots(dict[str, Spot]):
    """By a field its spot in records of one kind, looked up but once."""

    __slots__ = ("_look",)

    def __init__(self, look: Callable[[str], Spot]) -> None:
        super().__init__()
        self._look = look

    def __missing__(self, field: str) -> Spot:
        found = self[field] = self._look(field)
        return found


_NONE_KNOWN: Final = Spots(lambda field: UNSURE)


class View:
    """A record's fields; `parts` are the records in which they are looked for, in order.

    There are two where a normaliser made an OCSF event of the raw record. `spots` tell of `records`
    what is known of their kind.
    """

    __slots__ = (
        "_cache", "_folded", "_named", "_nodes", "_parsed", "_records", "_spots", "_texts",
        "parts", "raw",
    )  # fmt: skip

    def __init__(
        self,
        raw: Record,
        parts: tuple[tuple[Record, Layout], ...],
        records: tuple[Record, ...] = (),
        spots: Spots = _NONE_KNOWN,
    ) -> None:
        self.raw, self.parts = raw, parts
        self._records, self._spots = records, spots
        self._cache: dict[str, Texts] = {}
        self._folded: dict[str, Texts] = {}
        self._texts: Texts | None = None
        self._nodes: dict[int, Keys] | None = None
        self._named: dict[int, tuple[list[Any], dict[str, list[Any]]]] | None = None
        self._parsed: dict[int, tuple[str, Any]] | None = None

    def values(self, field: str) -> Texts:
        """The field's values; empty where it isn't there or is null."""
        found = self._cache.get(field)
        if found is None:
            found = self._cache[field] = self._found(field)
        return found

    def _found(self, field: str) -> Texts:
        spot = self._spots[field]
        if spot is NOWHERE:
            return ()
        if spot is not UNSURE:
            node: Any = self._records
            for step in spot.steps:
                node = node[step]
            if type(node) is str:
                text = node if node.isascii() else readable(node)
                return (text,) if spot.place is None else tuple(completed(text, spot.place))
        return self._looked_for(field)

    def _looked_for(self, field: str) -> Texts:
        for record, layout in self.parts:
            found = self.read(record, layout, field)
            if found:
                return found
        return ()

    def folded(self, field: str) -> Texts:
        """The field's values in folded case, in the same order."""
        found = self._folded.get(field)
        if found is None:
            found = self._folded[field] = tuple(map(folded, self.values(field)))
        return found

    def texts(self) -> Texts:
        """Every text in the raw record."""
        if self._texts is None:
            self._texts = tuple(_leaves(self.raw))
        return self._texts

    def folded_texts(self) -> Texts:
        """Every text in the raw record in folded case, in the same order."""
        found = self._folded.get("")
        if found is None:
            found = self._folded[""] = tuple(map(folded, self.texts()))
        return found

    def read(self, record: Record, layout: Layout, field: str) -> Texts:
        """The field's values in one record."""
        for key, steps, place in layout.standing[field]:
            node = record[key]
            if steps:
                node = self._below(node, steps)
            if node is None:
                continue
            if type(node) is str:
                found: Texts = (node if node.isascii() else readable(node),)
            else:
                found = _texts(node)
            if place is not None:
                found = tuple(made for text in found for made in completed(text, place))
                if place.joined and found:
                    found = self._joined(record, found, place)
            if found:
                return found
        return ()

    def _joined(self, record: Record, found: Texts, place: Place) -> Texts:
        steps = tuple((step, step.lower()) for step in place.joined)
        behind = _texts(self._at(record, steps))
        return tuple(text + other for text in found for other in behind or ("",))

    def _below(self, node: Any, steps: Steps) -> Any:
        """What stands at the end of the steps: a value, a list of several, None where nothing."""
        for number, (step, lower) in enumerate(steps):
            if type(node) is not dict:
                if type(node) is str and node[:1] not in ("{", "["):
                    return None
                only = node[0] if type(node) is list and len(node) == 1 else None
                if type(only) is dict and step in only and not self._keys(only).is_pair:
                    node = only[step]
                    continue
                return self._at(node, steps[number:])
            below = node.get(step, _MISSING)
            if below is _MISSING:
                key = self._keys(node).names.get(lower)
                if key is None:
                    return None
                below = node[key]
            node = below
        return node

    def _at(self, node: Any, steps: Steps) -> list[Any]:
        nodes = [node]
        for step in steps:
            found = (child for node in nodes for child in self._step(node, step))
            nodes = list(islice(found, _MOST_VALUES))
            if not nodes:
                break
        return nodes

    def _step(self, node: Any, step: tuple[str, str]) -> list[Any]:
        if isinstance(node, str):
            node = self._inner(node)
        if isinstance(node, dict):
            if step[0] in node:
                return [node[step[0]]]
            key = self._keys(node).names.get(step[1])
            return [] if key is None else [node[key]]
        if isinstance(node, list):
            few = node if len(node) <= _MOST_VALUES else node[:_MOST_VALUES]
            return self._in_list(few, step)
        return []

    def _in_list(self, items: list[Any], step: tuple[str, str]) -> list[Any]:
        records = [item for item in items if isinstance(item, dict)]
        # A list of nothing but names with values is read by name: one of them may be "Name".
        is_by_name = bool(records) and self._keys(records[0]).is_pair
        if is_by_name and (named := self._by_name(items, records).get(step[1])):
            return named
        found = [
            child
            for item in items
            if isinstance(item, (dict, list))
            for child in self._step(item, step)
        ]
        if found or is_by_name:
            return found
        return [value for item in records for name, value in self._pairs(item) if name == step[1]]

    def _by_name(self, items: list[Any], records: list[Any]) -> dict[str, list[Any]]:
        if self._named is None:
            self._named = {}
        # The list is kept beside what it holds: an id may be used again once it is gone.
        known = self._named.get(id(items))
        if known is None:
            table: dict[str, list[Any]] = {}
            for item in records:
                for name, value in self._pairs(item):
                    table.setdefault(name, []).append(value)
            known = self._named[id(items)] = (items, table)
        return known[1]

    def _pairs(self, item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        keys = self._keys(item).names
        names = {str(item[keys[key]]).lower() for key in _NAMES if key in keys}
        for value in _VALUES:
            if value in keys:
                for name in names:
                    yield name, item[keys[value]]

    def _keys(self, node: Mapping[str, Any]) -> Keys:
        if self._nodes is None:
            self._nodes = {}
        # The record outlives its view, so that an id stands for one node only.
        known = self._nodes.get(id(node))
        if known is None:
            known = keys_of(tuple(node)) if len(node) <= MOST_KEYS else Keys(node)
            self._nodes[id(node)] = known
        return known

    def _inner(self, text: str) -> Any:
        """A text's own JSON: exports write nested objects so."""
        if not text.startswith(("{", "[")) or len(text) > _LONGEST_INNER_JSON:
            return None
        # The text is kept beside what it holds: an id may be used again once it is gone.
        if self._parsed is None:
            self._parsed = {}
        known = self._parsed.get(id(text))
        if known is None:
            try:
                known = (text, json.loads(text))
            except (ValueError, RecursionError):
                known = (text, None)
            self._parsed[id(text)] = known
        return known[1]


_known: dict[tuple[str, ...], Keys] = {}


def keys_of(keys: tuple[str, ...]) -> Keys:
    """What is worked out once for all records that have these keys."""
    found = _known.get(keys)
    if found is None:
        found = Keys(keys)
        if is_worth_keeping(keys):
            if len(_known) >= _MOST_KINDS:
                _known.clear()
            _known[keys] = found
    return found


def is_worth_keeping(keys: tuple[str, ...]) -> bool:
    """Whether a kind of record with these keys may be remembered: it takes little memory."""
    return len(keys) <= MOST_KEYS and sum(len(str(key)) for key in keys) <= _MOST_KEY_CHARACTERS


def completed(text: str, place: Place) -> list[str]:
    """The values that a text stands for at a place."""
    if place.domains:
        return [f".{name}" for name in _DOMAIN.findall(text[:_LONGEST_NAMES])]
    if place.words:
        return [text, word] if (word := place.word(text)) else [text]
    if place.quoted:
        return [text.strip('"')]
    before = "" if text.startswith(place.before) else place.before
    after = "" if text.endswith(place.after) else place.after
    return [f"{before}{text}{after}"]


def _texts(node: Any) -> tuple[str, ...]:
    if type(node) is int:
        return (str(node),)
    return tuple(_as_text(leaf) for leaf in islice(_flat(node), _MOST_VALUES))


def is_something(node: Any) -> bool:
    """Whether there is a value in it."""
    if type(node) is list:
        return next(_flat(node), None) is not None
    return node is not None


def _flat(node: Any) -> Iterator[Any]:
    """What is in a list, and in lists in it; null isn't anything."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(reversed(node))
        elif node is not None:
            yield node


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, (dict, list)):
        try:
            return readable(json.dumps(value, ensure_ascii=False, default=str))
        except RecursionError:
            return "(nested too deeply)"
    return str(value)


def _leaves(record: Record) -> Iterator[str]:
    waiting: list[Any] = list(record.values())[::-1]
    told = 0
    while waiting and told < _MOST_TEXTS:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting.extend(reversed(list(node.values())))
        elif isinstance(node, list):
            waiting.extend(reversed(node))
        elif node is not None:
            told += 1
            yield _as_text(node)
