"""Single messages (https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/trash)."""

from dataclasses import dataclass

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.actions.ids import owner_and_id
from integrations.connectors.google_workspace.client import WorkspaceClient
from integrations.contract import Intention, Json, ReadBack
from integrations.values import Fields


@dataclass(frozen=True, slots=True)
class MoveMessage:
    """Put a message into the trash, where Gmail keeps it for 30 days, or take it out again."""

    name: str
    is_trashed: bool
    permissions: tuple[str, ...] = (scopes.MAIL, scopes.USERS_READ)

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """The message's labels now."""
        return {"labels": self._labels(client, intention)}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Move it. Moving it again changes nothing."""
        owner, message_id = owner_and_id(intention.target)
        messages = client.gmail.users().messages()
        move = messages.trash if self.is_trashed else messages.untrash
        request = move(userId="me", id=message_id)
        client.write(request, scopes.MAIL, client.address(owner))
        return {"is_trashed": self.is_trashed}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """Ask for the labels again."""
        labels = self._labels(client, intention)
        seen = "TRASH" in labels
        place = "in the trash" if seen else "not in the trash"
        return ReadBack(
            seen is self.is_trashed, {"labels": labels}, f"Google shows the message {place}."
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        was_trashed = "TRASH" in (intention.snapshot.get("labels") or ())
        return None if was_trashed is self.is_trashed else {}

    def _labels(self, client: WorkspaceClient, intention: Intention) -> list[str]:
        owner, message_id = owner_and_id(intention.target)
        messages = client.gmail.users().messages()
        request = messages.get(userId="me", id=message_id, format="minimal")
        told = client.read(request, scopes.MAIL, client.address(owner))
        return sorted(Fields(told).texts("labelIds"))
