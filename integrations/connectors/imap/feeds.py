"""How each feed is read.

Messages: folder by folder, from where each was read last. The cursor holds for each folder its
UIDVALIDITY and the highest UID seen (`seen`), and the folder to go on with (`at`). Of a folder
that isn't known yet, or whose UIDs have all changed, the last week is read.
Source: RFC 3501 section 2.3.1.1.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from integrations.connectors.imap.client import MailClient
from integrations.connectors.imap.line import Folder, Line, Message
from integrations.connectors.imap.permissions import READ
from integrations.contract import Json, Page
from integrations.errors import NotFound
from integrations.refusals import Refused
from integrations.sweeps import Fetch, Slice, listed
from tenants.records import SourceRecord

_FIRST_DAYS = 7
# RFC 3501 has English months, whatever the system's language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAILBOXES_AT_ONCE = 20
# Nothing arrives there that was not in another folder before, or was written by the user.
_PASSED_OVER = frozenset({"\\drafts", "\\trash", "\\all", "\\flagged"})


def _mailboxes(client: MailClient, token: str) -> Slice:
    """Read each mailbox's folders."""
    start = int(token or 0)
    end = start + _MAILBOXES_AT_ONCE
    records, refused = [], Refused()
    for mailbox in client.mailboxes[start:end]:
        with refused.kept(mailbox):
            records.append(_mailbox(client, mailbox))
    following = str(end) if end < len(client.mailboxes) else ""
    return Slice(tuple(records), following, refused.first, tuple(refused.unasked))


def _mailbox(client: MailClient, mailbox: str) -> SourceRecord:
    folders = client.folders(mailbox)
    # Whoever may list the folders may not yet read them.
    client.read(mailbox, lambda line: line.count("INBOX", READ))
    return SourceRecord(
        {
            "mailbox": mailbox,
            "folders": [one.name for one in folders],
            "quarantine": [one.name for one in folders if client.is_quarantine(one)],
        }
    )


def _messages(client: MailClient, cursor: Json) -> Iterator[Page]:
    """Read the messages that have come since, at most a page at a time."""
    seen = {place: list(told) for place, told in (cursor.get("seen") or {}).items()}
    at = str(cursor.get("at") or "")
    refused = Refused(cursor)
    for mailbox in _from(client.mailboxes, at):
        with refused.kept(mailbox):
            for page in _of_mailbox(client, mailbox, at, seen):
                cursor = {**page.cursor, **refused.as_cursor()}
                yield replace(page, cursor=cursor, refused=refused.first)
    yield Page((), {"seen": seen}, is_last=True, refused=refused.first)


def _from(mailboxes: tuple[str, ...], at: str) -> tuple[str, ...]:
    """The mailboxes to read, from the place `at` on; all where that is gone."""
    mailbox = at.partition(" ")[0]
    return mailboxes[mailboxes.index(mailbox) :] if mailbox in mailboxes else mailboxes


def _of_mailbox(
    client: MailClient, mailbox: str, at: str, seen: dict[str, list[int]]
) -> Iterator[Page]:
    for folder in client.folders(mailbox):
        place = f"{mailbox} {folder.name}"
        is_before = at.startswith(f"{mailbox} ") and place < at
        if is_before or client.is_quarantine(folder) or folder.flags & _PASSED_OVER:
            continue
        has_more = True
        while has_more:
            part = _next(client, mailbox, folder, seen.get(place))
            has_more = part.has_more
            if part.reached:
                seen[place] = [part.validity, part.reached]
            if part.messages:
                records = tuple(_record(mailbox, folder, part, one) for one in part.messages)
                yield Page(records, {"seen": dict(seen), "at": place}, is_last=False)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some messages of a folder; `reached` is the UID up to which it is known now, 0 for none."""

    messages: list[Message]
    validity: int = 0
    reached: int = 0
    has_more: bool = False


def _next(client: MailClient, mailbox: str, folder: Folder, known: list[int] | None) -> _Part:
    """The next messages of a folder; of one that isn't known, those of the last week."""

    def work(line: Line) -> _Part:
        try:
            validity = line.select(folder.name, READ)
        except NotFound:
            # It was removed since the folders were listed.
            return _Part([])
        newest = line.next_uid() - 1
        last = known[1] if known is not None and known[0] == validity else 0
        criteria = ("UID", f"{last + 1}:*") if last else ("SINCE", _week_ago())
        # A range that ends with * always holds the last message.
        uids = [uid for uid in line.search(READ, *criteria) if uid > last]
        some = uids[: client.page_size]
        has_more = len(uids) > len(some)
        # What is older than a week stays so, also where it has a higher UID.
        reached = max([*some, 0 if has_more else newest])
        return _Part(line.heads(some, READ), validity, reached, has_more)

    return client.read(mailbox, work)


def _week_ago() -> str:
    day = dt.datetime.now(dt.UTC) - dt.timedelta(days=_FIRST_DAYS)
    month = _MONTHS[day.month - 1]
    return f"{day.day}-{month}-{day.year}"


def _record(mailbox: str, folder: Folder, part: _Part, message: Message) -> SourceRecord:
    body: dict[str, Any] = {
        "mailbox": mailbox,
        "folder": folder.name,
        "folder_flags": sorted(folder.flags),
        "uid": message.uid,
        "uid_validity": part.validity,
        "arrived": message.arrived.isoformat() if message.arrived else None,
        "size": message.size,
        "header": message.header.decode("utf-8", "replace"),
    }
    return SourceRecord(body)


mailboxes: Fetch = listed(_mailboxes)
messages: Fetch = _messages
