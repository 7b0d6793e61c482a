"""Administrator roles and group memberships.

https://developers.google.com/workspace/admin/directory/reference/rest/v1/roleAssignments, …/members
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.client import (
    CUSTOMER,
    JsonObject,
    WorkspaceClient,
)
from integrations.connectors.google_workspace.roles import assignments
from integrations.contract import Intention, Json, ReadBack, Target
from integrations.errors import NotFound, Rejected

_ASSIGNED = ("roleId", "assignedTo", "scopeType", "orgUnitId")


@dataclass(frozen=True, slots=True)
class RemoveRole:
    """Take an administrator role away."""

    name: str = "identity.remove_role"
    permissions: tuple[str, ...] = (scopes.ROLES,)

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """The assignment; None where it is gone."""
        found = self._assignment(client, intention)
        return {"assignment": {k: found[k] for k in _ASSIGNED if k in found} if found else None}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Delete the assignment. One that is gone already is fine."""
        collection = client.directory.roleAssignments()
        request = collection.delete(
            customer=CUSTOMER, roleAssignmentId=intention.target.external_id
        )
        try:
            client.write(request, scopes.ROLES)
        except NotFound:
            if self._assignment(client, intention) is not None:
                raise
            return {"was_gone": True}
        return {"was_gone": False}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """It must no longer be among the assignments."""
        is_gone = self._assignment(client, intention) is None
        words = "no longer holds" if is_gone else "still holds"
        return ReadBack(is_gone, {"exists": not is_gone}, f"Google shows that the user {words} it.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """The assignment as it was; None where there was none."""
        found = intention.snapshot.get("assignment")
        return {"assignment": dict(found)} if found else None

    def _assignment(self, client: WorkspaceClient, intention: Intention) -> JsonObject | None:
        wanted = intention.target.external_id
        found = assignments(client, intention.target.parent_external_id, scopes.ROLES)
        return next((a for a in found if str(a.get("roleAssignmentId")) == wanted), None)


@dataclass(frozen=True, slots=True)
class RestoreRole:
    """Give an administrator role back; Google gives the assignment a new id."""

    name: str = "identity.restore_role"
    permissions: tuple[str, ...] = (scopes.ROLES,)

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Whether the user holds it already."""
        return {"existing_id": self._equal(client, intention)}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Assign it, unless the user holds it."""
        existing = self._equal(client, intention)
        if existing:
            return {"assignment_id": existing, "was_there": True}
        collection = client.directory.roleAssignments()
        request = collection.insert(customer=CUSTOMER, body=_wanted(intention))
        return {"assignment_id": client.write(request, scopes.ROLES).get("roleAssignmentId")}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """An equal assignment must be there."""
        found = self._equal(client, intention)
        words = "holds it again" if found else "doesn't hold it"
        return ReadBack(bool(found), {"id": found}, f"Google shows that the user {words}.")

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """None: the assignment has a new id, so the old target can't name it."""
        return None

    def _equal(self, client: WorkspaceClient, intention: Intention) -> str | None:
        wanted = _wanted(intention)
        for found in assignments(client, wanted["assignedTo"], scopes.ROLES):
            if all(str(found.get(k) or "") == str(wanted.get(k) or "") for k in _ASSIGNED):
                return str(found.get("roleAssignmentId"))
        return None


def _wanted(intention: Intention) -> dict[str, Any]:
    told = intention.inputs.get("assignment")
    if not isinstance(told, dict) or not told.get("roleId") or not told.get("assignedTo"):
        raise Rejected("The role to give back is missing, or names no role or no user.")
    return {k: told[k] for k in _ASSIGNED if told.get(k)}


@dataclass(frozen=True, slots=True)
class SwitchMembership:
    """Take somebody out of a group, or add them again, with the role that they had in it."""

    name: str
    is_member: bool
    permissions: tuple[str, ...] = (scopes.MEMBERS,)

    def snapshot(self, client: WorkspaceClient, intention: Intention) -> Json:
        """The membership; None where there is none."""
        member = self._member(client, intention)
        return {"role": str(member.get("role") or "MEMBER") if member else None}

    def call(self, client: WorkspaceClient, intention: Intention) -> Json:
        """Add or remove. What is so already is fine."""
        if (self._member(client, intention) is not None) is self.is_member:
            return {"was_so": True}
        group, user = _group_and_user(intention.target)
        members = client.directory.members()
        role = str(intention.inputs.get("role") or "MEMBER")
        request = (
            members.insert(groupKey=group, body={"id": user, "role": role})
            if self.is_member
            else members.delete(groupKey=group, memberKey=user)
        )
        client.write(request, scopes.MEMBERS)
        return {"was_so": False}

    def read_back(self, client: WorkspaceClient, intention: Intention) -> ReadBack:
        """Ask for the membership again."""
        seen = self._member(client, intention) is not None
        words = "a member of the group" if seen else "no member of the group"
        return ReadBack(
            seen is self.is_member, {"is_member": seen}, f"Google shows that the user is {words}."
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        role = intention.snapshot.get("role")
        if (role is not None) is self.is_member:
            return None
        return {} if self.is_member else {"role": role}

    def _member(self, client: WorkspaceClient, intention: Intention) -> JsonObject | None:
        """The direct membership; NotFound where there is no such group."""
        group, user = _group_and_user(intention.target)
        members = client.directory.members()
        try:
            return client.read(members.get(groupKey=group, memberKey=user), scopes.MEMBERS)
        except NotFound:
            # Said of the group, too; then its list raises.
            client.read(members.list(groupKey=group, maxResults=1), scopes.MEMBERS)
            return None


def _group_and_user(target: Target) -> tuple[str, str]:
    group, _, user = target.external_id.partition("/")
    user = user or target.parent_external_id
    if not user:
        raise Rejected(f"The target {target.name or group!r} doesn't say whose membership it is.")
    return group, user
