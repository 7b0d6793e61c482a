"""Tactical RMM's API over one state: routes, and what it says when it refuses.

A simulated computer obeys at once.
"""

from __future__ import annotations

import hmac
import json
from datetime import timedelta

from integrations.simulators.base.control import moment
from integrations.simulators.base.http import Answer, Caller, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.routes import Request, cut, route
from integrations.simulators.base.store import Record
from integrations.simulators.tactical_rmm.seeds import SEEDS

_DECISIONS = ("inherit", "approve", "ignore", "nothing")


def _told(sentence: str) -> Answer:
    """A sentence as a JSON text, as Django REST framework sends it."""
    return Answer(200, json.dumps(sentence))


def _missing() -> Refusal:
    return Refusal(404, {"detail": "Not found."})


def _agent(request: Request) -> Record:
    found = request.tenant.get("agents", request.params["id"])
    if found is None:
        raise _missing()
    return found


def _site(request: Request, agent: Record) -> Record:
    found = request.tenant.get("sites", str(agent["site"]))
    assert found is not None
    return found


def _client(request: Request, agent: Record) -> Record:
    found = request.tenant.get("clients", str(_site(request, agent)["client"]))
    assert found is not None
    return found


def _number(agent: Record) -> int:
    return int(agent["serial_number"].removeprefix("SN"))


def _client_of(request: Request) -> Answer:
    found = request.tenant.get("clients", request.params["id"])
    if found is None:
        raise _missing()
    sites = [one for one in request.tenant.all("sites") if one["client"] == found["id"]]
    return Answer(200, {**found, "sites": sites, "custom_fields": []})


def _agents(request: Request) -> Answer:
    """The computers of a site or client; without detail only what they are called."""
    options = request.options
    found = request.tenant.all("agents")
    if "site" in options:
        found = [one for one in found if str(one["site"]) == options["site"]]
    elif "client" in options:
        found = [one for one in found if str(_client(request, one)["id"]) == options["client"]]
    found, _ = cut(found, 0, len(found), request.faults)
    if options.get("detail", "true") != "true":
        return Answer(200, [_named(request, one) for one in found])
    return Answer(200, [_listed(request, one) for one in found])


def _named(request: Request, agent: Record) -> Record:
    return {
        "id": _number(agent), "hostname": agent["hostname"], "agent_id": agent["agent_id"],
        "client": _client(request, agent)["name"], "site": _site(request, agent)["name"],
    }  # fmt: skip


def _listed(request: Request, agent: Record) -> Record:
    """As the table of computers shows it, which doesn't hold the site's number."""
    user = agent["logged_in_username"]
    shown = {name: value for name, value in agent.items() if name != "site"}
    return {
        **shown,
        "client_name": _client(request, agent)["name"],
        "site_name": _site(request, agent)["name"],
        "logged_username": agent["last_logged_in_user"] if user == "None" else user,
    }


def _one_agent(request: Request) -> Answer:
    agent = _agent(request)
    named = {"client": _client(request, agent)["name"], "site_name": _site(request, agent)["name"]}
    return Answer(200, {**agent, **named})


def _updates(request: Request) -> Answer:
    number = _number(_agent(request))
    found = [one for one in request.tenant.all("updates") if one["agent"] == number]
    return Answer(200, found)


def _decide(request: Request) -> Answer:
    update = request.tenant.true("updates", request.params["id"])
    if update is None:
        raise _missing()
    body = request.body if isinstance(request.body, dict) else {}
    if body.get("action") not in _DECISIONS:
        raise Refusal(400, {"action": ["This is not a valid choice."]})
    if update["action"] != body["action"]:
        request.tenant.update("updates", str(update["id"]), {"action": body["action"]})
        request.effect("update.decide", str(update["id"]))
    return _told(f"Windows update {update['kb']} was changed to {body['action']}")


def _install(request: Request) -> Answer:
    agent = _agent(request)
    for one in request.tenant.true_all("updates"):
        is_due = one["action"] == "approve" and not one["installed"]
        if one["agent"] == _number(agent) and is_due:
            changes = {
                "installed": True, "downloaded": True, "result": "success",
                "date_installed": request.now(),
            }  # fmt: skip
            request.tenant.update("updates", str(one["id"]), changes)
            request.effect("update.install", f"{agent['agent_id']}:{one['kb']}")
    return _told(f"Approved patches will now be installed on {agent['hostname']}")


def _reboot(request: Request) -> Answer:
    agent = _agent(request)
    if agent["status"] != "online":
        raise Refusal(400, json.dumps("Unable to contact the agent"))
    changes = {"boot_time": request.tenant.store.clock(), "needs_reboot": False}
    request.tenant.update("agents", agent["agent_id"], changes)
    request.effect("agent.reboot", agent["agent_id"])
    return _told("ok")


def _scripts(request: Request) -> Answer:
    return Answer(200, request.tenant.all("scripts"))


def _run(request: Request) -> Answer:
    agent = _agent(request)
    body = request.body if isinstance(request.body, dict) else {}
    needed = ("script", "output", "args", "env_vars", "run_as_user", "timeout")
    if any(name not in body for name in needed):
        raise Refusal(400, {"detail": "A field is missing."})
    script = request.tenant.get("scripts", str(body["script"]))
    if script is None:
        raise _missing()
    number = request.tenant.store.next("history")
    done = {"stdout": "done", "stderr": "", "execution_time": 0.5, "retcode": 0, "id": number}
    record = {
        "id": number, "agent": _number(agent), "time": request.now(), "type": "script_run",
        "command": "", "username": "holdfast", "results": None, "script": script["id"],
        "script_name": script["name"], "script_results": done,
    }  # fmt: skip
    request.tenant.put("history", record)
    request.effect("script.run", f"{agent['agent_id']}:{script['name']}")
    return _told(f"{script['name']} will now be run on {agent['hostname']}")


def _history(request: Request) -> Answer:
    number = _number(_agent(request))
    return Answer(200, [one for one in request.tenant.all("history") if one["agent"] == number])


def _alerts(request: Request) -> Answer:
    """The alerts that the body's filters choose."""
    body = request.body if isinstance(request.body, dict) else {}
    by_number = {_number(one): one for one in request.tenant.all("agents")}
    found = []
    for one in request.tenant.all("alerts"):
        agent = by_number[one["agent"]]
        client = _client(request, agent)
        if client["id"] not in body.get("clientFilter", [client["id"]]):
            continue
        age = moment(request.now()) - moment(one["alert_time"])
        if age > timedelta(days=int(body.get("timeFilter", 10_000))):
            continue
        named = {"hostname": agent["hostname"], "agent_id": agent["agent_id"]}
        found.append(
            {**one, **named, "client": client["name"], "site": _site(request, agent)["name"]}
        )
    return Answer(200, found)


class TacticalRmm(RestSimulator):
    """A simulated Tactical RMM server."""

    host = "api.example.com"
    token_path = ""
    seeds = SEEDS
    routes = (
        route("GET", "/clients/{id}/", _client_of, "List Clients"),
        route("GET", "/agents/", _agents, "List Agents"),
        route("GET", "/agents/{id}/", _one_agent, "List Agents"),
        route("GET", "/agents/{id}/history/", _history, "List Agent History"),
        route("POST", "/agents/{id}/reboot/", _reboot, "Reboot Agents"),
        route("POST", "/agents/{id}/runscript/", _run, "Run Scripts"),
        route("GET", "/scripts/", _scripts, "List Scripts"),
        route("GET", "/winupdate/{id}/", _updates, "Manage Windows Updates"),
        route("PUT", "/winupdate/{id}/", _decide, "Manage Windows Updates"),
        route("POST", "/winupdate/{id}/install/", _install, "Manage Windows Updates"),
        route("PATCH", "/alerts/", _alerts, "List Alerts"),
    )

    def caller(self, exchange: Exchange) -> Caller | None:
        """Who has this API key; it holds until its end date."""
        key = exchange.headers.get("x-api-key", "")
        for tenant in self.store.tenants.values():
            for app in tenant.apps.values():
                if hmac.compare_digest(app.secret.encode(), key.encode()):
                    return Caller(tenant, app, frozenset(app.permissions))
        return None

    def granted(self, token: str) -> Answer:
        """There is no token endpoint."""
        raise self.refusal(404, "Not found.")

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """Django REST framework's shape of an error."""
        headers = {"Retry-After": str(retry_after)} if status == 429 else {}
        return Refusal(status, {"detail": message}, headers)
