"""Directory roles: what they are, who holds one, and who may switch one on.

Sources: https://learn.microsoft.com/graph/api/resources/unifiedroleassignment,
/graph/api/resources/unifiedroleeligibilityschedulerequest,
/graph/api/resources/unifiedroleassignmentscheduleinstance.
"""

from __future__ import annotations

from integrations.simulators.base.store import Record, Tenant

from .errors import GraphError, bad_request
from .graph import (
    Answer,
    Request,
    Route,
    as_member,
    audit,
    entity,
    existing,
    listing,
    no_content,
    one,
    reading,
    route,
    shaped,
)

_DIRECTORY = ("Directory.Read.All", "Directory.ReadWrite.All")
_ROLES = (*_DIRECTORY, "RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory")
_ROLES_WRITE = ("RoleManagement.ReadWrite.Directory",)
_ELIGIBLE = "roleEligibilityScheduleInstances"
_IN_FORCE = "roleAssignmentScheduleInstances"
# The assignments, by their ids, that last only as long as their holder switched them on.
ACTIVATED = "activatedAssignments"


def roles_of(tenant: Tenant, principal: str) -> list[Record]:
    """The directory roles that are assigned to a principal."""
    held = {
        a["roleDefinitionId"]
        for a in tenant.all("roleAssignments")
        if a["principalId"] == principal
    }
    return [role for role in tenant.all("directoryRoles") if role["roleTemplateId"] in held]


def _role_members(request: Request, role: Record) -> list[Record]:
    tenant = request.tenant
    principals = [
        a["principalId"]
        for a in tenant.all("roleAssignments")
        if a["roleDefinitionId"] == role["roleTemplateId"]
    ]
    users = [tenant.get("users", principal) for principal in principals]
    return [as_member("user", user) for user in users if user is not None]


def list_roles(request: Request) -> Answer:
    return listing(
        request,
        request.tenant.all("directoryRoles"),
        "directoryRoles",
        expansions={"members": _role_members},
    )


def _role(request: Request) -> Record:
    name = request.params["id"]
    if name.lower().startswith("roletemplateid="):
        template = name.split("=", 1)[1].strip("'")
        for role in request.tenant.all("directoryRoles"):
            if role["roleTemplateId"] == template:
                return role
    return one(request, "directoryRoles", name)


def get_role(request: Request) -> Answer:
    return shaped(request, _role(request), "directoryRoles", {"members": _role_members})


def role_members(request: Request) -> Answer:
    return listing(request, _role_members(request, _role(request)), "directoryObjects")


def _principal(request: Request, assignment: Record) -> Record | None:
    user = request.tenant.get("users", assignment["principalId"])
    return as_member("user", user) if user else None


def _definition(request: Request, assignment: Record) -> Record | None:
    return request.tenant.get("roleDefinitions", assignment["roleDefinitionId"])


def list_assignments(request: Request) -> Answer:
    return listing(
        request,
        request.tenant.all("roleAssignments"),
        "roleManagement/directory/roleAssignments",
        expansions={"principal": _principal, "roleDefinition": _definition},
    )


def add_assignment(request: Request) -> Answer:
    body = request.json({"principalId", "roleDefinitionId", "directoryScopeId", "condition"})
    user = existing(request, "users", str(body.get("principalId")))
    definition = existing(request, "roleDefinitions", str(body.get("roleDefinitionId")))
    record = role_assignment(request.tenant.new_id("assignment"), user, definition["id"])
    request.tenant.put("roleAssignments", record)
    request.effect("role.assign", f"{user['id']}/{definition['id']}")
    audit(request, "Add member to role", user, category="RoleManagement",
          changes=role_changes(definition))  # fmt: skip
    answer = entity(record, "roleAssignments")
    answer.status = 201
    return answer


def get_assignment(request: Request) -> Answer:
    record = request.tenant.get("roleAssignments", request.params["id"])
    if record is None:
        raise GraphError(404, "Request_ResourceNotFound", "The role assignment does not exist.")
    return shaped(
        request, record, "roleManagement/directory/roleAssignments",
        {"principal": _principal, "roleDefinition": _definition},
    )  # fmt: skip


def list_in_force(request: Request) -> Answer:
    """The assignments as Privileged Identity Management tells them, with how each came about."""
    return listing(
        request,
        [_in_force(request.tenant, one_) for one_ in request.tenant.all("roleAssignments")],
        f"roleManagement/directory/{_IN_FORCE}",
    )


def _in_force(tenant: Tenant, assignment: Record) -> Record:
    names = ("id", "principalId", "roleDefinitionId", "directoryScopeId", "appScopeId")
    activated = tenant.get(ACTIVATED, assignment["id"]) or {}
    return {
        **{name: assignment[name] for name in names},
        "assignmentType": "Activated" if activated else "Assigned",
        "memberType": "Direct",
        "startDateTime": activated.get("startDateTime"),
        "endDateTime": activated.get("endDateTime"),
        "roleAssignmentOriginId": assignment["id"],
        "roleAssignmentScheduleId": assignment["id"],
    }


def role_changes(definition: Record) -> dict[str, tuple[str | None, str | None]]:
    """What the audit's entry says was changed when a role was given."""
    return {
        "Role.DisplayName": (None, f'"{definition["displayName"]}"'),
        "Role.TemplateId": (None, f'"{definition["templateId"]}"'),
    }


def role_assignment(assignment_id: str, user: Record, definition_id: str) -> Record:
    """An active assignment of a role over the whole directory."""
    return {
        "id": assignment_id,
        "principalId": user["id"],
        "roleDefinitionId": definition_id,
        "directoryScopeId": "/",
        "appScopeId": None,
        "condition": None,
        "principalOrganizationId": None,
    }


def delete_assignment(request: Request) -> Answer:
    record = existing(request, "roleAssignments", request.params["id"])
    request.tenant.remove("roleAssignments", record["id"])
    request.effect("role.unassign", f"{record['principalId']}/{record['roleDefinitionId']}")
    user = request.tenant.true("users", record["principalId"]) or {"id": record["principalId"]}
    audit(request, "Remove member from role", user, category="RoleManagement")
    return no_content()


def eligibility(instance_id: str, body: Record, start: str, end: str | None) -> Record:
    """The right to switch a role on."""
    return {
        "id": instance_id,
        "appScopeId": None,
        "directoryScopeId": body["directoryScopeId"],
        "principalId": body["principalId"],
        "roleDefinitionId": body["roleDefinitionId"],
        "endDateTime": end,
        "memberType": "Direct",
        "roleEligibilityScheduleId": instance_id,
        "startDateTime": start,
    }


def request_eligibility(request: Request) -> Answer:
    names = {"action", "justification", "principalId", "roleDefinitionId", "directoryScopeId",
             "appScopeId", "scheduleInfo", "ticketInfo", "isValidationOnly",
             "targetScheduleId"}  # fmt: skip
    body = request.json(names)
    user = existing(request, "users", str(body.get("principalId")))
    definition = existing(request, "roleDefinitions", str(body.get("roleDefinitionId")))
    place = f"{user['id']}/{definition['id']}"
    same = [
        one_
        for one_ in request.tenant.true_all(_ELIGIBLE)
        if one_["principalId"] == user["id"]
        and one_["roleDefinitionId"] == definition["id"]
        and one_["directoryScopeId"] == body.get("directoryScopeId")
    ]
    if body.get("action") == "adminAssign":
        if same:
            raise bad_request("The Role assignment already exists.", "RoleAssignmentExists")
        expiration = (body.get("scheduleInfo") or {}).get("expiration") or {}
        made = eligibility(
            request.tenant.new_id("eligibility"), body, request.now(),
            expiration.get("endDateTime"),
        )  # fmt: skip
        request.tenant.put(_ELIGIBLE, made)
        request.effect("role.make_eligible", place)
    elif body.get("action") == "adminRemove":
        if not same:
            raise bad_request("The Role assignment does not exist.", "RoleAssignmentDoesNotExist")
        request.tenant.remove(_ELIGIBLE, same[0]["id"])
        request.effect("role.remove_eligible", place)
    else:
        raise bad_request(f"The action '{body.get('action')}' is not supported.")
    answer = entity(
        {"id": request.tenant.new_id("request"), "status": "Provisioned", **body},
        "roleManagement/directory/roleEligibilityScheduleRequests",
    )
    answer.status = 201
    return answer


ROUTES: list[Route] = [
    route("GET", "/directoryRoles", list_roles, *_ROLES),
    route("GET", "/directoryRoles/{id}", get_role, *_ROLES),
    route("GET", "/directoryRoles/{id}/members", role_members, *_ROLES),
    *reading("directoryRoleTemplates", "/directoryRoleTemplates", *_ROLES),
    route("GET", "/roleManagement/directory/roleAssignments", list_assignments, *_ROLES),
    route("GET", "/roleManagement/directory/roleAssignments/{id}", get_assignment, *_ROLES),
    route("POST", "/roleManagement/directory/roleAssignments", add_assignment, *_ROLES_WRITE),
    route(
        "DELETE",
        "/roleManagement/directory/roleAssignments/{id}",
        delete_assignment,
        *_ROLES_WRITE,
    ),
    *reading("roleDefinitions", "/roleManagement/directory/roleDefinitions", *_ROLES),
    *reading(_ELIGIBLE, f"/roleManagement/directory/{_ELIGIBLE}", *_ROLES),
    route("GET", f"/roleManagement/directory/{_IN_FORCE}", list_in_force, *_ROLES),
    route(
        "POST",
        "/roleManagement/directory/roleEligibilityScheduleRequests",
        request_eligibility,
        *_ROLES_WRITE,
    ),
]
