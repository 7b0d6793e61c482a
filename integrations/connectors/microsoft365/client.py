"""Microsoft Graph and Exchange Online's admin API, for one connection.

Batching and throttling as https://learn.microsoft.com/graph/json-batching and /graph/throttling
ask; tokens and pages are `integrations.microsoft`'s.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from integrations.addresses import private_endpoints_allowed
from integrations.errors import Throttled, Unauthorised, Unavailable
from integrations.microsoft.odata import JsonObject, ODataClient, address
from integrations.microsoft.registration import (
    Registration,
    endpoint,
    registration,
    scope,
    session,
)
from integrations.transport import Answer, Call, Limits, Transport, error_for, retry_after

__all__ = ["GraphClient", "address", "canary", "connect"]

GRAPH = "https://graph.microsoft.com"
EXCHANGE = "https://outlook.office365.com"
ACTIVITY = "https://manage.office.com"
_SYSTEM_MAILBOX = "SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}"
_BATCH = 20
_BATCH_ROUNDS = 4


class GraphClient(ODataClient):
    """A Microsoft 365 tenant, ready to be asked. Paths are relative to Graph's v1.0."""

    def __init__(
        self,
        app: Registration,
        *,
        graph: str,
        exchange: str,
        activity: str,
        transport: Transport,
        emergency_accounts: frozenset[str] = frozenset(),
    ) -> None:
        self.tenant_id = app.tenant_id
        # User names, in lower case, that a technician told; empty where the names say so.
        self.emergency_accounts = emergency_accounts
        self._tokens = app.tokens(transport)
        self._scopes = scope(graph, GRAPH), scope(exchange, EXCHANGE), scope(activity, ACTIVITY)
        super().__init__(session(f"{graph}/v1.0", self._tokens, self._scopes[0], transport))
        # For what Microsoft documents, but has not taken into v1.0.
        self.beta = ODataClient(session(f"{graph}/beta", self._tokens, self._scopes[0], transport))
        self._exchange = session(exchange, self._tokens, self._scopes[1], transport)
        # The unified audit log, in the Office 365 Management Activity API.
        of_tenant = f"{activity}/api/v1.0/{quote(self.tenant_id, safe='')}/activity/feed"
        self.activity = session(of_tenant, self._tokens, self._scopes[2], transport)
        self.client_id, self.secret_hint = app.client_id, app.client_secret[:3]
        self._organisation: JsonObject | None = None

    def __repr__(self) -> str:
        return f"<GraphClient {self.tenant_id}>"

    def close(self) -> None:
        """Give back the sockets and forget the tokens."""
        self._tokens.forget()
        super().close()

    def raise_for(self, answer: Answer, path: str, permission: str) -> None:
        """Raise what a batch's answer means, unless it is a success."""
        if not 200 <= answer.status < 300:
            raise error_for(Call("GET", self.session.url(path), permission=permission), answer)

    def hunt(self, query: str, timespan: str, permission: str) -> list[JsonObject]:
        """Run a query of advanced hunting over an ISO 8601 timespan; return its rows."""
        told = {"query": query, "timespan": timespan}
        body = self.session.ask("/security/runHuntingQuery", permission, told)
        rows = body.get("results") if isinstance(body, Mapping) else None
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def batch(self, paths: Mapping[str, str], permission: str) -> dict[str, Answer]:
        """Read many resources, 20 in one request; return each key's own answer.

        Throttled items are asked again; when they stay throttled, Throttled is raised and what
        was read is dropped: the caller repeats the page.
        """
        transport = self.session.transport
        answers: dict[str, Answer] = {}
        waiting = dict(paths)
        for attempt in range(_BATCH_ROUNDS):
            for chunk in _chunks(waiting, _BATCH):
                answers.update(self._batch_once(chunk, permission))
            busy = {k: a for k, a in answers.items() if a.status in {429, 503}}
            if not busy:
                return answers
            wait = max(retry_after(a.headers.get("retry-after")) for a in busy.values())
            if attempt == _BATCH_ROUNDS - 1 or wait > transport.limits.patience:
                raise Throttled(f"$batch: the vendor asks to wait {wait:.0f} s.", wait)
            transport.pause(wait)
            waiting = {k: paths[k] for k in busy}
        return answers

    def exchange(
        self, cmdlet: str, parameters: JsonObject, *, is_read: bool
    ) -> list[dict[str, Any]]:
        """Run one cmdlet of Exchange Online; return the objects that it gave.

        Graph v1.0 can neither read nor change a mailbox's own forwarding
        (https://learn.microsoft.com/powershell/exchange/app-only-auth-powershell-v2).
        """
        call = Call(
            "POST",
            self._exchange.url(f"/adminapi/beta/{quote(self.tenant_id, safe='')}/InvokeCommand"),
            # Routes the request to the organisation's own server when no mailbox is known.
            {"X-AnchorMailbox": f"APP:{_SYSTEM_MAILBOX}@{self.tenant_id}"},
            json={"CmdletInput": {"CmdletName": cmdlet, "Parameters": parameters}},
            permission="Exchange.ManageAsApp and an Exchange role such as Mail Recipients",
            is_read=is_read,
        )
        body = self._exchange.send(call).body
        value = body.get("value") if isinstance(body, Mapping) else None
        return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

    def directory(self) -> str:
        """Return the id of the directory that is read; "" where Microsoft doesn't tell."""
        return self._tokens.directory(self._scopes[0])

    def granted(self) -> frozenset[str]:
        """Return the application permissions of Graph and Office 365, as granted now."""
        graph, *others = self._scopes
        granted = self._tokens.roles(graph)
        for scope_of_other in others:
            try:
                granted |= self._tokens.roles(scope_of_other)
            except Unauthorised:
                # Graph takes the same credentials: this client has no such service.
                continue
        return granted

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
        body = self.session.ask("/$batch", permission, {"requests": requests})
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
    return GraphClient(
        registration(settings, secrets, title="Microsoft 365", private=private),
        graph=endpoint(settings, "graph_endpoint", GRAPH, private=private),
        exchange=endpoint(settings, "exchange_endpoint", EXCHANGE, private=private),
        activity=endpoint(settings, "activity_endpoint", ACTIVITY, private=private),
        transport=Transport(allow_private=private, limits=limits),
        emergency_accounts=frozenset(
            name.strip().lower()
            for name in (settings.get("emergency_accounts") or "").split(",")
            if name.strip()
        ),
    )


def canary(client: GraphClient) -> str:
    """Read the organisation through the whole path; say in a sentence what it saw."""
    client.forget_organisation()
    organisation = client.organisation()
    domains = organisation.get("verifiedDomains") or []
    names = [d.get("name") for d in domains if isinstance(d, Mapping) and d.get("isDefault")]
    domain = f" ({names[0]})" if names else ""
    return f"Connected to {organisation.get('displayName') or organisation.get('id')}{domain}."
