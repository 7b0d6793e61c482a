"""Forwarding of a whole mailbox.

https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.settings/updateAutoForwarding
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.client import WorkspaceClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected
from integrations.values import Fields

_PERMISSIONS = (scopes.MAIL_SHARING, scopes.MAIL_SETTINGS, scopes.USERS_READ)
_OFF: dict[str, Any] = {"enabled": False}


def read_forwarding(client: WorkspaceClient, mail: str) -> dict[str, Any]:
    """Where a mailbox forwards to; only that it doesn't, where it doesn't."""
    request = client.gmail.users().settings().getAutoForwarding(userId="me")
    told = Fields(client.read(request, scopes.MAIL_SETTINGS, mail))
    if not told.truth("enabled"):
        return dict(_OFF)
    return {
        "enabled": True,
        "emailAddress": told.text("emailAddress"),
        "disposition": told.text("disposition") or "leaveInInbox",
    }


def _read(client: WorkspaceClient, intention: Intention) -> dict[str, Any]:
    return read_forwarding(client, client.address(intention.target.external_id))


def _write(client: WorkspaceClient, intention: Intention, wanted: Json) -> None:
    mail = client.address(intention.target.external_id)
    settings = client.gmail.users().settings()
    request = settings.updateAutoForwarding(userId="me", body=dict(wanted))
    client.write(request, scopes.MAIL_SHARING, mail)


def _shown(seen: Json) -> str:
    to = seen.get("emailAddress")
    return f"Google shows forwarding to {to}." if to else "Google shows no forwarding."


@dataclass(frozen=True, slots=True)
class RemoveForwarding:
    """Stop the forwarding. The address stays among those that the owner may choose again."""

    name: str = "mailbox.remove_forwarding"
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Where it forwards to now."""
        return {"forwarding": _read(client, intention)}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Switch it off. Switching it off again changes nothing."""
        _write(client, intention, _OFF)
        return {"forwarding": None}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """It must be off."""
        seen = _read(client, intention)
        return ReadBack(not seen["enabled"], {"forwarding": seen}, _shown(seen))

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """What it was; None where nothing was forwarded."""
        before = intention.snapshot.get("forwarding") or {}
        return {"forwarding": dict(before)} if before.get("enabled") else None


@dataclass(frozen=True, slots=True)
class RestoreForwarding:
    """Forward again as before."""

    name: str = "mailbox.restore_forwarding"
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Where it forwards to now."""
        return {"forwarding": _read(client, intention)}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Set what is given. Setting it again changes nothing."""
        wanted = _wanted(intention)
        _write(client, intention, wanted)
        return {"forwarding": wanted}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """It must be what is given."""
        seen = _read(client, intention)
        return ReadBack(seen == _wanted(intention), {"forwarding": seen}, _shown(seen))

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Remove it again, unless it was so before."""
        return None if intention.snapshot.get("forwarding") == _wanted(intention) else {}


def _wanted(intention: Intention) -> dict[str, Any]:
    told = intention.inputs.get("forwarding")
    if not isinstance(told, dict) or not told.get("emailAddress"):
        raise Rejected("The forwarding to restore is missing or has no emailAddress.")
    disposition = told.get("disposition") or "leaveInInbox"
    return {"enabled": True, "emailAddress": told["emailAddress"], "disposition": disposition}
