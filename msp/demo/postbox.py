"""The demo's mail server: takes every mail and keeps it, so that links reach people by mail."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path

_LARGEST = 1_000_000
_LINK = re.compile(r"http://127\.0\.0\.1:\d+/\S+")


class Postbox(socketserver.ThreadingTCPServer):
    """Listens on loopback, and keeps each mail as a file of its own in `folder`."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def keep(self, content: bytes) -> None:
        """Keep a mail, whole from the first moment that its name is there."""
        number = len(list(self.folder.glob("*.eml"))) + 1
        beside = self.folder / f"{threading.get_ident()}.part"
        beside.write_bytes(content)
        beside.rename(self.folder / f"{number:04d}-{threading.get_ident()}.eml")

    def links(self, recipient: str, about: str) -> list[str]:
        """Return the links in the mails about somebody that a person got, the oldest mail first."""
        found: list[str] = []
        for path in sorted(self.folder.glob("*.eml")):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            body = mail.get_body(("plain",))
            text = body.get_content() if body else ""
            if recipient in str(mail["To"]) and about in text:
                found += _LINK.findall(text)
        return found


class _Session(socketserver.StreamRequestHandler):
    server: Postbox

    def handle(self) -> None:
        """Answer commands until QUIT."""
        self._say("220 demo")
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"QUIT":
                self._say("221 bye")
                return
            if command == b"DATA":
                self._say("354 go on")
                self.server.keep(self._content())
            self._say("250 ok")

    def _content(self) -> bytes:
        lines, size = [], 0
        for line in self.rfile:
            if line == b".\r\n":
                break
            size += len(line)
            if size <= _LARGEST:
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def opened(folder: Path) -> Iterator[Postbox]:
    """Take mail until the block ends."""
    with Postbox(folder) as box:
        thread = threading.Thread(target=box.serve_forever, daemon=True)
        thread.start()
        try:
            yield box
        finally:
            box.shutdown()
