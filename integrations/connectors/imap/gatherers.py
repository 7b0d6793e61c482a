"""The questions that a mail server can answer: one class for each."""

from collections.abc import Iterator
from dataclasses import dataclass

from integrations.connectors.imap import heads
from integrations.connectors.imap.client import MailClient
from integrations.connectors.imap.copies import Copy, bare, copies_in, heads_in
from integrations.connectors.imap.permissions import READ
from integrations.contract import Gatherer, Json, Target
from integrations.errors import NotFound
from integrations.mail_senders import is_lookalike, passes_authentication


def _message_id(client: MailClient, target: Target) -> str:
    """The Message-ID that a target names, with or without a mailbox before it."""
    told = target.external_id
    for mailbox in client.mailboxes:
        if told.lower().startswith(f"{mailbox.lower()}/"):
            return bare(told[len(mailbox) + 1 :])
    return bare(told)


def _found(client: MailClient, target: Target) -> Iterator[tuple[str, Copy]]:
    """Each copy outside the quarantine, with its mailbox."""
    message_id = _message_id(client, target)
    for mailbox in client.mailboxes:
        for copy in copies_in(client, mailbox, message_id):
            if not client.is_quarantine(copy.folder):
                yield mailbox, copy


@dataclass(frozen=True, slots=True)
class FindCopies:
    """Copies of the message in all mailboxes of the connection."""

    name: str = "email.find_copies"
    permissions: tuple[str, ...] = (READ,)

    def gather(self, client: MailClient, target: Target, inputs: Json) -> Json:
        """Return ``copies``: one for each mailbox that holds it outside the quarantine."""
        message_id = _message_id(client, target)
        holding = dict.fromkeys(mailbox for mailbox, _ in _found(client, target))
        copies = [
            {
                "external_id": f"{mailbox}/{message_id}",
                "name": f"{message_id} ({mailbox})",
                "mailbox": mailbox,
            }
            for mailbox in holding
        ]
        return {"copies": copies, "count": len(copies)}


@dataclass(frozen=True, slots=True)
class GetMessage:
    """The message and what is known of it, by the first copy that is found."""

    name: str = "email.get_message"
    permissions: tuple[str, ...] = (READ,)

    def gather(self, client: MailClient, target: Target, inputs: Json) -> Json:
        """Return ``message``; NotFound where no mailbox holds it.

        A mail server looks into no message: whether it carries something harmful is not told.
        """
        for mailbox, copy in _found(client, target):
            message = heads_in(client, mailbox, copy)
            if message is not None:
                return {"message": _facts(client, heads.read(message.header))}
        raise NotFound("No mailbox of this connection holds this message.")


def _facts(client: MailClient, head: heads.Head) -> Json:
    domain = head.sender.rpartition("@")[2]
    return {
        "subject": head.subject,
        "sender": head.sender,
        "sender_domain": domain,
        "passes_authentication": passes_authentication(head.results),
        "is_lookalike_domain": is_lookalike(domain, client.domains),
    }


GATHERERS: tuple[Gatherer, ...] = (GetMessage(), FindCopies())
