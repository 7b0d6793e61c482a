"""In which shapes records come: what one is recognised by, and where a rule's fields stand in it.

The shapes are data, under `shapes/`. A record is recognised by itself, whatever feed it came by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent / "shapes"

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field may stand; `before` and `after` complete a value that the vendor shortens.

    `joined`: where what stands behind it is, if anything: a vendor may tell a value in two parts.
    `domains`: not the value itself, but the mail domains in it, each with a dot before it.
    """

    path: Path_
    before: str = ""
    after: str = ""
    joined: Path_ = ()
    domains: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the value is taken as it stands."""
        return not (self.before or self.after or self.joined or self.domains)


@dataclass(frozen=True, slots=True)
class Test:
    """A field that must be there, and hold one of `values` (folded; `*` at the end: begins so)."""

    field: str
    values: tuple[str, ...] = ()

    def may_hold(self, keys: Mapping[str, str]) -> bool:
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

    @cached_property
    def deciding(self) -> tuple[str, ...]:
        """The fields that say to which of the log sources a record belongs."""
        return tuple(dict.fromkeys(test.field for source in self.sources for test in source.when))


# The shape of which nothing is known: what a record is recognised by is looked for in it.
BARE = Shape("", False, (), (), ((),), {})


@cache
def shapes() -> tuple[Shape, ...]:
    """Every shape that is known, in the order in which they are tried."""
    return tuple(
        _shape(told)
        for file in sorted(_FOLDER.glob("*.yml"))
        for told in yaml.safe_load(file.read_text(encoding="utf-8"))
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
    if "key" in told:
        # A name with dots in it, as it stands.
        return Place((told["key"],))
    return Place(
        _path(told["path"]),
        told.get("before", ""),
        told.get("after", ""),
        _path(told.get("joined", "")),
        bool(told.get("domains")),
    )
