"""Expressions of the Kusto query language, as far as they are asked here.

Source: https://learn.microsoft.com/kusto/query/scalar-data-types/. ValueError where it is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import re2

from integrations.simulators.base.store import Record

Evaluate = Callable[[Record], Any]
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>@?"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<moment>datetime\([^)]*\))
    | (?P<span>\d+(?:d|h|m|s)\b)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<word>!?[A-Za-z_][\w]*~?)
    | (?P<sign>=~|!~|==|!=|<=|>=|<|>|\(|\)|\[|\]|,|\.|=|\*)
    )""",
    re.VERBOSE,
)
_SPANS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def tokens(text: str) -> list[tuple[str, str]]:
    """Kinds and texts of what an expression is made of."""
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"can't be read: {text[place : place + 30]}")
        kind = match.lastgroup or ""
        found.append((kind, match[kind]))
        place = match.end()
    return found


def moment_of(value: Any) -> datetime | None:
    """A time of a row or of a literal; None where it is none."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        return None
    # Kusto tells seven digits of a second, of which Python takes six.
    trimmed = re.sub(r"(\.\d{6})\d+", r"\1", value).replace("Z", "+00:00")
    try:
        found = datetime.fromisoformat(trimmed)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def as_text(value: Any) -> str:
    """What tostring() makes of a value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


class Parser:
    """One expression after the other out of a list of tokens. `columns`: those that exist."""

    def __init__(self, found: list[tuple[str, str]], columns: set[str], now: datetime) -> None:
        self._tokens = found
        self._place = 0
        self._columns = columns
        self._now = now

    @property
    def next(self) -> str:
        """The next token's text; "" at the end."""
        return self._tokens[self._place][1] if self._place < len(self._tokens) else ""

    def take(self, wanted: str = "") -> str:
        """Take the next token, which must be `wanted` where that is given."""
        text = self.next
        if not text or (wanted and text != wanted):
            raise ValueError(f"expected {wanted or 'more'}, found {text or 'the end'}")
        self._place += 1
        return text

    def either(self) -> Evaluate:
        """A condition: parts with `or`."""
        parts = [self._both()]
        while self.next == "or":
            self.take()
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def _both(self) -> Evaluate:
        parts = [self._comparison()]
        while self.next == "and":
            self.take()
            parts.append(self._comparison())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _comparison(self) -> Evaluate:
        left = self.value()
        operator = self.next
        if operator in ("in", "in~", "!in", "!in~"):
            self.take()
            values = self._values()
            fold = str.casefold if operator.endswith("~") else str
            negated = operator.startswith("!")
            return lambda row: (
                (fold(as_text(left(row))) in {fold(as_text(one(row))) for one in values})
                is not negated
            )
        if operator == "matches":
            self.take()
            self.take("regex")
            pattern = self.value()
            return lambda row: re2.search(pattern(row), as_text(left(row))) is not None
        compare = _COMPARISONS.get(operator)
        if compare is None:
            return left
        self.take()
        right = self.value()
        return lambda row: compare(left(row), right(row))

    def _values(self) -> list[Evaluate]:
        self.take("(")
        found = []
        while self.next != ")":
            found.append(self.either())
            if self.next == ",":
                self.take()
        self.take(")")
        return found

    def value(self) -> Evaluate:
        """A literal, a column with its path, a call, or something in brackets."""
        if self.next == "(":
            self.take()
            inner = self.either()
            self.take(")")
            return inner
        kind = self._tokens[self._place][0] if self.next else ""
        text = self.take()
        if kind == "text":
            literal = json.loads(text) if text.startswith('"') else text[1:-1]
            return lambda row: literal
        if kind == "moment":
            moment = moment_of(text[9:-1])
            return lambda row: moment
        if kind == "number":
            number = float(text)
            return lambda row: number
        if kind == "span":
            span = timedelta(**{_SPANS[text[-1]]: int(text[:-1])})
            return lambda row: span
        if kind != "word":
            raise ValueError(f"unexpected {text}")
        return self._path(self._call(text) if self.next == "(" else self._column(text))

    def _column(self, name: str) -> Evaluate:
        if name not in self._columns:
            raise ValueError(f"Failed to resolve table or column expression named '{name}'")
        return lambda row: row.get(name)

    def _path(self, inner: Evaluate) -> Evaluate:
        while self.next in (".", "["):
            if self.take() == ".":
                name: Any = self.take()
            else:
                name = json.loads(self.take())
                self.take("]")
            inner = _within(inner, name)
        return inner

    def _call(self, name: str) -> Evaluate:
        values = self._values()
        function = _FUNCTIONS.get(name)
        if name == "ago":
            return lambda row: self._now - values[0](row)
        if function is None:
            raise ValueError(f"Unknown function: '{name}'")
        return lambda row: function(*(one(row) for one in values))


def _within(inner: Evaluate, name: Any) -> Evaluate:
    def read(row: Record) -> Any:
        found = inner(row)
        return found.get(name) if isinstance(found, dict) else None

    return read


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(left: Any, right: Any) -> bool:
        if isinstance(right, datetime) or isinstance(left, datetime):
            left, right = moment_of(left), moment_of(right)
        if left is None or right is None:
            return False
        return compare(left, right)

    return holds


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, datetime) or isinstance(right, datetime):
        return moment_of(left) == moment_of(right)
    return left == right


def _folded(holds: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: holds(as_text(left).casefold(), as_text(right).casefold())


def _cased(holds: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: holds(as_text(left), as_text(right))


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda a, b: a < b), "<=": _ordered(lambda a, b: a <= b),
    ">": _ordered(lambda a, b: a > b), ">=": _ordered(lambda a, b: a >= b),
    "=~": _folded(lambda a, b: a == b), "!~": _folded(lambda a, b: a != b),
    "contains": _folded(lambda a, b: b in a), "contains_cs": _cased(lambda a, b: b in a),
    "startswith": _folded(str.startswith), "startswith_cs": _cased(str.startswith),
    "endswith": _folded(str.endswith), "endswith_cs": _cased(str.endswith),
}  # fmt: skip


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "not": lambda value: not value,
    "tostring": as_text,
    "todouble": _number,
    "parse_json": _parsed,
    "isempty": lambda value: value in (None, ""),
    "isnotempty": lambda value: value not in (None, ""),
    "strcmp": lambda a, b: (as_text(a) > as_text(b)) - (as_text(a) < as_text(b)),
}
