"""What an audit needs to know, by the queries that a connection's settings hold."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from integrations.connectors.siem_query.client import QueryClient, Row, at, pairs
from integrations.siem.records import (
    MOST_IDS,
    AnalyticsRule,
    Expected,
    Hits,
    Language,
    LogSource,
    Query,
    Survey,
    Unread,
)
from integrations.values import Fields

_YES: Final = frozenset({"1", "true", "yes", "enabled", "on"})
_MOST_EXPECTED = 200


def survey(client: QueryClient, names: Sequence[str], days: int) -> Survey:
    """Read the log sources and, where the settings have a query for them, the rules."""
    at_, settings = dt.datetime.now(dt.UTC), client.settings
    since = at_ - dt.timedelta(days=days)
    columns = pairs(settings, "sources_fields")
    sources = tuple(
        LogSource(_text(row, columns, "name"), _number(row, columns, "rows"),
                  Fields({"_": at(row, columns["last"])}).time("_"))
        for row in client.rows(settings["sources_query"], since, at_)
    )  # fmt: skip
    if not settings.get("rules_query"):
        return Survey(at_, days, sources, unread=(Unread(
            "The rules can't be read, so nothing is said of them.",
            "Enter a query that lists them, with its columns, on the connection's page.",
        ),))  # fmt: skip
    columns = pairs(settings, "rules_fields")
    found = client.rows(settings["rules_query"], since, at_)
    return Survey(at_, days, sources, tuple(_rule(row, columns) for row in found))


def _rule(row: Row, columns: Mapping[str, str]) -> AnalyticsRule:
    title = _text(row, columns, "title")
    return AnalyticsRule(
        id=_text(row, columns, "id") or title,
        title=title,
        is_enabled=(_text(row, columns, "enabled") or "true").lower() in _YES,
        query=_text(row, columns, "query"),
        sources=tuple(filter(None, _text(row, columns, "source").split(","))),
        changed_at=Fields({"_": at(row, columns.get("changed", "?"))}).time("_"),
        alerts=_number(row, columns, "alerts"),
        failure=_text(row, columns, "failure"),
    )


def _text(row: Row, columns: Mapping[str, str], name: str) -> str:
    return Fields({"_": at(row, columns[name])}).text("_") if name in columns else ""


def _number(row: Row, columns: Mapping[str, str], name: str) -> int | None:
    return Fields({"_": at(row, columns[name])}).number("_") if name in columns else None


def run(client: QueryClient, query: Query, since: dt.datetime, until: dt.datetime) -> Hits:
    """Run one of our rules; each row of the answer is a hit."""
    rows = client.rows(query.text if query.language == "kql" else query.body, since, until)
    path = client.settings.get("event_id") or query.id_field
    ids = {Fields({"_": at(row, path)}).text("_") for row in rows[:MOST_IDS]} if path else set()
    return Hits(len(rows), tuple(sorted(ids - {""})))


def entered(settings: Mapping[str, str]) -> list[Expected]:
    """Return the setting `expected`, such as ``wineventlog=3, pan:traffic=1`` (hours)."""
    found = []
    for part in settings.get("expected", "").split(",")[:_MOST_EXPECTED]:
        name, _, hours = (text.strip() for text in part.rpartition("="))
        if name and hours.isdecimal() and 0 < int(hours) <= 8_760:
            found.append(Expected((name,), f"what fills {name}", dt.timedelta(hours=int(hours))))
    return found


def language(settings: Mapping[str, str]) -> Language:
    """Return the language that the settings name."""
    match settings.get("language", ""):
        case "kql" | "opensearch" | "ecs" as told:
            return told
    return ""
