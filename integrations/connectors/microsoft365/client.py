"""Microsoft Graph and Exchange Online's admin API, for one connection.

Tokens: client credentials through msal
(https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
Paging, batching and throttling as https://learn.microsoft.com/graph/paging, /graph/json-batching
and /graph/throttling ask.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from integrations.addresses import check_endpoint, private_endpoints_allowed
from integrations.connectors.microsoft365.tokens import Tokens
from integrations.errors import ConnectionMisconfigured, Rejected, Throttled, Unavailable
from integrations.transport import Answer, Call, Limits, Transport, error_for, retry_after

LOGIN = "https://login.microsoftonline.com"
GRAPH = "https://graph.microsoft.com"
EXCHANGE = "https://outlook.office365.com"
_SYSTEM_MAILBOX = "SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}"
_BATCH = 20
_BATCH_ROUNDS = 4
_TENANT = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z.\-]{1,252}")

JsonObject = dict[str, Any]


def address(template: str, *ids: str, **options: str | int) -> str:
    """Return a Graph path with `ids` put into its ``{}``, and OData options.

    Option names are given without ``$``: ``address("/users/{}", id, select="id")``.
    """
    path = template.format(*(quote(i, safe="") for i in ids))
    if not options:
        return path
    query = urlencode({f"${k}": str(v) for k, v in options.items()}, quote_via=quote, safe="(),/':")
    return f"{path}?{query}"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the cloud is: sovereign clouds and the simulator have others."""

    login: str = LOGIN
    graph: str = GRAPH
    exchange: str = EXCHANGE


class GraphClient:
    """A Microsoft 365 tenant, ready to be asked. Every method raises `integrations.errors`."""

    def __init__(
        self,
        *,
        tenant_id: str,
        client_id: str,
        client_secret: str,
        endpoints: Endpoints,
        transport: Transport,
    ) -> None:
        self.tenant_id = tenant_id
        self._endpoints = endpoints
        self._transport = transport
        self._tokens = Tokens(tenant_id, client_id, client_secret, endpoints.login, transport)
        self._organisation: JsonObject | None = None

    def __repr__(self) -> str:
        return f"<GraphClient {self.tenant_id}>"

    def close(self) -> None:
        """Give back the sockets and forget the tokens."""
        self._tokens.forget()
        self._transport.close()

    def get(self, path: str, permission: str, headers: Mapping[str, str] | None = None) -> Any:
        """Read one resource; `path` is relative to v1.0, or a full link of the same host."""
        call = Call("GET", self._url(path), headers or {}, permission=permission)
        return self._send(call, GRAPH).body

    def page(self, path: str, permission: str) -> tuple[list[JsonObject], str, str]:
        """Read one page of a collection: its objects, the next page's link, the delta link."""
        body = self.get(path, permission)
        if not isinstance(body, Mapping) or not isinstance(body.get("value"), list):
            raise Unavailable(
                f"GET {urlsplit(path).path}: the answer is no collection; it is tried again."
            )
        records = [r if isinstance(r, dict) else {"_value": r} for r in body["value"]]
        return records, self.link(body), self._link(body.get("@odata.deltaLink"))

    def link(self, body: Mapping[str, Any]) -> str:
        """Return the address of the page after this one, "" where there is none."""
        return self._link(body.get("@odata.nextLink"))

    def raise_for(self, answer: Answer, path: str, permission: str) -> None:
        """Raise what a batch's answer means, unless it is a success."""
        if not 200 <= answer.status < 300:
            raise error_for(Call("GET", self._url(path), permission=permission), answer)

    def all(self, path: str, permission: str, most: int = 10_000) -> list[JsonObject]:
        """Read a whole collection, at most `most` objects."""
        found: list[JsonObject] = []
        for records in self.pages(path, permission):
            found.extend(records)
            if len(found) >= most:
                break
        return found[:most]

    def pages(self, path: str, permission: str) -> Iterator[list[JsonObject]]:
        """Read a collection page by page. A link that leads back to itself ends it."""
        seen = set()
        while path and path not in seen:
            seen.add(path)
            records, path, _ = self.page(path, permission)
            yield records

    def write(self, method: str, path: str, permission: str, body: Any = None) -> Any:
        """Change something; return the answer's body. Never repeated, save once after a 401."""
        call = Call(method, self._url(path), json=body, permission=permission)
        return self._send(call, GRAPH).body

    def batch(self, paths: Mapping[str, str], permission: str) -> dict[str, Answer]:
        """Read many resources, 20 in one request; return each key's own answer.

        Throttled items are asked again; when they stay throttled, Throttled is raised and what
        was read is dropped: the caller repeats the page.
        """
        answers: dict[str, Answer] = {}
        waiting = dict(paths)
        for attempt in range(_BATCH_ROUNDS):
            for chunk in _chunks(waiting, _BATCH):
                answers.update(self._batch_once(chunk, permission))
            busy = {k: a for k, a in answers.items() if a.status in {429, 503}}
            if not busy:
                return answers
            wait = max(retry_after(a.headers.get("retry-after")) for a in busy.values())
            if attempt == _BATCH_ROUNDS - 1 or wait > self._transport.limits.patience:
                raise Throttled(f"$batch: the vendor asks to wait {wait:.0f} s.", wait)
            self._transport.pause(wait)
            waiting = {k: paths[k] for k in busy}
        return answers

    def exchange(
        self, cmdlet: str, parameters: JsonObject, *, is_read: bool
    ) -> list[dict[str, Any]]:
        """Run one cmdlet of Exchange Online; return the objects that it gave.

        Graph v1.0 can neither read nor change a mailbox's own forwarding
        (https://learn.microsoft.com/powershell/exchange/app-only-auth-powershell-v2).
        """
        base = self._endpoints.exchange
        call = Call(
            "POST",
            f"{base}/adminapi/beta/{quote(self.tenant_id, safe='')}/InvokeCommand",
            # Routes the request to the organisation's own server when no mailbox is known.
            {"X-AnchorMailbox": f"APP:{_SYSTEM_MAILBOX}@{self.tenant_id}"},
            json={"CmdletInput": {"CmdletName": cmdlet, "Parameters": parameters}},
            permission="Exchange.ManageAsApp and an Exchange role such as Mail Recipients",
            is_read=is_read,
        )
        body = self._send(call, EXCHANGE).body
        value = body.get("value") if isinstance(body, Mapping) else None
        return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

    def organisation(self) -> JsonObject:
        """Return the tenant itself, with its verified domains. Read once for a client."""
        if self._organisation is None:
            path = address("/organization", select="id,displayName,verifiedDomains")
            found = self.all(path, "Organization.Read.All")
            if not found:
                raise Unavailable("Microsoft Graph answered, but showed no organisation.")
            self._organisation = found[0]
        return self._organisation

    def forget_organisation(self) -> None:
        """Read the organisation again when it is asked for next."""
        self._organisation = None

    def domains(self) -> frozenset[str]:
        """Return the tenant's verified domains, in lower case."""
        told = self.organisation().get("verifiedDomains") or []
        return frozenset(str(d["name"]).lower() for d in told if d.get("name"))

    def _batch_once(self, paths: Mapping[str, str], permission: str) -> dict[str, Answer]:
        requests = [{"id": k, "method": "GET", "url": path} for k, path in paths.items()]
        call = Call(
            "POST",
            self._url("/$batch"),
            json={"requests": requests},
            permission=permission,
            is_read=True,
        )
        body = self._send(call, GRAPH).body
        responses = body.get("responses") if isinstance(body, Mapping) else None
        found = {}
        for response in responses if isinstance(responses, list) else []:
            headers = response.get("headers") or {}
            lower = {str(k).lower(): str(v) for k, v in headers.items()}
            answer = Answer(int(response.get("status", 0)), response.get("body"), lower)
            found[str(response.get("id"))] = answer
        missing = [k for k in paths if k not in found]
        if missing:
            raise Unavailable(f"$batch: {len(missing)} of {len(paths)} answers are missing.")
        return found

    def _send(self, call: Call, service: str) -> Answer:
        scope = _scope(service, self._endpoints)
        answer = self._authorised(call, scope)
        if answer.status == 401:
            # Refused at the door, so nothing was done: once more with a new token.
            self._tokens.forget(scope)
            answer = self._authorised(call, scope)
        if answer.status == 401:
            raise error_for(call, answer)
        return answer

    def _authorised(self, call: Call, scope: str) -> Answer:
        headers = {
            **call.headers,
            "Authorization": f"Bearer {self._tokens.get(scope)}",
            "Accept": "application/json",
        }
        with_token = Call(
            call.method, call.url, headers, call.json, call.form, call.permission, call.is_read
        )
        return self._transport.send(with_token, accept={401})

    def _url(self, path: str) -> str:
        if path.startswith("/"):
            return f"{self._endpoints.graph}/v1.0{path}"
        return self._link(path)

    def _link(self, link: Any) -> str:
        """A link that an answer gave: it must lead to the same host, or our token would leak."""
        if not link:
            return ""
        if not isinstance(link, str) or _origin(link) != _origin(self._endpoints.graph):
            raise Rejected("The answer's next link leads to another host; it is not followed.")
        return link


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return parts.scheme, (parts.hostname or "").lower(), port
    except ValueError:
        return "", "", 0


def _scope(service: str, endpoints: Endpoints) -> str:
    """The OAuth scope of Graph or Exchange. A simulator on http stands for the public cloud."""
    endpoint = endpoints.graph if service == GRAPH else endpoints.exchange
    return f"{endpoint if endpoint.startswith('https://') else service}/.default"


def _chunks(items: Mapping[str, str], size: int) -> Iterable[dict[str, str]]:
    keys = list(items)
    for start in range(0, len(keys), size):
        yield {k: items[k] for k in keys[start : start + size]}


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> GraphClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work. `allow_private` defaults to the
    installation's HOLDFAST_ALLOW_PRIVATE_ENDPOINTS.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    tenant_id, client_id = _needed(settings, "tenant_id"), _needed(settings, "client_id")
    if not _TENANT.fullmatch(tenant_id):
        raise ConnectionMisconfigured(
            "tenant_id must be the directory's ID (a GUID) or one of its domain names."
        )
    given = {
        name: (settings.get(f"{name}_endpoint") or default).rstrip("/")
        for name, default in (("login", LOGIN), ("graph", GRAPH), ("exchange", EXCHANGE))
    }
    for url in given.values():
        if url not in {LOGIN, GRAPH, EXCHANGE}:
            check_endpoint(url, allow_private=private)
    return GraphClient(
        tenant_id=tenant_id,
        client_id=client_id,
        client_secret=_needed(secrets, "client_secret"),
        endpoints=Endpoints(**given),
        transport=Transport(allow_private=private, limits=limits),
    )


def _needed(values: Mapping[str, str], name: str) -> str:
    value = (values.get(name) or "").strip()
    if not value:
        raise ConnectionMisconfigured(f"The Microsoft 365 connection lacks {name}: enter it.")
    return value


def canary(client: GraphClient) -> str:
    """Read the organisation through the whole path; say in a sentence what it saw."""
    client.forget_organisation()
    organisation = client.organisation()
    domains = organisation.get("verifiedDomains") or []
    names = [d.get("name") for d in domains if isinstance(d, Mapping) and d.get("isDefault")]
    domain = f" ({names[0]})" if names else ""
    return f"Connected to {organisation.get('displayName') or organisation.get('id')}{domain}."
