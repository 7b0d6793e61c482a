"""IMAP (RFC 3501) for the middleman: requests as lines, faults as a mail server answers them."""

from __future__ import annotations

import base64
import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from tests.servers.middleman import Answer, Request, Stream

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_CODES = {
    401: "[EXPIRED] The session has expired",
    403: "[NOPERM] Not allowed",
    404: "[NONEXISTENT] There is no such folder",
    409: "[CANNOT] Not possible",
    500: "[SERVERBUG] Internal error",
    502: "[UNAVAILABLE] A server behind this one is away",
    503: "[UNAVAILABLE] Temporarily away",
    504: "[UNAVAILABLE] A server behind this one took too long",
}
_STATUS = {
    b"AUTHENTICATIONFAILED": 401, b"EXPIRED": 401, b"NOPERM": 403, b"NONEXISTENT": 404,
    b"TRYCREATE": 404,
}  # fmt: skip
# What shows messages. Folders and what is in them are kept apart in a mail server, so that what
# is seen late is messages.
_SHOWS_MESSAGES = frozenset({"UID SEARCH", "UID FETCH"})


@dataclass
class _Session:
    """What the server knows of a connection, without which the same words mean other things."""

    mailbox: str = ""
    folder: str = ""


class ImapCodec:
    """IMAP's lines, one request at a time."""

    def __init__(self) -> None:
        self._sessions: WeakKeyDictionary[Stream, _Session] = WeakKeyDictionary()

    def greet(self, server: Stream) -> bytes:
        """The server speaks first."""
        return server.line()

    def request(self, client: Stream, server: ssl.SSLSocket) -> Request | None:
        """The next command; its path is ``mailbox?folder?arguments``."""
        raw = client.line()
        words = raw.decode("utf-8", "replace").split()
        if len(words) < 2 or words[1].upper() == "LOGOUT":
            return None
        session = self._sessions.setdefault(client, _Session())
        method, rest = words[1].upper(), words[2:]
        if method == "UID":
            method, rest = f"UID {rest[0].upper()}", rest[1:]
        if method == "AUTHENTICATE":
            return self._signing_in(client, raw, session, words[0].encode())
        arguments = " ".join(rest)
        if method in ("SELECT", "EXAMINE"):
            session.folder = arguments
        path = f"{session.mailbox}?{session.folder}?{arguments}"
        return Request(
            raw, method, path, number=words[0].encode(), key=f"{method} {path}".encode(),
            is_read=method in _SHOWS_MESSAGES, scope=f"{session.mailbox}?{session.folder}",
        )  # fmt: skip

    def answer(self, server: Stream, request: Request) -> Answer | None:
        """All lines up to the one with the request's tag."""
        parts: list[bytes] = []
        while True:
            part = _response(server)
            if not part:
                return None
            if part.startswith(request.number + b" "):
                return Answer(parts, part, _status(part.split(b" ", 1)[1]))
            parts.append(part)

    def refusal(self, request: Request, kind: str, options: Any) -> bytes:
        """A NO as a mail server gives it (RFC 5530, RFC 2221)."""
        if kind == "throttle":
            said = "[LIMIT] Too many requests"
        elif kind == "redirect":
            said = f"[REFERRAL imap://{urlsplit(options.location).netloc}/] Ask another server"
        else:
            said = _CODES[options.status]
        return request.number + f" NO {said}\r\n".encode()

    def again(self, part: bytes, request: Request) -> bytes:
        """What has no tag is the same in every answer."""
        return part

    def _signing_in(
        self, client: Stream, raw: bytes, session: _Session, tag: bytes
    ) -> Request | None:
        """PLAIN (RFC 4616) in two steps from the client, in one to the server (RFC 4959)."""
        client.socket.sendall(b"+ \r\n")
        said = client.line().strip()
        mailbox, user, password = base64.b64decode(said).decode().split("\0")
        session.mailbox = mailbox or user
        return Request(
            raw.strip() + b" " + said + b"\r\n", "AUTHENTICATE", session.mailbox, number=tag,
            is_read=False, signs_in=True, secret=password,
        )  # fmt: skip


def _response(server: Stream) -> bytes:
    found = line = server.line()
    while literal := _LITERAL.search(line):
        found += server.exactly(int(literal[1]))
        line = server.line()
        found += line
    return found if line else b""


def _status(said: bytes) -> int:
    if said.startswith(b"OK"):
        return 200
    code = re.search(rb"\[([A-Z]+)", said)
    return _STATUS.get(code[1], 409) if code else 409
