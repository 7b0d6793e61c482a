"""A real name server (Knot DNS) on loopback, behind a relay that logs and lets things go wrong.

A zone for each domain, and the root's, so that every name that is in none doesn't exist.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from integrations.simulators.base.faults import Faults

KNOT = shutil.which("knotd") or next(
    (path for path in ("/usr/sbin/knotd",) if Path(path).exists()), ""
)
WHY_NOT = "no Knot DNS here: apt-get install --no-install-recommends knot"
_CONFIG = """
server:
    listen: 127.0.0.1@{port}
    rundir: {folder}
    pidfile: {folder}/knot.pid
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {folder}
log:
  - target: stderr
    any: warning
zone:
{zones}"""
_ZONE = """  - domain: {name}
    file: {folder}/{name}zone
    zonefile-load: whole
    journal-content: none
"""
_HEAD = """$TTL 60
{name} SOA ns.root. admin.root. 1 3600 600 86400 60
{name} NS ns.root.
"""


def free_port() -> int:
    """A port that nobody uses, neither by UDP nor by TCP."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            with socket.socket() as tcp, contextlib.suppress(OSError):
                tcp.bind(("127.0.0.1", port))
                return port
    raise AssertionError("no free port")


@contextlib.contextmanager
def knot(folder: Path, zones: Mapping[str, str]) -> Iterator[int]:
    """The server with these records by zone, ready when this returns; its port."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    names = {".": "ns.root. A 192.0.2.1\n", **{f"{name}.": text for name, text in zones.items()}}
    for name, text in names.items():
        (folder / f"{name}zone").write_text(_HEAD.format(name=name) + text)
    listed = "".join(_ZONE.format(name=name, folder=folder) for name in names)
    config = _CONFIG.format(port=port, folder=folder, zones=listed)
    (folder / "knot.conf").write_text(config)
    with (folder / "knot.log").open("wb") as log:
        # Ends with us, even when we are killed.
        command = ["setpriv", "--pdeathsig", "TERM", KNOT, "-c", str(folder / "knot.conf")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(port, process, folder / "knot.log")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    query = dns.message.make_query(".", "SOA")
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(dns.exception.DNSException, OSError):
            if dns.query.udp(query, "127.0.0.1", 0.5, port).rcode() == dns.rcode.NOERROR:
                return
    raise AssertionError(f"the name server does not answer: {log.read_text()}")


class Relay:
    """Passes questions on, logs them, and suffers faults; `port` is where it listens."""

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.faults = Faults()
        self.requests: list[dict[str, Any]] = []
        self.is_open = True
        relay = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                answer = relay.answer(data, by_tcp=False)
                if answer is not None:
                    sock.sendto(answer, self.client_address)

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                (length,) = struct.unpack("!H", self.request.recv(2))
                answer = relay.answer(self.request.recv(length), by_tcp=True)
                if answer is not None:
                    self.request.sendall(struct.pack("!H", len(answer)) + answer)

        self.port = free_port()
        self._servers = (
            socketserver.ThreadingUDPServer(("127.0.0.1", self.port), Udp),
            socketserver.ThreadingTCPServer(("127.0.0.1", self.port), Tcp),
        )
        for server in self._servers:
            server.daemon_threads = True
        self._threads = [
            threading.Thread(target=server.serve_forever, daemon=True) for server in self._servers
        ]

    def answer(self, data: bytes, *, by_tcp: bool) -> bytes | None:
        """What the server says, or what goes wrong; None for silence."""
        query = dns.message.from_wire(data)
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        path = f"{kind} {query.question[0].name.to_text(omit_final_dot=True)}"
        faults = self.faults.hitting("QUERY", path, "")
        answer = dns.message.make_response(query)
        if not self.is_open or "refuse" in faults:
            answer.set_rcode(dns.rcode.REFUSED)
        elif "server_error" in faults:
            answer.set_rcode(dns.rcode.SERVFAIL)
        else:
            ask = dns.query.tcp if by_tcp else dns.query.udp
            answer = ask(query, "127.0.0.1", 5, self.behind)
        self.requests.append(
            {"method": "QUERY", "path": path, "status": dns.rcode.to_text(answer.rcode()),
             "by_tcp": by_tcp}
        )  # fmt: skip
        if "slow" in faults:
            time.sleep(faults["slow"].seconds)
        if faults.keys() & {"drop_before_effect", "drop_after_effect"}:
            return None
        if "broken_json" in faults:
            return data[:2] + b"\x81\x80\x00\x01\x00\x09 nonsense"
        if "out_of_order" in faults:
            for rrset in answer.answer:
                rrset.items = dict(reversed(list(rrset.items.items())))
        return answer.to_wire()

    def __enter__(self) -> Relay:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
