"""JSON that is safe to read from strangers, and written the same on every machine."""

import json
import math
from collections.abc import Mapping
from typing import Any

from playbooks.cacao import places
from playbooks.errors import PlaybookError

LARGEST_CHARACTERS = 8 * 1024 * 1024
_MOST_VALUES = 200_000
# As many as `yaml_reader` takes from one file; the rest of a document is made of them.
MOST_IN_A_FILE = 20_000
_DEEPEST = 64
# A JSON number beyond it means another one to most readers (RFC 8785 section 3.2.2.3).
LARGEST_INTEGER = 2**53 - 1


def write(document: Mapping[str, Any]) -> str:
    """Return a document as JSON text: the same bytes for the same document."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def read(text: str, name: str = "playbook.json") -> dict[str, Any]:
    """Parse a document; PlaybookError where it is no JSON, too large, or says a key twice."""
    if len(text) > LARGEST_CHARACTERS:
        megabytes = LARGEST_CHARACTERS // 1024**2
        raise PlaybookError([f"{name}:1:1: larger than {megabytes} MB: export one playbook a file"])
    try:
        told = json.loads(text, object_pairs_hook=_once_each)
    except json.JSONDecodeError as error:
        place = f"{name}:{error.lineno}:{error.colno}"
        raise PlaybookError([f"{place}: not JSON: {error.msg}"]) from None
    except _Twice as error:
        line, column = places.place_of_second(text, error.key)
        raise PlaybookError(
            [
                f"{name}:{line}:{column}: {error.key[:80]!r} stands twice in one object: the first"
                " would be lost"
            ]
        ) from None
    except (ValueError, RecursionError) as error:
        raise PlaybookError([f"{name}:1:1: not JSON that can be read: {error}"]) from None
    if not isinstance(told, dict):
        raise PlaybookError([f"{name}:1:1: a CACAO playbook is a JSON object"])
    return told


def check_values(document: Any, most: int = _MOST_VALUES) -> None:
    """Refuse what is too large, too deep, or has no form in JSON; PlaybookError with the place."""
    waiting: list[tuple[str, int, Any]] = [("", 0, document)]
    values = characters = 0
    while waiting:
        place, depth, value = waiting.pop()
        values += 1
        characters += len(value) if isinstance(value, str) else 0
        if values > most or characters > LARGEST_CHARACTERS:
            raise PlaybookError(["/: larger than any playbook of Holdfast: split it"])
        if depth > _DEEPEST:
            raise PlaybookError([f"{place[:200]}: nested more than {_DEEPEST} levels deep"])
        problem = _no_json(value)
        if problem:
            raise PlaybookError([f"{place or '/'}: {problem}"])
        for key, item in _items(value):
            characters += len(key)
            waiting.append((f"{place}/{key[:80]}", depth + 1, item))


def _items(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list | tuple):
        return [(str(i), item) for i, item in enumerate(value)]
    return []


def _no_json(value: Any) -> str:
    """Say why a value has no exact form in JSON; '' where it has one."""
    if isinstance(value, bool) or value is None or isinstance(value, str | list | tuple):
        return ""
    if isinstance(value, Mapping):
        return "" if all(isinstance(key, str) for key in value) else "a key is a text in JSON"
    if isinstance(value, int):
        is_exact = abs(value) <= LARGEST_INTEGER
        return "" if is_exact else "too large for a number in JSON: write it as a text in quotes"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "no number that JSON has: give another"
    return f"{type(value).__name__} has no form in JSON: give a text, number, list or object"


class _Twice(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for key, value in pairs:
        if key in told:
            raise _Twice(key)
        told[key] = value
    return told
