"""Conditions in OpenSearch's query language, for keyword fields.

Source: https://docs.opensearch.org/latest/query-dsl/term/. Its regular expressions are Lucene's,
which match a whole value and know no classes such as ``\\d``: only what means the same is taken.
"""

import re
from typing import Any

from integrations.detection.errors import Unsupported
from integrations.siem.queries.places import Places
from integrations.siem.queries.tree import Many, Not, Test, Tree

Json = dict[str, Any]
_RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
# What Lucene would read differently, or not at all.
_FOREIGN = re.compile(
    r"\\[A-Za-z0-9]|\(\?|[*+?}][?+]|\{|\[[^\]]*[\[&~]|(?<!^)\^(?![^\[]*\])|\$(?!$)"
)
_LUCENES_OWN = re.compile(r'(?<!\\)(["#&<>@~])')


def condition(tree: Tree, places: Places) -> Json:
    """Return the query; Unsupported where a field has no place or a test no exact query."""
    match tree:
        case Not():
            return {"bool": {"must_not": [condition(tree.item, places)]}}
        case Many():
            parts = [condition(one, places) for one in tree.items]
            return {"bool": {"filter": parts}} if tree.all_of else _any(parts)
    fields = places.of(tree.field)
    if tree.way == "absent":
        return {"bool": {"must_not": [{"exists": {"field": field}} for field in fields]}}
    return _any([_test(field, tree) for field in fields])


def _any(parts: list[Json]) -> Json:
    return parts[0] if len(parts) == 1 else {
        "bool": {"should": parts, "minimum_should_match": 1}
    }  # fmt: skip


def _test(field: str, test: Test) -> Json:
    ignoring = {} if test.is_cased else {"case_insensitive": True}
    match test.way:
        case "is":
            return {"term": {field: {"value": test.value, **ignoring}}}
        case "there":
            return {"exists": {"field": field}}
        case "contains" | "starts" | "ends" | "like":
            return {"wildcard": {field: {"value": _wildcard(test), **ignoring}}}
        case "re":
            return {"regexp": {field: {"value": _lucene(test.value, test.flags)} | (
                {"case_insensitive": True} if "i" in test.flags else {}
            )}}  # fmt: skip
    if test.way in _RANGES:
        return {"range": {field: {_RANGES[test.way]: float(test.value)}}}
    raise Unsupported(f"OpenSearch has nothing for {test.way!r}")


def _wildcard(test: Test) -> str:
    if test.way == "like":
        return "".join(
            "*" if part is None else "?" if part == "" else _escaped(part) for part in test.parts
        )
    before = "*" if test.way in ("contains", "ends") else ""
    after = "*" if test.way in ("contains", "starts") else ""
    return f"{before}{_escaped(test.value)}{after}"


def _escaped(text: str) -> str:
    return re.sub(r"([\\*?])", r"\\\1", text)


def _lucene(pattern: str, flags: str) -> str:
    if set(flags) - {"i"} or _FOREIGN.search(pattern):
        raise Unsupported(f"OpenSearch reads the pattern {pattern[:80]} differently than Sigma")
    starts, ends = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    inner = _LUCENES_OWN.sub(r"\\\1", pattern[1 if starts else 0 : -1 if ends else None])
    if "|" in inner and (starts or ends):
        raise Unsupported(f"OpenSearch reads the pattern {pattern[:80]} differently than Sigma")
    return f"{'' if starts else '.*'}({inner}){'' if ends else '.*'}"
