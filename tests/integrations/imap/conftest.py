"""The clinic's real mail, and a client connected to it through the middleman."""

from collections.abc import Iterator

import pytest

from integrations.connectors.imap.client import MailClient
from integrations.contract import Target
from tests.integrations.imap.mail import INVOICE, PRIYA
from tests.integrations.imap.subject import RealMail, running_mail


@pytest.fixture
def vendor(tmp_path) -> Iterator[RealMail]:
    """The mail server, with its mail made anew."""
    with running_mail(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor: RealMail) -> Iterator[MailClient]:
    """A client connected to Priya's mailbox."""
    connected = vendor.connect()
    yield connected
    connected.close()


@pytest.fixture
def invoice() -> Target:
    """The dangerous message in Priya's mailbox."""
    return Target("message", "", f"{PRIYA}/{INVOICE}", "Unpaid invoice")
