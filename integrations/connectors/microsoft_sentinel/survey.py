"""What an audit needs to know of a Sentinel workspace, and our rules run there as queries.

Sources: https://learn.microsoft.com/azure/sentinel/monitor-analytics-rule-integrity (runs of
rules), https://learn.microsoft.com/azure/azure-monitor/reference/tables/usage (tables that fill).
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from integrations.connectors.microsoft_sentinel.client import QUERY, RULES, Row, SentinelClient
from integrations.connectors.microsoft_sentinel.feeds import OWN, moment
from integrations.errors import PermissionMissing, Rejected
from integrations.siem.records import (
    MOST_IDS,
    AnalyticsRule,
    Hits,
    LogSource,
    Query,
    Siem,
    Survey,
    Unread,
)
from integrations.values import Fields, techniques

_RUNS: Final = '("Scheduled analytics rule run", "NRT analytics rule run")'
# What Sentinel puts before the name of a rule that it switches off because it keeps failing:
# https://learn.microsoft.com/azure/sentinel/troubleshoot-analytics-rules.
_AUTO_DISABLED: Final = "AUTO DISABLED"
_QUERIED: Final = frozenset({"scheduled", "nrt"})
_MOST_TABLES = 100
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BARE = re.compile(r"""//[^\n]*|@?"(?:[^"\\\n]|\\.)*"|@?'(?:[^'\\\n]|\\.)*'""")
_STARTS = re.compile(r"(?:^|[;(])\s*([A-Za-z_]\w*)\s*(?=\||\)|$)", re.MULTILINE)
_LET = re.compile(r"\blet\s+([A-Za-z_]\w*)")
_TABLE = re.compile(r"[A-Za-z_]\w{0,99}")


def survey(client: SentinelClient, names: Sequence[str], days: int) -> Survey:
    """Read tables, rules, their alerts and runs of the last days.

    What the roles don't allow, or what isn't switched on, is told in `unread`.
    """
    at, unread = dt.datetime.now(dt.UTC), list[Unread]()
    told = _rules(client, unread)
    usage = client.query(
        f"Usage\n| where TimeGenerated > ago({days}d)\n"
        "| summarize Last=max(TimeGenerated) by DataType"
    )
    known = {str(row["DataType"]) for row in usage if row.get("DataType")} | set(names)
    alerts, runs = _alerts(client, days), _runs(client, days, unread if told else None)
    rules = tuple(_rule(row, known, alerts, runs) for row in told)
    wanted = {name for rule in rules for name in rule.sources} | set(names)
    return Survey(at, days, _tables(client, sorted(wanted), days), rules, tuple(unread))


def _rules(client: SentinelClient, unread: list[Unread]) -> list[Row]:
    try:
        return client.rules()
    except PermissionMissing:
        unread.append(Unread(
            "The analytics rules can't be read, so nothing is said of them.",
            f"Give the app registration a role on the workspace that allows {RULES}, such as "
            "Microsoft Sentinel Reader.",
        ))  # fmt: skip
        return []


def _tables(client: SentinelClient, names: list[str], days: int) -> tuple[LogSource, ...]:
    """Rows of each table and the last one's time; a table that isn't there is left out."""
    found = []
    names = [name for name in names if _TABLE.fullmatch(name)]
    for start in range(0, len(names), _MOST_TABLES):
        tables = ", ".join(names[start : start + _MOST_TABLES])
        # `print` is always there: a fuzzy union needs at least one part that is, with the column.
        rows = client.query(
            f"union withsource=TableName isfuzzy=true {tables}, "
            "(print TimeGenerated=datetime(null))\n"
            f"| where TimeGenerated > ago({days}d)\n"
            "| summarize Rows=count(), Last=max(TimeGenerated) by TableName"
        )
        found += [
            LogSource(fields.text("TableName"), fields.number("Rows") or 0, fields.time("Last"))
            for fields in map(Fields, rows)
        ]
    return tuple(found)


def _alerts(client: SentinelClient, days: int) -> dict[str, int]:
    """How many alerts each rule made, by its id and by the alert's name, in lower case."""
    rows = client.query(
        f"SecurityAlert\n| where TimeGenerated > ago({days}d) and {OWN}\n"
        '| extend RuleIds = tostring(parse_json(ExtendedProperties)["Analytic Rule Ids"])\n'
        "| summarize Alerts=dcount(SystemAlertId) by RuleIds, AlertName"
    )
    counts: dict[str, int] = {}
    for fields in map(Fields, rows):
        for key in {*_GUID.findall(fields.text("RuleIds")), fields.text("AlertName")}:
            own = key.lower()
            counts[own] = counts.get(own, 0) + (fields.number("Alerts") or 0)
    return counts


def _runs(client: SentinelClient, days: int, unread: list[Unread] | None) -> Mapping[str, Fields]:
    """The last run of each rule, by the rule's id in lower case."""
    try:
        rows = client.query(
            f"SentinelHealth\n| where TimeGenerated > ago({days}d) and OperationName in~ {_RUNS}\n"
            "| summarize arg_max(TimeGenerated, Status, Description) by SentinelResourceId"
        )
    except Rejected:
        rows = []
    if not rows and unread is not None:
        unread.append(Unread(
            f"No run of a rule was recorded in {days} days, so it is not known which fail.",
            "In Sentinel, under Settings, switch on auditing and health monitoring.",
        ))  # fmt: skip
    return {
        fields.text("SentinelResourceId").rpartition("/")[2].lower(): fields
        for fields in map(Fields, rows)
    }


def _rule(
    row: Row, known: set[str], alerts: Mapping[str, int], runs: Mapping[str, Fields]
) -> AnalyticsRule:
    fields = Fields(row)
    own, told = fields.text("name").lower(), fields.nested("properties")
    query, title = told.text("query"), told.text("displayName") or fields.text("name")
    run = runs.get(own, Fields({}))
    changed_at = told.time("lastModifiedUtc")
    is_enabled = row.get("properties", {}).get("enabled") is True
    gave_up = not is_enabled and title.upper().startswith(_AUTO_DISABLED)
    is_failed = gave_up or run.word("Status") == "failure"
    counted = max(alerts.get(own, 0), alerts.get(title.lower(), 0))
    return AnalyticsRule(
        id=own,
        title=title,
        is_enabled=is_enabled,
        query=query,
        sources=tables_of(query, known),
        techniques=techniques((*told.texts("techniques"), *told.texts("subTechniques"))),
        changed_at=changed_at,
        # A rule of another kind makes its alerts under other names.
        alerts=counted if fields.word("kind") in _QUERIED else None,
        failure=(run.text("Description") or _reason(told)) if is_failed else "",
        failed_at=(run.time("TimeGenerated") or changed_at) if is_failed else None,
        is_given_up=gave_up,
    )


def _reason(told: Fields) -> str:
    """Why a rule failed: Sentinel writes before its description why it switched it off."""
    return told.text("description")[:300] or "without a reason"


def tables_of(query: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the tables that a KQL query reads: what it begins with, and every known name in it.

    Names that stand in texts and comments, and those that the query defines itself, don't count.
    """
    bare = _BARE.sub(lambda found: " " if found[0].startswith("//") else '""', query)
    own = set(_LET.findall(bare))
    words = set(re.findall(r"[A-Za-z_]\w*", bare))
    found = {name for name in known if name in words} | set(_STARTS.findall(bare))
    return tuple(sorted(found - own))


def run(client: SentinelClient, query: Query, since: dt.datetime, until: dt.datetime) -> Hits:
    """Run one of our rules on the table, from `since` and before `until`."""
    found = (
        f"{query.source}\n"
        f"| where TimeGenerated >= {moment(since)} and TimeGenerated < {moment(until)}\n"
        f"| where {query.body}\n"
    )
    counted = client.query(f"{found}| summarize Hits=count()")
    count = (Fields(counted[0]).number("Hits") or 0) if counted else 0
    if not query.id_field or not count:
        return Hits(count)
    rows: list[dict[str, Any]] = client.query(
        f"{found}| project {query.id_field}\n| take {MOST_IDS}"
    )
    ids = (Fields(row).text(query.id_field) for row in rows)
    return Hits(count, tuple(sorted({one for one in ids if one})))


SIEM: Final = Siem(
    permissions=(QUERY, RULES), survey=survey, run=run, language=lambda settings: "kql",
    expects=lambda settings: "sentinel",
)  # fmt: skip
