"""Google's Directory, Reports, Gmail and Alert Center APIs, for one connection.

google-api-python-client builds each request from the discovery documents that come with it, and
reads each answer; what it sends goes through `_Wire`, an http object of ours, to
integrations.transport. So nothing that the library does, now or in a later version, gets past the
time limits, the guard against private addresses and our errors.
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httplib2
from googleapiclient import discovery

from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.tokens import Tokens
from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    PermissionMissing,
    Rejected,
    Throttled,
    VendorError,
)
from integrations.transport import Answer, Call, Limits, Transport, error_for, retry_after

JsonObject = dict[str, Any]
# Google's word for the account that the caller belongs to.
CUSTOMER = "my_customer"
ENDPOINTS: Mapping[str, str] = {
    "token_endpoint": "https://oauth2.googleapis.com/token",
    "admin_endpoint": "https://admin.googleapis.com",
    "gmail_endpoint": "https://gmail.googleapis.com",
    "alert_center_endpoint": "https://alertcenter.googleapis.com",
}
# 403 with one of these says "too fast", not "not allowed":
# https://developers.google.com/workspace/admin/directory/v1/limits,
# https://developers.google.com/workspace/gmail/api/guides/handle-errors
_TOO_FAST = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"}
)
_ADDRESSES_KEPT, _ADDRESS_SECONDS = 5_000, 600.0
_MOST = 10_000


class NoMailbox(NotFound):
    """The account exists, but Gmail is not on for it."""


@lru_cache(maxsize=64)
def _service(name: str, version: str, endpoint: str) -> Any:
    """The library's description of an API. It holds no credentials; each call is sent by a Wire."""
    return discovery.build(
        name,
        version,
        http=_Nothing(),
        static_discovery=True,
        cache_discovery=False,
        client_options={"api_endpoint": f"{endpoint}/"},
    )


class _Nothing:
    """The http object of a request that nobody gave a Wire."""

    def request(self, uri: str, *_: Any, **__: Any) -> Any:
        raise RuntimeError("a request of the library is sent by WorkspaceClient.read or write")


@dataclass(frozen=True, slots=True)
class _Wire:
    """The http object that the library sends one request with."""

    client: "WorkspaceClient"
    scope: str
    subject: str
    is_read: bool

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """Send it; errors are raised as `integrations.errors`, past the library."""
        if (headers or {}).get("x-http-method-override"):
            # The library makes a POST of a GET with a long query; what was meant is sent.
            uri, method, body = f"{uri}?{body}", "GET", None
        call = Call(
            method,
            uri.removesuffix("?"),
            json=json.loads(body) if body else None,
            permission=self.scope,
            is_read=self.is_read,
        )
        answer = self.client.send(call, self.subject)
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        # The library takes an empty 200 for damaged JSON.
        status = 204 if answer.status == 200 and not content else answer.status
        return httplib2.Response({"status": status}), content


class WorkspaceClient:
    """A Google Workspace account, ready to be asked. Every method raises `integrations.errors`.

    `admin` is the administrator for whom the Directory, Reports and Alert Center APIs are called;
    Gmail is called for the owner of the mailbox.
    """

    def __init__(
        self, *, admin: str, key: str, endpoints: Mapping[str, str], transport: Transport
    ) -> None:
        self.admin = admin
        self._transport = transport
        self._tokens = Tokens(key, endpoints["token_endpoint"], admin, transport)
        self.directory = _service("admin", "directory_v1", endpoints["admin_endpoint"])
        self.reports = _service("admin", "reports_v1", endpoints["admin_endpoint"])
        self.gmail = _service("gmail", "v1", endpoints["gmail_endpoint"])
        self.alerts = _service("alertcenter", "v1beta1", endpoints["alert_center_endpoint"])
        self._gmail_host = urlsplit(endpoints["gmail_endpoint"]).netloc
        self._addresses: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._domains: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<WorkspaceClient {self.admin}>"

    def close(self) -> None:
        """Give back the sockets and forget the tokens."""
        self._tokens.forget()
        self._transport.close()

    def try_scope(self, scope: str) -> None:
        """Ask for a new token of one scope; PermissionMissing where it is not delegated."""
        self._tokens.forget(self.admin, scope)
        self._tokens.get(self.admin, scope)

    def read(self, request: Any, scope: str, subject: str = "") -> JsonObject:
        """Send a request of the library that only reads; return the answer, {} where empty."""
        found = request.execute(http=_Wire(self, scope, subject or self.admin, is_read=True))
        return found if isinstance(found, dict) else {}

    def write(self, request: Any, scope: str, subject: str = "") -> JsonObject:
        """Send a request that changes something. Never repeated, save once after a 401."""
        found = request.execute(http=_Wire(self, scope, subject or self.admin, is_read=False))
        return found if isinstance(found, dict) else {}

    def pages(
        self, collection: Any, request: Any, scope: str, subject: str = ""
    ) -> Iterator[JsonObject]:
        """Read a collection answer by answer, as the library's list_next leads."""
        while request is not None:
            answer = self.read(request, scope, subject)
            yield answer
            request = collection.list_next(request, answer)

    def all(
        self, collection: Any, request: Any, name: str, scope: str, subject: str = "",
        most: int = _MOST,
    ) -> list[JsonObject]:  # fmt: skip
        """Read a whole collection, at most `most` objects; `name` is that of the list."""
        found: list[JsonObject] = []
        for answer in self.pages(collection, request, scope, subject):
            found += objects(answer, name)
            if len(found) >= most:
                break
        return found[:most]

    def address(self, account: str) -> str:
        """Return the primary address of an account, whose mailbox it names; NotFound if none.

        `account` is Google's id, or an address already.
        """
        if "@" in account:
            return account
        with self._lock:
            known, until = self._addresses.get(account, ("", 0.0))
        if until > time.monotonic():
            return known
        user = self.read(self.directory.users().get(userKey=account), scopes.USERS_READ)
        found = str(user.get("primaryEmail") or "")
        if not found:
            raise NotFound("Google shows the account without an address.")
        with self._lock:
            self._addresses[account] = (found, time.monotonic() + _ADDRESS_SECONDS)
            while len(self._addresses) > _ADDRESSES_KEPT:
                self._addresses.popitem(last=False)
        return found

    def domains(self) -> frozenset[str]:
        """Return the organisation's own domains and their aliases, in lower case. Read once."""
        if not self._domains:
            request = self.directory.domains().list(customer=CUSTOMER)
            told = objects(self.read(request, scopes.DOMAINS_READ), "domains")
            names = [d.get("domainName") for d in told]
            names += [a.get("domainAliasName") for d in told for a in objects(d, "domainAliases")]
            self._domains = frozenset(str(name).lower() for name in names if name)
        return self._domains

    def send(self, call: Call, subject: str) -> Answer:
        """Send one request for `subject` with a token for the call's permission."""
        answer = self._authorised(call, subject)
        if answer.status == 401:
            # Refused at the door, so nothing was done: once more with a new token.
            self._tokens.forget(subject, call.permission)
            answer = self._authorised(call, subject)
        if not 200 <= answer.status < 300:
            raise self._refusal(call, answer)
        return answer

    def _authorised(self, call: Call, subject: str) -> Answer:
        token = self._tokens.get(subject, call.permission)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        return self._transport.send(replace(call, headers=headers), accept={400, 401, 403})

    def _refusal(self, call: Call, answer: Answer) -> VendorError:
        reason = reason_of(answer.body)
        if answer.status == 403 and reason in _TOO_FAST:
            seconds = retry_after(answer.headers.get("retry-after"))
            return Throttled(f"{call.name}: Google asks to wait {seconds:.0f} s.", seconds)
        if answer.status == 403:
            return PermissionMissing(
                f"{call.name}: Google allows it not ({reason or 'no reason'}). It needs the scope "
                f"{call.permission}, the API switched on in the service account's project, and "
                f"{self.admin} as an administrator who may do it."
            )
        is_gmail = urlsplit(call.url).netloc == self._gmail_host
        if answer.status == 400 and is_gmail and reason == "failedPrecondition":
            return NoMailbox(f"{call.name}: Gmail is not on for this account.")
        if answer.status == 400:
            return Rejected(f"{call.name}: Google refused the request ({reason or 'no reason'}).")
        return error_for(call, answer)


def reason_of(body: Any) -> str:
    """Google's short reason of an error, such as ``notFound``; its message may quote our input."""
    error = body.get("error") if isinstance(body, Mapping) else None
    details = error.get("errors") if isinstance(error, Mapping) else None
    first = details[0] if isinstance(details, list) and details else {}
    reason = first.get("reason") if isinstance(first, Mapping) else None
    return reason[:60] if isinstance(reason, str) and reason.isalnum() else ""


def objects(answer: Mapping[str, Any], name: str) -> list[JsonObject]:
    """The objects of an answer's list; Google leaves an empty list out."""
    found = answer.get(name)
    return [o for o in found if isinstance(o, dict)] if isinstance(found, list) else []


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> WorkspaceClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work. `allow_private` defaults to the
    installation's HOLDFAST_ALLOW_PRIVATE_ENDPOINTS.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    admin, key = _needed(settings, "admin"), _needed(secrets, "service_account_key")
    if "@" not in admin:
        raise ConnectionMisconfigured("admin must be the administrator's e-mail address.")
    endpoints = {
        name: (settings.get(name) or default).rstrip("/") for name, default in ENDPOINTS.items()
    }
    for name, url in endpoints.items():
        if url != ENDPOINTS[name]:
            check_endpoint(url, allow_private=private)
    transport = Transport(allow_private=private, limits=limits)
    return WorkspaceClient(admin=admin, key=key, endpoints=endpoints, transport=transport)


def _needed(values: Mapping[str, str], name: str) -> str:
    value = (values.get(name) or "").strip()
    if not value:
        raise ConnectionMisconfigured(f"The Google Workspace connection lacks {name}: enter it.")
    return value


def canary(client: WorkspaceClient) -> str:
    """Read the administrator's own account through the whole path; say what was seen."""
    request = client.directory.users().get(userKey=client.admin, projection="basic")
    user = client.read(request, scopes.USERS_READ)
    domain = str(user.get("primaryEmail") or client.admin).rpartition("@")[2]
    return f"Connected to {domain} as {user.get('primaryEmail') or client.admin}."


def customer(client: WorkspaceClient) -> str:
    """Return Google's id of the account; an administrator may be of any of its domains."""
    request = client.directory.users().get(userKey=client.admin, projection="basic")
    return str(client.read(request, scopes.USERS_READ).get("customerId") or "")
