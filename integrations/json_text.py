"""JSON as senders write it. Pure.

A key may stand twice in one object: the grammar allows it, and readers differ in which value they
take (RFC 8259, section 4). None of them is lost here.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final


class Several(list[Any]):
    """The values of a key that stands more than once in one object, in their order."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    told: dict[str, Any] = {}
    for key, value in pairs:
        known = told.get(key)
        if key not in told:
            told[key] = value
        elif type(known) is Several:
            known.append(value)
        else:
            told[key] = Several((known, value))
    return told


DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)


def parsed(text: str) -> Any:
    """Return what a JSON text holds; ValueError where it is none, RecursionError if too deep."""
    return DECODER.decode(text)


def doubled(value: Any) -> str:
    """Return a key somewhere in what was parsed that stood more than once; empty if none did."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        for key, child in _children(node):
            if type(child) is Several:
                return key
            if isinstance(child, dict | list):
                waiting.append(child)
    return ""


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        yield from node.items()
    elif isinstance(node, list):
        yield from (("", child) for child in node)
