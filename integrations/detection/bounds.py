"""How much a rule may ask for: what a stranger wrote is read in bounded time and memory. Pure."""

import re
from collections.abc import Iterator
from typing import Any, Final

from integrations.detection.documents import parts
from integrations.detection.errors import Broken, Unsupported

_LONGEST_CONDITION: Final = 4_096
_LONGEST_FIELD: Final = 500
MOST_VALUES: Final = 20_000
# Regular expressions, and texts with a wildcard inside: RE2 takes up to ten milliseconds for one.
_MOST_PATTERNS: Final = 500
# A selection may be named often in a condition, and each time all its values count.
_MOST_TESTS: Final = 200_000
# Each of a value's dashes may be any of five, and its Base64 begins in one of three ways.
_DASH: Final = re.compile(r"\B[-/]\b")
_DASHES, _MOST_DASHES, _OFFSETS = 5, 3, 3


def check(detection: dict[str, Any]) -> None:
    """Say where a rule asks for too much: Broken or Unsupported, with what to do."""
    values = patterns = 0
    if any(len(name) > _LONGEST_FIELD for name in _fields(detection)):
        raise Broken(f"the name of one of its fields is longer than {_LONGEST_FIELD} characters")
    searches = {name: part for name, part in detection.items() if name != "condition"}
    for modifiers, value in _values(searches):
        values += _times(modifiers, value)
        patterns += "re" in modifiers or _has_wildcard_inside(value)
    if values > MOST_VALUES:
        raise Unsupported(
            f"it has more than {MOST_VALUES} values, each way to write one counted: split it"
        )
    if patterns > _MOST_PATTERNS:
        raise Unsupported(
            f"it has more than {_MOST_PATTERNS} patterns (re, or a wildcard inside a text): split"
            " it"
        )
    told = detection["condition"]
    words = 0
    for condition in told if isinstance(told, list) else [told]:
        if len(str(condition)) > _LONGEST_CONDITION:
            raise Broken(f"its condition is longer than {_LONGEST_CONDITION} characters")
        words += len(str(condition).split())
    if words * parts(detection) > _MOST_TESTS:
        raise Unsupported(f"its condition comes to more than {_MOST_TESTS} tests")


def _fields(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from map(str, node)
    for below in node.values() if isinstance(node, dict) else node:
        if isinstance(below, dict | list):
            yield from _fields(below)


def _values(node: Any, modifiers: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value with its field's modifiers. Documents are read to a bounded depth."""
    if isinstance(node, dict):
        for key, below in node.items():
            yield from _values(below, tuple(str(key).split("|")[1:]))
    elif isinstance(node, list):
        for one in node:
            yield from _values(one, modifiers)
    else:
        yield modifiers, node


def _times(modifiers: tuple[str, ...], value: Any) -> int:
    """In how many ways a value is looked for."""
    times = _OFFSETS if "base64offset" in modifiers else 1
    if "windash" in modifiers:
        times *= _DASHES ** min(_MOST_DASHES, len(_DASH.findall(str(value))))
    return times


def _has_wildcard_inside(value: Any) -> bool:
    return isinstance(value, str) and not {"*", "?"}.isdisjoint(value[1:-1])
