"""One of our rules as a query of a SIEM."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from integrations.detection.errors import Unsupported
from integrations.detection.rules import LogSource
from integrations.siem.queries import kql, opensearch, spl
from integrations.siem.queries.places import Places, places
from integrations.siem.queries.tree import tree_of
from integrations.siem.records import Language, Query


def converted(document: dict[str, Any], language: Language) -> Query:
    """Return a rule, as its YAML document, in a SIEM's language.

    Unsupported says in the rest of a sentence why there is no query that means the same.
    """
    if "correlation" in document or "detection" not in document:
        raise Unsupported("it is no rule about single events")
    told = document.get("logsource") or {}
    source = LogSource(*(str(told.get(part) or "").lower() for part in (
        "product", "service", "category",
    )))  # fmt: skip
    place = places(language, source)
    tree = tree_of(document)
    if language == "kql":
        return _kql(kql.condition(tree, place), place)
    if language == "spl":
        return _spl(spl.condition(tree, place), place)
    return _search(language, opensearch.condition(tree, place), place)


def of_events(query: Query, uids: Sequence[str], *, matching: bool) -> Query:
    """Return a query of events by their ids: of all of them, or (`matching`) those it finds."""
    field = query.id_field
    match query.language:
        case "kql":
            told: Any = f"{field} in~ ({', '.join(kql.quoted(one) for one in uids)})"
            body = f"({query.body}) and {told}" if matching else told
            text = f"{query.source}\n| where {body}"
        case "spl":
            values = ", ".join(spl.quoted(one.lower()) for one in uids)
            told = f"in(lower('{field}'), {values})"
            body = f"({query.body}) AND {told}" if matching else told
            text = f'sourcetype="{query.source}"\n| where {body}'
        case _:
            told = {"terms": {field: list(uids)}}
            body = {"bool": {"filter": [query.body, told]}} if matching else told
            text = json.dumps(body, indent=2, ensure_ascii=False)
    return replace(query, text=text, body=body)


def _kql(condition: str, place: Places) -> Query:
    body = f"{place.where} and {condition}" if place.where else condition
    text = f"{place.table}\n| where {body}"
    return Query("kql", place.table, text, body, place.event_id)


def _spl(condition: str, place: Places) -> Query:
    body = f"{place.where} AND {condition}" if place.where else condition
    text = f'sourcetype="{place.table}"\n| where {body}'
    return Query("spl", place.table, text, body, place.event_id)


def _search(language: Language, condition: dict[str, Any], place: Places) -> Query:
    body = {"bool": {"filter": [place.where, condition]}} if place.where else condition
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return Query(language, place.table, text, body, place.event_id)
