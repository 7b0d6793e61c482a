"""The Microsoft identity platform: discovery, client credentials, and checking a bearer token.

Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from integrations.simulators.base.http import Caller, Refusal
from integrations.simulators.base.store import App, Store, Tenant

from .entra import object_id
from .errors import unauthorised

LOGIN_HOST = "https://login.microsoftonline.com"
AUDIENCES = {
    "https://graph.microsoft.com/.default": "https://graph.microsoft.com",
    "https://outlook.office365.com/.default": "https://outlook.office365.com",
    "https://manage.office.com/.default": "https://manage.office.com",
    "https://api.securitycenter.microsoft.com/.default": "https://api.securitycenter.microsoft.com",
}


class LoginError(Refusal):
    """A refused sign-in, in the shape of the token endpoint."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(status, text)
        self.error = error
        self.number = number
        self.text = text

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        description = (
            f"AADSTS{self.number}: {self.text} Trace ID: {trace} "
            f"Correlation ID: {correlation} Timestamp: {now}"
        )
        return {
            "error": self.error,
            "error_description": description,
            "error_codes": [self.number],
            "timestamp": now,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{LOGIN_HOST}/error?code={self.number}",
        }


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Issuer:
    """Issues and checks the simulator's tokens."""

    def __init__(self, store: Store, expires_in: int) -> None:
        self.store = store
        self.expires_in = expires_in

    def openid_configuration(self, name: str) -> dict[str, Any]:
        """The discovery document of a tenant."""
        tenant = self._tenant(name)
        base = f"{LOGIN_HOST}/{tenant.id}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "tenant_region_scope": "EU",
        }

    def instance_discovery(self, endpoint: str) -> dict[str, Any]:
        """Which hosts belong to the cloud, and where the tenant's document is."""
        path = endpoint.split("//")[-1].split("/")
        tenant = path[1] if len(path) > 1 else "common"
        hosts = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com"]
        return {
            "tenant_discovery_endpoint": (
                f"{LOGIN_HOST}/{tenant}/v2.0/.well-known/openid-configuration"
            ),
            "api-version": "1.1",
            "metadata": [
                {
                    "preferred_network": "login.microsoftonline.com",
                    "preferred_cache": "login.windows.net",
                    "aliases": hosts,
                }
            ],
        }

    def token(self, name: str, form: dict[str, str]) -> dict[str, Any]:
        """Answer a client-credentials request, or raise LoginError."""
        tenant = self._tenant(name)
        if form.get("grant_type") != "client_credentials":
            raise LoginError(400, "unsupported_grant_type", 70003, "The grant is not supported.")
        client_id = form.get("client_id", "")
        app = tenant.apps.get(client_id)
        if app is None:
            text = (
                f"Application with identifier '{client_id}' was not found in the directory "
                f"'{tenant.name}'."
            )
            raise LoginError(400, "unauthorized_client", 700016, text)
        if not hmac.compare_digest(form.get("client_secret", "").encode(), app.secret.encode()):
            text = (
                "Invalid client secret provided. Ensure the secret being sent in the request is "
                "the client secret value, not the client secret ID, for a secret added to app "
                f"'{client_id}'."
            )
            raise LoginError(401, "invalid_client", 7000215, text)
        audience = AUDIENCES.get(form.get("scope", ""))
        if audience is None:
            text = f"The scope '{form.get('scope', '')}' is not valid; use <resource>/.default."
            raise LoginError(400, "invalid_scope", 1002012, text)
        return {
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "ext_expires_in": self.expires_in,
            "access_token": self._issue(tenant, app, audience),
        }

    def expire_all(self) -> None:
        """Refuse every token issued so far."""
        self.store.counters["tokens_expired"] = self.store.counters.get("token", 0)

    def check(self, authorization: str, audience: str) -> Caller:
        """The caller behind an Authorization header; 401 where it does not hold."""
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer" or not text:
            raise unauthorised("Access token is empty.")
        claims = self._claims(text.strip())
        tenant = self.store.tenants.get(str(claims.get("tid")))
        app = tenant.apps.get(str(claims.get("appid"))) if tenant else None
        if tenant is None or app is None:
            raise unauthorised("The identity of the calling application could not be established.")
        if claims.get("aud") != audience:
            raise unauthorised("Access token validation failure. Invalid audience.")
        is_old = int(claims["serial"]) <= self.store.counters.get("tokens_expired", 0)
        if is_old or self.store.clock() >= claims["exp"]:
            raise unauthorised("Lifetime validation failed, the token is expired.")
        return Caller(tenant, app, frozenset(claims["roles"]))

    def _tenant(self, name: str) -> Tenant:
        tenant = self.store.find(name)
        if tenant is None:
            text = f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID."
            raise LoginError(400, "invalid_request", 90002, text)
        return tenant

    def _issue(self, tenant: Tenant, app: App, audience: str) -> str:
        now = int(self.store.clock())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{tenant.id}/",
            "iat": now,
            "nbf": now,
            "exp": now + self.expires_in,
            "appid": app.client_id,
            "app_displayname": app.name,
            "idtyp": "app",
            "oid": object_id(app),
            "sub": object_id(app),
            "tid": tenant.id,
            "roles": sorted(app.permissions),
            "ver": "1.0",
            "serial": self.store.next("token"),
        }
        parts = [{"typ": "JWT", "alg": "HS256", "kid": "simulator"}, claims]
        signed = ".".join(_encode(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{self._sign(signed)}"

    def _claims(self, text: str) -> dict[str, Any]:
        signed, _, signature = text.rpartition(".")
        if not hmac.compare_digest(self._sign(signed).encode(), signature.encode()):
            raise unauthorised("CompactToken parsing failed with error code: 80049217")
        claims: dict[str, Any] = json.loads(_decode(signed.split(".")[1]))
        return claims

    def _sign(self, text: str) -> str:
        digest = hmac.new(self.store.signing_key.encode(), text.encode(), hashlib.sha256)
        return _encode(digest.digest())
