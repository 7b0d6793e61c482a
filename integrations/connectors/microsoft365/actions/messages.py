"""Taking a message out of a mailbox so that it can be put back.

Source: https://learn.microsoft.com/graph/api/message-move. The message goes where Outlook puts what
is deleted for good: nobody opens it there by mistake, and it stays as evidence.
"""

from dataclasses import dataclass

from integrations.connectors.microsoft365.actions.ids import owner_and_id
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.mail import RECOVERABLE, in_mailbox, message_id
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound
from integrations.values import Fields

_WRITE = "Mail.ReadWrite"
_INBOX = "inbox"


def _copies(client: GraphClient, intention: Intention, folder: str = "") -> list[Fields]:
    owner, own = owner_and_id(intention.target)
    return in_mailbox(client, owner, message_id(own), _WRITE, folder)


def _move(client: GraphClient, intention: Intention, copy: Fields, folder: str) -> None:
    owner, _ = owner_and_id(intention.target)
    path = address("/users/{}/messages/{}/move", owner, copy.text("id"))
    client.write("POST", path, _WRITE, {"destinationId": folder})


@dataclass(frozen=True, slots=True)
class QuarantineMessage:
    """Soft-delete all copies of a message in one mailbox."""

    name: str = "email.quarantine_message"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """In which folders the copies are."""
        return {"folders": [one.text("parentFolderId") for one in _copies(client, intention)]}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Move every copy that the user can see. None is fine."""
        found = _copies(client, intention)
        for copy in found:
            _move(client, intention, copy, RECOVERABLE)
        return {"moved": len(found)}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """No copy may be left that the user can see."""
        left = len(_copies(client, intention))
        words = "the message isn't in the mailbox" if not left else "the message is still there"
        return ReadBack(left == 0, {"copies": left}, f"Microsoft shows that {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """In which folders they were; None where there were none."""
        folders = intention.snapshot.get("folders")
        return {"message": {"folders": list(folders)}} if folders else None


@dataclass(frozen=True, slots=True)
class RestoreMessage:
    """Put soft-deleted copies of a message back into their folders."""

    name: str = "email.restore_message"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """How many copies there are to put back."""
        return {"copies": len(_copies(client, intention, RECOVERABLE))}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Move them back, into the inbox where their folder isn't known or is gone."""
        told = intention.inputs.get("message")
        folders = list(told.get("folders") or []) if isinstance(told, dict) else []
        found = _copies(client, intention, RECOVERABLE)
        for number, copy in enumerate(found):
            folder = str(folders[number]) if number < len(folders) else _INBOX
            try:
                _move(client, intention, copy, folder)
            except NotFound:
                _move(client, intention, copy, _INBOX)
        return {"moved": len(found)}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """The user must see it again."""
        seen = len(_copies(client, intention))
        words = "the message is in the mailbox" if seen else "the message isn't in the mailbox"
        return ReadBack(seen > 0, {"copies": seen}, f"Microsoft shows that {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        return {} if intention.snapshot.get("copies") else None
