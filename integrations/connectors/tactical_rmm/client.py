"""Tactical RMM's API, for one client of the MSP's server.

Lists come whole, so what may be long is asked for site by site, or computer by computer.
Source: https://docs.tacticalrmm.com/functions/api/ and the server's own /api/schema/.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.connectors.tactical_rmm.normalise.computers import computer
from integrations.connectors.tactical_rmm.normalise.patches import update
from integrations.contract import Json
from integrations.errors import ConnectionMisconfigured, NotFound, Unavailable
from integrations.managed.computers import Computer, ScriptRun, Update, Work, agreed_scripts
from integrations.session import ApiToken, Session
from integrations.transport import Call, Limits, Transport
from integrations.values import Fields

CLIENTS, AGENTS, ALERTS = "List Clients", "List Agents", "List Alerts"
UPDATES, REBOOT = "Manage Windows Updates", "Reboot Agents"
SCRIPTS, HISTORY, RUN = "List Scripts", "List Agent History", "Run Scripts"
_NEEDED = ("endpoint", "client_id", "api_key")
_AGENT_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_ALERT_DAYS = 30
# The clock of a computer may be told a little differently each time.
_SAME_START = 60.0


class TacticalRmmClient:
    """One client of one server, ready to be asked. Methods raise `integrations.errors`."""

    product = "Tactical RMM"

    def __init__(self, session: Session, client_id: int, scripts: tuple[str, ...]) -> None:
        self.session = session
        self.client_id = client_id
        self.scripts = scripts
        self._own: set[str] = set()

    def __repr__(self) -> str:
        return f"<TacticalRmmClient {self.session.base_url} {self.client_id}>"

    def close(self) -> None:
        """Give back the sockets."""
        self.session.close()

    def rows(self, path: str, permission: str, **query: Any) -> list[Fields]:
        """Read a list. Query values of None are left out."""
        return _rows(path, self.session.get(path, permission, **query))

    def client(self) -> Fields:
        """The client with its sites."""
        return Fields(self.session.get(f"/clients/{self.client_id}/", CLIENTS))

    def sites(self) -> list[int]:
        """The ids of the client's sites, in order."""
        found = (site.number("id") for site in self.client().objects("sites"))
        return sorted(one for one in found if one is not None)

    def agents(self, site: int) -> list[Fields]:
        """The computers of a site."""
        return self.rows("/agents/", AGENTS, site=site)

    def agent_ids(self) -> list[str]:
        """The ids of all the client's computers, in order."""
        found = self.rows("/agents/", AGENTS, client=self.client_id, detail="false")
        return sorted(one.text("agent_id") for one in found)

    def agent(self, own_id: str) -> Fields:
        """One computer; NotFound where it isn't this client's."""
        if _AGENT_ID.fullmatch(own_id):
            found = Fields(self.session.get(f"/agents/{own_id}/", AGENTS))
            if found.number("site") in self.sites():
                self._own.add(own_id)
                return found
        raise NotFound(f"Tactical RMM has no computer {own_id} of this client.")

    def patches(self, own_id: str) -> list[Fields]:
        """Updates that Windows offered a computer, and those that were installed."""
        return self.rows(f"/winupdate/{own_id}/", UPDATES)

    def alerts(self) -> list[Fields]:
        """The client's alerts of the last days, with those that are resolved."""
        body = {"clientFilter": [self.client_id], "timeFilter": _ALERT_DAYS}
        url = self.session.url("/alerts/")
        # The list is asked for with PATCH; it changes nothing.
        call = Call("PATCH", url, json=body, permission=ALERTS, is_read=True)
        return _rows("/alerts/", self.session.send(call).body)

    def decide(self, update_id: str, decision: str) -> None:
        """Set what is to become of one computer's update: approve, ignore, nothing, inherit."""
        body = {"id": int(update_id), "action": decision}
        self.session.write("PUT", f"/winupdate/{update_id}/", UPDATES, body)

    def computer(self, own_id: str) -> Computer:
        """The computer."""
        return computer(self.agent(own_id))

    def computers(self) -> Iterator[Computer]:
        """All computers of the client."""
        for site in self.sites():
            for agent in self.agents(site):
                self._own.add(agent.text("agent_id"))
                yield computer(agent)

    def updates(self, own_id: str) -> list[Update]:
        """Updates of the computer."""
        self._check(own_id)
        return [update(row) for row in self.patches(own_id)]

    def mark(self, own_id: str, what: Work) -> Json:
        """When the computer was started and whether it answers, or its history's newest entry."""
        agent = self.agent(own_id)
        if what != "script":
            return {"started": agent.real("boot_time") or 0.0, "online": _is_online(agent)}
        rows = self.rows(f"/agents/{own_id}/history/", HISTORY)
        return {"history": max((row.number("id") or 0 for row in rows), default=0)}

    def has_begun(self, own_id: str, what: Work, mark: Json) -> bool:
        """Of a restart: a computer that answered before and has gone away may be restarting.

        Of other work Tactical RMM doesn't tell.
        """
        return what == "restart" and bool(mark.get("online")) and not _is_online(self.agent(own_id))

    def has_restarted(self, own_id: str, mark: Json) -> bool:
        """By when the system started."""
        started = self.agent(own_id).real("boot_time") or 0.0
        return started > float(mark.get("started") or 0.0) + _SAME_START

    def install(self, own_id: str) -> Json:
        """Have the approved updates installed."""
        return self._act(own_id, f"/winupdate/{own_id}/install/", UPDATES)

    def restart(self, own_id: str) -> Json:
        """Restart the computer now."""
        return self._act(own_id, f"/agents/{own_id}/reboot/", REBOOT)

    def run(self, own_id: str, script: str) -> Json:
        """Run a script as it is kept on the server, without waiting for its end."""
        for found in self.rows("/scripts/", SCRIPTS):
            if found.text("name").casefold() == script.casefold():
                body = {
                    "script": found.number("id"),
                    "output": "forget",
                    "args": found.listed("args"),
                    "env_vars": found.listed("env_vars"),
                    "run_as_user": found.truth("run_as_user") or False,
                    "timeout": found.number("default_timeout") or 90,
                }
                return self._act(own_id, f"/agents/{own_id}/runscript/", RUN, body)
        raise NotFound(f"Tactical RMM has no script {script}.")

    def runs(self, own_id: str, script: str, mark: Json) -> list[ScriptRun]:
        """The runs that the computer's history tells of."""
        self._check(own_id)
        after = int(mark.get("history") or 0)
        found = [
            (row.number("id") or 0, row)
            for row in self.rows(f"/agents/{own_id}/history/", HISTORY)
            if row.word("type") == "script_run"
            and row.text("script_name").casefold() == script.casefold()
        ]
        newest = sorted(found, key=lambda one: one[0], reverse=True)
        return [_run(number, row) for number, row in newest if number > after]

    def _act(self, own_id: str, path: str, permission: str, body: Any = None) -> Json:
        self._check(own_id)
        self.session.write("POST", path, permission, body)
        return {"status": "accepted"}

    def _check(self, own_id: str) -> None:
        if own_id not in self._own:
            self.agent(own_id)


def _is_online(agent: Fields) -> bool:
    return agent.word("status") == "online"


def _rows(path: str, body: Any) -> list[Fields]:
    if not isinstance(body, list):
        raise Unavailable(f"{path}: the answer is no list; it is tried again.")
    return [Fields(row) for row in body if isinstance(row, dict)]


def _run(number: int, row: Fields) -> ScriptRun:
    told = row.nested("script_results")
    code = told.number("retcode")
    result = "" if code is None else f"exit code {code}"
    return ScriptRun(str(number), bool(told.body), code == 0 if told.body else None, result)


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> TacticalRmmClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    given = {name: value.strip() for name, value in {**settings, **secrets}.items()}
    missing = [name for name in _NEEDED if not given.get(name)]
    if missing:
        raise ConnectionMisconfigured(
            f"The Tactical RMM connection lacks {', '.join(missing)}: enter it."
        )
    if not given["client_id"].isdecimal():
        raise ConnectionMisconfigured("client_id is a number: see https://<api>/clients/.")
    endpoint = given["endpoint"].rstrip("/")
    check_endpoint(endpoint, allow_private=private)
    transport = Transport(allow_private=private, limits=limits)
    token = ApiToken(given["api_key"], scheme="", header="X-API-KEY")
    scripts = agreed_scripts(given.get("scripts", ""))
    return TacticalRmmClient(Session(endpoint, transport, token), int(given["client_id"]), scripts)


def organisation(client: TacticalRmmClient) -> str:
    """Return which client it is, under whatever address the server is reached.

    Its number counts on one server only; an agent's id is unique. "" where there is no agent.
    """
    own = next(iter(client.agent_ids()), "")
    return f"{client.client_id}-{own}" if own else ""


def canary(client: TacticalRmmClient) -> str:
    """Read the client through the whole path; say in a sentence what was seen."""
    found = client.client()
    sites = len(found.objects("sites"))
    return f"Connected to Tactical RMM's client {found.text('name')[:100]} with {sites} sites."
