"""The search of Elasticsearch and OpenSearch, as far as connectors use it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, cut
from integrations.simulators.base.store import Record


def _at(record: Any, path: str) -> Any:
    """A field by its dotted name; also where the names are nested differently."""
    for part in path.split("."):
        record = record.get(part) if isinstance(record, Mapping) else None
    return record


def _values(record: Record, path: str) -> list[Any]:
    found = _at(record, path)
    return found if isinstance(found, list) else [found]


def matches(record: Record, condition: Record) -> bool:
    """Whether a record meets one condition; ValueError for a kind that isn't served."""
    (kind, told), *_ = condition.items()
    if kind == "match_all":
        return True
    if kind == "bool":
        some = told.get("should", [])
        least = int(told.get("minimum_should_match", 0))
        return (
            all(matches(record, one) for one in told.get("filter", []))
            and not any(matches(record, one) for one in told.get("must_not", []))
            and sum(matches(record, one) for one in some) >= least
        )
    if kind == "exists":
        return any(value is not None for value in _values(record, told["field"]))
    (field, wanted), *_ = told.items()
    if kind in _PATTERNS:
        return _is_like(_values(record, field), wanted, _PATTERNS[kind])
    if kind == "terms":
        return bool(set(wanted) & set(_values(record, field)))
    if kind == "range":
        return any(_is_within(found, wanted) for found in _values(record, field))
    raise ValueError(f"{kind} is not served")


def _is_within(found: Any, wanted: Record) -> bool:
    return ("gte" not in wanted or _is_from(found, wanted["gte"])) and not (
        "lt" in wanted and _is_from(found, wanted["lt"])
    )


def _wildcard(text: str) -> str:
    """A pattern with * and ?, where a backslash takes the next sign as it is."""
    parts = re.findall(r"\\(.)|([*?])|(.)", text, re.DOTALL)
    return "".join({"*": ".*", "?": "."}.get(sign) or re.escape(own or plain)
                   for own, sign, plain in parts)  # fmt: skip


# How the whole value of a keyword is compared, as a regular expression.
_PATTERNS: dict[str, Callable[[str], str]] = {
    "term": re.escape,
    "wildcard": _wildcard,
    "regexp": str,
}


def _is_like(values: list[Any], wanted: Any, pattern_of: Callable[[str], str]) -> bool:
    told = wanted if isinstance(wanted, dict) else {"value": wanted}
    flags = re.DOTALL | (re.IGNORECASE if told.get("case_insensitive") else 0)
    pattern = re.compile(pattern_of(str(told["value"])), flags)
    return any(value is not None and pattern.fullmatch(str(value)) for value in values)


def _buckets(found: Sequence[Record], told: Record) -> Record:
    """A terms aggregation, with what is asked of each bucket."""
    groups: dict[str, list[Record]] = {}
    for one in found:
        record = {"_index": one.get("_index"), **one["_source"]}
        for value in _values(record, told["terms"]["field"]):
            if value is not None:
                groups.setdefault(str(value), []).append(one)
    buckets = [
        {"key": key, "doc_count": len(records), **_aggregated(records, told)}
        for key, records in groups.items()
    ]
    buckets.sort(key=lambda one: -int(str(one["doc_count"])))
    size = told["terms"]["size"]
    return {"doc_count_error_upper_bound": 0,
            "sum_other_doc_count": sum(one["doc_count"] for one in buckets[size:]),
            "buckets": buckets[:size]}  # fmt: skip


def _aggregated(found: Sequence[Record], told: Record) -> Record:
    """What is asked of the records of a search or bucket, by its names."""
    return {name: _aggregation(found, one) for name, one in (told.get("aggs") or {}).items()}


def _aggregation(found: Sequence[Record], told: Record) -> Record:
    if "max" in told:
        return _newest(found, told["max"]["field"])
    if "missing" in told:
        field = told["missing"]["field"]
        bare = [one for one in found if not any(_values(one["_source"], field))]
        return {"doc_count": len(bare), **_aggregated(bare, told)}
    return _buckets(found, told)


def _newest(records: Sequence[Record], field: str) -> Record:
    last = max((_at(one["_source"], field) for one in records), key=_millis)
    return {"value": float(_millis(last)), "value_as_string": last}


def _is_from(found: Any, least: Any) -> bool:
    if isinstance(found, str):
        return _millis(found) >= _millis(str(least))
    return found is not None and found >= least


def _millis(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def _sort_value(record: Record, path: str) -> Any:
    """Dates are sorted, and given back, as milliseconds."""
    found = _at(record, path)
    is_date = isinstance(found, str) and path in ("timestamp", "vulnerability.detected_at")
    return _millis(found) if is_date else found


def _hit(record: Record, sorts: Sequence[str], wanted: Any) -> Record:
    source = record["_source"]
    if isinstance(wanted, list):
        source = {}
        for path in wanted:
            *outer, last = path.split(".")
            place = source
            for name in outer:
                place = place.setdefault(name, {})
            place[last] = _at(record["_source"], path)
    told = {"_index": record.get("_index", "wazuh"), "_id": record["id"], "_score": None}
    if wanted is not False:
        told["_source"] = source
    return told | (
        {"sort": [_sort_value(record["_source"], path) for path in sorts]} if sorts else {}
    )


def search(request: Request, collection: str) -> Answer:
    """One page of what a query finds in a collection."""
    return found_in(request, request.tenant.all(collection))


def found_in(request: Request, records: Sequence[Record]) -> Answer:
    """One page of what a query finds in records with an id and a source."""
    query = request.body if isinstance(request.body, dict) else {}
    condition = query.get("query") or {"bool": {}}
    found = [one for one in records if matches(one["_source"], condition)]
    orders = [next(iter(one.items())) for one in query.get("sort", [])]
    sorts = [name for name, _ in orders]
    found.sort(key=lambda one: [str(_sort_value(one["_source"], name)) for name in sorts],
               reverse=bool(orders) and orders[0][1] == "desc")  # fmt: skip
    size = min(int(query.get("size", 10)), request.largest_page)
    start = _start(found, sorts, query.get("search_after")) + int(query.get("from", 0))
    page, _ = cut(found, start, size, request.faults)
    hits = [_hit(one, sorts, query.get("_source")) for one in page] if size else []
    total = {"value": len(found), "relation": "eq"}
    groups = _aggregated(found, query)
    return Answer(200, ({"aggregations": groups} if groups else {}) | {
        "took": 1, "timed_out": "partial" in request.faults,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "hits": {"total": total, "max_score": None, "hits": hits},
    })  # fmt: skip


def _start(found: Sequence[Record], sorts: Sequence[str], after: list[Any] | None) -> int:
    """The place behind the record that these sort values are of."""
    if after is None:
        return 0
    for place, one in enumerate(found):
        if [_sort_value(one["_source"], name) for name in sorts] == after:
            return place + 1
    return len(found)
