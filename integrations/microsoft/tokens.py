"""Access tokens of an app registration, through msal, kept in memory only."""

import base64
import json
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msal

from integrations.errors import ConnectionMisconfigured, Unauthorised, Unavailable
from integrations.transport import Call, Transport

# A token is renewed this long before it runs out, so that a call never starts with a dying one.
_MARGIN_SECONDS = 120
_REFUSALS = frozenset({400, 401, 403, 404})
_PUBLIC = "https://login.microsoftonline.com"

# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_EXPLAINED = {
    90002: "the tenant does not exist: check tenant_id",
    700016: "the app registration is not in this tenant: check client_id, and give admin consent",
    7000215: "the client secret is wrong: enter the secret's Value, not its ID",
    7000222: "the client secret has expired: create a new one in the app registration",
    7000112: "the app registration is disabled",
    53003: "a Conditional Access policy blocks the app: exclude its service principal",
}


class _Response:
    """What msal expects of an HTTP answer."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        self.status_code = status
        self.text = text
        self.headers = dict(headers)

    def raise_for_status(self) -> None:
        """Raise for answers that msal can't use."""
        if self.status_code >= 400:
            raise Unavailable(f"Microsoft's sign-in failed with {self.status_code}.")


class _Wire:
    """The HTTP client that msal uses: our transport, led to the connection's endpoint.

    msal insists on https authorities, so for an endpoint on plain http it is told the public
    one, and every request is led to the endpoint here.
    """

    def __init__(self, endpoint: str, transport: Transport) -> None:
        self._endpoint = urlsplit(endpoint)
        self._transport = transport

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _Response:
        """Send a GET for msal."""
        query = f"?{urlencode(params)}" if params else ""
        return self._send(Call("GET", self._led(url) + query, headers or {}))

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _Response:
        """Send a POST for msal. Asking for a token changes nothing, so it counts as a read."""
        query = f"?{urlencode(params)}" if params else ""
        call = Call(
            "POST", self._led(url) + query, headers or {}, form=dict(data or {}), is_read=True
        )
        return self._send(call)

    def close(self) -> None:
        """Nothing of its own to give back."""

    def _led(self, url: str) -> str:
        if self._endpoint.scheme == "https":
            return url
        parts = urlsplit(url)
        scheme, host = self._endpoint.scheme, self._endpoint.netloc
        return urlunsplit((scheme, host, parts.path, parts.query, ""))

    def _send(self, call: Call) -> _Response:
        # A refusal is msal's to read; what is busy or failing is repeated and raised by us.
        answer = self._transport.send(call, accept=_REFUSALS)
        return _Response(answer.status, json.dumps(answer.body), answer.headers)


class Tokens:
    """The tokens of one app registration in one tenant. Safe to use from several threads."""

    def __init__(
        self, tenant_id: str, client_id: str, secret: str, endpoint: str, transport: Transport
    ) -> None:
        self._tenant_id = tenant_id
        self._client_id = client_id
        self._secret = secret
        self._endpoint = endpoint
        self._wire = _Wire(endpoint, transport)
        self._kept: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Tokens {self._client_id}>"

    def get(self, scope: str) -> str:
        """Return a token for `scope`.

        Raises Unauthorised (with what to do), Throttled or Unavailable.
        """
        with self._lock:
            token, expires = self._kept.get(scope, ("", 0.0))
            if expires > time.monotonic():
                return token
            result = self._ask(scope)
            token = result["access_token"]
            life = max(float(result.get("expires_in") or 0), 0.0)
            margin = min(_MARGIN_SECONDS, life / 10)
            self._kept[scope] = (token, time.monotonic() + life - margin)
            return token

    def forget(self, scope: str | None = None) -> None:
        """Drop the token of one scope, or of all, so that the next call asks for a new one."""
        with self._lock:
            if scope is None:
                self._kept.clear()
            else:
                self._kept.pop(scope, None)

    def of(self, scope: str) -> "ServiceTokens":
        """The tokens of one service, as a session wants them."""
        return ServiceTokens(self, scope)

    def roles(self, scope: str) -> frozenset[str]:
        """Return the application permissions that a new token for `scope` carries.

        Source: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
        (`roles`). Raises as `get`; Unavailable where the token can't be read.
        """
        self.forget(scope)
        try:
            return frozenset(str(role) for role in _claims(self.get(scope)).get("roles") or ())
        except (IndexError, ValueError, AttributeError, TypeError):
            raise Unavailable("Microsoft's token doesn't tell what it allows.") from None

    def directory(self, scope: str) -> str:
        """Return the id (a GUID) of the directory that the token is of; "" where it can't be read.

        Source as of `roles` (`tid`): a tenant may also be named by one of its domains. Raises as
        `get`.
        """
        try:
            return str(_claims(self.get(scope)).get("tid") or "")
        except (IndexError, ValueError, AttributeError, TypeError):
            return ""

    def _ask(self, scope: str) -> dict[str, Any]:
        authority = self._endpoint if self._endpoint.startswith("https://") else _PUBLIC
        try:
            # A new application each time: msal's own cache would give a refused token again.
            application = msal.ConfidentialClientApplication(
                self._client_id,
                client_credential=self._secret,
                authority=f"{authority}/{self._tenant_id}",
                instance_discovery=False,
                http_client=self._wire,
            )
            result = application.acquire_token_for_client(scopes=[scope])
        except ValueError:
            raise ConnectionMisconfigured(
                f"Microsoft knows no tenant {self._tenant_id}: check tenant_id."
            ) from None
        except (KeyError, TypeError, RuntimeError):
            raise Unavailable("Microsoft's sign-in gave an answer that can't be used.") from None
        if isinstance(result.get("access_token"), str):
            return dict(result)
        raise _refused(result)


def _claims(token: str) -> Any:
    """Return what a token says; IndexError or ValueError where it is none that can be read."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


class ServiceTokens:
    """The tokens of one scope, as `integrations.session` wants credentials."""

    def __init__(self, tokens: Tokens, scope: str) -> None:
        self._tokens = tokens
        self._scope = scope

    def __repr__(self) -> str:
        return f"<ServiceTokens {self._scope}>"

    def headers(self) -> Mapping[str, str]:
        """The bearer token; raises as `Tokens.get`."""
        return {"Authorization": f"Bearer {self._tokens.get(self._scope)}"}

    def forget(self) -> None:
        """Ask for a new token at the next request."""
        self._tokens.forget(self._scope)


def _refused(result: Mapping[str, Any]) -> Unauthorised | Unavailable:
    """The error for a refused token. Microsoft's own description is left out: it quotes input."""
    error = result.get("error")
    if error in {"temporarily_unavailable", "server_error"} or error is None:
        return Unavailable("Microsoft's sign-in can't give a token now; it is tried again.")
    numbers = [n for n in result.get("error_codes") or [] if isinstance(n, int)]
    explained = next((_EXPLAINED[n] for n in numbers if n in _EXPLAINED), "")
    codes = ", ".join(f"AADSTS{n}" for n in numbers) or "no code"
    what = explained or "check tenant_id, client_id and client_secret"
    return Unauthorised(f"Microsoft refused the app's credentials ({codes}): {what}.")
