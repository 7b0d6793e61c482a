"""Of which shape a record is: told by its keys, and by values that vendors sort records by.

Both are looked at once for all records that have them in common.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from integrations.detection.fields import BARE, Shape, Test, shapes
from integrations.detection.views import (
    MOST_KEYS,
    Keys,
    Layout,
    Record,
    View,
    is_worth_keeping,
    keys_of,
)

_MOST_KINDS = 2_048
_MOST_SORTS = 512
_LONGEST_VALUE = 64

_Holds = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A shape that records with these keys may have, and what of each must be looked at.

    `below` are the tests of what stands in a part of the record: its key, and the part's own key.
    """

    layout: Layout
    by_value: tuple[_Holds, ...]
    below: tuple[tuple[str, str, str], ...]
    others: tuple[_Holds, ...]


_Left = tuple[tuple[Layout, tuple[_Holds, ...]], ...]


class _Kind:
    """Records with the same keys."""

    __slots__ = ("_candidates", "_parts", "_sorting", "_sorts")

    def __init__(self, names: tuple[str, ...], is_ocsf: bool) -> None:
        keys = keys_of(names)
        bare = Layout(BARE, keys)
        self._candidates = tuple(
            _candidate(shape, keys, bare)
            for shape in shapes()
            if shape.is_ocsf == is_ocsf and all(test.may_hold(keys.names) for test in shape.when)
        )
        tests = [test for one in self._candidates for test in one.layout.shape.when]
        self._sorting = tuple(
            {bare.standing[test.field][0].key: None for test in tests if _is_sorting(test)}
        )
        self._parts = tuple({key: None for one in self._candidates for key, _, _ in one.below})
        self._sorts: dict[tuple[Any, ...], _Left] = {}

    def layout(self, record: Record) -> Layout | None:
        """The first shape that the record has, laid out."""
        sort: tuple[Any, ...] | None = self._sort(record)
        left = self._sorts.get(sort) if sort is not None else None
        if left is None:
            left = self._left(record)
            if sort is not None:
                if len(self._sorts) >= _MOST_SORTS:
                    self._sorts.clear()
                self._sorts[sort] = left
        for layout, tests in left:
            for holds in tests:
                if not holds(record):
                    break
            else:
                return layout
        return None

    def _sort(self, record: Record) -> tuple[Any, ...] | None:
        """What the record has in common with others of its sort; None where it can't be kept."""
        sort: list[Any] = []
        for key in self._sorting:
            value = record[key]
            # True is 1 to a dictionary, and a list can't be looked up.
            kind = type(value)
            if (kind is not str or len(value) > _LONGEST_VALUE) and kind is not int:
                return None
            sort.append(value)
        for key in self._parts:
            part = record[key]
            if type(part) is dict and len(part) <= MOST_KEYS:
                sort.append(tuple(part))
            else:
                sort.append(type(part))
        return tuple(sort)

    def _left(self, record: Record) -> _Left:
        """What the record can still be, by what its sort has in common."""
        return tuple(
            (one.layout, one.others)
            for one in self._candidates
            if all(holds(record) for holds in one.by_value)
            and not any(_is_missing(record[key], step, lower) for key, step, lower in one.below)
        )


class Recogniser:
    """Tells the shape of vendors' records, or of OCSF events."""

    def __init__(self, is_ocsf: bool) -> None:
        self._is_ocsf = is_ocsf
        self._kinds: dict[tuple[str, ...], _Kind] = {}

    def layout(self, record: Record) -> Layout | None:
        """The first shape that the record has, laid out for its keys; None where it has none."""
        keys = tuple(record)
        kind = self._kinds.get(keys)
        if kind is None:
            kind = _Kind(keys, self._is_ocsf)
            if is_worth_keeping(keys):
                if len(self._kinds) >= _MOST_KINDS:
                    self._kinds.clear()
                self._kinds[keys] = kind
        return kind.layout(record)


_VENDORS, _OCSF = Recogniser(is_ocsf=False), Recogniser(is_ocsf=True)


def recognised(raw: Record, normalised: Record | None = None) -> View | None:
    """The record's fields; None where neither it nor what was made of it is of a known shape."""
    layout = _VENDORS.layout(raw)
    event = normalised or raw
    if "class_uid" in event:
        beside = _OCSF.layout(event)
        if beside is not None:
            return View(raw, ((raw, layout), (event, beside)) if layout else ((event, beside),))
    return View(raw, ((raw, layout),)) if layout else None


def _is_sorting(test: Test) -> bool:
    """Whether the field is a key of the record itself, and is compared with whole values."""
    is_whole = bool(test.values) and not any(value.endswith("*") for value in test.values)
    return is_whole and "." not in test.field


def _is_missing(part: Any, step: str, lower: str) -> bool:
    """Whether a part of the record can't have a field, by its keys."""
    if type(part) is dict and len(part) <= MOST_KEYS:
        return keys_of(tuple(part)).find(step, lower) is None
    return part is None or isinstance(part, bool | int | float)


def _candidate(shape: Shape, keys: Keys, bare: Layout) -> _Candidate:
    by_value: list[_Holds] = []
    others: list[_Holds] = []
    below: list[tuple[str, str, str]] = []
    for test in shape.when:
        (by_value if _is_sorting(test) else others).append(_holds(test, bare))
        standing = bare.standing[test.field]
        if len(standing) == 1 and standing[0].steps:
            below.append((standing[0].key, *standing[0].steps[0]))
    return _Candidate(Layout(shape, keys), tuple(by_value), tuple(below), tuple(others))


def _holds(test: Test, bare: Layout) -> _Holds:
    standing = bare.standing[test.field]
    keys = tuple(one.key for one in standing if not one.steps)
    if len(keys) == len(standing) and not test.values:
        return partial(_is_there, keys)
    if len(keys) == len(standing) == len(test.values) == 1 and test.values[0].endswith("*"):
        return partial(_begins, test, test.values[0][:-1], keys[0])
    if not test.values:
        return lambda record: View(record, ()).has(record, bare, test.field)
    return lambda record: test.holds(View(record, ()).read(record, bare, test.field))


def _begins(test: Test, start: str, key: str, record: Record) -> bool:
    value = record[key]
    if type(value) is str and value.isascii():
        return value[: len(start)].lower() == start
    return test.holds(View(record, ()).read(record, Layout(BARE, keys_of((key,))), test.field))


def _is_there(keys: tuple[str, ...], record: Record) -> bool:
    for key in keys:
        value = record[key]
        if value is not None and (type(value) is not list or value.count(None) < len(value)):
            return True
    return False
