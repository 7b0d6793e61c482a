"""Actions on inbox rules (https://learn.microsoft.com/graph/api/resources/messagerule)."""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.actions.ids import owner_and_id
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Intention, Json, ReadBack, Target
from integrations.errors import NotFound, Rejected

_WRITE = "MailboxSettings.ReadWrite"
_RULES = "/users/{}/mailFolders/inbox/messageRules"
# What Graph lets a client write; it gives ids and states itself.
_WRITABLE = ("displayName", "sequence", "isEnabled", "conditions", "actions", "exceptions")


def _path(target: Target) -> str:
    return address(_RULES + "/{}", *owner_and_id(target))


def read_rule(client: GraphClient, target: Target) -> dict[str, Any] | None:
    """The rule as Graph has it; None where it is gone."""
    try:
        rule = client.get(_path(target), _WRITE)
    except NotFound:
        # A mailbox that isn't found answers the same, and its list then raises NotFound.
        owner, own = owner_and_id(target)
        listed = client.all(address("/users/{}/mailFolders/inbox/messageRules", owner), _WRITE)
        rule = next((found for found in listed if found.get("id") == own), None)
        if rule is None:
            return None
    return {k: v for k, v in rule.items() if not k.startswith("@")}


def writable(rule: Json) -> dict[str, Any]:
    """What of a rule can be written, without what is empty."""
    return {name: rule[name] for name in _WRITABLE if rule.get(name) is not None}


@dataclass(frozen=True, slots=True)
class SwitchInboxRule:
    """Switch a rule on or off."""

    name: str
    is_enabled: bool
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """The whole rule."""
        return {"rule": read_rule(client, intention.target)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Set isEnabled. A rule that is gone needs no switching off."""
        try:
            client.write("PATCH", _path(intention.target), _WRITE, {"isEnabled": self.is_enabled})
        except NotFound:
            if self.is_enabled or read_rule(client, intention.target) is not None:
                raise
            return {"is_gone": True}
        return {"is_enabled": self.is_enabled}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """Off means: gone, or not enabled."""
        rule = read_rule(client, intention.target)
        if rule is None:
            return ReadBack(not self.is_enabled, {"rule": None}, "The rule no longer exists.")
        seen = rule.get("isEnabled")
        return ReadBack(
            holds=seen is self.is_enabled,
            observed={"is_enabled": seen},
            explanation=f"Microsoft shows the rule switched {'on' if seen else 'off'}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        rule = intention.snapshot.get("rule")
        if not rule or rule.get("isEnabled") is self.is_enabled:
            return None
        return {}


@dataclass(frozen=True, slots=True)
class DeleteInboxRule:
    """Delete a rule; what it was is kept, so that it can be created again."""

    name: str = "mailbox.delete_inbox_rule"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """The whole rule."""
        return {"rule": read_rule(client, intention.target)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Delete. A rule that is gone already is fine."""
        try:
            client.write("DELETE", _path(intention.target), _WRITE)
        except NotFound:
            if read_rule(client, intention.target) is not None:
                raise
            return {"was_gone": True}
        return {"was_gone": False}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """It must no longer be found."""
        is_gone = read_rule(client, intention.target) is None
        words = "The rule no longer exists." if is_gone else "Microsoft still shows the rule."
        return ReadBack(is_gone, {"exists": not is_gone}, words)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The rule as it was; None where there was none."""
        rule = intention.snapshot.get("rule")
        return {"rule": writable(rule)} if rule else None


@dataclass(frozen=True, slots=True)
class RestoreInboxRule:
    """Create a deleted rule again; Graph gives it a new id."""

    name: str = "mailbox.restore_inbox_rule"
    permissions: tuple[str, ...] = (_WRITE,)

    def snapshot(self, client: GraphClient, intention: Intention) -> Json:
        """Whether an equal rule is there already."""
        return {"existing_rule_id": self._equal(client, intention)}

    def call(self, client: GraphClient, intention: Intention) -> Json:
        """Create it, unless an equal rule is there: the same intention makes one rule."""
        existing = self._equal(client, intention)
        if existing:
            return {"rule_id": existing, "was_there": True}
        path = address(_RULES, owner_and_id(intention.target)[0])
        created = client.write("POST", path, _WRITE, _wanted(intention))
        return {"rule_id": created.get("id") if isinstance(created, dict) else None}

    def read_back(self, client: GraphClient, intention: Intention) -> ReadBack:
        """An equal rule must be there."""
        found = self._equal(client, intention)
        words = "The rule is there again." if found else "Microsoft doesn't show the rule."
        return ReadBack(bool(found), {"rule_id": found}, words)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """None: the restored rule has a new id, so the old target can't name it."""
        return None

    def _equal(self, client: GraphClient, intention: Intention) -> str | None:
        wanted = _essence(_wanted(intention))
        path = address(_RULES, owner_and_id(intention.target)[0])
        for rule in client.all(path, _WRITE):
            if _essence(rule) == wanted:
                return str(rule.get("id"))
        return None


def _wanted(intention: Intention) -> dict[str, Any]:
    rule = intention.inputs.get("rule")
    if not isinstance(rule, dict) or not rule.get("displayName"):
        raise Rejected("The rule to restore is missing or has no displayName.")
    return writable(rule)


def _essence(rule: Json) -> dict[str, Any]:
    """What makes two rules equal: all that they do, not where they stand in the list."""
    parts = {name: _told(rule.get(name)) for name in _WRITABLE if name != "sequence"}
    return {name: value for name, value in parts.items() if value not in (None, {}, [])}


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        found = {k: _told(v) for k, v in value.items() if not k.startswith("@")}
        return {k: v for k, v in found.items() if v not in (None, {}, [], False)}
    if isinstance(value, list):
        return [_told(item) for item in value]
    return value
