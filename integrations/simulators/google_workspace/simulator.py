"""Google's token endpoint, Directory, Reports, Gmail and Alert Center APIs over one state."""

from __future__ import annotations

from typing import Any

from integrations.simulators.base.http import Answer, Caller, Exchange, Refusal
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.simulator import Options
from integrations.simulators.base.store import App, Tenant
from integrations.simulators.base.tokens import BearerTokens

from . import alerts, directory, gmail, memberships, messages, reports, security
from .acts import ACTS
from .errors import no_token, refusal
from .keys import claims_of, email_of, issuer_of
from .requests import SUBJECT, user_of
from .seeds import SEEDS

_HOSTS = (
    ("/admin/", "admin.googleapis.com"),
    ("/gmail/", "gmail.googleapis.com"),
    ("/v1beta1/", "alertcenter.googleapis.com"),
)


class DelegatedTokens(BearerTokens):
    """Tokens that say for whom they act, and within which scopes."""

    def issue_for(self, tenant: Tenant, app: App, subject: str, scopes: list[str]) -> str:
        """A token for these scopes and this subject."""
        narrowed = App(f"{app.client_id} {subject}", app.name, app.secret, scopes)
        return self.issue(tenant, narrowed)

    def caller(self, token: str) -> Caller | None:
        """Who a token speaks for: the application, within the token's scopes."""
        claims = self._claims(token)
        client_id, _, _ = str(claims.get("app") or "").partition(" ")
        tenant = self.store.tenants.get(str(claims.get("tenant")))
        app = tenant.apps.get(client_id) if tenant else None
        if tenant is None or app is None:
            return None
        is_old = int(claims["serial"]) <= self.store.counters.get("tokens_expired", 0)
        if is_old or self.store.clock() >= claims["expires"]:
            return None
        return Caller(tenant, app, frozenset(claims["roles"]))

    def subject(self, token: str) -> str:
        """For whom it acts."""
        return str(self._claims(token).get("app") or "").partition(" ")[2]


class GoogleWorkspace(RestSimulator):
    """A simulated Google Workspace."""

    host = "admin.googleapis.com"
    token_path = "/token"  # noqa: S105
    seeds = SEEDS
    acts = ACTS
    routes = (
        *directory.ROUTES, *security.ROUTES, *memberships.ROUTES, *reports.ROUTES, *gmail.ROUTES,
        *messages.ROUTES, *alerts.ROUTES,
    )  # fmt: skip

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(options)
        self.tokens: DelegatedTokens = DelegatedTokens(self.store, self.options.expires_in)

    def issue(self, exchange: Exchange) -> Answer:
        """Answer a service account's signed request for a token."""
        form = exchange.form()
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            raise no_token(400, "unsupported_grant_type", "Invalid grant_type")
        tenant, app, claims = self._proved(form.get("assertion", ""))
        scopes, subject = str(claims.get("scope") or "").split(), str(claims.get("sub") or "")
        if not scopes or set(scopes) - set(app.permissions):
            raise no_token(
                401, "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client "
                "not authorized for any of the scopes requested.",
            )  # fmt: skip
        if user_of(tenant, subject) is None:
            raise no_token(400, "invalid_grant", "Invalid email or User ID")
        return self.granted(self.tokens.issue_for(tenant, app, subject, scopes))

    def _proved(self, assertion: str) -> tuple[Tenant, App, dict[str, Any]]:
        try:
            issuer = issuer_of(assertion)
            for tenant in self.store.tenants.values():
                for app in tenant.apps.values():
                    if email_of(app.secret) == issuer:
                        return tenant, app, claims_of(assertion, app.secret)
        except ValueError:
            raise no_token(400, "invalid_grant", "Invalid JWT Signature.") from None
        raise no_token(400, "invalid_grant", "Invalid grant: account not found")

    def granted(self, token: str) -> Answer:
        """The token endpoint's answer."""
        told = {"access_token": token, "token_type": "Bearer"}
        return Answer(200, {**told, "expires_in": self.options.expires_in})

    def answer(self, exchange: Exchange) -> Answer:
        """Let handlers see for whom the caller acts."""
        token = exchange.headers.get("authorization", "").partition(" ")[2]
        exchange.headers = {**exchange.headers, SUBJECT: self.tokens.subject(token)}
        return super().answer(exchange)

    def public_url(self, exchange: Exchange) -> str:
        """The address at Google."""
        url = super().public_url(exchange)
        host = next((h for prefix, h in _HOSTS if exchange.path.startswith(prefix)), "")
        return url.replace(self.host, host or "oauth2.googleapis.com", 1)

    def refusal(self, status: int, message: str, retry_after: int = 0) -> Refusal:
        """Google's shape of an error."""
        return refusal(status, message, retry_after=retry_after if status == 429 else None)
