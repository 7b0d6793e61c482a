"""Mail over IMAP under the conformance suite: a real mail server, behind a middleman that keeps
the log and lets things go wrong."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.imap.manifest import MANIFEST
from integrations.contract import Json, Target
from tests.integrations.conformance.subject import ActionCase, Subject, Vendor
from tests.integrations.imap.mail import (
    BEN,
    INVOICE,
    PRIYA,
    SERVICE,
    SERVICE_PASSWORD,
    ClinicMail,
    clinic_mail,
)
from tests.servers.imap_codec import ImapCodec
from tests.servers.middleman import Middleman


class RealMail(Vendor):
    """The clinic's mail, and how Holdfast is connected to it."""

    manifest = MANIFEST

    def __init__(self, mail: ClinicMail, middleman: Middleman) -> None:
        self.mail = mail
        self.middleman = middleman
        self.settings = {
            "server": f"127.0.0.1:{middleman.port}",
            "mailboxes": PRIYA,
            "username": SERVICE,
            "certificate_authority": mail.server.authority.pem,
            "page_size": "5",
        }
        self.secrets = {"password": SERVICE_PASSWORD}

    def fault(self, kind: str, **options: Any) -> None:
        """Switch it on."""
        if kind == "expired_tokens":
            self.middleman.forget_sessions()
        else:
            self.middleman.faults.add(kind=kind, **options)

    def clear_faults(self) -> None:
        """Switch all off."""
        self.middleman.faults.remove()

    def grant(self, permissions: Sequence[str]) -> None:
        """Give the service user exactly these rights."""
        self.mail.grant(permissions)

    def requests(self, method: str = "", path: str = "") -> list[Json]:
        """From the middleman's log."""
        return list(self.middleman.requests(method, path))

    def credentials(self) -> set[str]:
        """The passwords that came by."""
        return set(self.middleman.secrets)


@contextmanager
def running_mail(folder: Path) -> Iterator[RealMail]:
    """The mail server with its mail made anew, and a middleman of its own in front."""
    mail = clinic_mail()
    authority = mail.server.authority
    trust = ssl.create_default_context(cadata=authority.pem)
    own = authority.issue(folder / "middleman", "127.0.0.1", "localhost")
    middleman = Middleman(ImapCodec(), ("127.0.0.1", mail.server.port), trust, own)
    with middleman.running():
        yield RealMail(mail, middleman)


def _invoice(vendor: RealMail) -> Target:
    return Target("message", "", f"{PRIYA}/{INVOICE}", "Unpaid invoice")


def _folders(vendor: RealMail, target: Target) -> dict[str, list[str]]:
    return vendor.mail.folders(PRIYA)


_MOVE = {"method": "UID MOVE"}


def _another_mailbox(vendor: RealMail) -> None:
    """A mailbox is no longer among the connection's settings; another is."""
    vendor.settings = {**vendor.settings, "mailboxes": BEN}


class ImapSubject(Subject):
    """Priya's mailbox, on small pages."""

    manifest = MANIFEST
    feed = "messages"
    pages = "AUTHENTICATION-RESULTS"
    deletions = {"mailboxes": _another_mailbox}
    endpoints = ("server",)
    real_server = "Dovecot"
    server = "Dovecot"
    left_out = {
        "throttling": "IMAP's LIMIT doesn't say how long to wait; tried on its own in "
        "tests/integrations/imap/test_client.py.",
        "contract": "IMAP is a protocol and no published list of calls: the real server is the "
        "contract.",
    }
    excused = {
        "throttling": "tests/integrations/imap/test_client.py::"
        "test_a_busy_server_is_left_alone_for_a_while",
        "contract": "the real server is the contract",
    }
    actions = (
        ActionCase("email.quarantine_message", _invoice, _folders, _MOVE),
        ActionCase(
            "email.restore_message", _invoice, _folders, _MOVE, undoes="email.quarantine_message"
        ),
    )

    @contextmanager
    def running(self, folder: Path) -> Iterator[RealMail]:
        """The mail server, with a middleman in front."""
        with running_mail(folder) as started:
            yield started

    def address(self, setting: str, host: str) -> str:
        """A server is a host, without https."""
        return host


SUBJECT = ImapSubject()
