"""JSON as senders write it. Pure.

A key may stand twice in one object: the grammar allows it, and readers differ in which value they
take (RFC 8259, section 4). None of them is lost here.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

# Where records are nested deeper they are not taken in.
_DEEPEST: Final = 200

Path = list[str | int]


class Doubled(dict[str, Any]):
    """An object in which keys stand more than once. What reads it finds the last value, as nearly
    every reader of JSON does; `every` has all values of such keys, in their order."""

    __slots__ = ("every",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        found: dict[str, list[Any]] = {}
        for key, value in pairs:
            found.setdefault(key, []).append(value)
        self.every = {key: values for key, values in found.items() if len(values) > 1}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Doubled(pairs)


DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)


def parsed(text: str) -> Any:
    """Return what a JSON text holds; ValueError where it is none, RecursionError if too deep."""
    return DECODER.decode(text)


def value_of(node: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key, or the list of all where it stands more than once."""
    every = node.every.get(key) if type(node) is Doubled else None
    return node.get(key) if every is None else every


def has_doubled(value: Any) -> bool:
    """Return whether a key somewhere in what was parsed stands more than once."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if type(node) is Doubled:
            return True
        below = node.values() if isinstance(node, dict) else node
        waiting += [child for child in below if isinstance(child, dict | list)]
    return False


def spread(value: Any) -> tuple[Any, list[Path]]:
    """Return what was parsed with a list of all values for each key that stands more than once.

    Beside it where these lists stand: the keys and places that lead there, what is inside another
    behind it.
    """
    paths: list[Path] = []
    return _spread(value, (), paths), paths


def _spread(node: Any, here: tuple[str | int, ...], paths: list[Path]) -> Any:
    if len(here) > _DEEPEST:
        return node
    if isinstance(node, list):
        return [_spread(child, (*here, place), paths) for place, child in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if type(node) is Doubled:
        paths += [[*here, key] for key in node.every]
    return {key: _spread(value_of(node, key), (*here, key), paths) for key in node}


def folded(value: Any, paths: list[Path]) -> Any:
    """Return what `spread` made as each reader finds it: with the last value of each list."""
    if not paths:
        return value
    below: dict[str | int, list[Path]] = {}
    for first, *rest in paths:
        below.setdefault(first, []).append(rest)
    if isinstance(value, dict):
        return {key: _last(child, below[key]) if key in below else child
                for key, child in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [_last(child, below[place]) if place in below else child
                for place, child in enumerate(value)]  # fmt: skip
    return value


def _last(child: Any, paths: list[Path]) -> Any:
    inner = folded(child, [path for path in paths if path])
    return inner[-1] if [] in paths and isinstance(inner, list) and inner else inner
