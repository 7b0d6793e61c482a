"""What is read of a message's head, whatever the sender wrote into it."""

import random

import pytest

from integrations.connectors.imap import names
from integrations.connectors.imap.heads import message_id_of, read


def test_an_ordinary_head() -> None:
    head = read(
        "Authentication-Results: mx.clinic.example; spf=pass;\r\n dkim=pass; dmarc=pass\r\n"
        "Authentication-Results: mx.clinic.example; dmarc=fail (forged below)\r\n"
        "Return-Path: <bounce@rota.example>\r\n"
        "Message-ID: <A.1@rota.example>\r\n"
        "From: =?utf-8?q?Zo=C3=AB_M=C3=BCller?= <Zoe@Rota.example>\r\n"
        'To: "Shah, Priya" <priya@clinic.example>, ben@clinic.example\r\n'
        "Cc: priya@clinic.example\r\n"
        "Reply-To: other@rota.example\r\n"
        "Subject: =?utf-8?b?RGllbnN0cGxhbiBmw7xy?= Mai\r\n"
        "Date: Tue, 24 Nov 2026 09:30:00 +0100\r\n\r\n"
    )
    assert head.message_id == "A.1@rota.example"
    assert (head.sender, head.sender_name) == ("zoe@rota.example", "Zoë Müller")
    assert head.to == ("priya@clinic.example", "ben@clinic.example")
    assert (head.cc, head.reply_to) == (("priya@clinic.example",), ("other@rota.example",))
    assert head.return_path == "bounce@rota.example"
    assert head.subject == "Dienstplan für Mai"
    assert head.sent_at is not None
    assert head.sent_at.isoformat() == "2026-11-24T08:30:00+00:00"
    # Only what the server wrote itself, which stands on top.
    assert "dmarc=pass" in head.results
    assert "forged" not in head.results


@pytest.mark.parametrize(
    "header",
    [
        "",
        "no header at all",
        "From: \r\nDate: yesterday\r\nSubject: =?utf-8?b?!!!?=\r\n\r\n",
        "From: =?x-none?q?a?= <a@b>\r\nDate: Tue, 99 Nov 2026 25:00:00 +9999\r\n\r\n",
        "From: a@b@c, <<>>, (((\r\nTo: " + "x@y," * 5000 + "\r\n\r\n",
        "Date: Fri, 31 Dec 9999 23:59:59 -2359\r\nMessage-ID:\r\n <\r\n>\r\n\r\n",
        "Subject: " + "=?utf-8?q?" + "=C3" * 500 + "?=\r\n\r\n",
    ],
)
def test_nonsense_is_left_as_it_is(header) -> None:
    head = read(header)
    assert len(head.to) <= 500
    assert head.sent_at is None or head.sent_at.tzinfo is not None


def test_no_bytes_make_the_reader_fail() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chosen = random.Random(seed)
    parts = [
        "From:", "To:", "Subject:", "Date:", "Message-ID:", "=?utf-8?b?", "?=", "<", ">", "@", ",",
        ";", '"', "(", "\\", "\r\n", "\r\n ", "\0", "\x80", "ü", "a", "1", "+0100",
    ]  # fmt: skip
    for _ in range(2000):
        header = "".join(chosen.choice(parts) for _ in range(chosen.randrange(60)))
        read(header)
        message_id_of(header.encode("utf-8", "surrogateescape"))


def test_a_message_id_stands_on_its_own_line_or_the_next() -> None:
    for header in (b"Message-ID: <a@b>\r\n\r\n", b"message-id:\r\n <a@b> \r\n\r\n"):
        assert message_id_of(header) == "a@b"
    assert message_id_of(b"\r\n") == ""


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("INBOX", b"INBOX"), ("Büro", b"B&APw-ro"), ("R&D", b"R&-D"), ("台北", b"&U,BTFw-"),
        ("Umzug/Büro & Co", b"Umzug/B&APw-ro &- Co"), ("ü", b"&APw-"), ("", b""),
    ],
)  # fmt: skip
def test_names_of_folders_there_and_back(name, written) -> None:
    assert names.encoded(name) == written
    assert names.decoded(written) == name


def test_what_is_no_modified_utf7_stays_as_it_is() -> None:
    assert names.decoded(b"&!!-x") == "&!!-x"
    assert names.decoded(b"&AA-") == "&AA-"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'(\\HasNoChildren \\Junk) "/" Junk', ("Junk", "/", {"\\hasnochildren", "\\junk"})),
        (b'() "." "INBOX.a \\"b\\""', ('INBOX.a "b"', ".", set())),
        (b"(\\Noselect) NIL INBOX", ("INBOX", "", {"\\noselect"})),
        ((b'() "\\\\" {4}', b"a\\b "), ("a\\b ", "\\", set())),
        (b"nonsense", None),
    ],
)
def test_a_line_of_a_list_of_folders(line, expected) -> None:
    found = names.listed(line)
    assert (found and (found[0], found[1], set(found[2]))) == expected


def test_a_quoted_text_can_hold_no_line() -> None:
    assert names.quoted('a"b\\c') == '"a\\"b\\\\c"'
    for text in ("a\r\nb", "a\nb", "a\0b", "ü"):
        with pytest.raises(ValueError):
            names.quoted(text)
