"""Inbox rules: https://learn.microsoft.com/graph/api/resources/messagerule"""

from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound

_WRITE = "MailboxSettings.ReadWrite"
_RULES = "/users/{}/mailFolders/inbox/messageRules"
_RULE = _RULES + "/{}"
_NOT_SETTABLE = {"id", "hasError", "isReadOnly"}


def settable(rule: Json) -> dict[str, Any]:
    """Return a rule without what Graph sets by itself, fit to be created again."""
    return {
        key: value
        for key, value in rule.items()
        if key not in _NOT_SETTABLE and not key.startswith("@") and value is not None
    }


def _path(intention: Intention) -> str:
    return address(_RULE, intention.target.parent_external_id, intention.target.external_id)


def _rule(client: GraphClient, intention: Intention) -> dict[str, Any] | None:
    try:
        return dict(client.get(_path(intention), _WRITE))
    except NotFound:
        return None


def _same(client: GraphClient, intention: Intention, wanted: Json) -> dict[str, Any] | None:
    """Return the mailbox's rule with exactly this content, if there is one."""
    path = address(_RULES, intention.target.parent_external_id)
    # The place in the order moves when other rules come and go.
    content = {k: v for k, v in settable(wanted).items() if k not in ("sequence", "isEnabled")}
    for rule in client.all(path, _WRITE):
        found = {k: v for k, v in settable(rule).items() if k not in ("sequence", "isEnabled")}
        if found == content:
            return rule
    return None


class _RuleAction:
    """What all actions on one rule share."""

    name = ""
    permissions = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Keep the whole rule."""
        return {"rule": _rule(client, intention)}


class _SetRuleEnabled(_RuleAction):
    _enabled: bool

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Switch it; a rule that is gone is off already."""
        try:
            client.write("PATCH", _path(intention), _WRITE, {"isEnabled": self._enabled})
        except NotFound:
            if self._enabled:
                raise
        return {"accepted": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Read whether the rule is on."""
        rule = _rule(client, intention)
        enabled = bool(rule and rule.get("isEnabled"))
        words = "is gone" if rule is None else f"is {'on' if enabled else 'off'}"
        return ReadBack(
            enabled is self._enabled,
            {"isEnabled": rule.get("isEnabled") if rule else None, "exists": rule is not None},
            f"Microsoft shows that the rule {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what this step changed."""
        before = intention.snapshot.get("rule")
        return None if not before or before.get("isEnabled") is self._enabled else {}


class DisableInboxRule(_SetRuleEnabled):
    """Switches a rule off."""

    name = "mailbox.disable_inbox_rule"
    _enabled = False


class EnableInboxRule(_SetRuleEnabled):
    """Switches a rule on."""

    name = "mailbox.enable_inbox_rule"
    _enabled = True


class DeleteInboxRule(_RuleAction):
    """Deletes a rule. https://learn.microsoft.com/graph/api/messagerule-delete"""

    name = "mailbox.delete_inbox_rule"

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Delete it; one that is gone already is fine."""
        try:
            client.write("DELETE", _path(intention), _WRITE)
        except NotFound:
            return {"accepted": True, "was_gone": True}
        return {"accepted": True}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Look for the rule."""
        rule = _rule(client, intention)
        words = "gone" if rule is None else "still there"
        return ReadBack(
            rule is None, {"exists": rule is not None}, f"Microsoft shows that the rule is {words}."
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Create the same rule again."""
        rule = intention.snapshot.get("rule")
        return {"rule": settable(rule)} if rule else None


class RestoreInboxRule:
    """Creates a deleted rule again, with a new id: Graph gives ids by itself."""

    name = "mailbox.restore_inbox_rule"
    permissions = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Keep whether the rule is there already."""
        return {"rule": _same(client, intention, intention.inputs["rule"])}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Create it, unless it is there."""
        rule = _same(client, intention, intention.inputs["rule"])
        if rule is None:
            path = address(_RULES, intention.target.parent_external_id)
            rule = client.write("POST", path, _WRITE, settable(intention.inputs["rule"]))
        return {"accepted": True, "id": rule.get("id") if isinstance(rule, dict) else None}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Look for a rule with the same content."""
        rule = _same(client, intention, intention.inputs["rule"])
        words = "is there again" if rule else "is not there"
        return ReadBack(
            rule is not None,
            {"id": rule.get("id") if rule else None},
            f"Microsoft shows that the rule {words}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Delete it again by hand: its new id is not this step's target."""
        return None
