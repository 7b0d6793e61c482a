"""A chat of a few lines, for tests: it takes incoming webhooks over a real socket."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Chat(ThreadingHTTPServer):
    """Keeps what is posted. `status` and `body` are what it answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.status, self.body = 200, b"ok"

    @property
    def url(self) -> str:
        """Return the address of its channel, whose path is the secret."""
        return f"http://127.0.0.1:{self.server_address[1]}/services/T0/B0/verysecret"


class _Hook(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, json.loads(content)))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *told: Any) -> None:
        """Say nothing."""


@contextmanager
def chat_server() -> Iterator[Chat]:
    """Run a chat as long as it is needed."""
    with Chat() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
