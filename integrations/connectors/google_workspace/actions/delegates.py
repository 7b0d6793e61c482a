"""Who else can open a mailbox.

https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.settings.delegates
"""

from dataclasses import dataclass

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.actions.ids import owner_and_id
from integrations.connectors.google_workspace.client import (
    JsonObject,
    WorkspaceClient,
    objects,
)
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected

_PERMISSIONS = (scopes.MAIL_SHARING, scopes.MAIL_SETTINGS, scopes.USERS_READ)


def delegates_of(client: WorkspaceClient, mail: str) -> list[JsonObject]:
    """Every delegate of a mailbox; NotFound where there is no such mailbox."""
    request = client.gmail.users().settings().delegates().list(userId="me")
    return objects(client.read(request, scopes.MAIL_SETTINGS, mail), "delegates")


def _place(client: WorkspaceClient, intention: Intention) -> tuple[str, str]:
    """The mailbox's address and the delegate's: by the target, or by the input for a mailbox."""
    if intention.target.kind == "mailbox":
        delegate = str(intention.inputs.get("delegate") or "").strip()
        if "@" not in delegate:
            raise Rejected("delegate must be the e-mail address of a colleague.")
        return client.address(intention.target.external_id), delegate
    owner, delegate = owner_and_id(intention.target)
    return client.address(owner), delegate


def _is_there(client: WorkspaceClient, intention: Intention) -> bool:
    mail, delegate = _place(client, intention)
    found = {str(d.get("delegateEmail") or "").lower() for d in delegates_of(client, mail)}
    return delegate.lower() in found


@dataclass(frozen=True, slots=True)
class SwitchDelegate:
    """Give a colleague access to a mailbox, or take it away."""

    name: str
    is_given: bool
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Whether the colleague has access now."""
        return {"was_there": _is_there(client, intention)}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Give or take. What is so already is fine."""
        if _is_there(client, intention) is self.is_given:
            return {"was_so": True}
        mail, delegate = _place(client, intention)
        delegates = client.gmail.users().settings().delegates()
        request = (
            delegates.create(userId="me", body={"delegateEmail": delegate})
            if self.is_given
            else delegates.delete(userId="me", delegateEmail=delegate)
        )
        try:
            client.write(request, scopes.MAIL_SHARING, mail)
        except NotFound:
            if self.is_given or _is_there(client, intention):
                raise
        return {"was_so": False}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """Ask for the delegates again."""
        seen = _is_there(client, intention)
        words = "may open the mailbox" if seen else "may not open the mailbox"
        return ReadBack(
            seen is self.is_given,
            {"has_access": seen},
            f"Google shows that {_place(client, intention)[1]} {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        if intention.snapshot.get("was_there") is self.is_given:
            return None
        if intention.target.kind == "mailbox":
            return {"delegate": intention.inputs["delegate"]}
        if self.is_given:
            return {}
        return {"delegate": {"delegateEmail": owner_and_id(intention.target)[1]}}
