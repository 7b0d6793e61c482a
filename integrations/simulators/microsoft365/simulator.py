"""The simulator itself: which part answers a request, with which faults, and what is logged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from . import directory, exchange, mail, methods, security, users
from .batch import answer_batch
from .errors import GraphError, bad_request, server_error, throttled
from .exchange import ExchangeError
from .faults import Fault, Faults
from .graph import Answer, Request, Router
from .journal import Journal
from .store import Record, Store, Tenant
from .tokens import Caller, Issuer, LoginError

GRAPH = "https://graph.microsoft.com"
EXCHANGE = "https://outlook.office365.com"
_VERSION = "/v1.0"
ROUTER = Router([*users.ROUTES, *methods.ROUTES, *mail.ROUTES, *security.ROUTES, *directory.ROUTES])


@dataclass
class Options:
    """How a simulator behaves; files are optional.

    `expires_in` is the life of a token in seconds, `page_size` the records on a page when the
    client does not ask for a number.
    """

    state: Path | None = None
    log: Path | None = None
    record_exchanges: Path | None = None
    expires_in: int = 3599
    page_size: int = 100
    clock: Callable[[], float] = time.time


@dataclass
class Exchange:
    """One HTTP request on its way to an answer."""

    method: str
    path: str
    options: dict[str, str]
    headers: Mapping[str, str]
    raw: bytes
    caller: Caller | None = None
    tenant: Tenant | None = None
    faults: dict[str, Fault] = field(default_factory=dict)
    effects: list[Record] = field(default_factory=list)
    logged: list[Record] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The address by which the client came, for links in answers."""
        host = self.headers.get("host", "graph.microsoft.com")
        scheme = "https" if host.endswith(("microsoft.com", "office365.com")) else "http"
        return f"{scheme}://{host}"

    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.raw.decode("utf-8", "replace"), keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; None where there is none; 400 where it can't be read."""
        if not self.raw:
            return None
        try:
            return json.loads(self.raw)
        except ValueError as error:
            raise bad_request("Unable to read JSON request payload.") from error


class Simulator:
    """Microsoft's token endpoint, Graph v1.0 and Exchange's admin endpoint over one state."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.store = Store(self.options.state, self.options.clock)
        self.issuer = Issuer(self.store, self.options.expires_in)
        self.faults = Faults()
        self.journal = Journal(self.options.log, self.options.record_exchanges)

    def now(self) -> datetime:
        """The simulator's time."""
        return datetime.fromtimestamp(self.store.clock(), UTC)

    def handle(self, exchange_: Exchange) -> Answer:
        """Carry out one request, save, log and record it; the answer still has to be sent."""
        try:
            answer = self._answer(exchange_)
        except GraphError as error:
            answer = Answer(error.status, error.body(), error.headers)
        except (LoginError, ExchangeError) as error:
            answer = Answer(error.status, error.body())
        if exchange_.tenant:
            exchange_.tenant.end_request()
        self.store.save()
        self._note(exchange_, answer)
        return answer

    def _answer(self, exchange_: Exchange) -> Answer:
        self._identify(exchange_)
        tenant_id = exchange_.tenant.id if exchange_.tenant else ""
        exchange_.faults = self.faults.hitting(exchange_.method, exchange_.path, tenant_id)
        _refuse(exchange_.faults)
        path = exchange_.path
        if path.startswith(f"{_VERSION}/"):
            return self._graph(exchange_)
        if path.startswith("/adminapi/beta/"):
            return self._exchange_online(exchange_)
        return self._login(exchange_)

    def _identify(self, exchange_: Exchange) -> None:
        """Find the tenant of the request without refusing anything yet, for faults and log."""
        part = exchange_.path.strip("/").split("/")
        if exchange_.path.startswith((f"{_VERSION}/", "/adminapi/")):
            audience = GRAPH if exchange_.path.startswith(_VERSION) else EXCHANGE
            try:
                header = exchange_.headers.get("authorization", "")
                exchange_.caller = self.issuer.check(header, audience)
                exchange_.tenant = exchange_.caller.tenant
            except GraphError:
                exchange_.caller = None
        else:
            exchange_.tenant = self.store.find(part[0])

    def _login(self, exchange_: Exchange) -> Answer:
        parts = exchange_.path.strip("/").split("/")
        name, rest = parts[0], "/".join(parts[1:])
        if rest == "discovery/instance":
            endpoint = exchange_.options.get("authorization_endpoint", "")
            return Answer(200, self.issuer.instance_discovery(endpoint))
        if rest in {"v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"}:
            return Answer(200, self.issuer.openid_configuration(name))
        if rest == "oauth2/v2.0/token" and exchange_.method == "POST":
            return Answer(200, self.issuer.token(name, exchange_.form()))
        raise GraphError(404, "NotFound", f"Nothing is served at '{exchange_.path}'.")

    def _caller(self, exchange_: Exchange, audience: str) -> Caller:
        if exchange_.caller is None:
            return self.issuer.check(exchange_.headers.get("authorization", ""), audience)
        return exchange_.caller

    def _request(self, exchange_: Exchange, caller: Caller, path: str) -> Request:
        return Request(
            tenant=caller.tenant,
            app=caller.app,
            roles=caller.roles,
            method=exchange_.method,
            path=path,
            options=exchange_.options,
            headers=exchange_.headers,
            body=exchange_.json(),
            base=exchange_.base + _VERSION,
            page_size=self.options.page_size,
            faults=exchange_.faults,
            effects=exchange_.effects,
        )

    def _graph(self, exchange_: Exchange) -> Answer:
        caller = self._caller(exchange_, GRAPH)
        request = self._request(exchange_, caller, exchange_.path.removeprefix(_VERSION))
        if request.path != "/$batch":
            return ROUTER.answer(request)
        if request.method != "POST":
            raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed.")
        return answer_batch(request, lambda item: self._batch_item(exchange_, caller, item))

    def _batch_item(self, outer: Exchange, caller: Caller, item: Record) -> Answer:
        address = urlsplit(item["url"])
        path = unquote(address.path)
        headers = {str(k).lower(): str(v) for k, v in (item.get("headers") or {}).items()}
        method = item["method"].upper()
        inner = Exchange(
            method,
            _VERSION + (path if path.startswith("/") else f"/{path}"),
            dict(parse_qsl(address.query, keep_blank_values=True)),
            {**headers, "host": outer.headers.get("host", "")},
            b"",
        )
        inner.faults = self.faults.hitting(method, inner.path, caller.tenant.id)
        try:
            _refuse(inner.faults)
            request = self._request(inner, caller, inner.path.removeprefix(_VERSION))
            request.body = item.get("body")
            answer = ROUTER.answer(request)
        except GraphError as error:
            answer = Answer(error.status, error.body(), error.headers)
        caller.tenant.end_request()
        outer.faults.update({k: v for k, v in inner.faults.items() if k.startswith("drop")})
        outer.logged.append(
            {
                "method": method,
                "path": inner.path,
                "query": inner.options,
                "status": answer.status,
                "effects": inner.effects,
                "faults": sorted(inner.faults),
                "batch_item": item["id"],
            }
        )
        return answer

    def _exchange_online(self, exchange_: Exchange) -> Answer:
        caller = self._caller(exchange_, EXCHANGE)
        parts = exchange_.path.strip("/").split("/")
        if len(parts) != 4 or parts[3].casefold() != "invokecommand":
            raise ExchangeError(404, "NotFound", f"Nothing is served at '{exchange_.path}'.")
        if self.store.find(parts[2]) is not caller.tenant:
            raise ExchangeError(403, "AccessDenied", "The token is for another organisation.")
        if exchange_.method != "POST":
            raise ExchangeError(405, "MethodNotAllowed", "Use POST.")
        return exchange.invoke_command(self._request(exchange_, caller, exchange_.path))

    def _note(self, exchange_: Exchange, answer: Answer) -> None:
        is_dropped = bool({"drop_after_effect", "drop_before_effect"} & set(exchange_.faults))
        common = {
            "at": self.now().isoformat(timespec="milliseconds"),
            "tenant": exchange_.tenant.id if exchange_.tenant else None,
            "app": exchange_.caller.app.client_id if exchange_.caller else None,
            "is_answered": not is_dropped,
        }
        self.journal.log(
            **common,
            method=exchange_.method,
            path=exchange_.path,
            query=exchange_.options,
            cmdlet=_cmdlet(exchange_),
            status=answer.status,
            effects=exchange_.effects,
            faults=sorted(exchange_.faults),
        )
        for line in exchange_.logged:
            self.journal.log(**common, **line)
        # A body that is cut on purpose is not what the vendor's contract is about.
        if not is_dropped and "broken_json" not in exchange_.faults:
            self.journal.record(
                exchange_.method,
                _public_url(exchange_),
                _shown_request(exchange_),
                answer.status,
                answer.headers,
                answer.body,
            )


def _refuse(faults: Mapping[str, Fault]) -> None:
    if "throttle" in faults:
        raise throttled(faults["throttle"].retry_after)
    if "server_error" in faults:
        raise server_error(faults["server_error"].status)
    if "drop_before_effect" in faults:
        raise server_error(503)


def _cmdlet(exchange_: Exchange) -> str | None:
    if not exchange_.path.startswith("/adminapi/"):
        return None
    try:
        return str(exchange_.json()["CmdletInput"]["CmdletName"])
    except (GraphError, KeyError, TypeError):
        return None


def _public_url(exchange_: Exchange) -> str:
    """The address at which the real service would have been asked."""
    if exchange_.path.startswith(_VERSION):
        host = GRAPH
    elif exchange_.path.startswith("/adminapi/"):
        host = EXCHANGE
    else:
        host = "https://login.microsoftonline.com"
    query = "&".join(f"{name}={value}" for name, value in exchange_.options.items())
    return f"{host}{exchange_.path}{'?' if query else ''}{query}"


def _shown_request(exchange_: Exchange) -> Any:
    """The request's body without secrets."""
    if exchange_.path.endswith("/token"):
        return "[REDACTED]"
    try:
        return exchange_.json()
    except GraphError:
        return exchange_.raw.decode("utf-8", "replace")
