"""A mailbox's own forwarding, which only Exchange Online knows.

https://learn.microsoft.com/powershell/module/exchange/set-mailbox
"""

from typing import Any

from integrations.connectors.microsoft365.client import GraphClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound

_PERMISSIONS = ("Exchange.ManageAsApp",)
_FIELDS = ("ForwardingSmtpAddress", "ForwardingAddress", "DeliverToMailboxAndForward")


def forwarding(client: GraphClient, mailbox: str) -> dict[str, Any]:
    """Return a mailbox's forwarding: the three fields, None where empty."""
    found = client.exchange("Get-Mailbox", {"Identity": mailbox}, is_read=True)
    if not found:
        raise NotFound(f"Exchange Online has no mailbox {mailbox!r}.")
    told = {field: found[0].get(field) or None for field in _FIELDS}
    told["DeliverToMailboxAndForward"] = bool(told["DeliverToMailboxAndForward"])
    return told


def _read(client: GraphClient, intention: Intention) -> dict[str, Any]:
    return forwarding(client, intention.target.external_id)


class RemoveForwarding:
    """Removes both kinds of forwarding address."""

    name = "mailbox.remove_forwarding"
    permissions = _PERMISSIONS

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Keep where mail was sent on to."""
        return {"forwarding": _read(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Clear the addresses."""
        cleared = {
            "Identity": intention.target.external_id,
            "ForwardingSmtpAddress": None,
            "ForwardingAddress": None,
            "DeliverToMailboxAndForward": False,
        }
        client.exchange("Set-Mailbox", cleared, is_read=False)
        return {"accepted": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Read the addresses."""
        now = _read(client, intention)
        to = now["ForwardingSmtpAddress"] or now["ForwardingAddress"]
        words = f"mail still goes on to {to}" if to else "no forwarding"
        return ReadBack(not to, now, f"Exchange Online shows {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Send mail on again, as it was."""
        before = intention.snapshot.get("forwarding") or {}
        has_any = before.get("ForwardingSmtpAddress") or before.get("ForwardingAddress")
        return {"forwarding": before} if has_any else None


class RestoreForwarding:
    """Sets the forwarding that a snapshot kept."""

    name = "mailbox.restore_forwarding"
    permissions = _PERMISSIONS

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Keep what is there now."""
        return {"forwarding": _read(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Set the addresses."""
        wanted = {field: intention.inputs["forwarding"].get(field) for field in _FIELDS}
        client.exchange(
            "Set-Mailbox", {"Identity": intention.target.external_id, **wanted}, is_read=False
        )
        return {"accepted": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Compare with what was wanted."""
        now = _read(client, intention)
        wanted = {field: intention.inputs["forwarding"].get(field) for field in _FIELDS}
        wanted["DeliverToMailboxAndForward"] = bool(wanted["DeliverToMailboxAndForward"])
        holds = {k: _plain(v) for k, v in now.items()} == {k: _plain(v) for k, v in wanted.items()}
        words = "as before" if holds else "not as before"
        return ReadBack(holds, now, f"Exchange Online shows the forwarding {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Remove it again."""
        return {}


def _plain(value: Any) -> Any:
    """Exchange writes an address with or without ``smtp:`` before it."""
    return value.lower().removeprefix("smtp:") if isinstance(value, str) else value
