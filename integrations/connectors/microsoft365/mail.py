"""Finding one message by its Message-ID, in one mailbox or in all of them.

Sources: https://learn.microsoft.com/graph/api/user-list-messages,
/graph/api/resources/mailfolder (well-known folders). Microsoft gives a message another id whenever
it is moved; the Message-ID of its sender stays.
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.errors import NotFound
from integrations.microsoft.odata import quoted
from integrations.values import Fields

READ = "Mail.ReadBasic.All"
ALERTS = "SecurityAlert.Read.All"
USERS = "User.Read.All"
# Soft-deleted: out of sight of the user, and kept for 14 to 30 days.
RECOVERABLE = "recoverableitemsdeletions"
_SELECT = "id,parentFolderId,conversationId,internetMessageId,subject,from,isRead,receivedDateTime"
_MAILBOXES = 20_000
_ALERTS_READ = 500


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a message, and whose mailbox it is in."""

    owner: str
    mail: str
    message: Fields


def message_id(text: str) -> str:
    """The Message-ID in angle brackets, as Microsoft keeps it."""
    return f"<{text.strip().strip('<>')}>"


def _filter(wanted: str) -> str:
    return f"internetMessageId eq '{quoted(wanted)}'"


def in_mailbox(
    client: GraphClient, owner: str, wanted: str, permission: str, folder: str = ""
) -> list[Fields]:
    """The copies in a mailbox that its user can see, or those in a folder."""
    options: dict[str, Any] = {"filter": _filter(wanted), "select": _SELECT, "top": 50}
    path = (
        address("/users/{}/mailFolders/{}/messages", owner, folder, **options)
        if folder
        else address("/users/{}/messages", owner, **options)
    )
    return [Fields(found) for found in client.all(path, permission)]


def everywhere(client: GraphClient, wanted: str) -> list[Copy]:
    """The copies in all mailboxes of the organisation, 20 asked at once."""
    select = address("/users", select="id,mail,userPrincipalName,userType", top=500)
    users = {
        str(one["id"]): str(one.get("mail") or one.get("userPrincipalName"))
        for one in client.all(select, USERS, _MAILBOXES)
        if str(one.get("userType")).lower() != "guest"
    }
    options: dict[str, Any] = {"filter": _filter(wanted), "select": _SELECT, "top": 50}
    paths = {owner: address("/users/{}/messages", owner, **options) for owner in users}
    found: list[Copy] = []
    for owner, answer in (client.batch(paths, READ) if paths else {}).items():
        # Who has no mailbox here answers 404.
        if answer.status == 404:
            continue
        client.raise_for(answer, paths[owner], READ)
        found += [Copy(owner, users[owner], one) for one in Fields(answer.body).objects("value")]
    return found


def alerts_about(client: GraphClient, told: str) -> tuple[str, list[Fields]]:
    """The Message-ID that a target names, and the evidence of alerts that name that message.

    Alerts name a message by its Message-ID, or by the id that it has in Microsoft's network; the
    latter is looked up in the newest 500 alerts. NotFound where none of them knows it.
    """
    path = address("/security/alerts_v2", top=100)
    wanted = told.strip().strip("<>").lower()
    alerts = [Fields(one) for one in client.all(path, ALERTS, _ALERTS_READ)]
    named = [(a, e) for a in alerts for e in a.objects("evidence") if _names(e, wanted)]
    if "@" in told:
        found = message_id(told)
    else:
        ids = [e.text("internetMessageId") for _, e in named if e.text("internetMessageId")]
        if not ids:
            raise NotFound("No alert tells the Message-ID of this message.")
        found = message_id(ids[0])
    return found, [e for alert, _ in named for e in alert.objects("evidence")]


def _names(evidence: Fields, wanted: str) -> bool:
    ids = (evidence.word("internetMessageId").strip("<>"), evidence.word("networkMessageId"))
    return wanted in ids
