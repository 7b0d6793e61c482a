"""A door of HTTP on loopback that checks signatures as the real one does, and keeps nothing.

The real door, with its database, is tried in tests/msp/api/test_inbound.py.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from integrations import signing
from integrations.errors import DeliveryRefused


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length)
        key = self.server.key if self.server.is_open else signing.new_key()
        try:
            delivery = signing.check(key, headers, body, dt.datetime.now(dt.UTC))
            status, told = 200, {"delivery": delivery, "records": 0}
        except DeliveryRefused as error:
            status, told = 401, {"detail": str(error)}
        self.server.requests.append({"method": "POST", "path": self.path, "status": status})
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    key: str
    is_open: bool
    requests: list[dict[str, Any]]


class Door:
    """Answers at `url` to whoever signs with `key`, while it is open."""

    def __init__(self, key: str) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.key, self._server.is_open, self._server.requests = key, True, []
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api/v1/in/tenant/source"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What came, in order."""
        return self._server.requests

    def open(self, is_open: bool) -> None:
        """Whether the source still exists."""
        self._server.is_open = is_open

    def __enter__(self) -> Door:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
