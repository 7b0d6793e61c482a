"""A connection's address can't lead into our own network, unless the installation allows it."""

import socket

import pytest

from integrations.errors import ConnectionMisconfigured

TOPIC = "addresses"
PUBLIC = "8.8.8.8"
HOSTS = (
    "127.0.0.1", "localhost", "169.254.169.254", "10.1.2.3", "192.168.7.7", "172.16.0.9",
    "100.64.0.1", "[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:169.254.169.254]", "0.0.0.0",
)  # fmt: skip


def attempt(subject, vendor, setting: str, host: str) -> None:
    """Connect with one setting leading to a host, all others to a public one, and read."""
    changed = {name: subject.address(name, PUBLIC) for name in subject.endpoints}
    changed[setting] = subject.address(setting, host)
    client = vendor.connect(allow_private=False, **changed)
    try:
        subject.manifest.canary(client)
    finally:
        client.close()


def test_private_addresses_are_refused(subject, vendor, setting) -> None:
    for host in HOSTS:
        with pytest.raises(ConnectionMisconfigured, match="private address"):
            attempt(subject, vendor, setting, host)
    assert vendor.requests() == []


@pytest.mark.parametrize("address", ["10.9.8.7", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
def test_names_that_lead_to_private_addresses_are_refused(
    subject, vendor, setting, address, monkeypatch
) -> None:
    real = socket.getaddrinfo

    def resolve(host, port, *args, **options):
        if host == "vendor.example":
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.99", port)),
                (family, socket.SOCK_STREAM, 6, "", (address, port)),
            ]
        return real(host, port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ConnectionMisconfigured, match="private address"):
        attempt(subject, vendor, setting, "vendor.example")
    assert vendor.requests() == []
