"""An authorised session with one vendor's JSON API over HTTP, for one connection.

A call that is refused with 401 is made once more with fresh credentials: it was refused at the
door, so nothing was done. Links that an answer gives are followed only to the same host, or our
credentials would leak.
"""

import threading
import time
from collections.abc import Collection, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from integrations.errors import Rejected, Unauthorised, Unavailable
from integrations.transport import Answer, Call, Transport, error_for

# A token is renewed this share of its life before it runs out, at most two minutes.
_MARGIN_SHARE, _MARGIN_SECONDS = 0.1, 120.0
_REFUSALS = frozenset({400, 401, 403})


class Credentials(Protocol):
    """What a vendor wants to see in each request."""

    def headers(self) -> Mapping[str, str]:
        """The headers that authorise a request; asks the vendor for a token where it must."""

    def forget(self) -> None:
        """Drop what was kept, so that the next request gets a new token."""


class ApiToken:
    """A token that a person entered, sent in one header: ``Authorization: {scheme} {token}``."""

    def __init__(self, token: str, *, scheme: str = "Bearer", header: str = "Authorization"):
        self._header = header
        self._value = f"{scheme} {token}".strip()

    def __repr__(self) -> str:
        return f"<ApiToken in {self._header}>"

    def headers(self) -> Mapping[str, str]:
        """The header."""
        return {self._header: self._value}

    def forget(self) -> None:
        """Nothing to renew: a refused token needs a person."""


class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749 section 4.4), kept in memory only.

    `token_url` is the vendor's token endpoint, `also` what it is told besides. Safe to use from
    several threads.
    """

    def __init__(
        self,
        *,
        token_url: str,
        client_id: str,
        client_secret: str,
        transport: Transport,
        scope: str = "",
        also: Mapping[str, str] | None = None,
    ) -> None:
        self._token_url = token_url
        self._form = {"grant_type": "client_credentials", "client_id": client_id, **(also or {})}
        if scope:
            self._form["scope"] = scope
        self._secret = client_secret
        self._transport = transport
        self._lock = threading.Lock()
        self._token = ""
        self._expires = 0.0

    def __repr__(self) -> str:
        return f"<ClientCredentials {self._form['client_id']}>"

    def headers(self) -> Mapping[str, str]:
        """The bearer token; Unauthorised, Throttled or Unavailable where there is none."""
        with self._lock:
            if self._expires <= time.monotonic():
                self._renew()
            return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """Ask for a new token at the next request."""
        with self._lock:
            self._token, self._expires = "", 0.0

    def _renew(self) -> None:
        form = {**self._form, "client_secret": self._secret}
        # Asking for a token changes nothing, so it counts as a read.
        call = Call("POST", self._token_url, form=form, is_read=True)
        answer = self._transport.send(call, accept=_REFUSALS)
        if answer.status in _REFUSALS:
            scope = self._form.get("scope")
            raise Unauthorised(
                f"{call.name}: the vendor refused the credentials ({answer.status}). "
                "Check the client id and secret, and whether the secret has expired"
                + (f"; the application needs the scope {scope}." if scope else ".")
            )
        told = answer.body if isinstance(answer.body, Mapping) else {}
        if not isinstance(told.get("access_token"), str):
            raise Unavailable(f"{call.name}: the answer holds no token; it is tried again.")
        life = max(float(told.get("expires_in") or 0), 0.0)
        self._token = told["access_token"]
        self._expires = time.monotonic() + life - min(_MARGIN_SECONDS, life * _MARGIN_SHARE)


class Session:
    """Requests to one base address, authorised. Every method raises `integrations.errors`."""

    def __init__(self, base_url: str, transport: Transport, credentials: Credentials) -> None:
        self.base_url = base_url.rstrip("/")
        self.transport = transport
        self._credentials = credentials

    def __repr__(self) -> str:
        return f"<Session {self.base_url}>"

    def close(self) -> None:
        """Give back the sockets and forget the token."""
        self._credentials.forget()
        self.transport.close()

    def get(self, path: str, permission: str, **query: Any) -> Any:
        """Read; `path` is relative to the base address, or a whole link of the same host.

        Query values of None are left out.
        """
        return self.send(Call("GET", self.url(path, query), permission=permission)).body

    def ask(self, path: str, permission: str, body: Any, **query: Any) -> Any:
        """Read by POST, for vendors whose queries need a body."""
        call = Call("POST", self.url(path, query), json=body, permission=permission, is_read=True)
        return self.send(call).body

    def write(self, method: str, path: str, permission: str, body: Any = None, **query: Any) -> Any:
        """Change something; return the answer's body. Never repeated, save once after a 401."""
        call = Call(method, self.url(path, query), json=body, permission=permission)
        return self.send(call).body

    def send(self, call: Call, accept: Collection[int] = ()) -> Answer:
        """Send one request with the credentials."""
        answer = self._authorised(call, accept)
        if answer.status == 401:
            self._credentials.forget()
            answer = self._authorised(call, accept)
        if answer.status == 401:
            raise error_for(call, answer)
        return answer

    def url(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """The whole address of a path with its query."""
        base = f"{self.base_url}{path}" if path.startswith("/") else self._same_host(path)
        given = {k: v for k, v in (query or {}).items() if v is not None}
        if not given:
            return base
        return f"{base}{'&' if '?' in base else '?'}{urlencode(given, doseq=True)}"

    def _authorised(self, call: Call, accept: Collection[int]) -> Answer:
        headers = {"Accept": "application/json", **call.headers, **self._credentials.headers()}
        with_token = Call(
            call.method, call.url, headers, call.json, call.form, call.permission, call.is_read
        )
        return self.transport.send(with_token, accept={401, *accept})

    def _same_host(self, link: str) -> str:
        if origin(link) != origin(self.base_url):
            raise Rejected("The answer's next link leads to another host; it is not followed.")
        return link


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address; empty where it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return parts.scheme, (parts.hostname or "").lower(), port
    except ValueError:
        return "", "", 0
