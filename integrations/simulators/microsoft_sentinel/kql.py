"""Queries of the Kusto query language, as far as they are asked here: a table and operators.

Source: https://learn.microsoft.com/kusto/query/. Where a table or column isn't there, or a query
asks for more than is served, ValueError says so, as the service's semantic error does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.simulators.base.store import Record
from integrations.simulators.microsoft_sentinel.expressions import (
    Parser,
    as_text,
    moment_of,
    tokens,
)

Tables = Mapping[str, tuple[set[str], list[Record]]]
_UNION = re.compile(r"union\s+withsource=(\w+)\s+isfuzzy=true\s+(.+)", re.DOTALL)
_SPLIT = re.compile(r"""\|(?=(?:[^"]|"(?:[^"\\]|\\.)*")*$)""")
_ONE = re.compile(r"(?:(\w+)\s*=\s*)?(\w+)\((.*)\)", re.DOTALL)


class Rows:
    """The rows of a query so far, and the columns that they have."""

    def __init__(self, columns: set[str], rows: list[Record], now: datetime) -> None:
        self.columns = columns
        self.rows = rows
        self.now = now

    def parser(self, text: str) -> Parser:
        """Read an expression on these rows."""
        return Parser(tokens(text), self.columns, self.now)


def answer(query: str, tables: Tables, now: datetime) -> list[Record]:
    """Return the rows that a query finds."""
    source, *operators = (part.strip() for part in _SPLIT.split(query))
    found = _source(source, tables, now)
    for text in operators:
        name, _, rest = text.partition(" ")
        operator = _OPERATORS.get(name)
        if operator is None:
            raise ValueError(f"The operator {name} is not known here")
        operator(found, rest.strip())
    return found.rows


def _source(text: str, tables: Tables, now: datetime) -> Rows:
    union = _UNION.fullmatch(text)
    if union is None:
        if text not in tables:
            raise ValueError(f"Failed to resolve table or column expression named '{text}'")
        columns, rows = tables[text]
        return Rows(set(columns), [dict(row) for row in rows], now)
    name, parts = union[1], [part.strip() for part in union[2].split(",")]
    known = [part for part in parts if part in tables]
    columns = {name, "TimeGenerated", *(one for part in known for one in tables[part][0])}
    rows = [{**row, name: part} for part in known for row in tables[part][1]]
    return Rows(columns, rows, now)


def _where(found: Rows, text: str) -> None:
    holds = found.parser(text).either()
    found.rows = [row for row in found.rows if holds(row)]


def _extend(found: Rows, text: str) -> None:
    name, _, rest = text.partition("=")
    value = found.parser(rest).value()
    found.columns.add(name.strip())
    found.rows = [{**row, name.strip(): value(row)} for row in found.rows]


def _project(found: Rows, text: str) -> None:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        found.parser(name).value()
    found.columns = set(names)
    found.rows = [{name: row.get(name) for name in names} for row in found.rows]


def _take(found: Rows, text: str) -> None:
    found.rows = found.rows[: int(text)]


def _order(found: Rows, text: str) -> None:
    keys = [part.split() for part in text.removeprefix("by ").split(",")]
    for name, *way in reversed(keys):
        value = found.parser(name).value()
        found.rows.sort(key=_sortable(value), reverse=way == ["desc"])


def _sortable(value: Callable[[Record], Any]) -> Callable[[Record], Any]:
    def key(row: Record) -> Any:
        told = value(row)
        return (moment_of(told) or datetime.min.replace(tzinfo=UTC), as_text(told))

    return key


def _summarize(found: Rows, text: str) -> None:
    told, _, by = text.partition(" by ") if " by " in text else (text, "", "")
    names = [name.strip() for name in by.split(",") if name.strip()]
    for name in names:
        found.parser(name).value()
    groups: dict[tuple, list[Record]] = {}
    for row in found.rows:
        groups.setdefault(tuple(as_text(row.get(name)) for name in names), []).append(row)
    if not names:
        groups.setdefault((), [])
    rows = []
    for group in groups.values():
        made = {name: group[0].get(name) for name in names}
        for one in _aggregates(told):
            made |= _aggregate(one, group, found)
        rows.append(made)
    found.rows = rows
    found.columns = {*names, *(name for row in rows for name in row)} | (
        found.columns if "*" in told else set()
    )


def _aggregates(text: str) -> list[str]:
    """Parts between commas that stand in no brackets."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text)]


def _aggregate(text: str, rows: list[Record], found: Rows) -> Record:
    match = _ONE.fullmatch(text)
    if match is None:
        raise ValueError(f"The aggregate {text} is not known here")
    name, function, inner = match[1] or f"{match[2]}_", match[2], match[3].strip()
    if function == "count":
        return {name: len(rows)}
    column, *others = (part.strip() for part in inner.split(","))
    value = found.parser(column).value()
    if function == "dcount":
        return {name: len({as_text(value(row)) for row in rows})}
    if function == "max":
        return {name: value(max(rows, key=_sortable(value)))}
    if function == "arg_max":
        newest = max(rows, key=_sortable(value))
        if others == ["*"]:
            return dict(newest)
        return {one: newest.get(one) for one in (column, *others)}
    raise ValueError(f"The aggregate {function} is not known here")


_OPERATORS: dict[str, Callable[[Rows, str], None]] = {
    "where": _where, "extend": _extend, "project": _project, "take": _take, "order": _order,
    "summarize": _summarize,
}  # fmt: skip
