"""Where in the text of a JSON document a value stands, for messages: line and column."""

import json
import re
from collections.abc import Iterator

# The parts of JSON; what else stands there is passed over, as the text has been parsed before.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}:,]|[^\s"\][{}:,]+', re.DOTALL)


def place(text: str, pointer: str) -> tuple[int, int]:
    """Return line and column of what a pointer names, or of the nearest thing around it."""
    names = pointer.strip("/").split("/") if pointer.strip("/") else []
    best, offset = -1, 0
    for path, at in _values(text):
        depth = len(path)
        if best < depth <= len(names) and list(map(str, path)) == names[:depth]:
            best, offset = depth, at
            if depth == len(names):
                break
    return _line_and_column(text, offset)


def place_of_second(text: str, key: str) -> tuple[int, int]:
    """Return line and column of the first value whose key, `key`, stood in its object before."""
    seen: set[tuple[str | int, ...]] = set()
    for path, at in _values(text):
        if path and path[-1] == key:
            if path in seen:
                return _line_and_column(text, at)
            seen.add(path)
    return 1, 1


def _values(text: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Yield each value's path and offset, in the order of the text."""
    path: list[str | int] = []
    is_object: list[bool] = []
    is_key = False
    for token in _TOKEN.finditer(text):
        mark = token[0][0]
        if mark in "}]":
            is_object.pop()
            path.pop()
            is_key = False
        elif mark == ",":
            is_key = is_object[-1]
            last = path[-1]
            if isinstance(last, int):
                path[-1] = last + 1
        elif mark == ":":
            is_key = False
        elif is_key and mark == '"':
            path[-1] = json.loads(token[0], strict=False)
        else:
            yield tuple(path), token.start()
            if mark in "{[":
                is_object.append(mark == "{")
                is_key = mark == "{"
                path.append("" if is_key else 0)


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
