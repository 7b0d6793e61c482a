"""The simulator itself: which part answers a request, and what Microsoft would say to a fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from integrations.simulators.base import routes as base
from integrations.simulators.base.control import now_of, tenants
from integrations.simulators.base.http import Answer, Caller, Exchange, Refusal
from integrations.simulators.base.simulator import Options, Simulator
from integrations.simulators.base.store import App, Record

from . import (
    activity,
    beta,
    directory,
    exchange,
    hunting,
    licences,
    mail,
    messages,
    methods,
    roles,
    security,
    subscriptions,
    users,
)
from .acts import ACTS
from .batch import answer_batch
from .cmdlets import ExchangeError
from .defender import api as defender
from .defender.errors import DefenderError, from_refusal
from .entra import EntraTenant
from .errors import (
    GraphError,
    bad_request,
    forbidden,
    not_found,
    server_error,
    throttled,
    unauthorised,
)
from .graph import Request, Router
from .intune import api as intune
from .seed import organisation
from .seeds import SEEDS
from .tokens import Issuer

GRAPH = "https://graph.microsoft.com"
EXCHANGE = "https://outlook.office365.com"
LOGIN = "https://login.microsoftonline.com"
DEFENDER = "https://api.securitycenter.microsoft.com"
ACTIVITY = "https://manage.office.com"
_VERSION = "/v1.0"
PARTS = (
    users,
    licences,
    methods,
    mail,
    messages,
    hunting,
    security,
    roles,
    directory,
    subscriptions,
    intune,
)
# Each service by the beginning of its paths: a token is for one of them only.
_SERVICES = {
    f"{_VERSION}/": GRAPH, "/beta/": GRAPH, "/adminapi/": EXCHANGE, "/api/v1.0/": ACTIVITY,
    "/api/": DEFENDER,
}  # fmt: skip
ROUTER = Router([one for part in PARTS for one in part.ROUTES])
DEFENDER_ROUTER = base.Router(defender.ROUTES)
ACTIVITY_ROUTER = base.Router(activity.ROUTES)


def _service(path: str) -> str:
    """The service that answers a path; the sign-in service answers all others."""
    return next((host for start, host in _SERVICES.items() if path.startswith(start)), LOGIN)


class Microsoft365(Simulator):
    """Microsoft's token endpoint, Graph v1.0, Exchange's admin endpoint, Defender for Endpoint."""

    tenant_class = EntraTenant
    seeds = SEEDS
    acts = ACTS

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self.issuer = Issuer(self.store, self.options.expires_in)

    def identify(self, exchange: Exchange) -> None:
        """Find the tenant, by the token or by the path of the token endpoint."""
        service = _service(exchange.path)
        if service != LOGIN:
            try:
                header = exchange.headers.get("authorization", "")
                exchange.caller = self.issuer.check(header, service)
                exchange.tenant = exchange.caller.tenant
            except GraphError:
                exchange.caller = None
        else:
            exchange.tenant = self.store.find(exchange.path.strip("/").split("/")[0])

    def answer(self, exchange: Exchange) -> Answer:
        """Graph, Exchange, Defender or the sign-in service, by the path."""
        if exchange.path.startswith(f"{_VERSION}/"):
            return self._graph(exchange)
        if exchange.path.startswith("/beta/"):
            caller = self._caller(exchange, GRAPH)
            path = exchange.path.removeprefix("/beta")
            return beta.ROUTER.answer(self._request(exchange, caller, path))
        if exchange.path.startswith("/api/v1.0/"):
            return self._activity(exchange)
        if exchange.path.startswith("/api/"):
            return self._defender(exchange)
        if exchange.path.startswith("/adminapi/beta/"):
            return self._exchange_online(exchange)
        return self._login(exchange)

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """Graph's error for a status."""
        known = {400: bad_request(message), 401: unauthorised(), 403: forbidden()}
        if status == 429:
            return throttled(retry_after)
        if status == 404:
            return not_found("simulated")
        if status == 409:
            return GraphError(409, "Request_Conflict", message)
        return known.get(status) or server_error(status)

    def expire_tokens(self) -> None:
        """Refuse every token issued so far."""
        self.issuer.expire_all()

    def fault_path(self, exchange: Exchange) -> str:
        """With the cmdlet's name at the end: one address serves them all."""
        cmdlet = _cmdlet(exchange)
        return f"{exchange.path}/{cmdlet}" if cmdlet else exchange.path

    def log_details(self, exchange: Exchange) -> Record:
        """The cmdlet that was run, if one was."""
        return {"cmdlet": _cmdlet(exchange)}

    def public_url(self, exchange: Exchange) -> str:
        """The address at Microsoft."""
        host = _service(exchange.path)
        query = "&".join(f"{name}={value}" for name, value in exchange.options.items())
        return f"{host}{exchange.path}{'?' if query else ''}{query}"

    def controls(self) -> Mapping[tuple[str, str], Callable[[Record, Record], Any]]:
        """A further organisation, as large as asked."""
        return {("POST", "organisation"): self._organisation}

    def _organisation(self, options: Record, body: Record) -> Record:
        given = {k: v for k, v in body.items() if k != "now"}
        made = organisation(self.store, now=now_of(self, body), **given)
        return next(t for t in tenants(self) if t["id"] == made.tenant.id)

    def _login(self, exchange: Exchange) -> Answer:
        parts = exchange.path.strip("/").split("/")
        name, rest = parts[0], "/".join(parts[1:])
        if rest == "discovery/instance":
            endpoint = exchange.options.get("authorization_endpoint", "")
            return Answer(200, self.issuer.instance_discovery(endpoint))
        if rest in {"v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"}:
            return Answer(200, self.issuer.openid_configuration(name))
        if rest == "oauth2/v2.0/token" and exchange.method == "POST":
            return Answer(200, self.issuer.token(name, exchange.form()))
        if rest == "adminconsent" and exchange.method == "GET":
            return self._consent(name, exchange.options)
        raise GraphError(404, "NotFound", f"Nothing is served at '{exchange.path}'.")

    def _consent(self, name: str, options: Record) -> Answer:
        """A tenant's administrator consents to a multi-tenant application, with all it asks for.

        Source: https://learn.microsoft.com/entra/identity-platform/v2-admin-consent
        """
        tenant, client_id = self.store.find(name), options.get("client_id", "")
        homes = [one for one in self.store.tenants.values() if client_id in one.apps]
        if tenant is None or not homes:
            raise GraphError(404, "NotFound", "There is no such tenant or application.")
        app = homes[0].apps[client_id]
        told = App(app.client_id, app.name, app.secret, list(app.permissions))
        tenant.apps.setdefault(client_id, told)
        back = {"admin_consent": "True", "tenant": tenant.id, "state": options.get("state", "")}
        return Answer(302, None, {"Location": f"{options['redirect_uri']}?{urlencode(back)}"})

    def _caller(self, exchange: Exchange, audience: str) -> Caller:
        if exchange.caller is None:
            return self.issuer.check(exchange.headers.get("authorization", ""), audience)
        return exchange.caller

    def _request(self, exchange: Exchange, caller: Caller, path: str) -> Request:
        return Request(
            tenant=caller.tenant,
            app=caller.app,
            roles=caller.roles,
            method=exchange.method,
            path=path,
            options=exchange.options,
            headers=exchange.headers,
            body=self.read_json(exchange),
            base=exchange.base + _VERSION,
            page_size=self.options.page_size,
            largest_page=self.options.largest_page,
            faults=exchange.faults,
            effects=exchange.effects,
        )

    def _graph(self, exchange: Exchange) -> Answer:
        caller = self._caller(exchange, GRAPH)
        request = self._request(exchange, caller, exchange.path.removeprefix(_VERSION))
        if request.path != "/$batch":
            return ROUTER.answer(request)
        if request.method != "POST":
            raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed.")
        return answer_batch(request, lambda item: self._batch_item(exchange, caller, item))

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
            self.suffer(inner)
            request = self._request(inner, caller, inner.path.removeprefix(_VERSION))
            request.body = item.get("body")
            answer = ROUTER.answer(request)
        except GraphError as error:
            answer = error.answer()
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

    def suffer(self, exchange: Exchange) -> None:
        """Refuse the request, in the words of the service that was asked."""
        try:
            super().suffer(exchange)
        except GraphError as refused:
            service = _service(exchange.path)
            if service == DEFENDER:
                raise from_refusal(refused) from refused
            if service == ACTIVITY:
                raise activity.from_refusal(refused) from refused
            raise

    def _activity(self, exchange: Exchange) -> Answer:
        try:
            caller = self._caller(exchange, ACTIVITY)
            request = self._request(exchange, caller, exchange.path)
        except GraphError as refused:
            raise activity.from_refusal(refused) from refused
        request.base = exchange.base
        found, request.params, is_known = ACTIVITY_ROUTER.match(request.method, request.path)
        if found is None:
            code = "AF50005" if is_known else "AF50007"
            raise activity.ActivityError(405 if is_known else 404, code, "No such operation.")
        if self.store.find(request.params["tenant"]) is not caller.tenant:
            raise activity.ActivityError(403, "AF20010", "The token is of another tenant.")
        if not found.permissions & caller.roles:
            raise activity.ActivityError(403, "AF10001", "The permission is missing.")
        request.start_writing()
        return found.handler(request)

    def _defender(self, exchange: Exchange) -> Answer:
        try:
            caller = self._caller(exchange, DEFENDER)
            request = self._request(exchange, caller, exchange.path)
        except GraphError as refused:
            raise from_refusal(refused) from refused
        request.base = exchange.base
        found, request.params, is_known = DEFENDER_ROUTER.match(request.method, request.path)
        if found is None:
            code = "MethodNotAllowed" if is_known else "NotFound"
            raise DefenderError(405 if is_known else 404, code, "There is no such operation.")
        if found.permissions and not found.permissions & caller.roles:
            raise DefenderError(403, "Forbidden", "The application lacks a permission.")
        request.start_writing()
        return found.handler(request)

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


def _cmdlet(exchange: Exchange) -> str | None:
    if not exchange.path.startswith("/adminapi/"):
        return None
    try:
        return str(exchange.json()["CmdletInput"]["CmdletName"])
    except (ValueError, KeyError, TypeError):
        return None
