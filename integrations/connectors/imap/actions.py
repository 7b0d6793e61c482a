"""Putting messages aside, and back: moves between the folders of a mailbox.

The quarantine has a folder for each folder that messages were taken from, so that where a message
belongs stands in the mailbox itself. Source: RFC 6851 (MOVE).
"""

from dataclasses import dataclass

from integrations.connectors.imap.client import MailClient
from integrations.connectors.imap.copies import Copy, copies_in, mailbox_and_id, move_in
from integrations.connectors.imap.permissions import CREATE, MOVE, READ
from integrations.contract import Action, Intention, Json, ReadBack
from integrations.errors import NotFound


@dataclass(frozen=True, slots=True)
class MoveMessage:
    """Move all copies of a message in one mailbox into the quarantine, or out of it."""

    name: str
    into_quarantine: bool
    permissions: tuple[str, ...] = (READ, MOVE, CREATE)

    def snapshot(self, client: MailClient, intention: Intention) -> Json:
        """Where the copies are now; NotFound where the mailbox holds none."""
        outside, aside = _copies(client, intention)
        if not outside and not aside:
            raise NotFound("The mailbox holds no message with this Message-ID any more.")
        return {"outside": _shown(outside), "in_quarantine": _shown(aside)}

    def call(self, client: MailClient, intention: Intention) -> Json:
        """Move them. Moving again moves nothing."""
        mailbox, message_id = mailbox_and_id(client, intention.target)
        outside, aside = _copies(client, intention)
        moved = outside if self.into_quarantine else aside
        for folder in dict.fromkeys(one.folder for one in moved):
            to = (client.quarantine_of if self.into_quarantine else client.origin_of)(folder)
            client.ensure_folder(mailbox, to)
            move_in(client, mailbox, message_id, folder, to, MOVE)
        return {"in_quarantine": self.into_quarantine}

    def read_back(self, client: MailClient, intention: Intention) -> ReadBack:
        """Search the mailbox again."""
        outside, aside = _copies(client, intention)
        observed = {"outside": _shown(outside), "in_quarantine": _shown(aside)}
        if self.into_quarantine:
            return ReadBack(not outside, observed, _told(outside, aside))
        return ReadBack(bool(outside) and not aside, observed, _told(outside, aside))

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        moved = "outside" if self.into_quarantine else "in_quarantine"
        return {} if intention.snapshot.get(moved) else None


def _copies(client: MailClient, intention: Intention) -> tuple[list[Copy], list[Copy]]:
    """The copies outside the quarantine, and those in it."""
    found = copies_in(client, *mailbox_and_id(client, intention.target))
    aside = [one for one in found if client.is_quarantine(one.folder)]
    return [one for one in found if one not in aside], aside


def _shown(copies: list[Copy]) -> list[str]:
    return sorted(one.folder.name for one in copies)


def _told(outside: list[Copy], aside: list[Copy]) -> str:
    if outside:
        return f"The mail server shows the message in {', '.join(_shown(outside))}."
    if aside:
        return "The mail server shows the message in the quarantine only."
    return "The mail server no longer shows the message anywhere in the mailbox."


ACTIONS: tuple[Action, ...] = (
    MoveMessage("email.quarantine_message", into_quarantine=True),
    MoveMessage("email.restore_message", into_quarantine=False),
)
