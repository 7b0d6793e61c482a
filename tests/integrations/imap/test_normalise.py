"""Records of mailboxes and messages, and what a reader sees in them."""

import pytest

from integrations.connectors.imap.normalise import mailbox, message
from tenants.errors import Quarantine
from tenants.records import SourceRecord

HEADER = (
    "Authentication-Results: mx; spf=pass; dkim=none; dmarc=fail\r\n"
    "Message-ID: <M@evil.example>\r\n"
    "From: Bank <x@evil.example>\r\nTo: priya@clinic.example\r\nSubject: Pay\r\n"
    "Return-Path: <b@evil.example>\r\nDate: Tue, 24 Nov 2026 09:30:00 +0100\r\n\r\n"
)


def of(**changed):
    body = {
        "mailbox": "Priya@clinic.example", "folder": "INBOX", "folder_flags": [], "uid": 7,
        "uid_validity": 3, "arrived": "2026-11-24T08:31:00+00:00", "size": 2048, "header": HEADER,
    }  # fmt: skip
    return SourceRecord({k: v for k, v in {**body, **changed}.items() if v is not None})


def test_a_message_that_came() -> None:
    event = message(of())
    assert (event.class_uid, event.activity) == (4009, "Receive")
    assert event.time.isoformat() == "2026-11-24T08:31:00+00:00"
    assert (event.actor, event.target) == ("x@evil.example", "priya@clinic.example")
    assert event.entities == (
        "message:m@evil.example", "mailbox:priya@clinic.example", "account:priya@clinic.example",
    )  # fmt: skip
    told = event.ocsf
    assert (told["activity_id"], told["direction_id"], told["status_id"]) == (2, 1, 1)
    assert told["email"] == {
        "message_uid": "M@evil.example", "subject": "Pay", "size": 2048, "from": "x@evil.example",
        "to": ["priya@clinic.example"], "smtp_from": "b@evil.example",
    }  # fmt: skip
    auth = told["email_auth"]
    assert (auth["spf"], auth["dkim"], auth["dmarc"]) == ("pass", "none", "fail")


def test_a_message_that_went() -> None:
    event = message(of(folder="Gesendet", folder_flags=["\\hasnochildren", "\\sent"]))
    assert (event.activity, event.ocsf["activity_id"], event.ocsf["direction_id"]) == ("Send", 1, 2)
    assert (event.actor, event.target) == ("priya@clinic.example", "priya@clinic.example")


def test_a_message_is_the_same_wherever_it_is_moved_and_no_other_can_pass_for_it() -> None:
    first = message(of())
    assert message(of(folder="Archive", uid=1, uid_validity=9)).uid == first.uid
    others = [
        of(header=HEADER.replace("Pay", "Pay now")),
        of(mailbox="ben@clinic.example"),
        of(folder_flags=["\\sent"]),
        of(header=""),
        of(header="", uid=8),
    ]
    assert len({first.uid, *(message(one).uid for one in others)}) == 1 + len(others)


def test_without_a_time_of_arrival_the_senders_counts() -> None:
    assert message(of(arrived=None)).time.isoformat() == "2026-11-24T08:30:00+00:00"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"mailbox": None}, "missing_mailbox"),
        ({"arrived": None, "header": "Subject: x\r\n\r\n"}, "missing_time"),
    ],
)
def test_what_can_not_be_placed_is_quarantined(changed, code) -> None:
    with pytest.raises(Quarantine) as caught:
        message(of(**changed))
    assert caught.value.code == code


def test_a_mailbox_and_its_folders() -> None:
    item = mailbox(SourceRecord({"mailbox": "Priya@clinic.example", "folders": ["INBOX", "Sent"]}))
    assert (item.kind, item.external_id) == ("mailbox", "priya@clinic.example")
    assert item.attributes == {"folders": ["INBOX", "Sent"]}
