"""Trusted senders of one mailbox, and senders blocked for the whole organisation.

Sources: https://learn.microsoft.com/powershell/module/exchange/set-mailboxjunkemailconfiguration,
…/new-tenantallowblocklistitems, …/remove-tenantallowblocklistitems.
"""

import re
from dataclasses import dataclass

from integrations.connectors.microsoft365.actions.ids import owner_and_id
from integrations.connectors.microsoft365.client import GraphClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected
from integrations.values import Fields

_PERMISSIONS = ("Exchange.ManageAsApp",)
_ADDRESS_OR_DOMAIN = re.compile(r"(?:[^@\s]+@)?[^@\s.]+(?:\.[^@\s.]+)+")


def trusted_senders(client: GraphClient, mailbox_id: str) -> list[str]:
    """The addresses and domains that the mailbox trusts; NotFound where there is no mailbox."""
    found = client.exchange(
        "Get-MailboxJunkEmailConfiguration", {"Identity": mailbox_id}, is_read=True
    )
    if not found:
        raise NotFound("Exchange Online knows no such mailbox.")
    return Fields(found[0]).texts("TrustedSendersAndDomains")


@dataclass(frozen=True, slots=True)
class SwitchTrust:
    """No longer let a sender's mail past the junk filter of one mailbox, or let it again."""

    name: str
    is_trusted: bool
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Whether the sender is trusted now."""
        return {"was_trusted": self._is_trusted(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Write the list anew, with or without the sender."""
        if self._is_trusted(client, intention) is self.is_trusted:
            return {"was_so": True}
        mailbox, sender = owner_and_id(intention.target)
        others = [s for s in trusted_senders(client, mailbox) if s.lower() != sender.lower()]
        client.exchange(
            "Set-MailboxJunkEmailConfiguration",
            {
                "Identity": mailbox,
                "TrustedSendersAndDomains": [*others, sender] if self.is_trusted else others,
            },
            is_read=False,
        )
        return {"was_so": False}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Ask for the list again."""
        seen = self._is_trusted(client, intention)
        words = "is trusted" if seen else "isn't trusted"
        return ReadBack(
            seen is self.is_trusted,
            {"is_trusted": seen},
            f"Exchange shows that {owner_and_id(intention.target)[1]} {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        return None if intention.snapshot.get("was_trusted") is self.is_trusted else {}

    def _is_trusted(self, client: GraphClient, intention: Intention) -> bool:
        mailbox, sender = owner_and_id(intention.target)
        return sender.lower() in {s.lower() for s in trusted_senders(client, mailbox)}


@dataclass(frozen=True, slots=True)
class SwitchBlock:
    """Block an address or a domain for the whole organisation, or let its mail in again."""

    name: str
    is_blocked: bool
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Whether the sender is on the organisation's list, and as what."""
        return {"listed_as": _listed_as(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Add or remove the entry. What is so already is fine."""
        sender = intention.target.external_id
        if not _ADDRESS_OR_DOMAIN.fullmatch(sender):
            raise Rejected(f"{sender!r} is no sender: give an e-mail address or a domain.")
        listed = _listed_as(client, intention)
        if (listed == "block") is self.is_blocked:
            return {"was_so": True}
        if self.is_blocked and listed:
            raise Rejected(
                f"{sender} is on the organisation's list of allowed senders: take it off there "
                "first (Tenant Allow/Block List)."
            )
        entries = {"ListType": "Sender", "Entries": [sender]}
        if self.is_blocked:
            more = {"Block": True, "NoExpiration": True, "Notes": "Blocked by Holdfast"}
            client.exchange("New-TenantAllowBlockListItems", {**entries, **more}, is_read=False)
        else:
            client.exchange("Remove-TenantAllowBlockListItems", entries, is_read=False)
        return {"was_so": False}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Ask for the entry again."""
        listed = _listed_as(client, intention)
        is_blocked = listed == "block"
        words = "is blocked" if is_blocked else "isn't blocked"
        return ReadBack(
            is_blocked is self.is_blocked,
            {"listed_as": listed},
            f"Exchange shows that {intention.target.external_id} {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        return None if (intention.snapshot.get("listed_as") == "block") is self.is_blocked else {}


def _listed_as(client: GraphClient, intention: Intention) -> str:
    """“block”, “allow”, or "" where the sender isn't listed."""
    sender = intention.target.external_id
    found = client.exchange(
        "Get-TenantAllowBlockListItems", {"ListType": "Sender", "Entry": sender}, is_read=True
    )
    for one in map(Fields, found):
        if one.word("Value") == sender.lower():
            return one.word("Action")
    return ""
