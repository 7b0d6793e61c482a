"""Reading line by line from an answer that never ends, and how long a refusal asks to wait."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from integrations.errors import AnswerTooLarge, Rejected, Throttled, Unavailable
from integrations.transport import Call, Limits, Transport, asked_wait

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
LIMITS = Limits(connect=2, read=2, total=5, repeats=1, largest_body=2000)


class Streaming:
    """A server that sends some bytes to everybody who comes, and hangs up only where told."""

    def __init__(self, content: bytes, *, ends: bool = False) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._content, self._ends = content, ends
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/stream"
        self.came = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.came += 1
            connection.recv(65536)
            connection.sendall(self._content)
            if self._ends:
                connection.close()
            else:
                self._open.append(connection)

    def close(self) -> None:
        """Hang up on everybody."""
        self._listener.close()
        for connection in self._open:
            connection.close()


@pytest.fixture
def streaming() -> Iterator:
    """Starts servers, and stops them at the end."""
    started: list[Streaming] = []

    def start(content: bytes, *, ends: bool = False) -> Streaming:
        started.append(Streaming(content, ends=ends))
        return started[-1]

    yield start
    for server in started:
        server.close()


def read(server: Streaming, *, most: int = 100, limits: Limits = LIMITS) -> list[bytes]:
    transport = Transport(allow_private=True, limits=limits, sleep=lambda seconds: None)
    try:
        return transport.lines(Call("GET", server.url), most=most, idle=0.3)
    finally:
        transport.close()


def test_a_stream_that_falls_silent_has_nothing_more(streaming) -> None:
    before = time.monotonic()
    patient = replace(LIMITS, read=30, total=60)
    assert read(streaming(OK + b'{"a":1}\r\n\r\n{"a":2}\r\n'), limits=patient) == [
        b'{"a":1}\r', b'{"a":2}\r',
    ]  # fmt: skip
    assert time.monotonic() - before < 15


def test_a_line_that_was_cut_off_is_left_out(streaming) -> None:
    assert read(streaming(OK + b'{"a":1}\n{"a":', ends=True)) == [b'{"a":1}']
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b'{"a":1}\n{"a"'
    assert read(streaming(cut, ends=True)) == [b'{"a":1}']


def test_no_more_lines_are_taken_than_asked(streaming) -> None:
    assert len(read(streaming(OK + b"1\n2\n3\n4\n"), most=3)) == 3


def test_a_line_without_end_is_not_kept_in_memory(streaming) -> None:
    server = streaming(OK + b"x" * 5000)
    with pytest.raises(AnswerTooLarge, match="in one line"):
        read(server)
    # It would be the same again.
    assert server.came == 1


def test_a_refused_stream_has_its_error_and_is_tried_again_only_if_that_may_help(streaming) -> None:
    # Said, since a client may come again on a connection before it sees that it was closed.
    rest = b"No\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    refusing = streaming(b"HTTP/1.1 400 " + rest, ends=True)
    with pytest.raises(Rejected):
        read(refusing)
    failing = streaming(b"HTTP/1.1 500 " + rest, ends=True)
    with pytest.raises(Unavailable):
        read(failing)
    assert (refusing.came, failing.came) == (1, 2)


def test_a_stream_that_never_answers_is_unavailable(streaming) -> None:
    with pytest.raises(Unavailable):
        read(streaming(b""), limits=replace(LIMITS, read=0.3))


def test_a_moment_to_wait_for_is_told_in_seconds(streaming) -> None:
    moment = str(int(time.time()) + 90).encode()
    limited = b"HTTP/1.1 429 No\r\nX-RateLimit-RetryAfter: " + moment + b"\r\n\r\n"
    with pytest.raises(Throttled) as caught:
        read(streaming(limited, ends=True))
    assert 85 <= caught.value.retry_after <= 90


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 5.0), ({"retry-after": "9"}, 9.0), ({"x-ratelimit-retryafter": "soon"}, 5.0),
        ({"x-ratelimit-retryafter": "1000"}, 0.0), ({"x-ratelimit-retryafter": "nan"}, 5.0),
        ({"retry-after": "9", "x-ratelimit-retryafter": "1000"}, 9.0),
        ({"x-ratelimit-retryafter": "99999999999"}, 86_400.0),
    ],
)  # fmt: skip
def test_what_is_asked_to_wait(headers, seconds) -> None:
    assert asked_wait(headers) == seconds
