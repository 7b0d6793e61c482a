"""The automatic reply (https://developers.google.com/workspace/gmail/api/reference/rest/v1/VacationSettings)."""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.client import WorkspaceClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected

_PERMISSIONS = (scopes.MAIL_SETTINGS, scopes.USERS_READ)


def _essence(reply: Json) -> dict[str, Any]:
    """What of a reply counts: Google leaves out what is empty or off."""
    return {k: v for k, v in reply.items() if v not in (None, "", False)}


def _read(client: WorkspaceClient, intention: Intention) -> dict[str, Any]:
    request = client.gmail.users().settings().getVacation(userId="me")
    mail = client.address(intention.target.external_id)
    return client.read(request, scopes.MAIL_SETTINGS, mail)


@dataclass(frozen=True, slots=True)
class SetReply:
    """Answer everybody who writes, or answer as before again."""

    name: str
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """The reply as it is now."""
        return {"reply": _read(client, intention)}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Set it. Setting it again changes nothing."""
        request = (
            client.gmail.users().settings().updateVacation(userId="me", body=_wanted(intention))
        )
        mail = client.address(intention.target.external_id)
        client.write(request, scopes.MAIL_SETTINGS, mail)
        return {"is_set": True}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """It must be what was wanted."""
        seen = _read(client, intention)
        holds = _essence(seen) == _essence(_wanted(intention))
        state = "on" if seen.get("enableAutoReply") else "off"
        return ReadBack(holds, {"reply": seen}, f"Google shows the automatic reply {state}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """What it was; None where it was so before."""
        before = intention.snapshot.get("reply") or {}
        if _essence(before) == _essence(_wanted(intention)):
            return None
        if "text" in intention.inputs:
            return {"reply": dict(before)}
        text = str(before.get("responseBodyPlainText") or "")
        return {"text": text} if text else None


def _wanted(intention: Intention) -> dict[str, Any]:
    if "reply" in intention.inputs:
        told = intention.inputs["reply"]
        if not isinstance(told, dict):
            raise Rejected("The reply to restore is no object.")
        return dict(told)
    text = str(intention.inputs.get("text") or "").strip()
    if not text:
        raise Rejected("The automatic reply has no text.")
    return {"enableAutoReply": True, "responseBodyPlainText": text}
