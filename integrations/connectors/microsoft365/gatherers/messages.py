"""Questions about one message: what is known of it, where its copies are, who fell for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365 import mail
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Json, Target
from integrations.errors import NotFound
from integrations.mail_senders import is_lookalike, passes_authentication
from integrations.microsoft.odata import quoted
from integrations.values import Fields

_HUNTING = "ThreatHunting.Read.All"
_DAYS = 30


@dataclass(frozen=True, slots=True)
class GetMessage:
    """The message and what is known of it, by the first copy that is found."""

    name: str = "email.get_message"
    permissions: tuple[str, ...] = (mail.READ, mail.USERS, mail.ALERTS, "Organization.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``message``; NotFound where no mailbox holds it.

        That it carries something harmful is what Microsoft's alerts say of it.
        """
        wanted, evidence = mail.alerts_about(client, target.external_id)
        copies = mail.everywhere(client, wanted)
        if not copies:
            raise NotFound("No mailbox of the organisation holds this message.")
        copy = copies[0]
        path = address(
            "/users/{}/messages/{}", copy.owner, copy.message.text("id"),
            select="id,internetMessageHeaders",
        )  # fmt: skip
        headers = Fields(client.get(path, mail.READ)).objects("internetMessageHeaders")
        sender = copy.message.nested("from").nested("emailAddress").word("address")
        domain = sender.rpartition("@")[2]
        return {
            "message": {
                "subject": copy.message.text("subject"),
                "sender": sender,
                "sender_domain": domain,
                "passes_authentication": any(
                    passes_authentication(h.text("value"))
                    for h in headers
                    if h.word("name") == "authentication-results"
                ),
                "has_malicious_url": _is_harmful(evidence, "url", ("phish", "url")),
                "has_malicious_attachment": _is_harmful(evidence, "file", ("malware", "file")),
                "is_lookalike_domain": is_lookalike(domain, client.domains()),
            }
        }


def _is_harmful(evidence: Iterable[Fields], kind: str, words: tuple[str, ...]) -> bool:
    """Whether alerts call a link or a file of the message malicious."""
    for item in evidence:
        if item.word("verdict") != "malicious":
            continue
        told = item.word("@odata.type").split(".")[-1]
        if told == f"{kind}evidence":
            return True
        threats = " ".join([*item.texts("threats"), *item.texts("threatDetectionMethods")]).lower()
        if told == "analyzedmessageevidence" and any(word in threats for word in words):
            return True
    return False


@dataclass(frozen=True, slots=True)
class FindCopies:
    """Copies of the message in all mailboxes of the organisation."""

    name: str = "email.find_copies"
    permissions: tuple[str, ...] = (mail.READ, mail.USERS, mail.ALERTS)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``copies``, one for each mailbox: whatever folder they are in, and how many."""
        wanted = _wanted(client, target)
        found = {copy.owner: copy for copy in mail.everywhere(client, wanted)}
        copies = [
            {
                "external_id": f"{copy.owner}/{wanted}",
                "name": f"{copy.message.text('subject') or wanted} ({copy.mail})",
                "mailbox": copy.mail,
            }
            for copy in found.values()
        ]
        return {"copies": copies, "count": len(copies)}


def _wanted(client: GraphClient, target: Target) -> str:
    if "@" in target.external_id:
        return mail.message_id(target.external_id)
    return mail.alerts_about(client, target.external_id)[0]


@dataclass(frozen=True, slots=True)
class ListInteractions:
    """Who clicked a link in the message, answered it, or opened it."""

    name: str = "email.list_interactions"
    permissions: tuple[str, ...] = (_HUNTING, mail.READ, mail.USERS, mail.ALERTS)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return how many did what, and who clicked or answered.

        Clicks are known to Safe Links (Defender for Office 365) only.
        """
        wanted = _wanted(client, target)
        clicks = _clicks(client, wanted)
        copies = mail.everywhere(client, wanted)
        answered = _answered(client, copies)
        names = {copy.owner: copy.mail for copy in copies}
        accounts = [
            {
                "external_id": owner,
                "name": name,
                "has_clicked": name.lower() in clicks,
                "has_replied": owner in answered,
            }
            for owner, name in names.items()
            if name.lower() in clicks or owner in answered
        ]
        return {
            "clicked": len(clicks),
            "replied": len(answered),
            "opened": len({c.owner for c in copies if c.message.truth("isRead")}),
            "accounts": accounts,
        }


def _clicks(client: GraphClient, wanted: str) -> set[str]:
    """The addresses, in lower case, of who clicked.

    Sources: https://learn.microsoft.com/graph/api/security-security-runhuntingquery,
    https://learn.microsoft.com/defender-xdr/advanced-hunting-urlclickevents-table.
    """
    literal = wanted.replace("\\", "\\\\").replace('"', '\\"')
    query = (
        f'let ids = EmailEvents | where InternetMessageId == "{literal}" '
        "| distinct NetworkMessageId; UrlClickEvents | where NetworkMessageId in (ids) "
        "| project AccountUpn, ActionType, IsClickedThrough"
    )
    rows = client.hunt(query, f"P{_DAYS}D", _HUNTING)
    return {
        row.word("AccountUpn")
        for row in map(Fields, rows)
        if row.word("ActionType") == "clickallowed" or row.truth("IsClickedThrough")
    }


def _answered(client: GraphClient, copies: list[mail.Copy]) -> set[str]:
    """The owners of mailboxes from which something was sent in the message's conversation."""
    paths = {
        copy.owner: address(
            "/users/{}/mailFolders/sentitems/messages", copy.owner,
            filter=f"conversationId eq '{quoted(copy.message.text('conversationId'))}'",
            select="id,receivedDateTime", top=10,
        )
        for copy in copies
        if copy.message.text("conversationId")
    }  # fmt: skip
    found = set()
    for owner, answer in (client.batch(paths, mail.READ) if paths else {}).items():
        client.raise_for(answer, paths[owner], mail.READ)
        sent: list[Any] = Fields(answer.body).objects("value")
        if sent:
            found.add(owner)
    return found
