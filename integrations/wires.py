"""Sockets for protocols other than HTTP: TLS that is always checked, addresses that were checked,
time limits that hold for a whole request, and bounded answers.

Libraries for such protocols open sockets by name, set a time limit for single reads only and take
answers of any length, so they are given these instead.
"""

import re
import socket
import ssl
import time
from dataclasses import dataclass

from integrations.addresses import check_host
from integrations.errors import ConnectionMisconfigured, Unavailable
from integrations.transport import Limits

_SERVER = re.compile(r"\[(?P<v6>[0-9A-Fa-f:.%]+)\](?::(?P<v6port>\d{1,5}))?"
                     r"|(?P<host>[^\s:/@\[\]]+)(?::(?P<port>\d{1,5}))?")  # fmt: skip


class Wire:
    """One socket, as far as the libraries use it.

    `begin` starts the time and the bytes that one request and its answer may take; TimeoutError
    or OSError (too much) from `recv` when they are used up.
    """

    def __init__(self, secured: ssl.SSLSocket, limits: Limits) -> None:
        self._socket = secured
        self._limits = limits
        self._deadline = 0.0
        self._left = 0
        self.begin()

    def begin(self) -> None:
        """A new request begins."""
        self._deadline = time.monotonic() + self._limits.total
        self._left = self._limits.largest_body

    def recv(self, size: int) -> bytes:
        """Return some bytes, none at the end."""
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("no whole answer in time")
        self._socket.settimeout(min(self._limits.read, remaining))
        found = self._socket.recv(size)
        self._left -= len(found)
        if self._left < 0:
            raise OSError("the answer is too long")
        return found

    def sendall(self, content: bytes) -> None:
        """Send all of it."""
        self._socket.settimeout(self._limits.read)
        self._socket.sendall(content)

    def is_quiet(self) -> bool:
        """Whether nothing has come while nobody asked: what comes then is the end."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            pass
        return False

    def shutdown(self, how: int) -> None:
        """Say that nothing more will come."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Dialler:
    """Where the server is and how to get there. `context` checks its certificate; `protocol` is
    how errors name it, such as LDAPS."""

    protocol: str
    host: str
    port: int
    context: ssl.SSLContext
    allow_private: bool
    limits: Limits

    def dial(self) -> Wire:
        """Connect to one of the addresses that were checked.

        Unavailable where no connection can be made or the certificate can't be trusted;
        ConnectionMisconfigured where the name leads into a private network.
        """
        found = check_host(self.host, self.port, allow_private=self.allow_private)
        why = ""
        for address in found:
            try:
                return self._secured(str(address))
            except ssl.SSLCertVerificationError as error:
                why = (
                    f"its certificate can't be trusted ({error.verify_message}). Enter the "
                    "authority that issued it, and the server's name as the certificate has it"
                )
            except (OSError, ValueError) as error:
                why = f"no connection could be made ({type(error).__name__})"
        raise Unavailable(f"{self.protocol} {self.host}:{self.port}: {why}. Nothing was done.")

    def _secured(self, address: str) -> Wire:
        plain = socket.create_connection((address, self.port), timeout=self.limits.connect)
        try:
            plain.settimeout(self.limits.connect)
            return Wire(
                self.context.wrap_socket(plain, server_hostname=self.host.split("%")[0]),
                self.limits,
            )
        except BaseException:
            plain.close()
            raise


def dialler(
    server: str, authority: str, *, protocol: str, port: int, allow_private: bool, limits: Limits
) -> Dialler:
    """Return how to reach `server` (``host`` or ``host:port``; without one `port`).

    `authority` is the PEM of the only certificate authority to trust, empty for the public ones.
    ConnectionMisconfigured says which of the two can't work.
    """
    found = _SERVER.fullmatch(server.strip())
    told = (found["v6port"] or found["port"]) if found else None
    chosen = int(told) if told else port
    if found is None or not 0 < chosen < 65536:
        raise ConnectionMisconfigured(
            f"{server[:80]!r} is no server: enter its name as its certificate has it, such as "
            f"server.example.com; with :port only where it isn't {port}."
        )
    return Dialler(
        protocol, found["v6"] or found["host"], chosen, _context(authority), allow_private, limits
    )


def _context(authority: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=authority or None)
    except (ssl.SSLError, ValueError):
        raise ConnectionMisconfigured(
            "The certificate authority is no PEM certificate: paste the whole text, from "
            "BEGIN CERTIFICATE to END CERTIFICATE."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
