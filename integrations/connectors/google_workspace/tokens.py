"""Access tokens of a service account with domain-wide delegation, kept in memory only.

One token for each person acted for and each scope, so that a call can do no more than it must
(https://developers.google.com/identity/protocols/oauth2/service-account#delegatingauthority).
"""

import datetime as dt
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from google.auth import crypt
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.oauth2 import service_account

from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    PermissionMissing,
    Unauthorised,
    Unavailable,
)
from integrations.transport import Answer, Call, Transport

_MARGIN_SECONDS = 120
_KEPT = 500
_REFUSALS = frozenset({400, 401, 403, 404})
_NEEDED = ("client_email", "private_key", "token_uri")


class _Response:
    """What google-auth expects of an HTTP answer."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.data = json.dumps(answer.body).encode()


class _Wire:
    """The request function that google-auth is given: our transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Response:
        """Send a request for google-auth. Asking for a token changes nothing: it is a read."""
        form = dict(parse_qsl((body or b"").decode(), keep_blank_values=True))
        # A refusal is google-auth's to read; what is busy or failing is repeated and raised here.
        call = Call(method, url, form=form if body else None, is_read=True)
        return _Response(self._transport.send(call, accept=_REFUSALS))


@lru_cache(maxsize=64)
def _signer(private_key: str, key_id: str) -> Any:
    # To check that the numbers of a key are primes takes longer than to read a feed.
    return crypt.RSASigner.from_string(private_key, key_id)


class Tokens:
    """The tokens of one service account. Safe to use from several threads.

    `key` is the service account's key file as text, `endpoint` Google's token endpoint, `admin`
    the administrator whose refusal means that the connection itself is refused.
    ConnectionMisconfigured where the key can't be read.
    """

    def __init__(self, key: str, endpoint: str, admin: str, transport: Transport) -> None:
        told = _read_key(key)
        self._admin = admin
        self._client_id = str(told.get("client_id") or "")
        self._wire = _Wire(transport)
        try:
            signer = _signer(told["private_key"], str(told.get("private_key_id") or ""))
            # Typed nowhere by google-auth.
            self._account: Any = service_account.Credentials(
                signer, service_account_email=told["client_email"], token_uri=endpoint
            )
        except (GoogleAuthError, ValueError, TypeError):
            raise ConnectionMisconfigured(
                "The private key of the service account's key can't be read: paste the JSON file "
                "that Google gave, whole and unchanged."
            ) from None
        self._kept: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Tokens {self._client_id}>"

    def get(self, subject: str, scope: str) -> str:
        """Return a token to act for `subject` within `scope`.

        Raises PermissionMissing where the scope was not delegated, Unauthorised where the key or
        the administrator is refused, NotFound where another subject is.
        """
        with self._lock:
            token, expires = self._kept.get((subject, scope), ("", 0.0))
        if expires > time.monotonic():
            return token
        credentials = self._account.with_scopes([scope]).with_subject(subject)
        try:
            credentials.refresh(self._wire)
        except RefreshError as error:
            raise self._refused(error, subject, scope) from None
        except GoogleAuthError:
            raise Unavailable(
                "Google's token endpoint gave an answer that can't be used."
            ) from None
        life = (credentials.expiry - dt.datetime.now(dt.UTC).replace(tzinfo=None)).total_seconds()
        life = max(life, 0.0)
        with self._lock:
            expires = time.monotonic() + life - min(_MARGIN_SECONDS, life / 10)
            self._kept[subject, scope] = (str(credentials.token), expires)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return str(credentials.token)

    def forget(self, subject: str = "", scope: str = "") -> None:
        """Drop one token, or all, so that the next call asks for a new one."""
        with self._lock:
            if subject:
                self._kept.pop((subject, scope), None)
            else:
                self._kept.clear()

    def _refused(self, error: RefreshError, subject: str, scope: str) -> Exception:
        """The error for a refused token. Google's own description is left out: it quotes input.

        Codes: https://developers.google.com/identity/protocols/oauth2/service-account#error-codes
        """
        told = error.args[1] if len(error.args) > 1 else None
        code = str(told.get("error") or "") if isinstance(told, Mapping) else ""
        if code in {"unauthorized_client", "access_denied", "invalid_scope"}:
            return PermissionMissing(
                f"Google delegates no {scope} ({code}): in the Admin console under Security, API "
                f"controls, Domain-wide delegation, add it to the client {self._client_id}."
            )
        if code in {"invalid_grant", "invalid_request"} and subject != self._admin:
            return NotFound(f"Google lets nobody act for {subject} ({code}).")
        if code in {"invalid_grant", "invalid_request", "invalid_client", "disabled_client"}:
            return Unauthorised(
                f"Google refused the service account ({code}): check that its key still exists, "
                f"that {self._admin} is an administrator, and this machine's clock."
            )
        return Unavailable("Google's token endpoint can't give a token now; it is tried again.")


def _read_key(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if not isinstance(told, dict) or not all(isinstance(told.get(n), str) for n in _NEEDED):
        raise ConnectionMisconfigured(
            "The service account's key is no key file of Google: paste the whole JSON file."
        )
    return told
