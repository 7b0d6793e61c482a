"""One of our rules as a query of a SIEM."""

import json
from typing import Any

from integrations.detection.errors import Unsupported
from integrations.detection.rules import LogSource
from integrations.siem.queries import kql, opensearch
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
    return _opensearch(opensearch.condition(tree, place), place)


def _kql(condition: str, place: Places) -> Query:
    body = f"{place.where} and {condition}" if place.where else condition
    text = f"{place.table}\n| where {body}"
    return Query("kql", place.table, text, body, place.event_id)


def _opensearch(condition: dict[str, Any], place: Places) -> Query:
    body = {"bool": {"filter": [place.where, condition]}} if place.where else condition
    text = json.dumps(body, indent=2, ensure_ascii=False)
    return Query("opensearch", place.table, text, body, place.event_id)
