"""Forwarding of a whole mailbox, through Exchange Online's admin API.

Graph v1.0 has no property for it. Sources:
https://learn.microsoft.com/powershell/module/exchange/get-mailbox, …/set-mailbox.
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound
from integrations.values import Fields

_PERMISSIONS = ("Exchange.ManageAsApp",)


def read_forwarding(client: GraphClient, mailbox_id: str) -> dict[str, Any]:
    """Where the mailbox forwards to; NotFound where there is no such mailbox."""
    found = client.exchange("Get-Mailbox", {"Identity": mailbox_id}, is_read=True)
    if not found:
        raise NotFound("Exchange Online knows no such mailbox.")
    mailbox = Fields(found[0])
    address = mailbox.text("ForwardingSmtpAddress")
    if address.lower().startswith("smtp:"):
        address = address[5:]
    return {
        "smtp_address": address or None,
        "recipient": mailbox.text("ForwardingAddress") or None,
        "keeps_copy": mailbox.truth("DeliverToMailboxAndForward") is True,
    }


def _set(client: GraphClient, mailbox_id: str, forwarding: Json) -> None:
    smtp = forwarding.get("smtp_address")
    client.exchange(
        "Set-Mailbox",
        {
            "Identity": mailbox_id,
            "ForwardingSmtpAddress": f"smtp:{smtp}" if smtp else None,
            "ForwardingAddress": forwarding.get("recipient"),
            "DeliverToMailboxAndForward": bool(forwarding.get("keeps_copy")),
        },
        is_read=False,
    )


def _shown(forwarding: Json) -> str:
    to = forwarding.get("smtp_address") or forwarding.get("recipient")
    return f"Exchange shows forwarding to {to}." if to else "Exchange shows no forwarding."


@dataclass(frozen=True, slots=True)
class RemoveForwarding:
    """Stop the forwarding; mail stays in the mailbox."""

    name: str = "mailbox.remove_forwarding"
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Where it forwards to now."""
        return {"forwarding": read_forwarding(client, intention.target.external_id)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Clear the forwarding. Clearing it again changes nothing."""
        _set(client, intention.target.external_id, {})
        return {"forwarding": None}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Neither an address nor a recipient may be left."""
        seen = read_forwarding(client, intention.target.external_id)
        is_off = not seen["smtp_address"] and not seen["recipient"]
        return ReadBack(is_off, {"forwarding": seen}, _shown(seen))

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """What it was; None where nothing was forwarded."""
        before = intention.snapshot.get("forwarding") or {}
        if not before.get("smtp_address") and not before.get("recipient"):
            return None
        return {"forwarding": dict(before)}


@dataclass(frozen=True, slots=True)
class RestoreForwarding:
    """Forward again as before."""

    name: str = "mailbox.restore_forwarding"
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Where it forwards to now."""
        return {"forwarding": read_forwarding(client, intention.target.external_id)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Set what is given. Setting it again changes nothing."""
        _set(client, intention.target.external_id, intention.inputs["forwarding"])
        return {"forwarding": dict(intention.inputs["forwarding"])}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """It must be what is given."""
        seen = read_forwarding(client, intention.target.external_id)
        return ReadBack(
            _plain(seen) == _plain(intention.inputs["forwarding"]),
            {"forwarding": seen},
            _shown(seen),
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Remove it again, unless it was so before."""
        before = intention.snapshot.get("forwarding") or {}
        return None if _plain(before) == _plain(intention.inputs["forwarding"]) else {}


def _plain(forwarding: Json) -> tuple[str, str, bool]:
    smtp = str(forwarding.get("smtp_address") or "").lower()
    return smtp, str(forwarding.get("recipient") or "").lower(), bool(forwarding.get("keeps_copy"))
