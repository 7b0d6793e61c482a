"""The policy of MTA-STS comes by HTTPS from the domain's own web server, and from nowhere else."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from integrations.connectors.dns.client import policy_of
from integrations.transport import Transport
from tests.integrations.conformance.subject import QUICK
from tests.integrations.conformance.trap import Trap

HOST, PLACE = "mta-sts.good.test", "127.0.0.77"
TEXT = b"version: STSv1\r\nmode: enforce\r\nmx: mx.good.test\r\nmax_age: 86400\r\n"


def certificate(folder) -> tuple[str, str]:
    """A certificate for the policy's host that signs itself: its file, and its text."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    text = made.public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = folder / "server.pem"
    path.write_text(private + text)
    return str(path), text


class _Handler(BaseHTTPRequestHandler):
    location = ""

    def do_GET(self) -> None:
        is_policy = self.path == "/.well-known/mta-sts.txt"
        self.send_response(302 if self.location else 200 if is_policy else 404)
        if self.location:
            self.send_header("Location", self.location)
        self.end_headers()
        if is_policy and not self.location:
            self.wfile.write(TEXT)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def authority(tmp_path, monkeypatch) -> Iterator[str]:
    """The web server of the domain, on port 443 of an address of its own; whom to trust."""
    path, text = certificate(tmp_path)
    try:
        server = ThreadingHTTPServer((PLACE, 443), _Handler)
    except PermissionError:
        pytest.skip("only root may listen on port 443 here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    lead(monkeypatch, PLACE)
    yield text
    server.shutdown()
    thread.join()
    server.server_close()


def lead(monkeypatch, address: str) -> None:
    """Let the policy's host lead to an address."""
    real = socket.getaddrinfo

    def resolve(host, port, *args, **options):
        return real(address if host == HOST else host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def fetched(**options) -> list[str]:
    transport = Transport(limits=QUICK, **options)
    try:
        return policy_of(transport, "good.test")
    finally:
        transport.close()


def test_a_policy_is_fetched(authority) -> None:
    assert fetched(allow_private=True, authority=authority) == TEXT.decode().split("\r\n")[:-1]


def test_a_web_server_without_a_good_certificate_has_no_policy(authority) -> None:
    assert fetched(allow_private=True) == []


def test_a_redirect_is_not_followed(authority, monkeypatch) -> None:
    with Trap() as trap:
        monkeypatch.setattr(_Handler, "location", trap.url)
        assert fetched(allow_private=True, authority=authority) == []
        assert trap.hits == []


def test_a_policy_can_not_lead_into_our_own_network(authority) -> None:
    assert fetched(allow_private=False, authority=authority) == []
