"""What a mailbox is for, and whom it answers by itself.

Sources: https://learn.microsoft.com/powershell/module/exchange/set-mailbox (Type),
https://learn.microsoft.com/graph/api/user-update-mailboxsettings.
"""

import html
import re
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected
from integrations.values import Fields

_SETTINGS = "MailboxSettings.ReadWrite"
_REPLY = "automaticRepliesSetting"
_TAGS = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Convert:
    """Turn a mailbox into a shared one, which needs no licence, or back into a person's."""

    name: str
    is_shared: bool
    permissions: tuple[str, ...] = ("Exchange.ManageAsApp",)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """What it is now."""
        return {"type": self._type(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Convert. Converting again changes nothing."""
        parameters = {
            "Identity": intention.target.external_id,
            "Type": "Shared" if self.is_shared else "Regular",
        }
        client.exchange("Set-Mailbox", parameters, is_read=False)
        return {"is_shared": self.is_shared}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Ask what it is."""
        seen = self._type(client, intention)
        is_shared = seen.lower() == "sharedmailbox"
        words = "a shared mailbox" if is_shared else "no shared mailbox"
        return ReadBack(
            is_shared is self.is_shared, {"type": seen}, f"Exchange shows that it is {words}."
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        was_shared = str(intention.snapshot.get("type")).lower() == "sharedmailbox"
        return None if was_shared is self.is_shared else {}

    def _type(self, client: GraphClient, intention: Intention) -> str:
        parameters = {"Identity": intention.target.external_id}
        found = client.exchange("Get-Mailbox", parameters, is_read=True)
        if not found:
            raise NotFound("Exchange Online knows no such mailbox.")
        return Fields(found[0]).text("RecipientTypeDetails")


@dataclass(frozen=True, slots=True)
class SetReply:
    """Answer everybody who writes, or answer as before again."""

    name: str
    permissions: tuple[str, ...] = (_SETTINGS,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """The reply as it is now."""
        return {"reply": _reply(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Set it. Setting it again changes nothing."""
        path = address("/users/{}/mailboxSettings", intention.target.external_id)
        client.write("PATCH", path, _SETTINGS, {_REPLY: _wanted(intention)})
        return {"is_set": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """It must be what was wanted; Exchange may have made HTML of the text."""
        seen = _reply(client, intention)
        state = "off" if Fields(seen).word("status") == "disabled" else "on"
        return ReadBack(
            _essence(seen) == _essence(_wanted(intention)),
            {"reply": seen},
            f"Microsoft shows the automatic reply {state}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """What it was; None where it was so before."""
        before = intention.snapshot.get("reply") or {}
        if _essence(before) == _essence(_wanted(intention)):
            return None
        if "text" in intention.inputs:
            return {"reply": dict(before)}
        text = _plain(before.get("internalReplyMessage"))
        return {"text": text} if text else None


def _reply(client: GraphClient, intention: Intention) -> dict[str, Any]:
    path = address("/users/{}/mailboxSettings", intention.target.external_id)
    found = Fields(client.get(path, _SETTINGS)).nested(_REPLY).body
    return {name: value for name, value in found.items() if not name.startswith("@")}


def _wanted(intention: Intention) -> dict[str, Any]:
    if "reply" in intention.inputs:
        told = intention.inputs["reply"]
        if not isinstance(told, dict):
            raise Rejected("The reply to restore is no object.")
        return dict(told)
    text = str(intention.inputs.get("text") or "").strip()
    if not text:
        raise Rejected("The automatic reply has no text.")
    message = html.escape(text, quote=False).replace("\n", "<br>")
    return {
        "status": "alwaysEnabled",
        "externalAudience": "all",
        "internalReplyMessage": message,
        "externalReplyMessage": message,
    }


def _plain(text: Any) -> str:
    return " ".join(html.unescape(_TAGS.sub(" ", str(text or ""))).split())


def _essence(reply: Json) -> tuple[str, str, str]:
    """What of a reply counts: whether it is on, and its texts."""
    return (
        Fields(reply).word("status") or "disabled",
        _plain(reply.get("internalReplyMessage")),
        _plain(reply.get("externalReplyMessage")),
    )
