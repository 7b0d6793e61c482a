"""The part of OData that Graph clients use: $filter, $orderby, $select, $top, $skip, paging.

Source: https://learn.microsoft.com/graph/query-parameters
What is not supported is refused with Graph's 400, never silently ignored, so that a client can't
come to rely on an answer that the real service would not give.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from .errors import bad_request

Record = dict[str, Any]
Predicate = Callable[[Record], bool]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<paren>[(),])
    | (?P<string>'(?:[^']|'')*')
    | (?P<datetime>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)|\d{4}-\d\d-\d\d)
    | (?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<lambda>any\(\s*\w+\s*:)
    | (?P<name>[A-Za-z_$@][\w$@.]*(?:/(?!any\()[\w$@.]+)*(?P<slash>/)?)
    )""",
    re.VERBOSE,
)
_COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_SUPPORTED = frozenset(
    {
        "$filter",
        "$orderby",
        "$select",
        "$top",
        "$skip",
        "$skiptoken",
        "$count",
        "$expand",
        "$deltatoken",
    }
)
_ABSENT = object()


def timestamp(value: str) -> datetime:
    """An OData date or date-time as an aware datetime; ValueError when it is neither."""
    text = value.strip()
    if len(text) == 10:
        text += "T00:00:00Z"
    # Graph gives seven fractional digits; Python reads at most six.
    text = re.sub(r"\.(\d{6})\d+", r".\1", text).replace("Z", "+00:00")
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def read_path(record: Any, path: str) -> Any:
    """The value at `a/b/c` in a record; None where anything on the way is absent."""
    value = record
    for part in path.split("/"):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _comparable(left: Any, right: Any) -> tuple[Any, Any]:
    if isinstance(right, datetime):
        try:
            return (timestamp(left), right) if isinstance(left, str) else (None, right)
        except ValueError:
            return None, right
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold(), right.casefold()
    return left, right


def _compare(left: Any, operator: str, right: Any) -> bool:
    if right is None or isinstance(right, bool) or operator in {"eq", "ne"}:
        a, b = _comparable(left, right)
        return (a == b) if operator == "eq" else (a != b)
    a, b = _comparable(left, right)
    if a is None or b is None:
        return False
    try:
        return {"gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b}[operator]
    except TypeError:
        return False


class _FilterParser:
    """Recursive descent over one $filter; raises Graph's 400 on anything it does not know."""

    def __init__(self, text: str, known: frozenset[str]) -> None:
        self.text = text
        self.known = known
        self.tokens = self._tokenise(text)
        self.position = 0

    def _tokenise(self, text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        index = 0
        while index < len(text.rstrip()):
            match = _TOKEN.match(text, index)
            if match is None or match.end() == index:
                raise self._invalid()
            kind = match.lastgroup if match.lastgroup != "slash" else "name"
            tokens.append((str(kind), match.group(str(kind)).strip()))
            index = match.end()
        return tokens

    def _invalid(self, why: str = "") -> Exception:
        return bad_request(f"Invalid filter clause: {why or self.text}")

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.position] if self.position < len(self.tokens) else ("end", "")

    def _take(self, expected: str | None = None) -> tuple[str, str]:
        token = self._peek()
        if token[0] == "end" or (expected is not None and token[1] != expected):
            raise self._invalid()
        self.position += 1
        return token

    def parse(self) -> Predicate:
        predicate = self._or()
        if self._peek()[0] != "end":
            raise self._invalid()
        return predicate

    def _or(self) -> Predicate:
        terms = [self._and()]
        while self._peek()[1] == "or":
            self._take()
            terms.append(self._and())
        return lambda record: any(term(record) for term in terms)

    def _and(self) -> Predicate:
        terms = [self._not()]
        while self._peek()[1] == "and":
            self._take()
            terms.append(self._not())
        return lambda record: all(term(record) for term in terms)

    def _not(self) -> Predicate:
        if self._peek()[1] == "not":
            self._take()
            inner = self._not()
            return lambda record: not inner(record)
        if self._peek()[1] == "(":
            self._take()
            inner = self._or()
            self._take(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        kind, name = self._take()
        if kind != "name":
            raise self._invalid()
        if name.casefold() in {"startswith", "endswith", "contains"}:
            return self._function(name.casefold())
        if self._peek()[0] == "lambda":
            return self._any(name.rstrip("/"))
        self._check(name)
        operator = self._take()[1]
        if operator == "in":
            return self._in(name)
        if operator not in _COMPARISONS:
            raise self._invalid(f"operator '{operator}' is not supported")
        value = self._literal()
        return lambda record: _compare(read_path(record, name), operator, value)

    def _check(self, name: str) -> None:
        if self.known and name.split("/")[0] not in self.known:
            raise self._invalid(f"Could not find a property named '{name}'")

    def _function(self, function: str) -> Predicate:
        self._take("(")
        name = self._take()[1]
        self._check(name)
        self._take(",")
        value = str(self._literal()).casefold()
        self._take(")")
        tests: dict[str, Callable[[str], bool]] = {
            "startswith": lambda text: text.startswith(value),
            "endswith": lambda text: text.endswith(value),
            "contains": lambda text: value in text,
        }
        return lambda record: tests[function](str(read_path(record, name) or "").casefold())

    def _in(self, name: str) -> Predicate:
        self._take("(")
        values = [self._literal()]
        while self._peek()[1] == ",":
            self._take()
            values.append(self._literal())
        self._take(")")
        return lambda record: any(_compare(read_path(record, name), "eq", v) for v in values)

    def _any(self, name: str) -> Predicate:
        self._check(name)
        variable = self._take()[1].removeprefix("any(").rstrip(":").strip()
        left = self._take()[1]
        operator = self._take()[1]
        value = self._literal()
        self._take(")")
        if left.split("/")[0] != variable or operator not in _COMPARISONS:
            raise self._invalid()
        path = left.partition("/")[2]

        def holds(record: Record) -> bool:
            items = read_path(record, name) or []
            values = [read_path(item, path) if path else item for item in items]
            return any(_compare(item, operator, value) for item in values)

        return holds

    def _literal(self) -> Any:
        kind, text = self._take()
        if kind == "string":
            inner = text[1:-1].replace("''", "'")
            return inner
        if kind == "datetime":
            try:
                return timestamp(text)
            except ValueError as error:
                raise self._invalid(f"'{text}' is not a date and time") from error
        if kind == "guid":
            return text
        if kind == "number":
            return float(text) if "." in text else int(text)
        literal = {"true": True, "false": False, "null": None}.get(text, _ABSENT)
        if literal is _ABSENT:
            raise self._invalid(f"'{text}' is not a literal")
        return literal


def compile_filter(text: str, known: Iterable[str] = ()) -> Predicate:
    """A $filter as a predicate over records.

    `known` are the property names that exist; a filter on another is Graph's 400. Empty: any.
    """
    return _FilterParser(text, frozenset(known)).parse()


@dataclass(frozen=True)
class Query:
    """The OData options of one request, checked."""

    options: Mapping[str, str]

    def __post_init__(self) -> None:
        for name in self.options:
            if name.startswith("$") and name not in _SUPPORTED:
                raise bad_request(f"Query option '{name}' is not supported.")

    def integer(self, name: str) -> int | None:
        """A whole number of at least 0, or None where the option is absent."""
        text = self.options.get(name)
        if text is None:
            return None
        if not text.isdigit():
            raise bad_request(f"Invalid value '{text}' for {name} query option found.")
        return int(text)

    @property
    def select(self) -> list[str]:
        text = self.options.get("$select", "")
        return [name.strip() for name in text.split(",") if name.strip()]

    @property
    def expand(self) -> list[str]:
        text = self.options.get("$expand", "")
        return [part.split("(")[0].strip() for part in text.split(",") if part.strip()]


def order(records: Sequence[Record], text: str, known: Iterable[str] = ()) -> list[Record]:
    """Records by `$orderby`; absent values come first, as Graph does for ascending order."""
    result = list(records)
    names = frozenset(known)
    for clause in reversed(text.split(",")):
        parts = clause.split()
        if not parts or len(parts) > 2 or (names and parts[0].split("/")[0] not in names):
            raise bad_request(f"Invalid orderby clause: {text}")
        direction = parts[1].lower() if len(parts) == 2 else "asc"
        if direction not in {"asc", "desc"}:
            raise bad_request(f"Invalid orderby clause: {text}")

        def key(record: Record, path: str = parts[0]) -> tuple[int, str]:
            value = read_path(record, path)
            return (0, "") if value is None else (1, str(value).casefold())

        result.sort(key=key, reverse=direction == "desc")
    return result


def encode_token(state: Mapping[str, Any]) -> str:
    """An opaque paging token."""
    return base64.urlsafe_b64encode(json.dumps(state).encode()).decode().rstrip("=")


def decode_token(text: str) -> dict[str, Any]:
    """What `encode_token` made; 400 for anything else."""
    try:
        state = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as error:
        raise bad_request("The provided skip token is not valid.", "badSkipToken") from error
    if not isinstance(state, dict):
        raise bad_request("The provided skip token is not valid.", "badSkipToken")
    return state


def project(record: Record, names: Sequence[str]) -> Record:
    """A record with the selected properties; annotations and `id` stay, as in Graph."""
    if not names:
        return record
    wanted = set(names) | {"id"}
    return {k: v for k, v in record.items() if k in wanted or k.startswith("@odata")}


def link(base: str, path: str, options: Mapping[str, str]) -> str:
    """A nextLink or deltaLink: the same address with these options."""
    return f"{base}{path}?{urlencode(options, safe='$', quote_via=quote)}"
