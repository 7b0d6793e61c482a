"""The transport's own promises: where it may go, what it follows, and how it waits."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from integrations.addresses import check_endpoint
from integrations.errors import (
    ConnectionMisconfigured,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unavailable,
)
from integrations.transport import Call, Limits, Transport, retry_after


class _Handler(BaseHTTPRequestHandler):
    """Answers as the path says: /status/{n}."""

    def do_GET(self) -> None:
        status = int(self.path.rsplit("/", 1)[1])
        self.server.seen.append((self.command, self.path))  # type: ignore[attr-defined]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        if self.path.startswith("/later"):
            self.send_header("Retry-After", "9")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server on loopback."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    found.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def waited() -> list[float]:
    """The pauses that the transport made."""
    return []


@pytest.fixture
def transport(waited: list[float]) -> Iterator[Transport]:
    """A transport that may go to loopback and doesn't really wait."""
    limits = Limits(connect=2, read=2, total=5, repeats=2)
    found = Transport(allow_private=True, limits=limits, sleep=waited.append)
    yield found
    found.close()


def url(server: ThreadingHTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/", "https://localhost/", "https://10.1.2.3/", "https://192.168.0.1/",
        "https://169.254.169.254/latest", "https://[::1]/", "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/", "https://0.0.0.0/", "https://100.64.0.1/",
        "https://224.0.0.1/",
    ],
)  # fmt: skip
def test_private_addresses_are_refused(address: str) -> None:
    with pytest.raises(ConnectionMisconfigured, match="private address"):
        check_endpoint(address, allow_private=False)


@pytest.mark.parametrize(
    "address",
    [
        "http://8.8.8.8/", "ftp://8.8.8.8/", "https://", "https://user:pw@8.8.8.8/",
        "https://8.8.8.8:99999/", "https://8.8.8.8:x/", "https://user:pw@[x",
    ],
)  # fmt: skip
def test_unusable_endpoints_are_refused(address: str) -> None:
    with pytest.raises(ConnectionMisconfigured) as caught:
        check_endpoint(address, allow_private=False)
    assert "pw" not in str(caught.value)


def test_public_addresses_pass_and_private_ones_where_allowed() -> None:
    check_endpoint("https://8.8.8.8/", allow_private=False)
    check_endpoint("http://10.0.0.1:8080/", allow_private=True)


def test_the_guard_stands_before_the_request(server) -> None:
    guarded = Transport(allow_private=False)
    with pytest.raises(ConnectionMisconfigured):
        guarded.send(Call("GET", url(server, "/status/200")))
    assert not server.seen
    guarded.close()


def test_a_name_that_leads_elsewhere_the_second_time_is_refused(server, monkeypatch) -> None:
    port = server.server_address[1]
    answers = iter(["8.8.8.8", "127.0.0.1"])
    real = socket.getaddrinfo

    def resolve(host, *args, **options):
        if host != "rebind.example":
            return real(host, *args, **options)
        address = next(answers)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    guarded = Transport(allow_private=False)
    with pytest.raises(ConnectionMisconfigured, match=r"private address 127\.0\.0\.1"):
        guarded.send(Call("GET", f"https://rebind.example:{port}/status/200"))
    assert not server.seen
    guarded.close()


def test_a_text_that_is_no_certificate_is_named() -> None:
    with pytest.raises(ConnectionMisconfigured, match="PEM"):
        Transport(allow_private=True, authority="s3cret nonsense")


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="could not be resolved"):
        check_endpoint("https://no-such-host.invalid/", allow_private=False)


def test_redirects_are_not_followed(server, transport) -> None:
    with pytest.raises(Rejected, match="redirect"):
        transport.send(Call("GET", url(server, "/status/302")))
    assert len(server.seen) == 1


def test_reads_are_repeated_with_growing_jitter(server, transport, waited) -> None:
    with pytest.raises(Unavailable):
        transport.send(Call("GET", url(server, "/status/500")))
    assert len(server.seen) == 3
    assert len(waited) == 2
    assert all(0 < pause <= 1 for pause in waited)


def test_a_read_waits_at_least_as_asked(server, transport, waited) -> None:
    with pytest.raises(Throttled) as caught:
        transport.send(Call("GET", url(server, "/later/429")))
    assert caught.value.retry_after == 9
    assert all(pause >= 9 for pause in waited)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/later/503", OutcomeUnknown), ("/later/429", Throttled), ("/status/429", Throttled),
        ("/status/503", OutcomeUnknown), ("/status/500", OutcomeUnknown),
        ("/status/400", Rejected), ("/status/409", Rejected),
    ],
)  # fmt: skip
def test_writes_are_sent_once(server, transport, path, error) -> None:
    with pytest.raises(error):
        transport.send(Call("POST", url(server, path), json={}))
    assert len(server.seen) == 1


def test_a_refused_connection_means_that_nothing_was_done(server, transport) -> None:
    nobody = url(server, "/status/200")
    server.shutdown()
    server.server_close()
    with pytest.raises(Unavailable, match="nothing was done"):
        transport.send(Call("POST", nobody, json={}))


def test_errors_name_the_request_without_its_query(server, transport) -> None:
    with pytest.raises(Rejected) as caught:
        transport.send(Call("POST", url(server, "/status/400") + "?code=s3cret/400", json={}))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("7", 7), ("0", 0), ("-3", 0), ("nonsense", 5), ("", 5), (None, 5), ("nan", 5),
     ("99999999", 86_400), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)  # fmt: skip
def test_retry_after_in_all_its_forms(header, expected) -> None:
    assert retry_after(header) == expected
