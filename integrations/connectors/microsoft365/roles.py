"""Directory roles: what they are called, and who holds one or may switch one on.

Sources: https://learn.microsoft.com/graph/api/rbacapplication-list-roleassignments,
/graph/api/rbacapplication-list-roleeligibilityscheduleinstances,
/graph/api/rbacapplication-list-roleassignmentscheduleinstances.
"""

from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.errors import PermissionMissing, Rejected
from integrations.microsoft.odata import quoted
from integrations.values import Fields

READ = "RoleManagement.Read.Directory"
_ELIGIBLE = "eligible:"

Held = dict[str, list["Role"]]


@dataclass(frozen=True, slots=True)
class Role:
    """A directory role; `template_id` is the same in every tenant for Microsoft's own."""

    template_id: str
    name: str


def names(client: GraphClient) -> dict[str, Role]:
    """Every role by the id of its definition."""
    path = address("/roleManagement/directory/roleDefinitions", select="id,displayName,templateId")
    return {
        str(d.get("id")): Role(
            str(d.get("templateId") or d.get("id")), str(d.get("displayName") or d.get("id"))
        )
        for d in client.all(path, READ)
    }


def assigned(client: GraphClient, principal_id: str, permission: str) -> list[dict[str, Any]]:
    """The roles that are assigned to a user, group or application itself."""
    path = address("/roleManagement/directory/roleAssignments", filter=_of(principal_id))
    return client.all(path, permission)


def eligible(client: GraphClient, principal_id: str, permission: str) -> list[dict[str, Any]]:
    """The roles that a user may switch on; none in a tenant without that licence."""
    path = address(
        "/roleManagement/directory/roleEligibilityScheduleInstances",
        filter=_of(principal_id),
    )
    try:
        return client.all(path, permission)
    except (Rejected, PermissionMissing):
        # Without Entra ID P2 Microsoft refuses the question as such.
        return []


def activated(client: GraphClient, principal_id: str, permission: str) -> set[tuple[str, str]]:
    """The roles that a user switched on, as `role_at` names them; none where Microsoft tells none.

    One that was given besides is not among them: it stays.
    """
    path = address(
        "/roleManagement/directory/roleAssignmentScheduleInstances",
        filter=_of(principal_id),
    )
    try:
        found = client.all(path, permission)
    except (Rejected, PermissionMissing):
        return set()
    kinds: dict[tuple[str, str], set[str]] = {}
    for one in found:
        kinds.setdefault(role_at(one), set()).add(Fields(one).word("assignmentType"))
    return {role for role, told in kinds.items() if told == {"activated"}}


def role_at(one: dict[str, Any]) -> tuple[str, str]:
    """The role of an assignment, and over what it holds."""
    told = Fields(one)
    return told.text("roleDefinitionId"), told.text("directoryScopeId") or "/"


def _of(principal_id: str) -> str:
    return f"principalId eq '{quoted(principal_id)}'"


def eligible_id(one: Fields) -> str:
    """The id by which an eligible role is named as a target: role, scope and holder."""
    scope = one.text("directoryScopeId") or "/"
    return f"{_ELIGIBLE}{one.text('roleDefinitionId')}:{scope}:{one.text('principalId')}"


def read_eligible_id(text: str) -> dict[str, str] | None:
    """The role, scope and holder that `eligible_id` names; None for an assignment's id."""
    if not text.startswith(_ELIGIBLE):
        return None
    role, _, rest = text.removeprefix(_ELIGIBLE).partition(":")
    scope, _, principal = rest.rpartition(":")
    return {"roleDefinitionId": role, "directoryScopeId": scope, "principalId": principal}


def held(client: GraphClient) -> Held:
    """The roles in force by holder, also those that come from a group."""
    known = names(client)
    found: Held = {}
    path = address("/roleManagement/directory/roleAssignments", expand="principal")
    for assignment in client.all(path, READ):
        definition_id = str(assignment.get("roleDefinitionId"))
        role = known.get(definition_id) or Role(definition_id, definition_id)
        for holder in _holders(client, assignment):
            found.setdefault(holder, []).append(role)
    return found


def _holders(client: GraphClient, assignment: dict[str, Any]) -> list[str]:
    principal = assignment.get("principal")
    kind = principal.get("@odata.type", "") if isinstance(principal, dict) else ""
    principal_id = str(assignment.get("principalId"))
    if not str(kind).lower().endswith("group"):
        return [principal_id]
    path = address("/groups/{}/transitiveMembers", principal_id, select="id")
    return [str(m.get("id")) for m in client.all(path, "GroupMember.Read.All")]
