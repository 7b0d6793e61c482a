"""Wazuh 4: the manager's API (port 55000) and, where it is connected, the indexer (port 9200).

The API answers ``{"data": {"affected_items", "total_affected_items", "failed_items"}, "error"}``,
with 200 even where all failed. Its tokens last 15 minutes; the indexer takes Basic credentials.
Source: https://documentation.wazuh.com/current/user-manual/api/reference.html
"""

import base64
import re
import threading
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    PermissionMissing,
    Rejected,
    Unauthorised,
    Unavailable,
)
from integrations.session import ApiToken, Session
from integrations.transport import Call, Limits, Transport
from integrations.values import Fields

Json = dict[str, Any]
AGENTS: Final = "agent:read"
READ_ALERTS: Final = "Indexer: read wazuh-alerts-*"
READ_VULNERABILITIES: Final = "Indexer: read wazuh-states-vulnerabilities-*"
ALERTS: Final = "/wazuh-alerts-*/_search"
VULNERABILITIES: Final = "/wazuh-states-vulnerabilities-*/_search"
_PAGE = 500
# Less than the API's 900 s, so that a token is renewed before it runs out.
_TOKEN_SECONDS = 780.0
_REFUSALS = frozenset({400, 401, 403})
_GROUP_AGENTS_SECONDS = 60.0
_AGENT_ID = re.compile(r"\d{3,10}")
# https://documentation.wazuh.com/current/user-manual/api/reference.html: error codes.
_NOT_FOUND = frozenset({1701, 1710, 1734})
_DENIED = 4000


class ApiUser:
    """A user of the manager's API, whose name and password are changed for a token."""

    def __init__(self, endpoint: str, user: str, password: str, transport: Transport) -> None:
        self._url = f"{endpoint}/security/user/authenticate"
        self._basic = ApiToken(basic(user, password), scheme="Basic")
        self._transport = transport
        self._lock = threading.Lock()
        self._token, self._expires = "", 0.0

    def __repr__(self) -> str:
        return f"<ApiUser of {self._url}>"

    def headers(self) -> Mapping[str, str]:
        """The bearer token; Unauthorised, Throttled or Unavailable where there is none."""
        with self._lock:
            if self._expires <= time.monotonic():
                self._renew()
            return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """Ask for a new token at the next request."""
        with self._lock:
            self._token, self._expires = "", 0.0

    def _renew(self) -> None:
        # Asking for a token changes nothing, so it counts as a read.
        call = Call("POST", self._url, headers=self._basic.headers(), is_read=True)
        answer = self._transport.send(call, accept=_REFUSALS)
        if answer.status in _REFUSALS:
            raise Unauthorised(
                f"{call.name}: Wazuh refused the user ({answer.status}). Check the name and "
                "password of the API user."
            )
        token = Fields(_object(answer.body)).nested("data").text("token")
        if not token:
            raise Unavailable(f"{call.name}: the answer holds no token; it is tried again.")
        self._token, self._expires = token, time.monotonic() + _TOKEN_SECONDS


class WazuhClient:
    """One manager and its indexer, for one client. Methods raise `integrations.errors`.

    `group` is the agent group that holds this client's computers, where the manager has several
    clients: nothing outside of it is read or touched.
    """

    def __init__(self, manager: Session, indexer: Session | None, group: str) -> None:
        self.manager = manager
        self.indexer = indexer
        self.group = group
        self._own: tuple[float, tuple[str, ...]] = (0.0, ())

    def __repr__(self) -> str:
        return f"<WazuhClient {self.manager.base_url}>"

    def close(self) -> None:
        """Give back the sockets."""
        self.manager.close()
        if self.indexer is not None:
            self.indexer.close()

    def items(self, path: str, permission: str, **query: Any) -> tuple[list[dict], int]:
        """Read one page of a list: its items, and how many there are in all."""
        query.setdefault("limit", _PAGE)
        data = Fields(_object(self.manager.get(path, permission, **query))).nested("data")
        return [one for one in data.listed("affected_items") if isinstance(one, dict)], (
            data.number("total_affected_items") or 0
        )

    def agents(self, **query: Any) -> tuple[list[dict], int]:
        """Read one page of this client's agents."""
        return self.items("/agents", AGENTS, group=self.group or None, **query)

    def agent(self, agent_id: str) -> Fields:
        """Read one agent of this client; NotFound where there is none."""
        found: list[dict] = []
        if _AGENT_ID.fullmatch(agent_id):
            found, _ = self.agents(agents_list=agent_id, limit=1)
        if not found:
            raise NotFound(f"Wazuh has no agent {agent_id[:40]}.")
        return Fields(found[0])

    def own_agents(self) -> tuple[str, ...]:
        """The ids of this client's agents, by which the indexer is asked; () where all are."""
        if not self.group:
            return ()
        read_at, ids = self._own
        if not ids or time.monotonic() - read_at > _GROUP_AGENTS_SECONDS:
            ids = tuple(Fields(one).text("id") for one in self.every_agent(select="id"))
            self._own = (time.monotonic(), ids)
        return ids

    def every_agent(self, **query: Any) -> list[dict]:
        """All agents of this client."""
        found: list[dict] = []
        while True:
            page, total = self.agents(offset=len(found), sort="+id", **query)
            found += page
            if not page or len(found) >= total:
                return found

    def act(self, method: str, path: str, permission: str, body: Any = None, **query: Any) -> Json:
        """Change something; NotFound, PermissionMissing or Rejected where it failed for all."""
        answer = self.manager.write(method, path, permission, body, **query)
        data = Fields(_object(answer)).nested("data")
        affected = data.listed("affected_items")
        if not affected:
            raise _failure(data, permission)
        return {"affected": len(affected), "failed": data.number("total_failed_items") or 0}

    def policies(self) -> Mapping[str, Any]:
        """What the API user may do: for each action the resources, with allow or deny.

        A user may always ask this of itself.
        """
        body = self.manager.get("/security/users/me/policies", "")
        return _object(_object(body).get("data"))

    def search(self, path: str, permission: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Ask the indexer; the hits, with `_source` and `sort`. Rejected where it isn't known."""
        hits = Fields(self.asked(path, permission, query)).nested("hits").raw("hits")
        if not isinstance(hits, list):
            raise Unavailable(f"POST {path}: the answer holds no hits; it is tried again.")
        return [hit for hit in hits if isinstance(hit, dict)]

    def asked(self, path: str, permission: str, query: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask the indexer; the whole answer. Rejected where the connection has no indexer.

        Unavailable where it searched a part only, which it answers with 200: what a feed read of
        that would be taken for all there is.
        """
        if self.indexer is None:
            raise Rejected(
                "This connection has no indexer: enter its address, user and password for "
                "vulnerabilities and for what is read back from alerts."
            )
        told = _object(self.indexer.ask(path, permission, query))
        if told.get("timed_out") or Fields(told).nested("_shards").number("failed"):
            raise Unavailable(
                f"POST {path}: the indexer searched only a part of its shards; it is tried again."
            )
        return told


def basic(user: str, password: str) -> str:
    """Name and password as Basic credentials (RFC 7617)."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _object(body: Any) -> Mapping[str, Any]:
    return body if isinstance(body, Mapping) else {}


def _failure(data: Fields, permission: str) -> Exception:
    """What the first failed item says, as an error of ours."""
    told = next(iter(data.objects("failed_items")), Fields({})).nested("error")
    code, words = told.number("code") or 0, told.text("message")[:160]
    said = f" ({code}: {words})" if code else ""
    if code in _NOT_FOUND:
        return NotFound(f"Wazuh does not know it{said}.")
    if code == _DENIED:
        return PermissionMissing(f"Wazuh does not allow it{said}. It needs {permission}.")
    return Rejected(f"Wazuh did it for no agent{said}.")


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> WazuhClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    given = {name: value.strip() for name, value in {**settings, **secrets}.items()}
    _present(given, ("endpoint", "username", "password"))
    group = given.get("group", "")
    if not re.fullmatch(r"[A-Za-z0-9_.\-]{0,128}", group):
        raise ConnectionMisconfigured("group is the name of an agent group, such as acme.")
    endpoint = given["endpoint"].rstrip("/")
    check_endpoint(endpoint, allow_private=private)
    authority = given.get("authority", "")
    transport = Transport(allow_private=private, limits=limits, authority=authority)
    user = ApiUser(endpoint, given["username"], given["password"], transport)
    indexer = None
    if given.get("indexer"):
        _present(given, ("indexer_username", "indexer_password"))
        place = given["indexer"].rstrip("/")
        check_endpoint(place, allow_private=private)
        token = ApiToken(
            basic(given["indexer_username"], given["indexer_password"]), scheme="Basic"
        )
        searching = Transport(allow_private=private, limits=limits, authority=authority)
        indexer = Session(place, searching, token)
    return WazuhClient(Session(endpoint, transport, user), indexer, group)


def _present(given: Mapping[str, str], names: Collection[str]) -> None:
    missing = [name for name in names if not given.get(name)]
    if missing:
        raise ConnectionMisconfigured(f"The Wazuh connection lacks {', '.join(missing)}: enter it.")


def canary(client: WazuhClient) -> str:
    """Ask manager and indexer through the whole path; say in a sentence what was seen."""
    _, total = client.agents(limit=1)
    if client.indexer is None:
        return f"Connected to Wazuh, which has {total} agents; alerts come by its integration."
    client.search(ALERTS, READ_ALERTS, {"size": 0})
    return f"Connected to Wazuh, which has {total} agents, and to its indexer."
