"""Who holds which administrator roles."""

from typing import Any

from integrations.connectors.google_workspace import scopes
from integrations.connectors.google_workspace.client import CUSTOMER, JsonObject, WorkspaceClient
from integrations.connectors.google_workspace.normalise.accounts import SUPER_ADMIN, is_privileged
from integrations.values import Fields


def definitions(client: WorkspaceClient) -> dict[str, JsonObject]:
    """Every role of the organisation, by id."""
    roles = client.directory.roles()
    request = roles.list(customer=CUSTOMER, maxResults=100)
    return {str(r.get("roleId")): r for r in client.all(roles, request, "items", scopes.ROLES_READ)}


def assignments(
    client: WorkspaceClient, user: str = "", scope: str = scopes.ROLES_READ
) -> list[JsonObject]:
    """The role assignments of one user, or all."""
    collection = client.directory.roleAssignments()
    request = collection.list(customer=CUSTOMER, maxResults=200, userKey=user or None)
    return client.all(collection, request, "items", scope)


def held_roles(client: WorkspaceClient) -> dict[str, list[dict[str, Any]]]:
    """The roles that each user holds, by the user's id."""
    known = definitions(client)
    held: dict[str, list[dict[str, Any]]] = {}
    for one in assignments(client):
        role = Fields(known.get(str(one.get("roleId")), {}))
        told = {"name": name_of(role), "is_privileged": is_privileged(role)}
        held.setdefault(str(one.get("assignedTo")), []).append(told)
    return held


def name_of(role: Fields) -> str:
    """A role's name as people know it; Google's own of the super administrator is a code."""
    name = role.text("roleName")
    return "Super Admin" if name == SUPER_ADMIN else name or role.text("roleId")
