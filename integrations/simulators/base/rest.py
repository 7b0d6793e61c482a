"""A simulator of an ordinary REST vendor: a table of routes, behind a bearer token."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlencode

from .http import Answer, Caller, Exchange
from .routes import Request, Route, Router
from .simulator import Options, Simulator
from .tokens import BearerTokens


class RestSimulator(Simulator):
    """Routes in a table; every path but `token_path` needs a caller.

    Vendors whose credentials are no bearer tokens override `caller`; those whose token endpoint
    is unusual override `issue`.
    """

    host: ClassVar[str]
    routes: ClassVar[Sequence[Route]]
    token_path: ClassVar[str] = "/oauth2/token"  # noqa: S105

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self.tokens = BearerTokens(self.store, self.options.expires_in)
        self._router = Router(self.routes)

    @abstractmethod
    def granted(self, token: str) -> Answer:
        """The token endpoint's answer with a new token."""

    def issue(self, exchange: Exchange) -> Answer:
        """Answer a request for a token: OAuth client credentials in a form."""
        form = exchange.form()
        found = self.tokens.app(form.get("client_id", ""), form.get("client_secret", ""))
        if found is None:
            raise self.refusal(401, "The client id or secret is wrong.")
        return self.granted(self.tokens.issue(*found))

    def caller(self, exchange: Exchange) -> Caller | None:
        """Who asks, by the request's credentials; None where they don't hold."""
        scheme, _, token = exchange.headers.get("authorization", "").partition(" ")
        return self.tokens.caller(token) if scheme.lower() == "bearer" else None

    def identify(self, exchange: Exchange) -> None:
        """Find the caller."""
        exchange.caller = self.caller(exchange)
        exchange.tenant = exchange.caller.tenant if exchange.caller else None

    def is_secret(self, exchange: Exchange) -> bool:
        """The request for a token holds the client's secret."""
        return exchange.path == self.token_path

    def expire_tokens(self) -> None:
        """Refuse every token issued so far."""
        self.tokens.expire_all()

    def public_url(self, exchange: Exchange) -> str:
        """The address at the vendor."""
        query = urlencode(exchange.options)
        return f"https://{self.host}{exchange.path}{'?' if query else ''}{query}"

    def answer(self, exchange: Exchange) -> Answer:
        """Find the route, check the caller and the permission, carry out."""
        if exchange.path == self.token_path and exchange.method == "POST":
            return self.issue(exchange)
        if exchange.caller is None:
            raise self.refusal(401, "The credentials are missing, wrong or expired.")
        found, params, is_known = self._router.match(exchange.method, exchange.path)
        if found is None:
            status = 405 if is_known else 404
            raise self.refusal(status, f"{exchange.method} {exchange.path} is not served.")
        caller = exchange.caller
        if found.permissions and not found.permissions & caller.roles:
            raise self.refusal(403, "The application lacks a permission.")
        request = Request(
            tenant=caller.tenant, app=caller.app, roles=caller.roles, method=exchange.method,
            path=exchange.path, options=exchange.options, headers=exchange.headers,
            body=self.read_json(exchange), base=exchange.base,
            page_size=self.options.page_size, largest_page=self.options.largest_page,
            params=params, faults=exchange.faults, effects=exchange.effects,
        )  # fmt: skip
        request.start_writing()
        return found.handler(request)
