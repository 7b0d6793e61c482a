"""In which shapes records come: what one is recognised by, and where a rule's fields stand in it.

The shapes are data, under `shapes/`. A record is recognised by itself, whatever feed it came by.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent / "shapes"
_MOST_REMEMBERED = 1_024

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field may stand; `before` and `after` complete a value that the vendor shortens.

    `joined`: where what stands behind it is, if anything: a vendor may tell a value in two parts.
    `domains`: not the value itself, but the mail domains in it, each with a dot before it. `words`:
    what people call certain values, which is a value beside them; that of `*` is for all others.
    `quoted`: the vendor writes the value as JSON, in quotes, which don't belong to it.
    """

    path: Path_
    before: str = ""
    after: str = ""
    joined: Path_ = ()
    domains: bool = False
    words: tuple[tuple[str, str], ...] = ()
    quoted: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the value is taken as it stands."""
        changes = (self.before, self.after, self.joined, self.domains, self.words, self.quoted)
        return not any(changes)

    def word(self, value: str) -> str:
        """What people call a value; empty where there is no word for it."""
        words = dict(self.words)
        return words.get(value) or words.get("*", "")


@dataclass(frozen=True, slots=True)
class Test:
    """A field that must be there, and hold one of `values` (folded; `*` at the end: begins so)."""

    field: str
    values: tuple[str, ...] = ()

    def holds(self, sort: tuple[str, ...] | None) -> bool:
        """Whether it holds for a field that is of a sort; see `Sorter`."""
        if sort is None or not self.values:
            return sort is not None
        return any(value in sort for value in self.values)


class Sorter:
    """Sorts a field by which of certain values it has; it is of no sort where it isn't there.

    `known` are beginnings of texts that were looked at before: so much as `reach` tells of a text
    in ASCII decides. They are few, and short.
    """

    __slots__ = ("_starts", "_whole", "known", "reach")

    def __init__(self, values: Iterable[str]) -> None:
        told = tuple(dict.fromkeys(values))
        self._whole = frozenset(one for one in told if not one.endswith("*"))
        self._starts = tuple(one for one in told if one.endswith("*"))
        self.reach = max(map(len, told), default=0) + 1
        self.known: dict[str, tuple[str, ...]] = {}

    @property
    def is_presence(self) -> bool:
        """Whether nothing is asked of the field but whether it is there."""
        return not (self._whole or self._starts)

    def of(self, values: tuple[str, ...]) -> tuple[str, ...] | None:
        """Which of the values a field fulfils that holds these; None where it holds none."""
        if not values:
            return None
        return tuple(sorted({one for value in values for one in self._fulfilled(value)}))

    def learn(self, text: str) -> tuple[str, ...]:
        """Which of the values one text fulfils."""
        found = tuple(sorted(self._fulfilled(text)))
        start = text[: self.reach]
        # Beyond ASCII how a letter is made small may depend on the one behind it.
        if start.isascii():
            if len(self.known) >= _MOST_REMEMBERED:
                self.known.clear()
            self.known[start] = found
        return found

    def _fulfilled(self, text: str) -> list[str]:
        lower = text.lower()
        found = [one for one in self._starts if lower.startswith(one[:-1])]
        return [*found, lower] if lower in self._whole else found


@dataclass(frozen=True, slots=True)
class Source:
    """A log source that a shape's records belong to, if `when` holds."""

    product: str
    service: str
    category: str
    when: tuple[Test, ...]


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape of record. Fields that aren't in `fields` are looked for below each of `roots`.

    `prefixes` are how rules call the record's top where it stands elsewhere for them, `aliases`
    other names of fields, in lower case.
    """

    name: str
    is_ocsf: bool
    when: tuple[Test, ...]
    sources: tuple[Source, ...]
    roots: tuple[Path_, ...]
    fields: Mapping[str, tuple[Place, ...]]
    prefixes: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    def may_have(self, names: Container[str]) -> bool:
        """Whether a record with these keys, in lower case, can have the shape."""
        return all(whole in names or first in names for whole, first in self._needed)

    @cached_property
    def _needed(self) -> tuple[tuple[str, str], ...]:
        fields = [test.field.lower() for test in self.when]
        return tuple((field, field.split(".", 1)[0]) for field in fields)

    @lru_cache(maxsize=16_384)  # noqa: B019  # Shapes are there as long as the process.
    def places(self, field: str) -> tuple[Place, ...]:
        """Where a field may stand, most likely place first."""
        lower = field.lower()
        # Once each: a rule may repeat a beginning without end.
        names = [field, *(field[len(one) :] for one in self.prefixes if lower.startswith(one))]
        also = [(name, self.aliases.get(name.lower())) for name in names]
        called = dict.fromkeys(name for both in also for name in both if name)
        return tuple(place for name in called for place in self._standing(name))

    def _standing(self, field: str) -> tuple[Place, ...]:
        known = self.fields.get(field) or self.fields.get(field.lower()) or ()
        steps = tuple(field.split("."))
        whole = (Place((field,)),) if len(steps) > 1 else ()
        return known + tuple(Place(root + steps) for root in self.roots) + whole


# The shape of which nothing is known: what a record is recognised by is looked for in it.
BARE = Shape("", False, (), (), ((),), {})


@cache
def shapes() -> tuple[Shape, ...]:
    """Every shape that is known, in the order in which they are tried."""
    return tuple(
        _shape(told)
        for file in sorted(_FOLDER.glob("*.yml"))
        for told in yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    )


@cache
def sorter(field: str) -> Sorter:
    """The sorter for all that tests ask of a field."""
    tests = [test for shape in shapes() for test in shape.when]
    tests += [test for shape in shapes() for source in shape.sources for test in source.when]
    return Sorter(value for test in tests if test.field == field for value in test.values)


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
        prefixes=tuple(f"{prefix.lower()}." for prefix in told.get("prefixes", ())),
        aliases={name.lower(): other for name, other in told.get("aliases", {}).items()},
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
        tuple(told["steps"]) if "steps" in told else _path(told["path"]),
        told.get("before", ""),
        told.get("after", ""),
        _path(told.get("joined", "")),
        bool(told.get("domains")),
        tuple(told.get("words", {}).items()),
        bool(told.get("quoted")),
    )
