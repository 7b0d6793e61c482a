"""The way to a mail server: TLS, sign-in, refusals in words, and lines that break."""

from dataclasses import replace

import pytest

from integrations.connectors.imap.answers import Asked, SessionExpired, refused
from integrations.connectors.imap.client import canary
from integrations.connectors.imap.permissions import CREATE, MOVE, READ
from integrations.connectors.imap.standing import standing
from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    OutcomeUnknown,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
)
from tests.integrations.conformance.subject import QUICK
from tests.integrations.imap.mail import PRIYA
from tests.servers.authority import Authority

ONCE = replace(QUICK, repeats=0)


def seen_with(vendor, **changed: str) -> str:
    client = vendor.connect(ONCE, **changed)
    try:
        return canary(client)
    finally:
        client.close()


def test_without_a_middleman_the_mail_server_is_reached(vendor) -> None:
    assert "holds 12 messages" in seen_with(vendor, server=f"localhost:{vendor.mail.server.port}")


def test_a_certificate_of_another_authority_is_not_trusted(vendor) -> None:
    for authority in (Authority().pem, ""):
        with pytest.raises(Unavailable, match="certificate can't be trusted"):
            seen_with(vendor, certificate_authority=authority)
    assert vendor.requests() == []


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"server": "imap://mail"}, "no server"),
        ({"certificate_authority": "nonsense"}, "no PEM"),
        ({"page_size": "0"}, "page size"),
        ({"mailboxes": ""}, "lacks mailboxes"),
        ({"mailboxes": " , "}, "1 to 200 mailboxes"),
        ({"mailboxes": "a/b@x.example"}, "1 to 200 mailboxes"),
        ({"mailboxes": ",".join(f"m{n}@x.example" for n in range(201))}, "several connections"),
        ({"password": ""}, "lacks password"),
    ],
)
def test_settings_that_can_not_work_are_named(vendor, given, match) -> None:
    with pytest.raises(ConnectionMisconfigured, match=match):
        vendor.connect(**given)


def test_a_wrong_password_is_told_without_it(vendor) -> None:
    with pytest.raises(Unauthorised, match="refused the sign-in") as caught:
        seen_with(vendor, password="Not-the-password-1")
    assert "Not-the-password-1" not in str(caught.value)
    assert len(vendor.requests("AUTHENTICATE")) == 1


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (b"[AUTHENTICATIONFAILED] priya pw", Unauthorised, "Check the user name"),
        (b"[NOPERM] x", PermissionMissing, "needs the right Some"),
        (b"[NONEXISTENT] x", NotFound, "does not exist"),
        (b"[LIMIT] x", Throttled, "asks to wait"),
        (b"[OVERQUOTA] x", Rejected, "the mailbox is full"),
        (b"[SERVERBUG] x", OutcomeUnknown, "read back before anything else"),
        (b"[EXPIRED] x", SessionExpired, ""),
        (b"pw is wrong", Rejected, "the mail server refused it"),
        (b"", Rejected, "the mail server refused it"),
    ],
)
def test_refusals_are_put_into_words(said, error, words) -> None:
    made = refused(Asked("move a message", "Some", is_read=False), said)
    assert isinstance(made, error)
    assert words in str(made)
    assert "pw" not in str(made)


def test_a_busy_server_is_left_alone_for_a_while(vendor, client) -> None:
    vendor.fault("throttle", method="STATUS")
    with pytest.raises(Throttled) as caught:
        canary(client)
    assert 0 < caught.value.retry_after <= 60
    assert len(vendor.requests("STATUS")) == 1


def test_a_connection_that_was_dropped_while_idle_is_made_anew(vendor, client) -> None:
    canary(client)
    vendor.middleman.cut()
    canary(client)
    assert len(vendor.requests("AUTHENTICATE")) == 2


def test_one_connection_serves_one_request_after_the_other(vendor, client) -> None:
    for _ in range(3):
        client.folders(PRIYA)
    assert len(vendor.requests("AUTHENTICATE")) == 1


def test_a_server_that_can_not_move_is_told(vendor, client) -> None:
    line = client._signed_in(PRIYA)
    line._can_move = False
    with pytest.raises(Rejected, match="in one step"):
        line.move(1, "Junk", "")
    line.close()


@pytest.mark.parametrize("missing", ["", MOVE, CREATE])
def test_the_server_tells_the_users_rights(vendor, missing) -> None:
    given = {READ, MOVE, CREATE} - {missing}
    vendor.grant(sorted(given))
    client = vendor.connect(ONCE)
    assert standing(client).granted == given
    client.close()
