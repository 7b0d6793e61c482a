"""Questions about a mailbox, and about a message in all of them."""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.actions.delegates import delegates_of
from integrations.connectors.google_workspace.actions.filters import filters_of, writable
from integrations.connectors.google_workspace.actions.forwarding import read_forwarding
from integrations.connectors.google_workspace.client import (
    CUSTOMER,
    JsonObject,
    NoMailbox,
    WorkspaceClient,
    objects,
)
from integrations.connectors.google_workspace.normalise.mail import name_of, rule_of
from integrations.contract import Json, Target
from integrations.errors import NotFound
from integrations.mail_rules import is_outside, judge
from integrations.mail_senders import is_lookalike, passes_authentication
from integrations.values import Fields

_HEADERS = ("Message-ID", "Subject", "From", "To", "Date", "Authentication-Results")
# Each mailbox costs a request.
_MAILBOXES = 1_000


@dataclass(frozen=True, slots=True)
class ListInboxRules:
    """The mailbox's filters, each judged by `integrations.mail_rules`."""

    name: str = "mailbox.list_inbox_rules"
    permissions: tuple[str, ...] = (
        scopes.MAIL_SETTINGS, scopes.USERS_READ, scopes.DOMAINS_READ,
    )  # fmt: skip

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``rules``, with reasons. An account without mailbox has none."""
        try:
            found = filters_of(client, client.address(target.external_id))
        except NoMailbox:
            return {"rules": [], "has_mailbox": False}
        domains = client.domains() if found else frozenset()
        return {"rules": [_rule(one, target, domains) for one in found], "has_mailbox": True}


def _rule(found: JsonObject, target: Target, domains: frozenset[str]) -> dict[str, Any]:
    record = Fields(found)
    rule = rule_of(record)
    judged = judge(rule, domains)
    return {
        "id": record.text("id"),
        "external_id": f"{target.external_id}/{record.text('id')}",
        "name": name_of(record),
        "is_enabled": True,
        "is_suspicious": judged.is_suspicious,
        "score": judged.score,
        "why": list(judged.why),
        "forwards_to": list(rule.forwards_to),
        "forwards_outside": any(is_outside(a, domains) for a in rule.forwards_to),
        "deletes": rule.deletes,
        "moves_to": rule.folder,
        "rule": writable(found),
    }


@dataclass(frozen=True, slots=True)
class GetForwarding:
    """Whether the whole mailbox is forwarded."""

    name: str = "mailbox.get_forwarding"
    permissions: tuple[str, ...] = (
        scopes.MAIL_SETTINGS, scopes.USERS_READ, scopes.DOMAINS_READ,
    )  # fmt: skip

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``forwarding``. An account without mailbox forwards nothing."""
        try:
            seen = read_forwarding(client, client.address(target.external_id))
        except NoMailbox:
            seen = {"enabled": False}
        to = str(seen.get("emailAddress") or "")
        return {
            "forwarding": {
                "smtp_address": to or None,
                "recipient": None,
                "keeps_copy": bool(to) and seen.get("disposition") != "trash",
            },
            "is_forwarding": bool(to),
            "forwards_outside": bool(to) and is_outside(to, client.domains()),
        }


@dataclass(frozen=True, slots=True)
class ListDelegates:
    """Who else can open the mailbox."""

    name: str = "mailbox.list_delegates"
    permissions: tuple[str, ...] = (
        scopes.MAIL_SETTINGS, scopes.USERS_READ, scopes.DOMAINS_READ,
    )  # fmt: skip

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``delegates``. Suspicious: outside the organisation.

        Google doesn't say since when somebody is a delegate.
        """
        try:
            found = delegates_of(client, client.address(target.external_id))
        except NoMailbox:
            found = []
        mails = [str(one.get("delegateEmail") or "") for one in found]
        domains = client.domains() if mails else frozenset()
        return {
            "delegates": [
                {
                    "id": mail,
                    "external_id": f"{target.external_id}/{mail}",
                    "name": mail,
                    "is_external": is_outside(mail, domains),
                    "is_recent": False,
                    "is_suspicious": is_outside(mail, domains),
                }
                for mail in mails
                if mail
            ]
        }


def _copies(client: WorkspaceClient, message_id: str, most: int) -> list[dict[str, str]]:
    """In which mailboxes the message with this Message-ID is; at most `most` of them."""
    users = client.directory.users()
    request = users.list(customer=CUSTOMER, maxResults=500, orderBy="email")
    people = client.all(users, request, "users", scopes.USERS_READ, most=_MAILBOXES)
    found: list[dict[str, str]] = []
    for user in people:
        if user.get("isMailboxSetup") is False or user.get("suspended"):
            continue
        mail = str(user.get("primaryEmail"))
        messages = client.gmail.users().messages()
        asked = messages.list(
            userId="me", q=f"rfc822msgid:{message_id}", includeSpamTrash=False, maxResults=10
        )
        try:
            answer = client.read(asked, scopes.MAIL_READ, mail)
        except NotFound:
            continue
        found += [
            {
                "external_id": f"{user.get('id')}/{one.get('id')}",
                "name": f"{message_id} ({mail})",
                "mailbox": mail,
            }
            for one in objects(answer, "messages")
        ]
        if len(found) >= most:
            break
    return found[:most]


def _message_id(target: Target) -> str:
    return target.external_id.strip().strip("<>")


@dataclass(frozen=True, slots=True)
class FindCopies:
    """Copies of the message in all mailboxes of the organisation."""

    name: str = "email.find_copies"
    permissions: tuple[str, ...] = (scopes.MAIL_READ, scopes.USERS_READ)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``copies`` outside trash and spam, in at most 1,000 mailboxes."""
        copies = _copies(client, _message_id(target), _MAILBOXES)
        return {"copies": copies, "count": len(copies)}


@dataclass(frozen=True, slots=True)
class GetMessage:
    """The message and what is known of it, by the first copy that is found."""

    name: str = "email.get_message"
    permissions: tuple[str, ...] = (
        scopes.MAIL_READ, scopes.USERS_READ, scopes.DOMAINS_READ, scopes.ALERTS,
    )  # fmt: skip

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``message``; NotFound where no mailbox holds it.

        That it carries something harmful is what an alert of Google says of it.
        """
        wanted = _message_id(target)
        copies = _copies(client, wanted, 1)
        if not copies:
            raise NotFound("No mailbox of the organisation holds this message.")
        messages = client.gmail.users().messages()
        request = messages.get(
            userId="me", id=copies[0]["external_id"].partition("/")[2], format="metadata",
            metadataHeaders=list(_HEADERS),
        )  # fmt: skip
        told = Fields(client.read(request, scopes.MAIL_READ, copies[0]["mailbox"]))
        headers = {
            h.text("name").lower(): h.text("value")
            for h in told.nested("payload").objects("headers")
        }
        sender = headers.get("from", "").rpartition("<")[2].strip("> ").lower()
        kinds = _alerted(client, wanted)
        results = headers.get("authentication-results", "")
        domain = sender.rpartition("@")[2]
        return {
            "message": {
                "subject": headers.get("subject", ""),
                "sender": sender,
                "sender_domain": domain,
                "passes_authentication": passes_authentication(results),
                "has_malicious_url": any("phishing" in kind for kind in kinds),
                "has_malicious_attachment": any("malware" in kind for kind in kinds),
                "is_lookalike_domain": is_lookalike(domain, client.domains()),
            }
        }


def _alerted(client: WorkspaceClient, message_id: str) -> set[str]:
    """The kinds of Google's alerts that name the message."""
    collection = client.alerts.alerts()
    request = collection.list(orderBy="create_time desc", pageSize=100)
    found = client.all(collection, request, "alerts", scopes.ALERTS, most=500)
    return {
        str(one.get("type") or "").lower()
        for one in found
        for message in Fields(one).nested("data").objects("messages")
        if message.text("messageId").strip("<>") == message_id
    }
