"""Where a connection may lead: not into our own network, unless the installation allows it.

A name is checked when a connection is configured, before a request, and again when a socket is
opened, and the socket goes to the very address that was checked: a name server that answers
differently the second time gains nothing.
"""

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx
from django.conf import settings

from integrations.errors import ConnectionMisconfigured, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def private_endpoints_allowed() -> bool:
    """Return whether this installation lets connections lead into private networks."""
    return bool(getattr(settings, "HOLDFAST_ALLOW_PRIVATE_ENDPOINTS", False))


def check_endpoint(url: str, *, allow_private: bool) -> None:
    """Refuse an address that leads into our own network; ConnectionMisconfigured says why.

    With `allow_private` plain http and any address are fine (a simulator, a vendor on site).
    Unavailable when the name can't be resolved now.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        raise ConnectionMisconfigured(
            "The address is not usable: its host is not whole, or its port is none of 1 to 65535."
        ) from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username:
        raise ConnectionMisconfigured(
            f"{parts.scheme}://{parts.hostname or ''} is not a usable endpoint: "
            "give an https address without user name."
        )
    if not allow_private and parts.scheme != "https":
        raise ConnectionMisconfigured(f"The endpoint {parts.hostname} must be https.")
    check_host(parts.hostname, port, allow_private=allow_private)


def check_host(host: str, port: int, *, allow_private: bool) -> list[Address]:
    """Refuse a host that leads into our own network, whatever is spoken there (LDAP, IMAP, SSH).

    Returns the addresses that were checked: connect to one of these, not to the name, which may
    lead elsewhere the next time it is asked for. Raises as `check_endpoint`.
    """
    found = _resolve(host, port)
    for address in () if allow_private else found:
        if not address.is_global or address.is_multicast:
            raise ConnectionMisconfigured(
                f"The endpoint {host} leads to the private address {address}. "
                "Use the vendor's public address, or set HOLDFAST_ALLOW_PRIVATE_ENDPOINTS=1 "
                "for this installation."
            )
    return found


def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable(
            f"The name {host} could not be resolved; check the endpoint and the name server."
        ) from None
    addresses = (ipaddress.ip_address(str(info[4][0]).split("%")[0]) for info in found)
    return [getattr(address, "ipv4_mapped", None) or address for address in addresses]


def sockets(*, allow_private: bool, authority: str = "") -> httpx.BaseTransport:
    """Return what opens sockets for one client; ConnectionMisconfigured for no authority.

    Clients without an `authority` of their own share their sockets, so that a thousand connections
    don't keep a thousand open.
    """
    if authority:
        return Guarded(allow_private=allow_private, authority=authority)
    return _Borrowed(_shared(allow_private))


@cache
def _public_authorities() -> ssl.SSLContext:
    # Reading them costs more than a request.
    return httpx.create_ssl_context(trust_env=False)


@cache
def _shared(allow_private: bool) -> "Guarded":
    return Guarded(allow_private=allow_private)


class _Borrowed(httpx.BaseTransport):
    """Sockets that others use as well: giving them back leaves them open."""

    def __init__(self, lender: httpx.BaseTransport) -> None:
        self._lender = lender

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it through the shared sockets."""
        return self._lender.handle_request(request)


class Guarded(httpx.HTTPTransport):
    """httpx's transport, whose sockets go to checked addresses only."""

    def __init__(self, *, allow_private: bool, authority: str = "") -> None:
        context = _public_authorities()
        if authority:
            context = httpx.create_ssl_context(trust_env=False)
            try:
                context.load_verify_locations(cadata=authority)
            except (ssl.SSLError, ValueError):
                raise ConnectionMisconfigured(
                    "The certificate authority is no PEM certificate: paste the whole text, from "
                    "BEGIN CERTIFICATE to END CERTIFICATE."
                ) from None
        super().__init__(verify=context, trust_env=False)
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
        # httpx has no way to be given a network backend but through its pool.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(allow_private),
        )


class _Backend(httpcore.NetworkBackend):
    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers."""
        addresses = check_host(host, port, allow_private=self._allow_private)
        for address in addresses[:-1]:
            try:
                return self._plain.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._plain.connect_tcp(
            str(addresses[-1]), port, timeout, local_address, socket_options
        )

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._plain.sleep(seconds)
