"""The clinic's mail on the real mail server, as its mailboxes' own users see it.

What tests change is brought back for each test.
"""

from __future__ import annotations

import datetime as dt
import imaplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.parser import BytesHeaderParser

from integrations.connectors.imap import names, permissions
from tests.servers.dovecot import MailServer, mail_server
from tests.servers.once import once

PRIYA, BEN = "priya.shah@clinic.example", "ben.wright@clinic.example"
PASSWORDS = {PRIYA: "Own-of-Priya-1", BEN: "Own-of-Ben-2"}
SERVICE, SERVICE_PASSWORD = "holdfast", "Service-9-of-the-night-watch"
INVOICE = "unpaid-4711@clinlc.example"
PROJECTS = "Projects/Büro"
AUTHENTIC = "mx.clinic.example; spf=pass; dkim=pass; dmarc=pass"
FORGED = "mx.clinic.example; spf=fail smtp.mailfrom=clinlc.example; dmarc=fail"
_FOLDERS = ("Drafts", "Junk", "Sent", "Trash", PROJECTS)
_RIGHTS = {permissions.READ: "lr", permissions.MOVE: "ite", permissions.CREATE: "k"}


class ClinicMail:
    """The mailboxes, past the connector."""

    def __init__(self, server: MailServer) -> None:
        self.server = server
        server.let_sign_in(PASSWORDS, {SERVICE: SERVICE_PASSWORD})
        self._build()
        server.keep()

    def renew(self) -> None:
        """Bring all mail back to what it was, and let the service user do everything."""
        self.server.restore()
        self.grant(list(_RIGHTS))

    def grant(self, rights: Sequence[str]) -> None:
        """Give the service user exactly these of the manifest's permissions."""
        self.server.give_rights(SERVICE, "".join(_RIGHTS[one] for one in rights))

    def deliver(
        self, mailbox: str, message_id: str, *, folder: str = "INBOX", subject: str = "Hello",
        sender: str = "rota@clinic.example", to: str = "", results: str = AUTHENTIC,
        days_ago: float = 1, extra: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Put a message into a folder."""
        arrived = dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago)
        lines = [
            f"Authentication-Results: {results}", f"Message-ID: <{message_id}>",
            f"From: Somebody <{sender}>", f"To: {to or mailbox}", f"Subject: {subject}",
            f"Date: {arrived:%d %b %Y %H:%M:%S} +0000", *extra, "", "Words.", "",
        ]  # fmt: skip
        raw = "\r\n".join(lines).encode()
        with self.signed_in(mailbox) as imap:
            self._done(imap.append(_named(folder), None, arrived, raw))

    def folders(self, mailbox: str) -> dict[str, list[str]]:
        """The Message-IDs of what is in each folder that holds something."""
        found = {}
        with self.signed_in(mailbox) as imap:
            for line in self._done(imap.list()):
                name, _, flags = names.listed(line)
                if "\\noselect" not in flags:
                    held = sorted(self._held(imap, name))
                    found |= {name: held} if held else {}
        return found

    def remove(self, mailbox: str, folder: str) -> None:
        """Remove a folder with all that is in it."""
        with self.signed_in(mailbox) as imap:
            self._done(imap.delete(_named(folder)))

    def empty(self, mailbox: str, folder: str) -> None:
        """Delete what is in a folder for good."""
        with self.signed_in(mailbox) as imap:
            self._done(imap.select(_named(folder)))
            self._done(imap.store("1:*", "+FLAGS", "\\Deleted"))
            self._done(imap.expunge())

    @contextmanager
    def signed_in(self, mailbox: str) -> Iterator[imaplib.IMAP4_SSL]:
        """The mailbox's own user, at the server itself."""
        trust = ssl.create_default_context(cadata=self.server.authority.pem)
        with imaplib.IMAP4_SSL("localhost", self.server.port, ssl_context=trust) as imap:
            imap.login(mailbox, PASSWORDS[mailbox])
            yield imap

    def _held(self, imap: imaplib.IMAP4_SSL, folder: str) -> Iterator[str]:
        if self._done(imap.select(_named(folder), readonly=True)) == [b"0"]:
            return
        told = self._done(imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"))
        for part in told:
            if isinstance(part, tuple):
                header = BytesHeaderParser().parsebytes(part[1])
                yield str(header["Message-ID"]).strip("<>")

    def _build(self) -> None:
        for mailbox in (PRIYA, BEN):
            with self.signed_in(mailbox) as imap:
                for folder in _FOLDERS:
                    self._done(imap.create(_named(folder)))
        for number in range(11):
            self.deliver(PRIYA, f"plan-{number}@clinic.example", subject=f"Rota of week {number}")
        self.deliver(PRIYA, INVOICE, subject="Unpaid invoice", sender="billing@clinlc.example",
                     results=FORGED)  # fmt: skip
        self.deliver(PRIYA, "won@lottery.example", folder="Junk", sender="you@lottery.example")
        self.deliver(PRIYA, "reply@clinic.example", folder="Sent", sender=PRIYA, to=BEN)
        self.deliver(PRIYA, "half@clinic.example", folder="Drafts", sender=PRIYA, to=BEN)
        self.deliver(PRIYA, "build@clinic.example", folder=PROJECTS, subject="Umzug ins Büro")
        self.deliver(BEN, "plan-0@clinic.example", subject="Rota of week 0")

    @staticmethod
    def _done(answer: tuple) -> list:
        kind, told = answer
        assert kind == "OK", told
        return told


def _named(folder: str) -> str:
    return names.quoted(names.encoded(folder))


@contextmanager
def _built() -> Iterator[ClinicMail]:
    yield ClinicMail(once(mail_server))


def clinic_mail() -> ClinicMail:
    """The clinic's mail, on a server that is started once for a test run."""
    mail = once(_built)
    mail.renew()
    return mail
