"""Questions about a mailbox: rules, forwarding, who else may open it, whom it trusts, mail sent."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations import bursts
from integrations.connectors.microsoft365 import suspicion
from integrations.connectors.microsoft365.actions.delegates import delegates_of
from integrations.connectors.microsoft365.actions.forwarding import read_forwarding
from integrations.connectors.microsoft365.actions.rules import writable
from integrations.connectors.microsoft365.actions.senders import trusted_senders
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.gatherers.words import recent_since
from integrations.connectors.microsoft365.mailbox_audit import new_values
from integrations.connectors.microsoft365.normalise.mail import deletes, forwarding_addresses
from integrations.contract import Json, Target
from integrations.errors import NotFound, PermissionMissing
from integrations.mail_senders import is_lookalike
from integrations.values import Fields

_EXCHANGE = ("Exchange.ManageAsApp", "Organization.Read.All")
_DELEGATING = ("Add-MailboxPermission", "Add-RecipientPermission", "Set-Mailbox")
# Whole domains of mail services that anybody gets an address of.
_ANYBODY = frozenset(
    {
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com",
        "yahoo.com", "aol.com", "icloud.com", "proton.me", "protonmail.com", "gmx.com", "gmx.de",
        "gmx.net", "web.de", "mail.com", "mail.ru", "yandex.com", "yandex.ru", "zoho.com",
        "tutanota.com",
    }
)  # fmt: skip
_TRACE = 5_000
_WEEK = dt.timedelta(days=7)
# Fewer recipients than this are never unusual.
_FEW = 30
# A trace goes over ten days at most.
# https://learn.microsoft.com/powershell/module/exchange/get-messagetracev2
_LONGEST_TRACE = dt.timedelta(days=10)


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
    permissions: tuple[str, ...] = _EXCHANGE

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


@dataclass(frozen=True, slots=True)
class ListDelegates:
    """Who else can open the mailbox, or send in its name."""

    name: str = "mailbox.list_delegates"
    permissions: tuple[str, ...] = _EXCHANGE

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``delegates``. Suspicious: outside the organisation, or given access lately.

        Lately: since ``inputs.since`` (ISO), else in 48 hours, by Exchange's audit log.
        """
        try:
            found = delegates_of(client, target.external_id)
        except NotFound:
            found = []
        domains = client.domains() if found else frozenset()
        since = recent_since(inputs)
        lately = (
            new_values(
                client, target.external_id, _DELEGATING,
                ("User", "Trustee", "GrantSendOnBehalfTo"), since,
            )
            if found
            else set()
        )  # fmt: skip
        told = []
        for one in found:
            is_external = suspicion.is_outside(one.who, domains)
            is_recent = one.who.lower() in lately
            told.append(
                {
                    "id": one.id,
                    "external_id": f"{target.external_id}/{one.id}",
                    "name": one.who,
                    "kind": one.kind,
                    "is_external": is_external,
                    "is_recent": is_recent,
                    "is_suspicious": is_external or is_recent,
                }
            )
        return {"delegates": told}


@dataclass(frozen=True, slots=True)
class ListTrustedSenders:
    """Whose mail the mailbox lets past the junk filter."""

    name: str = "mailbox.list_trusted_senders"
    permissions: tuple[str, ...] = _EXCHANGE

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``senders``. Suspicious: looks like an own domain, is open to anybody, or is new.

        New: added since ``inputs.since`` (ISO), else in 48 hours, by Exchange's audit log.
        """
        try:
            found = trusted_senders(client, target.external_id)
        except NotFound:
            found = []
        domains = client.domains() if found else frozenset()
        since = recent_since(inputs)
        lately = (
            new_values(
                client, target.external_id, ("Set-MailboxJunkEmailConfiguration",),
                ("TrustedSendersAndDomains",), since,
            )
            if found
            else set()
        )  # fmt: skip
        told = []
        for sender in found:
            domain = sender.rpartition("@")[2].lower()
            is_recent = sender.lower() in lately
            is_open = "@" not in sender and domain in _ANYBODY
            told.append(
                {
                    "id": sender,
                    "external_id": f"{target.external_id}/{sender}",
                    "name": sender,
                    "is_recent": is_recent,
                    "is_suspicious": is_recent or is_open or is_lookalike(domain, domains),
                }
            )
        return {"senders": told}


@dataclass(frozen=True, slots=True)
class TraceSentMail:
    """How much the account sent, and whether that is usual."""

    name: str = "mailbox.trace_sent_mail"
    permissions: tuple[str, ...] = (*_EXCHANGE, "User.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return what was sent in the busiest `hours` (72) since ``inputs.since``.

        Without ``since``, in the last `hours`. Unusual: to at least 30 addresses outside, and to
        five times as many as usual, by the week before.
        """
        path = address("/users/{}", target.external_id, select="id,mail,userPrincipalName")
        user = Fields(client.get(path, "User.Read.All"))
        sender = user.text("mail", "userPrincipalName")
        asked = bursts.asked(inputs, 72, _LONGEST_TRACE)
        lately = self._trace(client, sender, asked.since, asked.now)
        before = self._trace(client, sender, asked.since - _WEEK, asked.since)
        domains = client.domains()
        outside = bursts.most_different(_outside(lately, domains, asked.since), asked.span)
        usual = len({to for _, to in _outside(before, domains, asked.since)})
        messages = ((one.time("Received") or asked.since, one.text("MessageId")) for one in lately)
        return {
            "sent": bursts.most_different(messages, asked.span),
            "recipients_outside": outside,
            "is_unusual": bursts.is_unusual(outside, asked.usual(usual, _WEEK), least=_FEW),
        }

    def _trace(
        self, client: GraphClient, sender: str, start: dt.datetime, end: dt.datetime
    ) -> list[Fields]:
        asked = {
            "SenderAddress": sender,
            "StartDate": start.isoformat(),
            "EndDate": end.isoformat(),
            "ResultSize": _TRACE,
        }
        return [Fields(one) for one in client.exchange("Get-MessageTraceV2", asked, is_read=True)]


def _outside(
    trace: list[Fields], domains: frozenset[str], untold: dt.datetime
) -> list[tuple[dt.datetime, str]]:
    """To which addresses outside the organisation mail went, and when; `untold` where none says."""
    told = [(one.time("Received") or untold, one.text("RecipientAddress").lower()) for one in trace]
    return [(time, to) for time, to in told if suspicion.is_outside(to, domains)]
