"""LDAP (RFC 4511) for the middleman: requests as LDAP writes them, faults as Active Directory
answers."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

from tests.servers.middleman import Answer, Request, Stream

_ENTRY, _REFERENCE = 0x64, 0x73
_METHODS = {0x60: "BIND", 0x63: "SEARCH", 0x66: "MODIFY", 0x6C: "MODIFYDN", 0x68: "ADD",
            0x4A: "DELETE", 0x42: "UNBIND", 0x77: "EXTENDED", 0x50: "ABANDON"}  # fmt: skip
_ANSWERS = {"BIND": 0x61, "SEARCH": 0x65, "MODIFY": 0x67, "MODIFYDN": 0x6D, "EXTENDED": 0x78}
_SCOPES = ("base", "one", "sub")
_JOINED = {0xA0: "&", 0xA1: "|", 0xA2: "!"}
_COMPARED = {0xA3: "=", 0xA5: ">=", 0xA6: "<="}
_STATUS = {0: 200, 4: 200, 49: 401, 50: 403, 32: 404, 51: 429, 10: 302, 80: 500, 52: 503, 1: 500}
_UNBOUND = (1, "000004DC: LdapErr: DSID-0C090AC8, comment: a successful bind must be completed, "
            "data 0, v4563")  # fmt: skip
_REFUSALS = {
    401: _UNBOUND,
    403: (50, "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0"),
    404: (32, "0000208D: NameErr: DSID-03100245, problem 2001 (NO_OBJECT), data 0"),
    409: (53, "00002141: SvcErr: DSID-031A1254, problem 5003 (WILL_NOT_PERFORM), data 0"),
    500: (80, "00002095: SvcErr: DSID-031A1254, problem 5012 (DIR_ERROR), data 0"),
    502: (52, "0000200E: SvcErr: DSID-031A1254, problem 5002 (UNAVAILABLE), data 0"),
    503: (52, "0000200E: SvcErr: DSID-031A1254, problem 5002 (UNAVAILABLE), data 0"),
    504: (3, "00002024: SvcErr: DSID-031A1254, problem 5002 (TIMELIMIT), data 0"),
}


class LdapCodec:
    """LDAP's messages, one request at a time."""

    def greet(self, server: Stream) -> bytes:
        """The server waits to be asked."""
        return b""

    def request(self, client: Stream, server: ssl.SSLSocket) -> Request | None:
        """The next message; its path is ``base?scope?filter``."""
        raw = _message(client)
        if not raw:
            return None
        number, tag = _head(raw)
        method = _METHODS.get(tag, f"0x{tag:02x}")
        request = Request(raw, method, "", number, _after_number(raw), method == "SEARCH")
        if method == "UNBIND":
            return None
        operation = _inside(_inside(raw)[1])
        request.path = _text(operation[method == "BIND"])
        if method == "SEARCH":
            scope = _SCOPES[ord(_text(operation[1]))]
            request.path += f"?{scope}?{_filter(operation[6])}"
        elif method == "MODIFY":
            changes = [_text(_inside(_inside(one)[1])[0]) for one in _inside(operation[1])]
            request.path += f"?{','.join(changes)}"
        elif method == "BIND":
            request.signs_in = True
            request.secret = _text(operation[2])
        return request

    def answer(self, server: Stream, request: Request) -> Answer | None:
        """All messages up to the one with the result."""
        parts: list[bytes] = []
        while True:
            raw = _message(server)
            if not raw:
                return None
            _, tag = _head(raw)
            if tag not in (_ENTRY, _REFERENCE):
                return Answer(parts, raw, _STATUS.get(_result(raw), 409))
            parts.append(raw)

    def refusal(self, request: Request, kind: str, options: Any) -> bytes:
        """A result as a domain controller gives it."""
        if kind == "throttle":
            return _made(request, 51, "0000200E: SvcErr: DSID-031A1254, problem 5001 (BUSY)")
        if kind == "redirect":
            place = f"ldap://{urlsplit(options.location).netloc}/"
            return _made(request, 10, "0000202B: RefErr: DSID-031007F9", place)
        return _made(request, *_REFUSALS[options.status])

    def again(self, part: bytes, request: Request) -> bytes:
        """The message with the other request's number."""
        return _tlv(0x30, (request.number or b"\x02\x01\x00") + _after_number(part))


def _message(stream: Stream) -> bytes:
    head = stream.exactly(2)
    if len(head) < 2:
        return b""
    size, more = head[1], b""
    if size & 0x80:
        more = stream.exactly(size & 0x7F)
        size = int.from_bytes(more, "big")
    content = stream.exactly(size)
    return head + more + content if len(content) == size else b""


def _content(raw: bytes, at: int = 0) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends."""
    size, start = raw[at + 1], at + 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(raw[at + 2 : start], "big")
    return start, start + size


def _head(raw: bytes) -> tuple[bytes, int]:
    """The number of a message as it is written, and the tag of what it holds."""
    start, _ = _content(raw)
    _, end = _content(raw, start)
    return raw[start:end], raw[end]


def _after_number(raw: bytes) -> bytes:
    start, _ = _content(raw)
    _, end = _content(raw, start)
    return raw[end:]


def _result(raw: bytes) -> int:
    body = _after_number(raw)
    start, _ = _content(body)
    begin, end = _content(body, start)
    return int.from_bytes(body[begin:end], "big")


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _made(request: Request, code: int, text: str, referral: str = "") -> bytes:
    content = _tlv(0x0A, bytes([code])) + _tlv(0x04, b"") + _tlv(0x04, text.encode())
    if referral:
        content += _tlv(0xA3, _tlv(0x04, referral.encode()))
    return _tlv(0x30, request.number + _tlv(_ANSWERS[request.method], content))


def _inside(raw: bytes) -> list[bytes]:
    """The elements in an element."""
    at, end = _content(raw)
    found = []
    while at < end:
        _, after = _content(raw, at)
        found.append(raw[at:after])
        at = after
    return found


def _text(raw: bytes) -> str:
    start, end = _content(raw)
    return raw[start:end].decode("utf-8", "replace")


def _filter(raw: bytes) -> str:
    """A filter as RFC 4515 writes it; values that are no text get replaced."""
    tag = raw[0]
    if tag in _JOINED:
        return f"({_JOINED[tag]}{''.join(map(_filter, _inside(raw)))})"
    if tag in _COMPARED:
        attribute, value = map(_text, _inside(raw))
        return f"({attribute}{_COMPARED[tag]}{value})"
    return f"({_text(raw)}=*)"
