"""Splunk's ``where``, as far as our rules use it: an expression over an event's fields."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from integrations.simulators.base.store import Record

Eval = Callable[[Record], Any]
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|'(?P<field>[^']*)'|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<sign><=|>=|!=|[=<>(),]))"""
)
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def where(text: str) -> Eval:
    """The expression as a function of an event; ValueError where it can't be read."""
    reader = _Reader(text)
    found = reader.either()
    if reader.kind:
        raise ValueError(f"unexpected {reader.value!r}")
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at = text.strip(), 0
        self.kind, self.value = "", ""
        self._next()

    def _next(self) -> None:
        if self._at >= len(self._text):
            self.kind = self.value = ""
            return
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise ValueError(f"can't read {self._text[self._at :][:20]!r}")
        self._at = found.end()
        self.kind = str(found.lastgroup)
        self.value = found[self.kind]

    def _take(self, value: str) -> None:
        if self.value != value:
            raise ValueError(f"{value} expected, not {self.value!r}")
        self._next()

    def either(self) -> Eval:
        parts = [self._all()]
        while self.kind == "word" and self.value == "OR":
            self._next()
            parts.append(self._all())
        return lambda event: any(part(event) is True for part in parts)

    def _all(self) -> Eval:
        parts = [self._not()]
        while self.kind == "word" and self.value == "AND":
            self._next()
            parts.append(self._not())
        return lambda event: all(part(event) is True for part in parts)

    def _not(self) -> Eval:
        if self.kind == "word" and self.value == "NOT":
            self._next()
            inner = self._not()
            # What is null stays null.
            return lambda event: None if inner(event) is None else not inner(event)
        return self._comparison()

    def _comparison(self) -> Eval:
        left = self._value()
        if self.kind != "sign" or self.value not in _COMPARED:
            return left
        compare = _COMPARED[self.value]
        self._next()
        right = self._value()

        def told(event: Record) -> bool | None:
            one, other = left(event), right(event)
            return None if one is None or other is None else compare(one, other)

        return told

    def _value(self) -> Eval:
        kind, value = self.kind, self.value
        self._next()
        if kind == "text":
            text = json.loads(value)
            return lambda event: text
        if kind == "number":
            return lambda event: float(value)
        if kind == "field":
            return lambda event: _field(event, value)
        if value == "(":
            inner = self.either()
            self._take(")")
            return inner
        return self._call(value)

    def _call(self, name: str) -> Eval:
        self._take("(")
        given: list[Eval] = []
        while self.value != ")" or self.kind != "sign":
            given.append(self.either() if name == "coalesce" and not given else self._value())
            if self.value == ",":
                self._next()
        self._take(")")
        return _called(name, given)


def _called(name: str, given: list[Eval]) -> Eval:
    match name:
        case "lower":
            return lambda event: _lower(given[0](event))
        case "match":
            return lambda event: _match(given[0](event), given[1](event))
        case "in":
            return lambda event: given[0](event) in [one(event) for one in given[1:]]
        case "isnull":
            return lambda event: given[0](event) is None
        case "isnotnull":
            return lambda event: given[0](event) is not None
        case "coalesce":
            return lambda event: next((v for one in given if (v := one(event)) is not None), None)
        case "tonumber":
            return lambda event: _number(given[0](event))
        case "false":
            return lambda event: False
    raise ValueError(f"there is no function {name}")


def _field(event: Record, path: str) -> Any:
    found: Any = event
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return None if found is None else str(found)


def _lower(value: Any) -> Any:
    return None if value is None else str(value).lower()


def _match(value: Any, pattern: str) -> bool | None:
    return None if value is None else re.search(pattern, value) is not None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
