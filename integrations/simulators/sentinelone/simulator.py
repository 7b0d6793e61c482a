"""SentinelOne's management API 2.1 over one state: routes, and what it says when it refuses."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from typing import Any

from integrations.simulators.base.http import Answer, Caller, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.routes import Request, cut, route
from integrations.simulators.base.store import Record
from integrations.simulators.sentinelone.seeds import SEEDS

_API = "/web/api/v2.1"
# What the console counts for itself and shows to nobody.
_OWN = frozenset({"scans"})
_SCOPES = (("accountIds", "accountId"), ("siteIds", "siteId"))
_MITIGATIONS = {
    "kill": ("kill", "Endpoint Threats: Kill"),
    "quarantine": ("quarantine", "Endpoint Threats: Quarantine"),
    "un-quarantine": ("unquarantine", "Endpoint Threats: Unquarantine"),
}


def _refusal(status: int, title: str, headers: dict[str, str] | None = None) -> Refusal:
    error = {"code": status * 10_000 + 10, "detail": None, "title": title}
    return Refusal(status, {"errors": [error]}, headers)


def _place(record: Record, name: str) -> Any:
    """A field of a record, or of the part of a threat that holds it."""
    for part in ("threatInfo", "agentRealtimeInfo"):
        if name in record.get(part, {}):
            return record[part][name]
    return record.get(name)


def _listed(request: Request, collection: str) -> list[Record]:
    """The records that the query asks for, sorted."""
    options = request.options
    found = request.tenant.all(collection)
    for name, key in (("ids", "id"), *_SCOPES, ("agentIds", "agentId")):
        if options.get(name):
            wanted = options[name].split(",")
            found = [one for one in found if str(_place(one, key)) in wanted]
    for name, value in options.items():
        if name.endswith("__gte"):
            key = name.removesuffix("__gte")
            found = [one for one in found if str(_place(one, key)) >= value]
    key = options.get("sortBy", "id")
    return sorted(
        found, key=lambda one: str(_place(one, key)), reverse=options.get("sortOrder") == "desc"
    )


def _page(request: Request, found: list[Record]) -> Answer:
    asked = int(request.options.get("limit") or request.page_size)
    size = min(asked, request.largest_page)
    cursor = request.options.get("cursor")
    if cursor and not re.fullmatch(r"cursor-\d+", cursor):
        raise _refusal(400, "Invalid cursor.")
    start = int(cursor.removeprefix("cursor-")) if cursor else 0
    page, following = cut(found, start, size, request.faults)
    token = None if following is None else f"cursor-{following}"
    shown = [{key: one[key] for key in one if key not in _OWN} for one in page]
    return Answer(
        200, {"data": shown, "pagination": {"nextCursor": token, "totalItems": len(found)}}
    )


def _agents(request: Request) -> Answer:
    """Without asking for them, those that are decommissioned are left out, unless named."""
    wanted = request.options.get("isDecommissioned") == "true"
    found = _listed(request, "agents")
    if not request.options.get("ids"):
        found = [one for one in found if bool(one["isDecommissioned"]) is wanted]
    return _page(request, found)


def _threats(request: Request) -> Answer:
    return _page(request, _listed(request, "threats"))


def _activities(request: Request) -> Answer:
    return _page(request, _listed(request, "activities"))


def _chosen(request: Request, collection: str) -> list[Record]:
    """What the body's filter names, of the accounts and sites that it names."""
    told = request.body.get("filter") if isinstance(request.body, dict) else None
    told = told if isinstance(told, dict) else {}
    ids = told.get("ids")
    if not isinstance(ids, list) or not ids:
        raise _refusal(400, "Validation Error: filter.ids is required.")
    records = [request.tenant.true(collection, one) for one in ids]
    return [
        one
        for one in records
        if one is not None
        and all(_place(one, key) in (told.get(name) or [_place(one, key)]) for name, key in _SCOPES)
    ]


def _on_agents(kind: str, changes: Callable[[Record, str], Record]) -> Callable[[Request], Answer]:
    def act(request: Request) -> Answer:
        agents = _chosen(request, "agents")
        for agent in agents:
            told = changes(agent, request.now())
            if told:
                request.tenant.update("agents", agent["id"], told | {"updatedAt": request.now()})
                request.effect(kind, agent["id"])
        return Answer(200, {"data": {"affected": len(agents)}})

    return act


def _network(status: str) -> Callable[[Record, str], Record]:
    return lambda agent, now: {} if agent["networkStatus"] == status else {"networkStatus": status}


def _scan(agent: Record, now: str) -> Record:
    """A simulated computer is scanned at once; the scan's number keeps its times apart."""
    count = agent.get("scans", 0) + 1
    moment = f"{now[:-1]}.{count:06d}Z"
    return {
        "scans": count, "scanStatus": "finished", "scanStartedAt": moment,
        "scanFinishedAt": moment,
    }  # fmt: skip


def _mitigate(request: Request) -> Answer:
    """Do something about threats. Each thing done is noted in the threat's list."""
    found = _MITIGATIONS.get(request.params["action"])
    if found is None:
        raise _refusal(400, "Validation Error: action.")
    action, permission = found
    if permission not in request.roles:
        raise _refusal(403, "Insufficient permissions.")
    threats = _chosen(request, "threats")
    for threat in threats:
        count = request.tenant.store.next("mitigation")
        moment = f"{request.now()[:-1]}.{count:06d}Z"
        opposite = {"quarantine": "unquarantine", "unquarantine": "quarantine"}.get(action)
        kept = [m for m in threat["mitigationStatus"] if m["action"] not in (action, opposite)]
        done = {"action": action, "status": "success", "lastUpdate": moment,
                "mitigationStartedAt": moment, "mitigationEndedAt": moment}  # fmt: skip
        mitigated = "not_mitigated" if action == "unquarantine" else "mitigated"
        info = threat["threatInfo"] | {"mitigationStatus": mitigated, "updatedAt": request.now()}
        changes = {"mitigationStatus": [done, *kept], "threatInfo": info}
        request.tenant.update("threats", threat["id"], changes)
        request.effect(f"threat.{action}", threat["id"])
    return Answer(200, {"data": {"affected": len(threats)}})


class Sentinelone(RestSimulator):
    """A simulated SentinelOne console."""

    host = "usea1-example.sentinelone.net"
    token_path = ""
    seeds = SEEDS
    routes = (
        route("GET", f"{_API}/agents", _agents, "Endpoints: View"),
        route("GET", f"{_API}/threats", _threats, "Endpoint Threats: View"),
        route("GET", f"{_API}/activities", _activities, "Activity: View"),
        route("POST", f"{_API}/agents/actions/disconnect",
              _on_agents("agent.disconnect", _network("disconnected")),
              "Endpoints: Disconnect From Network"),
        route("POST", f"{_API}/agents/actions/connect",
              _on_agents("agent.connect", _network("connected")),
              "Endpoints: Reconnect To Network"),
        route("POST", f"{_API}/agents/actions/initiate-scan", _on_agents("agent.scan", _scan),
              "Endpoints: Initiate Scan"),
        route("POST", f"{_API}/threats/mitigate/{{action}}", _mitigate),
    )  # fmt: skip

    def caller(self, exchange: Exchange) -> Caller | None:
        """Who has this API token; it holds until a person makes a new one."""
        scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "apitoken":
            return None
        for tenant in self.store.tenants.values():
            for app in tenant.apps.values():
                if hmac.compare_digest(app.secret.encode(), token.encode()):
                    return Caller(tenant, app, frozenset(app.permissions))
        return None

    def granted(self, token: str) -> Answer:
        """There is no token endpoint."""
        raise self.refusal(404, "Not found.")

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """SentinelOne's shape of an error."""
        headers = {"Retry-After": str(retry_after)} if status == 429 else {}
        return _refusal(status, message, headers)
