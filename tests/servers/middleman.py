"""Stands between a client and a real server over TLS, keeps a log, and lets things go wrong.

The faults are those of the simulators (integrations/simulators/base/faults), so that the
conformance suite can ask for the same of a real server. What a fault looks like in a protocol, and
how requests and answers are told apart in it, is a `Codec`'s.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from integrations.simulators.base.faults import Faults
from tests.servers.authority import Issued

_CHUNK = 65536


class Stream:
    """Reads from a socket by size or to a line's end; b"" at the end of the stream."""

    def __init__(self, source: ssl.SSLSocket) -> None:
        self.socket = source
        self._kept = b""

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        while len(self._kept) < size and self._more():
            pass
        found, self._kept = self._kept[:size], self._kept[size:]
        return found

    def line(self) -> bytes:
        """The next line with its end; b"" where the stream ends before."""
        while b"\n" not in self._kept:
            if not self._more():
                return b""
        found, _, self._kept = self._kept.partition(b"\n")
        return found + b"\n"

    def _more(self) -> bool:
        try:
            found = self.socket.recv(_CHUNK)
        except OSError:
            return False
        self._kept += found
        return bool(found)


@dataclass
class Request:
    """One request. Two with the same `key` ask the same; `signs_in` begins a session; records of
    one `scope` can't come in an answer from another."""

    raw: bytes
    method: str
    path: str
    number: bytes = b""
    key: bytes = b""
    is_read: bool = True
    signs_in: bool = False
    secret: str = ""
    scope: str = ""


@dataclass
class Answer:
    """One answer: its records, and the end that tells the result, as HTTP's status would."""

    parts: list[bytes]
    end: bytes
    status: int = 200


class Codec(Protocol):
    """How a protocol writes requests and answers down."""

    def greet(self, server: Stream) -> bytes:
        """What the server says before it is asked."""

    def request(self, client: Stream, server: ssl.SSLSocket) -> Request | None:
        """The next request; None at the end."""

    def answer(self, server: Stream, request: Request) -> Answer | None:
        """The whole answer to a request; None where the server ends instead."""

    def refusal(self, request: Request, kind: str, options: Any) -> bytes:
        """The answer that a fault (throttle, server_error, refuse, redirect) stands for."""

    def again(self, part: bytes, request: Request) -> bytes:
        """A part of an earlier answer, as part of the answer to another request."""


@dataclass
class _Memory:
    answers: dict[bytes, Answer] = field(default_factory=dict)
    last_part: bytes = b""
    last_scope: str = ""
    stale: int = 0
    generation: int = 0


class Middleman:
    """Listens on a port of loopback and passes on to `upstream`; see `faults` and `log`."""

    def __init__(
        self, codec: Codec, upstream: tuple[str, int], trust: ssl.SSLContext, own: Issued
    ) -> None:
        self.faults = Faults()
        self.log: list[dict[str, Any]] = []
        self.secrets: set[str] = set()
        self._codec = codec
        self.upstream = upstream
        self.trust = trust
        self._own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._own.load_cert_chain(own.certificate, own.key)
        self._memory = _Memory()
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def requests(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """The requests that came, in order."""
        with self._lock:
            return [
                line for line in self.log
                if method in ("", line["method"]) and re.search(path, line["path"])
            ]  # fmt: skip

    def forget_sessions(self) -> None:
        """Whoever has signed in so far is a stranger from now on."""
        with self._lock:
            self._memory.generation += 1

    def cut(self) -> None:
        """Drop every connection there is, as a server drops idle ones."""
        with self._lock:
            cut, self._open = self._open, set()
        for one in cut:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def running(self) -> Iterator[Middleman]:
        """Serve until the end."""
        self._start(self._accept)
        try:
            yield self
        finally:
            self._ending.set()
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self.cut()
            for thread in self._threads:
                thread.join(timeout=10)

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, plain)

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError), plain, socket.create_connection(self.upstream, 10) as beyond:
            for one in (plain, beyond):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with (
                self._own.wrap_socket(plain, server_side=True) as client,
                self.trust.wrap_socket(beyond, server_hostname=self.upstream[0]) as server,
            ):
                with self._lock:
                    self._open |= {client, server}
                self._pass_on(Stream(client), Stream(server))

    def _pass_on(self, client: Stream, server: Stream) -> None:
        session = -1
        client.socket.sendall(self._codec.greet(server))
        while not self._ending.is_set():
            request = self._codec.request(client, server.socket)
            if request is None:
                return
            if request.secret:
                self.secrets.add(request.secret)
            if not request.signs_in and 0 <= session < self._memory.generation:
                self._note(request, 401)
                client.socket.sendall(self._codec.refusal(request, "refuse", _Unknown()))
            elif not self._one(request, client, server):
                return
            elif request.signs_in:
                session = self._memory.generation

    def _one(self, request: Request, client: Stream, server: Stream) -> bool:
        """Handle one request; False when the connection is to be cut."""
        with self._lock:
            hits = self.faults.hitting(request.method, request.path, "")
        for kind in ("throttle", "server_error", "refuse", "redirect"):
            if kind in hits:
                self._note(request, {"throttle": 429, "redirect": 302}.get(kind, hits[kind].status))
                client.socket.sendall(self._codec.refusal(request, kind, hits[kind]))
                return True
        if "drop_before_effect" in hits:
            self._note(request, 0)
            return False
        server.socket.sendall(request.raw)
        answer = self._codec.answer(server, request)
        if answer is None:
            return False
        self._note(request, answer.status)
        if "drop_after_effect" in hits:
            return False
        if "stale_reads" in hits:
            self._memory.stale = hits["stale_reads"].reads
        answer = self._changed(request, self._remembered(request, answer), hits)
        return self._send(client.socket, b"".join([*answer.parts, answer.end]), hits)

    def _note(self, request: Request, status: int) -> None:
        with self._lock:
            self.log.append({"method": request.method, "path": request.path, "status": status})

    def _remembered(self, request: Request, answer: Answer) -> Answer:
        """The answer of before, while readers are not to see what has changed."""
        if not request.is_read or answer.status != 200:
            return answer
        with self._lock:
            old = self._memory.answers.get(request.key)
            own = [self._codec.again(part, Request(b"", "", "")) for part in answer.parts]
            if self._memory.stale > 0 and old is not None and old.parts != own:
                self._memory.stale -= 1
                parts = [self._codec.again(part, request) for part in old.parts]
                return Answer(parts, answer.end, answer.status)
            self._memory.answers[request.key] = Answer(own, b"", 200)
        return answer

    def _changed(self, request: Request, answer: Answer, hits: dict[str, Any]) -> Answer:
        parts = answer.parts
        if "out_of_order" in hits:
            parts = parts[::-1]
        if "duplicate_records" in hits and parts:
            before, is_same = self._memory.last_part, self._memory.last_scope == request.scope
            self._memory.last_part, self._memory.last_scope = parts[-1], request.scope
            again = [self._codec.again(before, request)] if before and is_same else []
            parts = [*again, *parts]
        return Answer(parts, answer.end, answer.status)

    def _send(self, client: ssl.SSLSocket, content: bytes, hits: dict[str, Any]) -> bool:
        if "slow" in hits and self._ending.wait(hits["slow"].seconds):
            return False
        if "broken_json" in hits:
            client.sendall(content[: len(content) // 2])
            return False
        if "slow_body" in hits:
            for byte in content:
                client.sendall(bytes([byte]))
                if self._ending.wait(hits["slow_body"].seconds / len(content)):
                    return False
            return True
        client.sendall(content)
        return True


@dataclass
class _Unknown:
    """Options of the refusal of somebody whose session was forgotten."""

    status: int = 401
    location: str = ""
