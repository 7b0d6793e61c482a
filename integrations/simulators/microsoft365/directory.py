"""The rest of the directory: roles, groups, applications, the organisation, policies.

Source: https://learn.microsoft.com/graph/api/resources/azure-ad-overview
"""

from __future__ import annotations

from datetime import timedelta

from integrations.simulators.base.store import Record, Tenant

from .entra import object_id
from .errors import GraphError, bad_request
from .graph import (
    Answer,
    Handler,
    Request,
    Route,
    audit,
    entity,
    existing,
    instant,
    listing,
    no_content,
    one,
    route,
    shaped,
)
from .odata import timestamp
from .users import user_id

_DIRECTORY = ("Directory.Read.All", "Directory.ReadWrite.All")
_ROLES = (*_DIRECTORY, "RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory")
_ROLES_WRITE = ("RoleManagement.ReadWrite.Directory",)
_GROUPS = (*_DIRECTORY, "GroupMember.Read.All", "Group.Read.All", "GroupMember.ReadWrite.All")
_GROUPS_WRITE = ("GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All")
_APPS = (*_DIRECTORY, "Application.Read.All", "Application.ReadWrite.All")
_GRANTS = (
    *_DIRECTORY,
    "DelegatedPermissionGrant.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
)
_POLICIES = ("Policy.Read.All",)
_MEMBER = ("id", "displayName", "userPrincipalName", "mail", "description")


def _reader(collection: str, context: str) -> tuple[Handler, Handler]:
    """Handlers that list a collection and give one of its records."""

    def many(request: Request) -> Answer:
        return listing(request, request.tenant.all(collection), context)

    def single(request: Request) -> Answer:
        return shaped(request, one(request, collection, request.params["id"]), context)

    return many, single


def _reading(collection: str, path: str, *permissions: str) -> list[Route]:
    many, single = _reader(collection, path.strip("/"))
    return [
        route("GET", path, many, *permissions),
        route("GET", path + "/{id}", single, *permissions),
    ]


def _as_member(kind: str, record: Record) -> Record:
    shown = {name: record[name] for name in _MEMBER if name in record}
    return {"@odata.type": f"#microsoft.graph.{kind}", **shown}


def roles_of(tenant: Tenant, principal: str) -> list[Record]:
    """The directory roles that are assigned to a principal."""
    held = {
        a["roleDefinitionId"]
        for a in tenant.all("roleAssignments")
        if a["principalId"] == principal
    }
    return [role for role in tenant.all("directoryRoles") if role["roleTemplateId"] in held]


def _groups_of(tenant: Tenant, uid: str) -> list[Record]:
    return [g for g in tenant.all("groups") if tenant.get(f"members:{g['id']}", uid)]


def member_of(request: Request) -> Answer:
    uid = user_id(request)
    tenant = request.tenant
    found = [
        {
            "@odata.type": "#microsoft.graph.directoryRole",
            **{k: role[k] for k in ("id", "displayName", "description", "roleTemplateId")},
        }
        for role in roles_of(tenant, uid)
    ]
    found += [{"@odata.type": "#microsoft.graph.group", **g} for g in _groups_of(tenant, uid)]
    return listing(request, found, "directoryObjects")


def _role_members(request: Request, role: Record) -> list[Record]:
    tenant = request.tenant
    principals = [
        a["principalId"]
        for a in tenant.all("roleAssignments")
        if a["roleDefinitionId"] == role["roleTemplateId"]
    ]
    users = [tenant.get("users", principal) for principal in principals]
    return [_as_member("user", user) for user in users if user is not None]


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
    return _as_member("user", user) if user else None


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
    audit(request, "Add member to role", user, category="RoleManagement")
    answer = entity(record, "roleAssignments")
    answer.status = 201
    return answer


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


def group_members(request: Request) -> Answer:
    group = one(request, "groups", request.params["id"])
    tenant = request.tenant
    users = [tenant.get("users", member["id"]) for member in tenant.all(f"members:{group['id']}")]
    records = [_as_member("user", user) for user in users if user is not None]
    return listing(request, records, "directoryObjects")


def add_group_member(request: Request) -> Answer:
    group = existing(request, "groups", request.params["id"])
    reference = str(request.json({"@odata.id"}).get("@odata.id", ""))
    user = existing(request, "users", reference.rstrip("/").split("/")[-1])
    collection = f"members:{group['id']}"
    if request.tenant.true(collection, user["id"]):
        raise GraphError(
            400,
            "Request_BadRequest",
            "One or more added object references already exist for the following modified "
            "properties: 'members'.",
        )
    request.tenant.put(collection, {"id": user["id"]})
    request.effect("group.add_member", f"{group['id']}/{user['id']}")
    audit(request, "Add member to group", user, category="GroupManagement")
    return no_content()


def remove_group_member(request: Request) -> Answer:
    group = existing(request, "groups", request.params["id"])
    member = existing(request, f"members:{group['id']}", request.params["member"])
    request.tenant.remove(f"members:{group['id']}", member["id"])
    request.effect("group.remove_member", f"{group['id']}/{member['id']}")
    user = request.tenant.true("users", member["id"]) or member
    audit(request, "Remove member from group", user, category="GroupManagement")
    return no_content()


def user_grants(request: Request) -> Answer:
    uid = user_id(request)
    grants = request.tenant.all("oauth2PermissionGrants")
    mine = [grant for grant in grants if grant["principalId"] == uid]
    return listing(request, mine, "oauth2PermissionGrants")


def delete_grant(request: Request) -> Answer:
    grant = existing(request, "oauth2PermissionGrants", request.params["id"])
    request.tenant.remove("oauth2PermissionGrants", grant["id"])
    request.effect("oauth_grant.delete", grant["id"])
    audit(request, "Remove delegated permission grant", {"id": grant["clientId"]},
          kind="ServicePrincipal", category="ApplicationManagement")  # fmt: skip
    return no_content()


def update_service_principal(request: Request) -> Answer:
    principal = existing(request, "servicePrincipals", request.params["id"])
    changes = request.json({"accountEnabled", "displayName", "tags", "notes"})
    request.tenant.update("servicePrincipals", principal["id"], dict(changes))
    request.effect("service_principal.update", principal["id"], properties=sorted(changes))
    return no_content()


def get_policy(request: Request) -> Answer:
    name = request.params["policy"]
    wanted = name.casefold()
    for record in request.tenant.all("policies"):
        if record["id"].casefold() == wanted:
            return entity(record, f"policies/{name}")
    raise bad_request(f"Resource not found for the segment '{name}'.")


_SUBSCRIPTION = frozenset(
    [
        "changeType",
        "notificationUrl",
        "lifecycleNotificationUrl",
        "resource",
        "expirationDateTime",
        "clientState",
        "latestSupportedTlsVersion",
        "includeResourceData",
        "encryptionCertificate",
        "encryptionCertificateId",
        "notificationQueryOptions",
    ]
)
_LONGEST_SUBSCRIPTION = timedelta(minutes=42_300)


def _checked_expiry(request: Request, body: Record) -> str:
    try:
        expiry = timestamp(str(body["expirationDateTime"]))
    except (KeyError, ValueError) as error:
        raise bad_request(
            "expirationDateTime must be a date and time.", "InvalidRequest"
        ) from error
    now = timestamp(request.now())
    if not now < expiry <= now + _LONGEST_SUBSCRIPTION:
        raise bad_request("Subscription expiration can only be 42300 minutes in the future.",
                          "ExtensionError")  # fmt: skip
    return instant(expiry)


def add_subscription(request: Request) -> Answer:
    body = request.json(_SUBSCRIPTION)
    for name in ("changeType", "notificationUrl", "resource"):
        if not isinstance(body.get(name), str):
            raise bad_request(f"Property '{name}' is required.", "InvalidRequest")
    expiry = _checked_expiry(request, body)
    record: Record = {
        **dict.fromkeys(_SUBSCRIPTION),
        **body,
        "id": request.tenant.new_id("subscription"),
        "expirationDateTime": expiry,
        "applicationId": request.app.client_id,
        "creatorId": object_id(request.app),
    }
    request.tenant.put("subscriptions", record)
    request.effect("subscription.add", record["id"])
    answer = entity(record, "subscriptions")
    answer.status = 201
    return answer


def renew_subscription(request: Request) -> Answer:
    record = existing(request, "subscriptions", request.params["id"])
    body = request.json({"expirationDateTime", "notificationUrl"})
    changes = {**body, "expirationDateTime": _checked_expiry(request, body)}
    request.effect("subscription.update", record["id"])
    return entity(request.tenant.update("subscriptions", record["id"], changes), "subscriptions")


def delete_subscription(request: Request) -> Answer:
    record = existing(request, "subscriptions", request.params["id"])
    request.tenant.remove("subscriptions", record["id"])
    request.effect("subscription.delete", record["id"])
    return no_content()


ROUTES: list[Route] = [
    route("GET", "/users/{user}/memberOf", member_of, *_GROUPS, "User.Read.All"),
    route("GET", "/users/{user}/transitiveMemberOf", member_of, *_GROUPS, "User.Read.All"),
    route("GET", "/directoryRoles", list_roles, *_ROLES),
    route("GET", "/directoryRoles/{id}", get_role, *_ROLES),
    route("GET", "/directoryRoles/{id}/members", role_members, *_ROLES),
    *_reading("directoryRoleTemplates", "/directoryRoleTemplates", *_ROLES),
    route("GET", "/roleManagement/directory/roleAssignments", list_assignments, *_ROLES),
    route("POST", "/roleManagement/directory/roleAssignments", add_assignment, *_ROLES_WRITE),
    route(
        "DELETE",
        "/roleManagement/directory/roleAssignments/{id}",
        delete_assignment,
        *_ROLES_WRITE,
    ),
    *_reading("roleDefinitions", "/roleManagement/directory/roleDefinitions", *_ROLES),
    *_reading("groups", "/groups", *_GROUPS),
    route("GET", "/groups/{id}/members", group_members, *_GROUPS),
    route("GET", "/groups/{id}/transitiveMembers", group_members, *_GROUPS),
    route("POST", "/groups/{id}/members/$ref", add_group_member, *_GROUPS_WRITE),
    route("DELETE", "/groups/{id}/members/{member}/$ref", remove_group_member, *_GROUPS_WRITE),
    *_reading("devices", "/devices", *_DIRECTORY, "Device.Read.All"),
    *_reading("applications", "/applications", *_APPS),
    *_reading("servicePrincipals", "/servicePrincipals", *_APPS),
    *_reading(
        "delegatedAdminRelationships",
        "/tenantRelationships/delegatedAdminRelationships",
        "DelegatedAdminRelationship.Read.All",
        "DelegatedAdminRelationship.ReadWrite.All",
    ),
    route(
        "PATCH", "/servicePrincipals/{id}", update_service_principal, "Application.ReadWrite.All"
    ),
    *_reading("oauth2PermissionGrants", "/oauth2PermissionGrants", *_GRANTS),
    route(
        "DELETE",
        "/oauth2PermissionGrants/{id}",
        delete_grant,
        "DelegatedPermissionGrant.ReadWrite.All",
        "Directory.ReadWrite.All",
    ),
    route("GET", "/users/{user}/oauth2PermissionGrants", user_grants, *_GRANTS),
    *_reading("organization", "/organization", *_DIRECTORY, "Organization.Read.All"),
    *_reading("subscribedSkus", "/subscribedSkus", *_DIRECTORY, "Organization.Read.All"),
    *_reading("domains", "/domains", *_DIRECTORY, "Domain.Read.All"),
    *_reading("conditionalAccessPolicies", "/identity/conditionalAccess/policies", *_POLICIES),
    *_reading("namedLocations", "/identity/conditionalAccess/namedLocations", *_POLICIES),
    route("GET", "/policies/{policy}", get_policy, *_POLICIES),
    *_reading("subscriptions", "/subscriptions"),
    route("POST", "/subscriptions", add_subscription),
    route("PATCH", "/subscriptions/{id}", renew_subscription),
    route("DELETE", "/subscriptions/{id}", delete_subscription),
]
