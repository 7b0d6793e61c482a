"""What an audit needs to know of a Wazuh manager, and our rules run on its alerts as queries.

Of rules only those that somebody wrote here are judged: Wazuh's own are some thousand, most of
which are meant to stay silent. What the indexer holds are alerts: a decoder whose events never
reach a rule does not show there.
Source: https://documentation.wazuh.com/current/user-manual/api/reference.html (rules, manager).
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from integrations.connectors.wazuh.client import AGENTS, ALERTS, READ_ALERTS, WazuhClient
from integrations.errors import PermissionMissing
from integrations.siem.audit import spoken
from integrations.siem.records import (
    MOST_IDS,
    AnalyticsRule,
    Gap,
    Hits,
    Kind,
    LogSource,
    Query,
    Siem,
    Survey,
    Unread,
)
from integrations.values import Fields, techniques

RULES: Final = "rules:read"
MANAGER: Final = "manager:read"
_OWN_FOLDER: Final = "etc/rules"
_MOST_RULES, _MOST_ERRORS, _MOST_BUCKETS = 2_000, 20, 1_000
_LOST_AFTER: Final = dt.timedelta(hours=24)
_GRANT: Final = "Allow {} in a policy of the API user's role."


def survey(client: WazuhClient, names: Sequence[str], days: int) -> Survey:
    """Read decoders, own rules, their alerts, agents and the manager's errors.

    What isn't allowed or connected is told in `unread`.
    """
    at, unread = dt.datetime.now(dt.UTC), list[Unread]()
    decoders, fired = _seen(client, days, unread)
    gaps = [*_agents(client, at), *_manager(client, unread)]
    rules = tuple(_rule(fields, fired) for fields in _own_rules(client, unread))
    sources = () if decoders is None else tuple(decoders)
    return Survey(at, days, sources, rules, tuple(unread), tuple(gaps))


def _seen(
    client: WazuhClient, days: int, unread: list[Unread]
) -> tuple[list[LogSource] | None, Mapping[str, int] | None]:
    """Decoders by their alerts, and how often each rule fired; None without an indexer."""
    if client.indexer is None:
        unread.append(Unread(
            "No indexer is connected, so it is not known what arrives and which rules fire.",
            "Enter the indexer's address, user and password on the connection's page.",
        ))  # fmt: skip
        return None, None
    told = client.asked(ALERTS, READ_ALERTS, {
        "size": 0,
        "query": {"bool": {"filter": _filter(client, dt.timedelta(days=days))}},
        "aggs": {name: {
            "terms": {"field": field, "size": _MOST_BUCKETS},
            "aggs": {"last": {"max": {"field": "timestamp"}}},
        } for name, field in (("decoders", "decoder.name"), ("rules", "rule.id"))},
    })  # fmt: skip
    groups = Fields(told).nested("aggregations")
    decoders = [
        LogSource(one.text("key"), one.number("doc_count"), one.nested("last").time("value"))
        for one in groups.nested("decoders").objects("buckets")
    ]
    buckets = groups.nested("rules").objects("buckets")
    return decoders, {one.text("key"): one.number("doc_count") or 0 for one in buckets}


def _filter(client: WazuhClient, span: dt.timedelta) -> list[dict[str, Any]]:
    since = (dt.datetime.now(dt.UTC) - span).isoformat(timespec="milliseconds")
    return [{"range": {"timestamp": {"gte": since}}}, *_own(client)]


def _own(client: WazuhClient) -> list[dict[str, Any]]:
    return [{"terms": {"agent.id": list(client.own_agents())}}] if client.group else []


def _own_rules(client: WazuhClient, unread: list[Unread]) -> list[Fields]:
    found: list[dict] = []
    try:
        while len(found) < _MOST_RULES:
            page, total = client.items(
                "/rules", RULES, relative_dirname=_OWN_FOLDER, status="all", offset=len(found)
            )
            found += page
            if not page or len(found) >= total:
                break
    except PermissionMissing:
        unread.append(Unread("The rules can't be read, so nothing is said of them.",
                             _GRANT.format(RULES)))  # fmt: skip
    return [Fields(one) for one in found]


def _rule(fields: Fields, fired: Mapping[str, int] | None) -> AnalyticsRule:
    own, details = fields.text("id"), fields.nested("details")
    decoder = details.text("decoded_as")
    told = fields.raw("details")
    return AnalyticsRule(
        id=own,
        title=f"{own} {fields.text('description')}".strip(),
        is_enabled=fields.word("status") == "enabled",
        query=json.dumps(told, sort_keys=True) if isinstance(told, dict) and told else "",
        sources=(decoder,) if decoder else (),
        techniques=techniques(fields.texts("mitre")),
        alerts=None if fired is None else fired.get(own, 0),
    )


def _agents(client: WazuhClient, at: dt.datetime) -> list[Gap]:
    """Computers of the client that send nothing, by the last that the manager heard of them."""
    gaps = []
    for fields in map(Fields, client.every_agent(select="id,name,status,lastKeepAlive")):
        name, last = f"Agent {fields.text('name')}", fields.time("lastKeepAlive")
        fix = "Look at the computer: whether the agent runs there and reaches the manager."
        if fields.word("status") == "never_connected":
            words = "The agent was registered and has never connected."
            gaps.append(Gap(Kind.MISSING, name, words, fix))
        elif fields.word("status") != "active" and last and at - last > _LOST_AFTER:
            words = f"Nothing has come from it for {spoken(at - last)}."
            gaps.append(Gap(Kind.SILENT, name, words, fix, last))
    return gaps


def _manager(client: WazuhClient, unread: list[Unread]) -> list[Gap]:
    """Rules and decoders that the manager couldn't load, and events that it threw away.

    Its log may name other clients' rules, so it is read only where the manager has one client.
    """
    gaps = []
    try:
        [stats] = client.items("/manager/stats/analysisd", MANAGER, limit=None)[0][:1] or [{}]
        dropped = Fields(stats).number("events_dropped") or 0
        if dropped:
            gaps.append(Gap(
                Kind.FAILING, "Analysis of events",
                f"The manager has thrown {dropped:,} events away lately: it could not keep up.",
                "Give the manager more processors, or raise its event queues.",
            ))  # fmt: skip
        if not client.group:
            gaps += _errors(client)
    except PermissionMissing:
        unread.append(Unread("It is not known whether the manager loses events or rules.",
                             _GRANT.format(MANAGER)))  # fmt: skip
    return gaps


def _errors(client: WazuhClient) -> list[Gap]:
    found, _ = client.items(
        "/manager/logs", MANAGER, level="error", tag="wazuh-analysisd", limit=_MOST_ERRORS
    )
    fix = "Mend the file that the message names, then restart the manager."
    told = {fields.text("description")[:300]: fields for fields in map(Fields, found)}
    return [
        Gap(Kind.FAILING, "The manager's rules and decoders", words, fix, fields.time("timestamp"))
        for words, fields in told.items()
    ]


def run(client: WazuhClient, query: Query, since: dt.datetime, until: dt.datetime) -> Hits:
    """Run one of our rules on the client's alerts, from `since` and before `until`."""
    between = {"gte": _moment(since), "lt": _moment(until)}
    told = client.asked(ALERTS, READ_ALERTS, {
        "size": MOST_IDS,
        "track_total_hits": True,
        "_source": [query.id_field],
        "query": {"bool": {"filter": [
            {"range": {"timestamp": between}}, *_own(client), query.body,
        ]}},
    })  # fmt: skip
    hits = Fields(told).nested("hits")
    ids = (one.nested("_source").text(query.id_field) for one in hits.objects("hits"))
    count = hits.nested("total").number("value") or 0
    return Hits(count, tuple(sorted({one for one in ids if one})))


def _moment(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds")


SIEM: Final = Siem(
    permissions=(RULES, MANAGER, READ_ALERTS, AGENTS), survey=survey, run=run,
    language=lambda settings: "opensearch" if settings.get("indexer") else "",
    expects=lambda settings: "wazuh",
)  # fmt: skip
