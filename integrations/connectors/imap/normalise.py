"""From mailboxes and heads of messages to the directory and Email Activity (OCSF 4009). Pure."""

import hashlib
from typing import Any

from integrations import ocsf
from integrations.connectors.imap import heads
from integrations.connectors.imap.heads import Head
from integrations.mail_senders import verdicts
from integrations.values import Fields, entities, entity
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, SourceRecord

_SEND, _RECEIVE = 1, 2
_INBOUND, _OUTBOUND = 1, 2


def mailbox(record: SourceRecord) -> DirectoryItem:
    """A mailbox, with its folders."""
    told = Fields(record.body)
    name = _owner(told)
    return DirectoryItem(
        "mailbox",
        name,
        name=name,
        attributes=ocsf.filled(
            folders=told.texts("folders"), quarantine_folders=told.texts("quarantine")
        ),
    )


def message(record: SourceRecord) -> Event:
    """A message that came or, in a folder for what was sent, went."""
    told = Fields(record.body)
    owner, header = _owner(told), told.text("header")
    head = heads.read(header)
    time = _time(told, head)
    is_sent = "\\sent" in told.texts("folder_flags")
    uid = _uid(told, owner, header, is_sent)
    recipients = list(head.to)
    return Event(
        uid=uid,
        class_uid=ocsf.EMAIL_ACTIVITY,
        activity="Send" if is_sent else "Receive",
        time=time,
        is_success=True,
        actor=owner if is_sent else head.sender,
        target=next(iter(recipients), "") if is_sent else owner,
        entities=entities(
            entity("message", head.message_id), entity("mailbox", owner), entity("account", owner)
        ),
        ocsf=ocsf.event(
            ocsf.EMAIL_ACTIVITY, _SEND if is_sent else _RECEIVE, "Send" if is_sent else "Receive",
            time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product("IMAP", "Mail server"),
            direction_id=_OUTBOUND if is_sent else _INBOUND,
            **ocsf.status(True),
            email=_email(told, head),
            email_auth=ocsf.filled(
                **verdicts(head.results), raw_header=head.results if head.results else None
            ),
            actor=ocsf.actor(ocsf.user(display_name=head.sender_name, email=head.sender)),
            unmapped=ocsf.filled(folder=told.text("folder")),
        ),
    )  # fmt: skip


def _email(told: Fields, head: Head) -> dict[str, Any]:
    return ocsf.filled(
        message_uid=head.message_id,
        subject=head.subject,
        size=told.number("size"),
        to=list(head.to),
        cc=list(head.cc),
        reply_to=next(iter(head.reply_to), ""),
        smtp_from=head.return_path,
        **{"from": head.sender},
    )


def _owner(told: Fields) -> str:
    owner = told.text("mailbox")
    if not owner:
        raise Quarantine("missing_mailbox", "The record doesn't say which mailbox it is about.")
    return owner.lower()


def _time(told: Fields, head: Head) -> Any:
    arrived = told.time("arrived")
    found = arrived or head.sent_at
    if found is None:
        raise Quarantine(
            "missing_time", "The message says neither when it arrived nor when it was sent."
        )
    return found


def _uid(told: Fields, owner: str, header: str, is_sent: bool) -> str:
    """By what a message is the same wherever it is moved: its whole head.

    Its Message-ID alone would let a sender pass one message off as another.
    """
    place = (told.text("folder"), told.text("uid_validity"), told.text("uid"))
    said = header.strip() or "/".join(place)
    digest = hashlib.sha256(f"{owner}\0{is_sent}\0{said}".encode("utf-8", "replace"))
    return digest.hexdigest()[:40]
