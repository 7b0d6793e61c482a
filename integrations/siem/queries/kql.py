"""Conditions in the Kusto query language. Its regular expressions are RE2, as ours.

A text column there is never null: what is absent is an empty text, and can't be told from one.
Source: https://learn.microsoft.com/kusto/query/datatypes-string-operators.
"""

import json
import re

from integrations.detection.errors import Unsupported
from integrations.siem.queries.places import Places
from integrations.siem.queries.tree import Many, Not, Test, Tree

# Without and with regard to case.
_OPERATORS = {
    "is": ("=~", "=="),
    "contains": ("contains", "contains_cs"),
    "starts": ("startswith", "startswith_cs"),
    "ends": ("endswith", "endswith_cs"),
}


def condition(tree: Tree, places: Places) -> str:
    """Return the expression for ``where``; Unsupported where a field has no column."""
    match tree:
        case Not():
            return f"not({condition(tree.item, places)})"
        case Many():
            return _many(tree, places)
    columns = places.of(tree.field)
    tests = [_test(column, tree) for column in columns]
    if tree.way == "absent":
        return _joined(tests, " and ")
    return _joined(tests, " or ")


def _many(tree: Many, places: Places) -> str:
    if not tree.all_of:
        listed = _as_list(tree, places)
        if listed:
            return listed
    parts = [condition(one, places) for one in tree.items]
    return _joined(parts, " and " if tree.all_of else " or ")


def _as_list(tree: Many, places: Places) -> str:
    """One field that is one of several texts, as a list."""
    items = [one for one in tree.items if isinstance(one, Test) and one.way == "is"]
    if len(items) != len(tree.items) or len(items) < 2:
        return ""
    if len({(one.field, one.is_cased) for one in items}) > 1:
        return ""
    operator = "in" if items[0].is_cased else "in~"
    values = ", ".join(quoted(one.value) for one in items)
    tests = [f"{column} {operator} ({values})" for column in places.of(items[0].field)]
    return _joined(tests, " or ")


def _test(column: str, test: Test) -> str:
    if test.way in _OPERATORS:
        return f"{column} {_OPERATORS[test.way][test.is_cased]} {quoted(test.value)}"
    match test.way:
        case "absent":
            return f"isempty({column})"
        case "there":
            return f"isnotempty({column})"
        case "re":
            flags = f"(?{test.flags})" if test.flags else ""
            return f"{column} matches regex {quoted(flags + test.value)}"
        case "like":
            body = "".join(
                ".*" if part is None else "." if part == "" else re.escape(part)
                for part in test.parts
            )
            flags = "s" if test.is_cased else "is"
            return f"{column} matches regex {quoted(f'(?{flags})^(?:{body})$')}"
        case "<" | "<=" | ">" | ">=":
            return f"todouble({column}) {test.way} {test.value}"
    raise Unsupported(f"KQL has nothing for {test.way!r}")


def _joined(parts: list[str], word: str) -> str:
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"


def quoted(text: str) -> str:
    """Return a text as KQL's string literal."""
    return json.dumps(text, ensure_ascii=False)
