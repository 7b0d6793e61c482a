"""The head of a message: what the sender wrote, and what servers found out on its way. Pure.

Senders write what they like, so that nothing here may fail: what can't be read is left as it is.
Sources: RFC 5322, RFC 2047 (words in other alphabets), RFC 8601 (Authentication-Results).
"""

import datetime as dt
import email.header
import email.parser
import email.utils
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.message import Message

_LONGEST = 2000
_MOST_ADDRESSES = 500


@dataclass(frozen=True, slots=True)
class Head:
    """What a head tells. Addresses are in lower case, texts are decoded.

    `results` is the first Authentication-Results: servers write theirs above what they were given,
    and whatever stands below may have come with the message.
    """

    message_id: str
    subject: str
    sender: str
    sender_name: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    reply_to: tuple[str, ...]
    return_path: str
    sent_at: dt.datetime | None
    results: str


def read(header: str | bytes) -> Head:
    """Return what a head tells."""
    told = _parsed(header)
    senders = _named(told, "From") or _named(told, "Sender")
    name, sender = senders[0] if senders else ("", "")
    return Head(
        message_id=_bare(_text(told, "Message-ID")),
        subject=_text(told, "Subject"),
        sender=sender,
        sender_name=name,
        to=_addresses(told, "To"),
        cc=_addresses(told, "Cc"),
        reply_to=_addresses(told, "Reply-To"),
        return_path=next(iter(_addresses(told, "Return-Path")), ""),
        sent_at=_time(_text(told, "Date")),
        results=_text(told, "Authentication-Results"),
    )


def message_id_of(header: bytes) -> str:
    """Return a head's Message-ID without its brackets, "" where it has none."""
    return _bare(_text(_parsed(header), "Message-ID"))


def _bare(message_id: str) -> str:
    return message_id.removeprefix("<").removesuffix(">").strip()


def _parsed(header: str | bytes) -> Message:
    text = header if isinstance(header, str) else header.decode("utf-8", "replace")
    return email.parser.HeaderParser().parsestr(text)


def _text(told: Message, name: str) -> str:
    raw = " ".join(str(told.get(name) or "").split())[:_LONGEST]
    try:
        return str(email.header.make_header(email.header.decode_header(raw))).strip()
    except (HeaderParseError, ValueError, LookupError):
        return raw


def _named(told: Message, name: str) -> list[tuple[str, str]]:
    lines = [" ".join(str(line).split())[:_LONGEST] for line in told.get_all(name, [])]
    found = []
    for shown, address in email.utils.getaddresses(lines[:_MOST_ADDRESSES]):
        if "@" in address:
            decoded = Message()
            decoded["X"] = " ".join(shown.split())
            found.append((_text(decoded, "X"), address.strip().lower()))
    return found[:_MOST_ADDRESSES]


def _addresses(told: Message, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for _, address in _named(told, name)))


def _time(text: str) -> dt.datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    try:
        return aware.astimezone(dt.UTC)
    except (OverflowError, ValueError):
        return None
