"""Bearer tokens for vendors that answer a client-credentials request with an opaque token.

They are signed, not stored: a simulator that comes back from its state file still knows them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from .http import Caller
from .store import App, Store, Tenant


class BearerTokens:
    """Issues and checks the simulator's tokens."""

    def __init__(self, store: Store, expires_in: int) -> None:
        self.store = store
        self.expires_in = expires_in

    def app(self, client_id: str, secret: str) -> tuple[Tenant, App] | None:
        """The application of these credentials, and its tenant; None where they are wrong."""
        for tenant in self.store.tenants.values():
            known = tenant.apps.get(client_id)
            if known and hmac.compare_digest(known.secret.encode(), secret.encode()):
                return tenant, known
        return None

    def issue(self, tenant: Tenant, app: App) -> str:
        """A token for an application, with the permissions that it has now."""
        claims = {
            "tenant": tenant.id,
            "app": app.client_id,
            "roles": sorted(app.permissions),
            "expires": self.store.clock() + self.expires_in,
            "serial": self.store.next("token"),
        }
        text = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"{text}.{self._sign(text)}"

    def expire_all(self) -> None:
        """Refuse every token issued so far."""
        self.store.counters["tokens_expired"] = self.store.counters.get("token", 0)

    def caller(self, token: str) -> Caller | None:
        """Who a token speaks for; None where it is none of ours, or expired."""
        claims = self._claims(token)
        tenant = self.store.tenants.get(str(claims.get("tenant")))
        app = tenant.apps.get(str(claims.get("app"))) if tenant else None
        if tenant is None or app is None:
            return None
        is_old = int(claims["serial"]) <= self.store.counters.get("tokens_expired", 0)
        if is_old or self.store.clock() >= claims["expires"]:
            return None
        return Caller(tenant, app, frozenset(claims["roles"]))

    def _claims(self, token: str) -> dict[str, Any]:
        text, _, signature = token.strip().rpartition(".")
        if not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            return {}
        try:
            claims: dict[str, Any] = json.loads(
                base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            )
        except (ValueError, binascii.Error):
            return {}
        return claims

    def _sign(self, text: str) -> str:
        return hmac.new(self.store.signing_key.encode(), text.encode(), hashlib.sha256).hexdigest()
