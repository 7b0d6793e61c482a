"""How each feed is read: a page at a time, from a durable cursor."""

import datetime as dt
import json
from typing import Any, Final

from integrations.connectors.wazuh.client import (
    ALERTS,
    READ_ALERTS,
    READ_VULNERABILITIES,
    VULNERABILITIES,
    WazuhClient,
)
from integrations.refusals import Refused
from integrations.sweeps import Slice, listed, swept
from integrations.values import Fields
from tenants.records import SourceRecord

INVENTORY: Final = "syscollector:read"
_PAGE = 500
_OVERLAP = dt.timedelta(minutes=10)
# What Filebeat adds on the way to the indexer; without it an alert is the same as by the webhook.
_ADDED = frozenset({"@timestamp", "@version", "input", "fields", "ecs"})
_ALERT_ORDER: Final = ("timestamp", "id")
_HOLE_ORDER: Final = (
    "vulnerability.detected_at", "agent.id", "vulnerability.id", "package.name",
    "package.version", "package.architecture",
)  # fmt: skip
_KINDS: Final = ("packages", "hotfixes")


def _agents(client: WazuhClient, token: str) -> Slice:
    offset = int(token or 0)
    found, total = client.agents(offset=offset, limit=_PAGE, sort="+id")
    following = offset + len(found)
    return Slice(_records("/agents", found), str(following) if found and following < total else "")


def _inventory(client: WazuhClient, token: str) -> Slice:
    """Programs and updates, one agent after the other.

    The token is agent, kind and offset, and for which agent the manager was away just before.
    """
    agent_id, kind, offset, away = (*token.split("|"), "", "", "")[:4]
    if not agent_id:
        agent_id, kind, offset = _next_agent(client, ""), _KINDS[0], "0"
    if not agent_id:
        return Slice((), "")
    path = f"/syscollector/{agent_id}/{kind}"
    found: list[dict[str, Any]] = []
    total = 0
    refused = Refused(is_away=away not in ("", agent_id))
    with refused.kept(agent_id):
        found, total = client.items(path, INVENTORY, offset=int(offset), limit=_PAGE)
    # Updates come without the agent's id.
    records = _records(path, [{"agent_id": agent_id, **one} for one in found])
    reached = int(offset) + len(found)
    away = agent_id if refused.is_away else ""
    if found and reached < total:
        return Slice(records, f"{agent_id}|{kind}|{reached}|{away}")
    if kind != _KINDS[-1]:
        token = f"{agent_id}|{_KINDS[_KINDS.index(kind) + 1]}|0|{away}"
    else:
        after = _next_agent(client, agent_id)
        token = f"{after}|{_KINDS[0]}|0|{away}" if after else ""
    return Slice(records, token, refused.first, tuple(refused.unasked))


def _next_agent(client: WazuhClient, agent_id: str) -> str:
    """The next agent that was ever connected; "" after the last."""
    query = f"id>{agent_id};status!=never_connected" if agent_id else "status!=never_connected"
    found, _ = client.agents(q=query, sort="+id", limit=1, select="id")
    return Fields(found[0]).text("id") if found else ""


def _alerts(client: WazuhClient, since: dt.datetime | None, token: str) -> Slice:
    """Nothing without an indexer: then alerts come by the integration."""
    if client.indexer is None:
        return Slice((), "")
    return _searched(client, ALERTS, READ_ALERTS, _ALERT_ORDER, since, token)


def _vulnerabilities(client: WazuhClient, since: dt.datetime | None, token: str) -> Slice:
    return _searched(client, VULNERABILITIES, READ_VULNERABILITIES, _HOLE_ORDER, since, token)


def _searched(
    client: WazuhClient,
    path: str,
    permission: str,
    order: tuple[str, ...],
    since: dt.datetime | None,
    token: str,
) -> Slice:
    """One page, oldest first; the token is where the last one ended."""
    conditions: list[dict[str, Any]] = []
    if since is not None:
        moment = since.astimezone(dt.UTC).isoformat(timespec="milliseconds")
        conditions.append({"range": {order[0]: {"gte": moment}}})
    own = client.own_agents()
    if client.group:
        conditions.append({"terms": {"agent.id": list(own)}})
    query: dict[str, Any] = {
        "size": _PAGE,
        "query": {"bool": {"filter": conditions}},
        "sort": [{name: "asc"} for name in order],
    }
    if token:
        query["search_after"] = json.loads(token)
    hits = client.search(path, permission, query)
    ends = [hit["sort"] for hit in hits if isinstance(hit.get("sort"), list)]
    following = json.dumps(max(ends, key=_comparable)) if ends else ""
    return Slice(
        tuple(SourceRecord(_source(hit)) for hit in hits), "" if following == token else following
    )


def _comparable(values: list[Any]) -> list[tuple[bool, Any]]:
    """Where a field is missing the indexer sorts a record behind all others."""
    return [(value is None, "" if value is None else value) for value in values]


def _source(hit: dict[str, Any]) -> dict[str, Any]:
    told = hit.get("_source")
    body = told if isinstance(told, dict) else {}
    return {name: value for name, value in body.items() if name not in _ADDED}


def _records(path: str, found: list[dict]) -> tuple[SourceRecord, ...]:
    return tuple(SourceRecord(one, {"url": path}) for one in found)


def _alert_time(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.body).time("timestamp")


def _hole_time(record: SourceRecord) -> dt.datetime | None:
    return Fields(record.body).nested("vulnerability").time("detected_at")


agents = listed(_agents)
inventory = listed(_inventory)
alerts = swept(_alerts, _alert_time, first_days=7, overlap=_OVERLAP)
# A hole that was closed is only missing: nothing else tells it.
vulnerabilities = swept(
    _vulnerabilities, _hole_time, first_days=None, overlap=_OVERLAP,
    whole_every=dt.timedelta(days=1),
)  # fmt: skip
