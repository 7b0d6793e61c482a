"""Gmail's filters (https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.settings.filters).

Gmail can't switch a filter off, only delete it; so switching off deletes, too, and keeps what the
filter was for the way back.
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.actions.ids import owner_and_id
from integrations.connectors.google_workspace.client import (
    JsonObject,
    WorkspaceClient,
    objects,
)
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import NotFound, Rejected

_PERMISSIONS = (scopes.MAIL_SETTINGS, scopes.USERS_READ)
_WRITABLE = ("criteria", "action")


def filters_of(client: WorkspaceClient, mail: str) -> list[JsonObject]:
    """Every filter of a mailbox; NotFound where there is no such mailbox."""
    request = client.gmail.users().settings().filters().list(userId="me")
    return objects(client.read(request, scopes.MAIL_SETTINGS, mail), "filter")


def writable(found: Json) -> dict[str, Any]:
    """What of a filter can be written."""
    return {name: found[name] for name in _WRITABLE if found.get(name)}


@dataclass(frozen=True, slots=True)
class RemoveFilter:
    """Delete a filter; what it was is kept, so that it can be made again."""

    name: str
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """The whole filter; None where it is gone."""
        return {"rule": self._filter(client, intention)}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Delete. A filter that is gone already is fine."""
        owner, filter_id = owner_and_id(intention.target)
        filters = client.gmail.users().settings().filters()
        request = filters.delete(userId="me", id=filter_id)
        try:
            client.write(request, scopes.MAIL_SETTINGS, client.address(owner))
        except NotFound:
            # A mailbox that isn't found raises here, too: that is no proof.
            if self._filter(client, intention) is not None:
                raise
            return {"was_gone": True}
        return {"was_gone": False}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """It must no longer be among the mailbox's filters."""
        is_gone = self._filter(client, intention) is None
        words = "The filter no longer exists." if is_gone else "Google still shows the filter."
        return ReadBack(is_gone, {"exists": not is_gone}, words)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The filter as it was; None where there was none."""
        rule = intention.snapshot.get("rule")
        return {"rule": writable(rule)} if rule else None

    def _filter(self, client: WorkspaceClient, intention: Intention) -> JsonObject | None:
        owner, filter_id = owner_and_id(intention.target)
        found = filters_of(client, client.address(owner))
        return next((f for f in found if f.get("id") == filter_id), None)


@dataclass(frozen=True, slots=True)
class RestoreFilter:
    """Make a deleted filter again; Gmail gives it a new id."""

    name: str
    permissions: tuple[str, ...] = _PERMISSIONS

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Whether an equal filter is there already."""
        return {"existing_rule_id": self._equal(client, intention)}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Make it, unless an equal one is there: Gmail has no two equal filters."""
        existing = self._equal(client, intention)
        if existing:
            return {"rule_id": existing, "was_there": True}
        filters = client.gmail.users().settings().filters()
        request = filters.create(userId="me", body=_wanted(intention))
        made = client.write(request, scopes.MAIL_SETTINGS, self._mail(client, intention))
        return {"rule_id": made.get("id")}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """An equal filter must be there."""
        found = self._equal(client, intention)
        words = "The filter is there again." if found else "Google doesn't show the filter."
        return ReadBack(bool(found), {"rule_id": found}, words)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """None: the filter has a new id, so the old target can't name it."""
        return None

    def _mail(self, client: WorkspaceClient, intention: Intention) -> str:
        return client.address(owner_and_id(intention.target)[0])

    def _equal(self, client: WorkspaceClient, intention: Intention) -> str | None:
        wanted = _wanted(intention)
        for found in filters_of(client, self._mail(client, intention)):
            if writable(found) == wanted:
                return str(found.get("id"))
        return None


def _wanted(intention: Intention) -> dict[str, Any]:
    rule = intention.inputs.get("rule")
    if not isinstance(rule, dict) or set(writable(rule)) != set(_WRITABLE):
        raise Rejected(
            "Gmail keeps no filter that is switched off: to make it again, what it was is needed "
            "(criteria and action)."
        )
    return writable(rule)
