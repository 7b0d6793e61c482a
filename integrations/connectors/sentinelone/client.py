"""SentinelOne's management API 2.1, for one client: a console, or one account or site of it.

Answers are ``{"data": …, "pagination": {"nextCursor", "totalItems"}}``. Lists go on by cursor.
Source: the console's own help, https://<console>/api-doc/overview.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.errors import ConnectionMisconfigured, NotFound, Unavailable
from integrations.session import ApiToken, Session
from integrations.transport import Limits, Transport
from integrations.values import Fields

API = "/web/api/v2.1"
VIEW_ENDPOINTS = "Endpoints: View"
VIEW_THREATS = "Endpoint Threats: View"


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a list; `following` is the next page's cursor, "" after the last."""

    items: tuple[dict[str, Any], ...]
    following: str
    total: int


class SentinelOneClient:
    """One console, or what `scope` names of it, ready to be asked.

    `scope` is empty, or has the id of an account or site by the name of its filter. Methods raise
    `integrations.errors`.
    """

    def __init__(self, session: Session, scope: Mapping[str, str]) -> None:
        self.session = session
        self.scope = scope

    def __repr__(self) -> str:
        return f"<SentinelOneClient {self.session.base_url}>"

    def close(self) -> None:
        """Give back the sockets."""
        self.session.close()

    def page(self, path: str, permission: str, **query: Any) -> Listing:
        """Read one page of a list. Query values of None are left out."""
        body = self.session.get(f"{API}{path}", permission, **self.scope, **query)
        data = body.get("data") if isinstance(body, Mapping) else None
        if not isinstance(data, list):
            raise Unavailable(f"GET {path}: the answer is no list; it is tried again.")
        told = Fields(body).nested("pagination")
        items = tuple(item for item in data if isinstance(item, dict))
        return Listing(items, told.text("nextCursor"), told.number("totalItems") or len(items))

    def one(self, path: str, permission: str, own_id: str, what: str) -> Fields:
        """Read what has this id; NotFound where there is none in this client's account or site."""
        found = [i for i in self.page(path, permission, ids=own_id).items if _id(i) == own_id]
        if not found:
            raise NotFound(f"SentinelOne has no {what} {own_id}.")
        return Fields(found[0])

    def act(self, path: str, permission: str, own_id: str) -> int:
        """Have something done to what has this id; return to how many it was.

        The filter names the account or site too, so that nothing of another client is ever touched.
        """
        scope = {name: [own] for name, own in self.scope.items()}
        body = {"filter": {"ids": [own_id], **scope}, "data": {}}
        answer = self.session.write("POST", f"{API}{path}", permission, body)
        told = Fields(answer).nested("data") if isinstance(answer, Mapping) else Fields({})
        return told.number("affected") or 0


def _id(item: Mapping[str, Any]) -> str:
    return Fields(item).text("id")


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> SentinelOneClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    given = {**settings, **secrets}
    missing = [name for name in ("endpoint", "api_token") if not given.get(name)]
    if missing:
        raise ConnectionMisconfigured(
            f"The SentinelOne connection lacks {', '.join(missing)}: enter it."
        )
    scope = {
        query: given[name].strip()
        for name, query in (("account_id", "accountIds"), ("site_id", "siteIds"))
        if given.get(name, "").strip()
    }
    for own in scope.values():
        if not own.isdecimal():
            raise ConnectionMisconfigured(
                "account_id and site_id are numbers: copy them from the page's address."
            )
    endpoint = given["endpoint"].strip().rstrip("/").removesuffix(API)
    check_endpoint(endpoint, allow_private=private)
    transport = Transport(allow_private=private, limits=limits)
    token = ApiToken(given["api_token"], scheme="ApiToken")
    return SentinelOneClient(Session(endpoint, transport, token), scope)


def place(client: SentinelOneClient) -> str:
    """Return whose it is: the account's id, with the site's where only one is read.

    "" without any endpoint, and where the console shows several accounts and none was chosen.
    """
    every = client.page("/agents", VIEW_ENDPOINTS, limit=1)
    account = Fields(every.items[0]).text("accountId") if every.items else ""
    if not account or client.scope:
        site = client.scope.get("siteIds", "")
        return f"{account}/{site}" if account and site else account
    own = client.page("/agents", VIEW_ENDPOINTS, limit=1, accountIds=account)
    return account if own.total == every.total else ""


def canary(client: SentinelOneClient) -> str:
    """Ask for one endpoint through the whole path; say in a sentence what was seen."""
    seen = client.page("/agents", VIEW_ENDPOINTS, limit=1)
    return f"Connected to SentinelOne, which shows {seen.total} endpoints."
