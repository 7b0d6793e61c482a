"""The questions that an investigation asks of a mailbox: its rules and its forwarding."""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365 import suspicion
from integrations.connectors.microsoft365.actions.forwarding import read_forwarding
from integrations.connectors.microsoft365.actions.rules import writable
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.normalise.mail import deletes, forwarding_addresses
from integrations.contract import Json, Target
from integrations.errors import NotFound, PermissionMissing


@dataclass(frozen=True, slots=True)
class ListInboxRules:
    """The mailbox's rules, each judged by `suspicion.of_rule`."""

    name: str = "mailbox.list_inbox_rules"
    permissions: tuple[str, ...] = (
        "MailboxSettings.Read",
        "Mail.ReadBasic.All",
        "Organization.Read.All",
    )

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``rules``, with reasons. An account without mailbox has none."""
        path = address("/users/{}/mailFolders/inbox/messageRules", target.external_id)
        try:
            rules = client.all(path, self.permissions[0])
        except NotFound:
            return {"rules": [], "has_mailbox": False}
        folders = self._folders(client, target) if rules else {}
        domains = client.domains() if rules else frozenset()
        return {
            "rules": [_rule(rule, target, domains, folders) for rule in rules],
            "has_mailbox": True,
        }

    def _folders(self, client: GraphClient, target: Target) -> dict[str, str]:
        """Folder names by id. Without the permission a folder's name stays unknown."""
        path = address("/users/{}/mailFolders", target.external_id, select="id,displayName",
                       top=100)  # fmt: skip
        try:
            found = client.all(path, self.permissions[1], 500)
        except (PermissionMissing, NotFound):
            return {}
        return {str(f.get("id")): str(f.get("displayName")) for f in found}


def _rule(
    rule: dict[str, Any], target: Target, domains: frozenset[str], folders: dict[str, str]
) -> dict[str, Any]:
    actions = rule.get("actions") or {}
    folder_id = str(actions.get("moveToFolder") or "")
    folder = folders.get(folder_id, "")
    judged = suspicion.of_rule(rule, domains, folder_name=folder)
    forwards_to = forwarding_addresses(actions)
    return {
        "id": str(rule.get("id")),
        "external_id": f"{target.external_id}/{rule.get('id')}",
        "name": str(rule.get("displayName") or ""),
        "is_enabled": rule.get("isEnabled") is True,
        "is_suspicious": judged.is_suspicious and rule.get("isEnabled") is True,
        "score": judged.score,
        "why": list(judged.why),
        "forwards_to": forwards_to,
        "forwards_outside": any(suspicion.is_outside(a, domains) for a in forwards_to),
        "deletes": deletes(actions),
        "moves_to": folder or ("a folder whose name is not known" if folder_id else ""),
        "rule": writable(rule),
    }


@dataclass(frozen=True, slots=True)
class GetForwarding:
    """Whether the whole mailbox is forwarded."""

    name: str = "mailbox.get_forwarding"
    permissions: tuple[str, ...] = ("Exchange.ManageAsApp", "Organization.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``forwarding``. An account without mailbox forwards nothing."""
        try:
            seen = read_forwarding(client, target.external_id)
        except NotFound:
            seen = {"smtp_address": None, "recipient": None, "keeps_copy": False}
        is_forwarding = bool(seen["smtp_address"] or seen["recipient"])
        to = [seen["smtp_address"] or "", seen["recipient"] or ""]
        return {
            "forwarding": seen,
            "is_forwarding": is_forwarding,
            "forwards_outside": is_forwarding
            and any(suspicion.is_outside(a, client.domains()) for a in to),
        }
