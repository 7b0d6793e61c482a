"""In which shapes records come: how one is recognised, and where a rule's fields stand in it.

The shapes are data, under `shapes/`. A record is recognised by itself, whatever feed it came by.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from integrations.detection.predicates import readable

_FOLDER = Path(__file__).parent / "shapes"
_LONGEST_INNER_JSON = 256 * 1024
_MOST_VALUES = 5_000
_MOST_TEXTS = 200_000
_LONGEST_NAMES = 64 * 1024
_DOMAIN = re.compile(r"@([A-Za-z0-9][A-Za-z0-9.-]*)")
# How vendors write lists of names with values.
_NAMES = ("name", "key", "displayname")
_VALUES = ("value", "valuestring", "multivalue", "boolvalue", "intvalue", "newvalue")
_PAIR = {*_NAMES, *_VALUES}

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field may stand; `before` and `after` complete a value that the vendor shortens.

    `domains`: not the value itself, but the mail domains in it, each with a dot before it.
    """

    path: Path_
    before: str = ""
    after: str = ""
    domains: bool = False


@dataclass(frozen=True, slots=True)
class Test:
    """A field that must be there, and hold one of `values` (folded; `*` at the end: begins so)."""

    field: str
    values: tuple[str, ...] = ()

    def may_hold(self, keys: set[str]) -> bool:
        """Whether a record with these keys (in lower case) can have the field at all."""
        whole = self.field.lower()
        return whole in keys or whole.split(".", 1)[0] in keys

    def holds(self, found: tuple[str, ...]) -> bool:
        """Whether one of the field's values is as it must be."""
        if not self.values:
            return bool(found)
        lower = [value.lower() for value in found]
        return any(
            value.startswith(one[:-1]) if one.endswith("*") else value == one
            for value in lower
            for one in self.values
        )


@dataclass(frozen=True, slots=True)
class Source:
    """A log source that a shape's records belong to, if `when` holds."""

    product: str
    service: str
    category: str
    when: tuple[Test, ...]


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape of record. Fields that aren't in `fields` are looked for below each of `roots`."""

    name: str
    is_ocsf: bool
    when: tuple[Test, ...]
    sources: tuple[Source, ...]
    roots: tuple[Path_, ...]
    fields: Mapping[str, tuple[Place, ...]]

    def places(self, field: str) -> tuple[Place, ...]:
        """Where a field may stand, most likely place first."""
        known = self.fields.get(field) or self.fields.get(field.lower()) or ()
        steps = tuple(field.split("."))
        whole = (Place((field,)),) if len(steps) > 1 else ()
        return known + tuple(Place(root + steps) for root in self.roots) + whole


class View:
    """A record as rules see it: its fields by their Sigma names, as texts.

    `normalised` is what our normaliser made of it; a field that the raw record doesn't have is
    looked for there.
    """

    __slots__ = ("_cache", "_lower", "_parsed", "_texts", "normalised", "raw", "shapes")

    def __init__(
        self,
        raw: Mapping[str, Any],
        normalised: Mapping[str, Any] | None,
        shapes: tuple[Shape, ...],
    ) -> None:
        self.raw, self.normalised, self.shapes = raw, normalised, shapes
        self._cache: dict[str, tuple[str, ...]] = {}
        self._lower: dict[int, dict[str, str]] = {}
        self._parsed: dict[int, tuple[str, Any]] = {}
        self._texts: list[str] | None = None

    def values(self, field: str) -> tuple[str, ...]:
        """The field's values; empty where it isn't there or is null."""
        found = self._cache.get(field)
        if found is None:
            found = self._cache[field] = self._find(field)
        return found

    def texts(self) -> list[str]:
        """Every text in the raw record."""
        if self._texts is None:
            self._texts = list(_leaves(self.raw))
        return self._texts

    def _find(self, field: str) -> tuple[str, ...]:
        for shape in self.shapes:
            record = self.normalised if shape.is_ocsf and self.normalised else self.raw
            for place in _places(shape, field):
                found = tuple(_as_text(value) for value in self._at(record, place.path))
                if found and (place.before or place.after or place.domains):
                    found = tuple(made for text in found for made in _completed(text, place))
                if found:
                    return found
        return ()

    def _at(self, record: Any, path: Path_) -> list[Any]:
        nodes = [record]
        for step in path:
            found = (child for node in nodes for child in self._step(node, step))
            nodes = list(islice(found, _MOST_VALUES))
            if not nodes:
                return []
        return list(islice((leaf for node in nodes for leaf in _flat(node)), _MOST_VALUES))

    def _step(self, node: Any, step: str) -> list[Any]:
        if isinstance(node, str):
            node = self._inner(node)
        if isinstance(node, Mapping):
            if step in node:
                return [node[step]]
            key = self._lowered(node).get(step.lower())
            return [] if key is None else [node[key]]
        if isinstance(node, list):
            return self._in_list(node[:_MOST_VALUES], step)
        return []

    def _in_list(self, items: list[Any], step: str) -> list[Any]:
        records = [item for item in items if isinstance(item, Mapping)]
        named = [value for item in records for value in self._named(item, step.lower())]
        # A list of nothing but names with values is read by name: one of them may be "Name".
        if named and self._lowered(records[0]).keys() <= _PAIR:
            return named
        found = [
            child
            for item in items
            if isinstance(item, Mapping | list)
            for child in self._step(item, step)
        ]
        return found or named

    def _named(self, item: Mapping[str, Any], name: str) -> Iterator[Any]:
        keys = self._lowered(item)
        for key in _NAMES:
            if key in keys and str(item[keys[key]]).lower() == name:
                yield from (item[keys[value]] for value in _VALUES if value in keys)
                return

    def _lowered(self, node: Mapping[str, Any]) -> dict[str, str]:
        known = self._lower.get(id(node))
        if known is None:
            known = self._lower[id(node)] = {str(key).lower(): key for key in node}
        return known

    def _inner(self, text: str) -> Any:
        """A text's own JSON: exports write nested objects so."""
        if not text.startswith(("{", "[")) or len(text) > _LONGEST_INNER_JSON:
            return None
        # The text is kept beside what it holds: an id may be used again once it is gone.
        known = self._parsed.get(id(text))
        if known is None:
            try:
                known = (text, json.loads(text))
            except (ValueError, RecursionError):
                known = (text, None)
            self._parsed[id(text)] = known
        return known[1]


@cache
def _places(shape: Shape, field: str) -> tuple[Place, ...]:
    return shape.places(field)


def _completed(text: str, place: Place) -> list[str]:
    if place.domains:
        return [f".{name}" for name in _DOMAIN.findall(text[:_LONGEST_NAMES])]
    before = "" if text.startswith(place.before) else place.before
    after = "" if text.endswith(place.after) else place.after
    return [f"{before}{text}{after}"]


def _flat(node: Any) -> Iterator[Any]:
    if isinstance(node, list):
        for item in node:
            if isinstance(item, list):
                yield from _flat(item)
            elif item is not None:
                yield item
    elif node is not None:
        yield node


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, Mapping | list):
        try:
            return readable(json.dumps(value, ensure_ascii=False, default=str))
        except RecursionError:
            return "(nested too deeply)"
    return str(value)


def _leaves(record: Any) -> Iterator[str]:
    waiting, told = [record], 0
    while waiting and told < _MOST_TEXTS:
        node = waiting.pop()
        if isinstance(node, Mapping):
            waiting.extend(reversed(list(node.values())))
        elif isinstance(node, list):
            waiting.extend(reversed(node))
        elif node is not None:
            told += 1
            yield _as_text(node)


@cache
def shapes() -> tuple[Shape, ...]:
    """Every shape that is known, in the order in which they are tried."""
    return tuple(
        _shape(told)
        for file in sorted(_FOLDER.glob("*.yml"))
        for told in yaml.safe_load(file.read_text(encoding="utf-8"))
    )


def recognised(raw: Mapping[str, Any], is_ocsf: bool) -> Shape | None:
    """The first shape that the record has, of the vendors' or of OCSF's; None where none."""
    view = View(raw, None, (_BARE,))
    keys = {str(key).lower() for key in raw}
    for shape in shapes():
        if (
            shape.is_ocsf == is_ocsf
            and all(test.may_hold(keys) for test in shape.when)
            and all(test.holds(view.values(test.field)) for test in shape.when)
        ):
            return shape
    return None


def log_sources(shape: Shape, view: View) -> tuple[Source, ...]:
    """Those of the shape's log sources that the record belongs to."""
    return tuple(
        source
        for source in shape.sources
        if all(test.holds(view.values(test.field)) for test in source.when)
    )


def _shape(told: Mapping[str, Any]) -> Shape:
    return Shape(
        name=told["name"],
        is_ocsf=bool(told.get("ocsf")),
        when=_tests(told["when"]),
        sources=tuple(
            Source(
                one.get("product", ""),
                one.get("service", ""),
                one.get("category", ""),
                _tests(one.get("when", {})),
            )
            for one in told["sources"]
        ),
        roots=tuple(_path(root) for root in told.get("roots", [""])),
        fields={
            name: tuple(map(_place, places if isinstance(places, list) else [places]))
            for name, places in told.get("fields", {}).items()
        },
    )


def _tests(told: Mapping[str, Any]) -> tuple[Test, ...]:
    return tuple(
        Test(field, () if values == "*" else tuple(str(one).lower() for one in _listed(values)))
        for field, values in told.items()
    )


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _path(text: str) -> Path_:
    return tuple(text.split(".")) if text else ()


def _place(told: str | Mapping[str, Any]) -> Place:
    if isinstance(told, str):
        return Place(_path(told))
    return Place(
        _path(told["path"]),
        told.get("before", ""),
        told.get("after", ""),
        bool(told.get("domains")),
    )


_BARE = Shape("", False, (), (), ((),), {})
