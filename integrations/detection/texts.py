"""What a part of a record says, as texts."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from integrations.detection.fields import Place
from integrations.detection.predicates import readable

MOST_VALUES: Final = 5_000
_MOST_TEXTS: Final = 200_000
_LONGEST_NAMES: Final = 64 * 1024
_DOMAIN: Final = re.compile(r"@([A-Za-z0-9][A-Za-z0-9.-]*)")


def completed(text: str, place: Place) -> list[str]:
    """The values that a text stands for at a place."""
    if place.domains:
        return [f".{name}" for name in _DOMAIN.findall(text[:_LONGEST_NAMES])]
    before = "" if text.startswith(place.before) else place.before
    after = "" if text.endswith(place.after) else place.after
    return [f"{before}{text}{after}"]


def texts_of(node: Any) -> tuple[str, ...]:
    if type(node) is int:
        return (str(node),)
    return tuple(_as_text(leaf) for leaf in islice(_flat(node), MOST_VALUES))


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


def leaves(record: Mapping[str, Any]) -> Iterator[str]:
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
