"""Wazuh 4.14: the manager's API and the indexer's search over one state."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any

from integrations.simulators.base import search_dsl
from integrations.simulators.base.http import Answer, Caller, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.routes import Request, cut, route
from integrations.simulators.base.store import Record
from integrations.simulators.wazuh.seeds import INDEXER_USER, SEEDS, USER, alert_of

_NOT_THERE = (1701, "Agent does not exist")
_TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Permission Denied",
           404: "Resource Not Found",
           405: "Method Not Allowed", 429: "Wazuh Error"}  # fmt: skip


def _listing(
    items: list[Any], total: int, message: str, failed: list[Record] | None = None
) -> Answer:
    failed = failed or []
    error = 0 if not failed else 1 if not items else 2
    return Answer(200, {
        "data": {"affected_items": items, "total_affected_items": total,
                 "total_failed_items": len(failed), "failed_items": failed},
        "message": message, "error": error,
    })  # fmt: skip


def _failed(code: int, message: str, ids: list[str]) -> list[Record]:
    return [{"error": {"code": code, "message": message}, "id": ids}] if ids else []


def _refused(status: int, code: int, detail: str) -> Refusal:
    return Refusal(status, {"title": _TITLES[status], "detail": detail, "error": code})


def _public(record: Record) -> Record:
    return {name: value for name, value in record.items() if not name.startswith("_")}


def _wanted(request: Request) -> tuple[list[Record], list[str]]:
    """The agents that the query names, and the ids that there are not."""
    named = request.options.get("agents_list", "")
    ids = named.split(",") if named else [one["id"] for one in request.tenant.all("agents")]
    found = [request.tenant.get("agents", one) for one in ids]
    missing = [own for own, one in zip(ids, found, strict=True) if one is None]
    return [one for one in found if one is not None], missing


def _meets(agent: Record, query: str) -> bool:
    """The API's filter language: conditions with ; between, here of = != and >."""
    for condition in filter(None, query.split(";")):
        name, operator, value = re.fullmatch(r"([\w.]+)(!=|=|>)(.*)", condition).groups()  # type: ignore[union-attr]
        found = str(agent.get(name, ""))
        holds = {"=": found == value, "!=": found != value, ">": found > value}[operator]
        if not holds:
            return False
    return True


def _page(request: Request, found: list[Record], message: str, failed: list[Record]) -> Answer:
    asked = int(request.options.get("limit") or 500)
    start = int(request.options.get("offset") or 0)
    page, _ = cut(found, start, min(asked, request.largest_page), request.faults)
    return _listing([_public(one) for one in page], len(found), message, failed)


def _agents(request: Request) -> Answer:
    found, missing = _wanted(request)
    options = request.options
    if options.get("group"):
        found = [one for one in found if options["group"] in one["group"]]
    if options.get("status"):
        found = [one for one in found if one["status"] in options["status"].split(",")]
    found = [one for one in found if _meets(one, options.get("q", ""))]
    found.sort(key=lambda one: one["id"])
    return _page(request, found, "All selected agents information was returned",
                 _failed(*_NOT_THERE, missing))  # fmt: skip


def _syscollector(request: Request) -> Answer:
    agent, kind = request.params["agent_id"], request.params["kind"]
    found = [one for one in request.tenant.all(kind) if one["agent_id"] == agent]
    hidden = {"id", "collection", *({"agent_id"} if kind == "hotfixes" else ())}
    shown = [{name: value for name, value in one.items() if name not in hidden} for one in found]
    return _page(request, shown, "All specified syscollector information was returned", [])


def _syscheck(request: Request) -> Answer:
    """The files that are watched; of the filter language only alternatives of ``file~part``."""
    parts = [one.partition("~")[2] for one in request.options.get("q", "").split(",")]
    found = [
        {name: value for name, value in one.items() if name != "id"}
        for one in request.tenant.all("watched")
        if one["_agent"] == request.params["agent_id"]
        and one["type"] == request.options.get("type", one["type"])
        and any(part in one["file"] for part in parts)
    ]
    return _page(request, found, "FIM findings of the agent were returned", [])


def _set_groups(request: Request, agent: Record, groups: list[str]) -> None:
    synced = "synced" if agent["status"] == "active" else "not synced"
    changes = {"group": groups, "group_config_status": synced}
    request.tenant.update("agents", agent["id"], changes)
    request.effect("agent.group", agent["id"])


def _of_group(request: Request) -> tuple[Record | None, str]:
    group = request.params["group_id"]
    if request.tenant.get("groups", group) is None:
        raise _refused(404, 1710, "The group does not exist")
    return request.tenant.true("agents", request.params["agent_id"]), group


def _add(request: Request) -> Answer:
    agent, group = _of_group(request)
    if agent is None:
        raise _refused(404, *_NOT_THERE)
    only = request.options.get("force_single_group") == "true"
    groups = [group] if only else [*(g for g in agent["group"] if g != group), group]
    if groups != agent["group"]:
        _set_groups(request, agent, groups)
    return _listing([agent["id"]], 1, "All selected agents were assigned to the group")


def _remove(request: Request) -> Answer:
    agent, group = _of_group(request)
    if agent is None or group not in agent["group"]:
        raise _refused(400, 1734, "Agent does not belong to the specified group")
    rest = [one for one in agent["group"] if one != group] or ["default"]
    _set_groups(request, agent, rest)
    return _listing([agent["id"]], 1, "Agent was removed from the group")


def _moment(request: Request, name: str) -> str:
    """A time that is later than every one before it."""
    count = request.tenant.store.next(name)
    return f"{request.now()[:-1]}.{count:06d}Z"


def _rootcheck(request: Request) -> Answer:
    found, missing = _wanted(request)
    for agent in found:
        moment = _moment(request, "rootcheck")
        changes = {"_rootcheck": {"start": moment, "end": moment}, "_scans": agent["_scans"] + 1}
        request.tenant.update("agents", agent["id"], changes)
        request.effect("agent.rootcheck", agent["id"])
    return _listing([one["id"] for one in found], len(found),
                    "Rootcheck scan was restarted on returned agents",
                    _failed(*_NOT_THERE, missing))  # fmt: skip


def _last_scan(request: Request) -> Answer:
    agent = request.tenant.get("agents", request.params["agent_id"])
    if agent is None:
        raise _refused(404, *_NOT_THERE)
    return _listing([agent["_rootcheck"]], 1, "Last rootcheck scan of the agent was returned")


def _active_response(request: Request) -> Answer:
    """A connected agent carries it out at once, and tells so in an alert."""
    told = request.body if isinstance(request.body, dict) else {}
    command, address = told.get("command", ""), told.get("alert", {}).get("data", {}).get("srcip")
    found, missing = _wanted(request)
    active = [one for one in found if one["status"] == "active"]
    for agent in active:
        if address and address not in agent["_blocked"]:
            blocked = {"_blocked": [*agent["_blocked"], address]}
            request.tenant.update("agents", agent["id"], blocked,
                                  unseen=True)  # fmt: skip
            request.effect("agent.block", agent["id"])
        _answered(request, agent, command, address)
    off = [one["id"] for one in found if one["status"] != "active"]
    failed = [
        *_failed(*_NOT_THERE, missing),
        *_failed(1707, "Cannot send request, agent is not active", off),
    ]
    return _listing([one["id"] for one in active], len(active),
                    "AR command was sent to all agents", failed)  # fmt: skip


def _answered(request: Request, agent: Record, command: str, address: str | None) -> None:
    number = request.tenant.store.next("alert")
    now = datetime.fromtimestamp(request.tenant.store.clock(), UTC)
    program = f"active-response/bin/{command.removeprefix('!')}"
    rule = {"id": "651", "level": 3, "groups": ["ossec", "active_response"], "mail": False,
            "firedtimes": 1, "description": f"Host Blocked by {command.removeprefix('!')} Active "
            "Response"}  # fmt: skip
    data = {"command": "add", "version": "1", "origin": {"name": "node01", "module": "wazuh-execd"},
            "parameters": {"program": program, "alert": {"data": {"srcip": address}}}}  # fmt: skip
    own = f"{int(now.timestamp())}.9{number:05d}"
    request.tenant.put("alerts", alert_of(own, int(agent["id"]), now, rule, data))


def _rules(request: Request) -> Answer:
    options = request.options
    found = [
        one for one in request.tenant.all("rules")
        if options.get("relative_dirname") in (None, one["relative_dirname"])
        and options.get("status", "all") in ("all", one["status"])
    ]  # fmt: skip
    shown = [{name: value for name, value in one.items() if name != "collection"} for one in found]
    return _page(request, shown, "All selected rules were returned", [])


def _logs(request: Request) -> Answer:
    options = request.options
    found = [
        {name: one[name] for name in ("timestamp", "tag", "level", "description")}
        for one in request.tenant.all("logs")
        if options.get("level") in (None, one["level"]) and options.get("tag") in (None, one["tag"])
    ]
    return _page(request, found, "Logs were successfully read", [])


def _analysisd(request: Request) -> Answer:
    told = {"total_events_decoded": 4000, "events_received": 4010, "events_dropped": 10}
    return _listing([told], 1, "Statistical information for each node was returned")


def _policies(request: Request) -> Answer:
    """What the caller may do itself, as the manager works it out of its policies."""
    names = [name for name in request.roles if not name.startswith("Indexer: ")]
    allowed = {name: {"agent:id:*": "allow"} for name in sorted(names)}
    told = "Current user processed policies information was returned"
    return Answer(200, {"data": {**allowed, "rbac_mode": "white"}, "message": told, "error": 0})


class Wazuh(RestSimulator):
    """A simulated Wazuh manager with its indexer."""

    host = "wazuh.example"
    token_path = "/security/user/authenticate"  # noqa: S105
    seeds = SEEDS
    routes = (
        route("GET", "/security/users/me/policies", _policies),
        route("GET", "/agents", _agents, "agent:read"),
        route("GET", "/rules", _rules, "rules:read"),
        route("GET", "/manager/logs", _logs, "manager:read"),
        route("GET", "/manager/stats/analysisd", _analysisd, "manager:read"),
        route("GET", "/syscollector/{agent_id}/{kind}", _syscollector, "syscollector:read"),
        route("GET", "/syscheck/{agent_id}", _syscheck, "syscheck:read"),
        route("PUT", "/agents/{agent_id}/group/{group_id}", _add, "agent:modify_group"),
        route("DELETE", "/agents/{agent_id}/group/{group_id}", _remove, "agent:modify_group"),
        route("PUT", "/rootcheck", _rootcheck, "rootcheck:run"),
        route("GET", "/rootcheck/{agent_id}/last_scan", _last_scan, "rootcheck:read"),
        route("PUT", "/active-response", _active_response, "active-response:command"),
        route("POST", "/wazuh-alerts-*/_search", lambda r: search_dsl.search(r, "alerts"),
              "Indexer: read wazuh-alerts-*"),
        route("POST", "/wazuh-states-vulnerabilities-*/_search",
              lambda r: search_dsl.search(r, "vulnerabilities"),
              "Indexer: read wazuh-states-vulnerabilities-*"),
    )  # fmt: skip

    def issue(self, exchange: Exchange) -> Answer:
        """Answer a request for a token: name and password as Basic credentials."""
        found = self.tokens.app(*_basic(exchange))
        if found is None or found[1].client_id != USER:
            raise self.refusal(401, "Invalid credentials")
        return self.granted(self.tokens.issue(*found))

    def granted(self, token: str) -> Answer:
        """The token endpoint's answer with a new token."""
        return Answer(200, {"data": {"token": token}, "error": 0})

    def caller(self, exchange: Exchange) -> Caller | None:
        """The manager takes its tokens; the indexer name and password."""
        if not exchange.path.startswith("/wazuh-"):
            return super().caller(exchange)
        found = self.tokens.app(*_basic(exchange))
        if found is None or found[1].client_id != INDEXER_USER:
            return None
        tenant, app = found
        return Caller(tenant, app, frozenset(app.permissions))

    def is_secret(self, exchange: Exchange) -> bool:
        """The answer with a token is not recorded."""
        return False

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """Wazuh's shape of an error."""
        headers = {"Retry-After": str(retry_after)} if status == 429 else {}
        title = _TITLES.get(status, "Wazuh Error")
        return Refusal(status, {"title": title, "detail": message}, headers)


def _basic(exchange: Exchange) -> tuple[str, str]:
    scheme, _, told = exchange.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(told, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
