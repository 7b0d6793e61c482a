"""HTTP to vendors: time limits, careful repetition, bounded answers, no way into our own network.

What may be repeated depends on whether something could have been done. A read is repeated with
jitter when the vendor is busy or failing. A write is never repeated here: what is certain not to
have happened raises `Throttled` or `Unavailable`, what may have happened `OutcomeUnknown`.
No exception carries a header, a body or a query string: they may hold secrets.
"""

import datetime as dt
import json as jsonlib
import math
import random
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from integrations import json_text
from integrations.addresses import check_endpoint, sockets
from integrations.errors import (
    AnswerTooLarge,
    NotFound,
    OutcomeUnknown,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    VendorError,
)

READS = frozenset({"GET", "HEAD", "OPTIONS"})
_BUSY = frozenset({429, 500, 502, 503, 504})
Read = TypeVar("Read")
_ERROR_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,120}")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much: seconds and bytes.

    `backoff` is the longest wait before a read is first repeated, which doubles each time, and
    `patience` the longest that a vendor may ask for: one that asks for more raises `Throttled`, so
    that a worker is not held.
    """

    connect: float = 10.0
    read: float = 30.0
    total: float = 120.0
    largest_body: int = 32 * 1024 * 1024
    repeats: int = 3
    backoff: float = 0.5
    patience: float = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's answer. `body` is parsed JSON, None where there is none; names of headers are
    in lower case."""

    status: int
    body: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `permission` is what the vendor must have granted, for the error's words.

    `is_read` says that it changes nothing, whatever its method (a query sent by POST).
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Any = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    permission: str = ""
    is_read: bool = False

    @property
    def name(self) -> str:
        """The request as errors name it: no query, which may hold personal data or tokens."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.hostname}{parts.path}"

    @property
    def may_repeat(self) -> bool:
        """Whether sending it twice does no harm."""
        return self.is_read or self.method in READS


class Transport:
    """Sends requests for one client of one connection. Safe to use from several threads.

    `authority` is the PEM of a certificate authority to trust besides the public ones, for a
    vendor's server on site. ConnectionMisconfigured where it is none.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        limits: Limits | None = None,
        authority: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.limits = limits or Limits()
        self._allow_private = allow_private
        self._sleep = sleep
        self._checked: dict[str, float] = {}
        timeout = httpx.Timeout(self.limits.read, connect=self.limits.connect)
        guarded = sockets(allow_private=allow_private, authority=authority)
        self._http = httpx.Client(
            timeout=timeout, follow_redirects=False, trust_env=False, transport=guarded
        )

    def close(self) -> None:
        """Give back the sockets."""
        self._http.close()

    def pause(self, seconds: float) -> None:
        """Wait, as the vendor asked."""
        self._sleep(seconds)

    def send(self, call: Call, accept: Collection[int] = ()) -> Answer:
        """Send one request; return the answer if it is 2xx, or raise one of `integrations.errors`.

        Reads are repeated on 429, 5xx and network failures, at most `Limits.repeats` times.
        Statuses in `accept` are returned too, for the caller to judge.
        """
        return self._repeated(call, lambda answer, end: self._accepted(call, answer, end, accept))

    def content(self, call: Call) -> bytes:
        """Read something that need not be JSON, such as a table; errors and repetition as `send`.

        The bytes are as they came, without the compression of the transfer.
        """
        return self._repeated(call, lambda answer, end: self._content(call, answer, end))

    def lines(self, call: Call, *, most: int, idle: float) -> list[bytes]:
        """Read lines of an answer that may never end, such as a stream of events.

        Returns whole lines that aren't empty: those that come until there are `most`, nothing
        came for `idle` seconds, `Limits` are reached, or the vendor ends. A line that was cut off
        is left out: the caller asks again from before it. Errors and repetition as in `send`.
        """
        return self._repeated(call, lambda answer, end: self._lines(call, answer, end, most, idle))

    def _repeated(self, call: Call, read: Callable[[httpx.Response, float], Read]) -> Read:
        attempt = 0
        while True:
            try:
                return self._once(call, read)
            except (Throttled, Unavailable) as error:
                wait = self._wait(error, attempt)
                if not call.may_repeat or wait is None:
                    raise
            attempt += 1
            self._sleep(wait)

    def _once(self, call: Call, read: Callable[[httpx.Response, float], Read]) -> Read:
        self._check(call.url)
        try:
            return self._opened(call, read)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise Unavailable(
                f"{call.name}: no connection could be made; nothing was done. It is tried again."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise self._lost(call, type(error).__name__) from None

    def _wait(self, error: Throttled | Unavailable, attempt: int) -> float | None:
        """Seconds until a read may be repeated; None when it should not be."""
        if attempt >= self.limits.repeats:
            return None
        # Full jitter: many tenants must not come back in the same moment.
        first = self.limits.backoff
        wait = random.uniform(first / 5, min(first * 2**attempt, 16 * first))  # noqa: S311
        if isinstance(error, Throttled):
            if error.retry_after > self.limits.patience:
                return None
            wait += error.retry_after
        return wait

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if time.monotonic() - self._checked.get(origin, -1e9) > 60:
            check_endpoint(url, allow_private=self._allow_private)
            self._checked[origin] = time.monotonic()

    def _opened(self, call: Call, read: Callable[[httpx.Response, float], Read]) -> Read:
        deadline = time.monotonic() + self.limits.total
        with self._http.stream(
            call.method,
            call.url,
            headers=dict(call.headers),
            json=call.json,
            data=dict(call.form) if call.form is not None else None,
        ) as response:
            return read(response, deadline)

    def _accepted(
        self, call: Call, response: httpx.Response, deadline: float, accept: Collection[int]
    ) -> Answer:
        content = self._whole(call, response, deadline)
        headers = {name.lower(): value for name, value in response.headers.items()}
        body = self._parse(call, response.status_code, content)
        answer = Answer(response.status_code, body, headers)
        if 200 <= answer.status < 300 or answer.status in accept:
            return answer
        raise error_for(call, answer)

    def _content(self, call: Call, response: httpx.Response, deadline: float) -> bytes:
        if not 200 <= response.status_code < 300:
            self._accepted(call, response, deadline, ())
        return self._whole(call, response, deadline)

    def _whole(self, call: Call, response: httpx.Response, deadline: float) -> bytes:
        chunks, size = [], 0
        for chunk in response.iter_bytes():
            chunks.append(chunk)
            size += len(chunk)
            if size > self.limits.largest_body:
                raise self._too_large(call, "answer")
            if time.monotonic() > deadline:
                raise self._lost(call, f"no whole answer after {self.limits.total:.0f} s")
        return b"".join(chunks)

    def _lines(
        self, call: Call, response: httpx.Response, deadline: float, most: int, idle: float
    ) -> list[bytes]:
        if not 200 <= response.status_code < 300:
            self._accepted(call, response, deadline, ())
        # The first answer may take its time; from now on silence means that there is no more.
        response.request.extensions["timeout"]["read"] = idle
        found: list[bytes] = []
        rest, size = b"", 0
        try:
            for chunk in response.iter_bytes():
                *whole, rest = (rest + chunk).split(b"\n")
                found += [line for line in whole if line.strip()]
                size += len(chunk)
                is_full = len(found) >= most or size > self.limits.largest_body
                if is_full or time.monotonic() > deadline:
                    break
        except httpx.ReadTimeout:
            return found
        except httpx.HTTPError:
            if not found:
                raise
            return found
        if not found and size > self.limits.largest_body:
            raise self._too_large(call, "line")
        return found[:most]

    def _parse(self, call: Call, status: int, content: bytes) -> Any:
        if not content.strip():
            return None
        try:
            return json_text.parsed(
                content.decode(jsonlib.detect_encoding(content), "surrogatepass")
            )
        except (ValueError, RecursionError):
            if 200 <= status < 300:
                raise self._lost(call, "the answer is not whole JSON") from None
            return None

    def _too_large(self, call: Call, what: str) -> VendorError:
        why = f"more than {self.limits.largest_body // 2**20} MB in one {what}"
        if not call.may_repeat:
            return self._lost(call, why)
        return AnswerTooLarge(
            f"{call.name}: {why}, which is not taken. Nothing of it is kept, and nothing behind it "
            "is read: look at the vendor for what is so large there, and report it."
        )

    def _lost(self, call: Call, why: str) -> VendorError:
        if call.may_repeat:
            return Unavailable(f"{call.name}: {why}. Nothing was changed; it is tried again.")
        return OutcomeUnknown(
            f"{call.name}: sent, but no usable answer ({why}). It may or may not have been done: "
            "read back before anything else."
        )


def error_for(call: Call, answer: Answer) -> VendorError:
    """Return the error that a status other than 2xx means for this request."""
    said = _said(answer)
    status = answer.status
    if status == 401:
        return Unauthorised(
            f"{call.name}: the vendor refused the credentials{said}. "
            "Check the client secret and its expiry date."
        )
    if status == 403:
        need = f" It needs {call.permission}." if call.permission else ""
        return PermissionMissing(
            f"{call.name}: not allowed{said}.{need} Grant it with admin consent, "
            "or check the tenant's licence."
        )
    if status in {404, 410}:
        return NotFound(f"{call.name}: it does not exist at the vendor{said}.")
    # Only 429 says for certain that nothing was done: a gateway's 503 may come after the change.
    if status == 429 or (status == 503 and call.may_repeat and "retry-after" in answer.headers):
        seconds = asked_wait(answer.headers)
        return Throttled(f"{call.name}: the vendor asks to wait {seconds:.0f} s.", seconds)
    if status in _BUSY or status >= 500:
        if call.may_repeat:
            return Unavailable(f"{call.name}: the vendor failed with {status}{said}.")
        return OutcomeUnknown(
            f"{call.name}: the vendor failed with {status}{said}. It may or may not have been "
            "done: read back before anything else."
        )
    if 300 <= status < 400:
        return Rejected(f"{call.name}: answered {status}, a redirect, which is not followed.")
    return Rejected(f"{call.name}: the vendor refused the request with {status}{said}.")


def asked_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds that a refusal's headers ask to wait.

    ``Retry-After``, or where only that is there ``X-RateLimit-RetryAfter``: the moment, in seconds
    since 1970, from which requests are answered again (CrowdStrike).
    """
    moment = headers.get("x-ratelimit-retryafter")
    if moment is None or "retry-after" in headers:
        return retry_after(headers.get("retry-after"))
    try:
        seconds = float(moment) - time.time()
    except ValueError:
        return retry_after(None)
    # A few hundredths passed on the way; a wait is told in whole seconds.
    return retry_after(str(math.ceil(seconds - 0.05)) if math.isfinite(seconds) else None)


def retry_after(value: str | None, default: float = 5.0) -> float:
    """Return the seconds that a Retry-After header asks for, between 0 and a day.

    Seconds or an HTTP date (RFC 9110 section 10.2.3); `default` where it is missing or unreadable.
    """
    if not value:
        return default
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return default
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        seconds = (moment - dt.datetime.now(dt.UTC)).total_seconds()
    if seconds != seconds:
        return default
    return min(max(seconds, 0.0), 86_400.0)


def _said(answer: Answer) -> str:
    """The vendor's error code in brackets. Its message is left out: it may quote our input."""
    body = answer.body
    error = body.get("error") if isinstance(body, Mapping) else None
    code = error.get("code") if isinstance(error, Mapping) else error
    if isinstance(code, str) and _ERROR_CODE.fullmatch(code):
        return f" ({code})"
    return ""
