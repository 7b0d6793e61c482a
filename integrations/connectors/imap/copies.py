"""Where the copies of a message are, by its Message-ID.

A mailbox may hold one message in several folders, and the sender chooses its Message-ID, so that
all that carry it are found. A server's search takes parts of a value for the whole; what it finds
is compared. Source: RFC 3501 section 6.4.4.
"""

from dataclasses import dataclass
from functools import partial

from integrations.connectors.imap import names
from integrations.connectors.imap.client import MailClient
from integrations.connectors.imap.heads import message_id_of
from integrations.connectors.imap.line import Folder, Line, Message
from integrations.connectors.imap.permissions import READ
from integrations.contract import Target
from integrations.errors import NotFound, Rejected

# Folders that only show what is in others.
_VIEWS = frozenset({"\\all", "\\flagged"})


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy: the folder that it is in, and its UID there."""

    folder: Folder
    uid: int


def bare(message_id: str) -> str:
    """Return a Message-ID without its brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">").strip()


def mailbox_and_id(client: MailClient, target: Target) -> tuple[str, str]:
    """Return the mailbox and the Message-ID that a target, ``mailbox/Message-ID``, names.

    Rejected where it names no mailbox of this connection.
    """
    for mailbox in client.mailboxes:
        if target.external_id.lower().startswith(f"{mailbox.lower()}/"):
            message_id = bare(target.external_id[len(mailbox) + 1 :])
            if message_id:
                return mailbox, message_id
    raise Rejected(
        f"The target {target.name or target.external_id!r} does not name a message in a mailbox of "
        "this connection: find its copies first, and start the step with one of them."
    )


def copies_in(client: MailClient, mailbox: str, message_id: str) -> list[Copy]:
    """Return the copies of a message in all folders of a mailbox, also those in quarantine."""
    wanted = bare(message_id)
    criterion = _quoted(wanted)
    found: list[Copy] = []
    for folder in client.folders(mailbox):
        if not folder.flags & _VIEWS:
            uids = client.read(mailbox, partial(_in, folder, wanted, criterion))
            found += [Copy(folder, uid) for uid in uids]
    return found


def heads_in(client: MailClient, mailbox: str, copy: Copy) -> Message | None:
    """Return the head of a copy, None where it is gone."""

    def work(line: Line) -> list[Message]:
        line.select(copy.folder.name, READ)
        return line.heads([copy.uid], READ)

    found = client.read(mailbox, work)
    return found[0] if found else None


def move_in(
    client: MailClient, mailbox: str, message_id: str, folder: Folder, to: str, permission: str
) -> None:
    """Move what carries a Message-ID from one folder of a mailbox to another, which must exist."""
    wanted = bare(message_id)
    criterion = _quoted(wanted)

    def work(line: Line) -> None:
        for uid in _in(folder, wanted, criterion, line, writes=True):
            line.move(uid, to, permission)

    client.talk(mailbox, work)


def _in(
    folder: Folder, wanted: str, criterion: str, line: Line, *, writes: bool = False
) -> list[int]:
    try:
        line.select(folder.name, READ, writes=writes)
    except NotFound:
        # It was removed since the folders were listed.
        return []
    uids = line.search(READ, "HEADER", "MESSAGE-ID", criterion)
    found = line.message_ids(uids, READ)
    return sorted({one.uid for one in found if message_id_of(one.header) == wanted})


def _quoted(message_id: str) -> str:
    try:
        return names.quoted(message_id)
    except ValueError:
        raise Rejected(
            "A mail server can't be asked for this Message-ID: it holds characters that no "
            "Message-ID may have. Look for the message by hand."
        ) from None
