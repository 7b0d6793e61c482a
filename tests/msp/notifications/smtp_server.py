"""A mail server of a few lines, for tests: it speaks SMTP over a real socket."""

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage


class MailBox(socketserver.ThreadingTCPServer):
    """Keeps what it is given. `refuse_with`: the answer to every recipient, where not empty."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[EmailMessage] = []
        self.refuse_with = ""

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        return int(self.server_address[1])


class _Session(socketserver.StreamRequestHandler):
    server: MailBox

    def handle(self) -> None:
        """Answer commands until QUIT."""
        self._say("220 test")
        for line in self.rfile:
            command = line[:4].upper()
            if command == b"QUIT":
                self._say("221 bye")
                return
            if command == b"RCPT" and self.server.refuse_with:
                self._say(self.server.refuse_with)
            elif command == b"DATA":
                self._say("354 go on")
                self._take()
            else:
                self._say("250 ok")

    def _take(self) -> None:
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        self.server.mails.append(mail)
        self._say("250 kept")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_box() -> Iterator[MailBox]:
    """Run a server for the block."""
    with MailBox() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
