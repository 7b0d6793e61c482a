"""What apps were allowed (https://developers.google.com/workspace/admin/directory/reference/rest/v1/tokens)."""

from dataclasses import dataclass

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.actions.ids import owner_and_id
from integrations.connectors.google_workspace.client import (
    JsonObject,
    WorkspaceClient,
    objects,
)
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound

_KEPT = ("clientId", "displayText", "scopes", "anonymous", "nativeApp")


def tokens_of(client: WorkspaceClient, user_id: str) -> list[JsonObject]:
    """Every app that a user allowed something; NotFound where there is no such user."""
    request = client.directory.tokens().list(userKey=user_id)
    return objects(client.read(request, scopes.SECURITY), "items")


@dataclass(frozen=True, slots=True)
class RevokeGrant:
    """Take back all that an app was allowed in one person's name.

    Only the person can allow it again: Google has no way to do so for somebody else.
    """

    name: str = "identity.revoke_oauth_grant"
    permissions: tuple[str, ...] = (scopes.SECURITY,)

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """What the app was allowed; None where it is nothing any more."""
        token = self._token(client, intention)
        kept = {k: token[k] for k in _KEPT if k in token} if token else None
        return {"grant": kept}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Revoke. What is gone already is fine."""
        owner, app = owner_and_id(intention.target)
        request = client.directory.tokens().delete(userKey=owner, clientId=app)
        try:
            client.write(request, scopes.SECURITY)
        except NotFound:
            if self._token(client, intention) is not None:
                raise
            return {"was_gone": True}
        return {"was_gone": False}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """The app must no longer be among those that the user allowed."""
        is_gone = self._token(client, intention) is None
        words = "no longer allows the app anything" if is_gone else "still allows the app access"
        return ReadBack(is_gone, {"exists": not is_gone}, f"Google shows that the user {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """None: only the person can allow the app again."""
        return None

    def _token(self, client: WorkspaceClient, intention: Intention) -> JsonObject | None:
        owner, app = owner_and_id(intention.target)
        return next((t for t in tokens_of(client, owner) if t.get("clientId") == app), None)
