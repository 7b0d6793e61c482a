"""The rest of the directory: groups, applications, the organisation, policies.

Source: https://learn.microsoft.com/graph/api/resources/azure-ad-overview
"""

from __future__ import annotations

import base64
import uuid

from integrations.simulators.base.store import Record, Tenant

from .errors import GraphError, bad_request, forbidden
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
)
from .roles import roles_of
from .users import user_id

_DIRECTORY = ("Directory.Read.All", "Directory.ReadWrite.All")
_GROUPS = (*_DIRECTORY, "GroupMember.Read.All", "Group.Read.All", "GroupMember.ReadWrite.All")
_GROUPS_WRITE = ("GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All")
_APPS = (*_DIRECTORY, "Application.Read.All", "Application.ReadWrite.All")
_GRANTS = (
    *_DIRECTORY,
    "DelegatedPermissionGrant.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
)
_POLICIES = ("Policy.Read.All",)


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


def group_members(request: Request) -> Answer:
    group = one(request, "groups", request.params["id"])
    tenant = request.tenant
    users = [tenant.get("users", member["id"]) for member in tenant.all(f"members:{group['id']}")]
    records = [as_member("user", user) for user in users if user is not None]
    return listing(request, records, "directoryObjects")


def _changeable(request: Request) -> Record:
    """A group whose members Graph may change."""
    group = existing(request, "groups", request.params["id"])
    if group["mailEnabled"] and "Unified" not in group["groupTypes"]:
        raise GraphError(
            400, "Request_BadRequest", "Cannot Update a mail-enabled security groups and or "
            "distribution list.",
        )  # fmt: skip
    return group


def add_group_member(request: Request) -> Answer:
    group = _changeable(request)
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
    group = _changeable(request)
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


def grant_id(grant: Record) -> str:
    """The id of a grant: the same for the same app, resource and person."""
    parts = (grant["clientId"], grant["resourceId"], grant.get("principalId") or "")
    raw = b"".join(uuid.UUID(part).bytes for part in parts if part)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def add_grant(request: Request) -> Answer:
    names = {"clientId", "consentType", "principalId", "resourceId", "scope"}
    body = request.json(names)
    for name in ("clientId", "resourceId"):
        existing(request, "servicePrincipals", str(body.get(name)))
    is_for_one = body.get("consentType") == "Principal"
    if body.get("consentType") not in {"AllPrincipals", "Principal"} or is_for_one != bool(
        body.get("principalId")
    ):
        raise bad_request("consentType and principalId do not fit.", "Request_BadRequest")
    record: Record = {**dict.fromkeys(sorted(names)), **body}
    record = {"id": grant_id(record), **record}
    if request.tenant.true("oauth2PermissionGrants", record["id"]):
        raise GraphError(409, "Request_MultipleObjectsWithSameKeyValue", "Permission entry exists.")
    request.tenant.put("oauth2PermissionGrants", record)
    request.effect("oauth_grant.add", record["id"])
    audit(request, "Add delegated permission grant", {"id": record["clientId"]},
          kind="ServicePrincipal", category="ApplicationManagement")  # fmt: skip
    answer = entity(record, "oauth2PermissionGrants")
    answer.status = 201
    return answer


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


_AUTHORIZATION = frozenset(
    {"allowInvitesFrom", "guestUserRoleId", "defaultUserRolePermissions", "allowedToUseSSPR",
     "allowedToSignUpEmailBasedSubscriptions", "allowEmailVerifiedUsersToJoinOrganization",
     "blockMsolPowerShell", "allowUserConsentForRiskyApps"}
)  # fmt: skip


def update_authorization(request: Request) -> Answer:
    changes = dict(request.json(_AUTHORIZATION))
    before = existing(request, "policies", "authorizationPolicy")
    role = changes.get("defaultUserRolePermissions")
    if isinstance(role, dict):
        changes["defaultUserRolePermissions"] = {**before["defaultUserRolePermissions"], **role}
    request.tenant.update("policies", "authorizationPolicy", changes)
    request.effect("policy.update", "authorizationPolicy", properties=sorted(changes))
    return no_content()


def update_conditional_access(request: Request) -> Answer:
    policy = existing(request, "conditionalAccessPolicies", request.params["id"])
    changes = request.json({"state", "displayName", "conditions", "grantControls"})
    states = {"enabled", "disabled", "enabledForReportingButNotEnforced"}
    if changes.get("state", "enabled") not in states:
        raise bad_request("Invalid value for 'state'.")
    if "Application.Read.All" not in request.roles:
        raise forbidden()
    request.tenant.update("conditionalAccessPolicies", policy["id"], dict(changes))
    request.effect("policy.update", policy["id"], properties=sorted(changes))
    return no_content()


ROUTES: list[Route] = [
    route("GET", "/users/{user}/memberOf", member_of, *_GROUPS, "User.Read.All"),
    route("GET", "/users/{user}/transitiveMemberOf", member_of, *_GROUPS, "User.Read.All"),
    *reading("groups", "/groups", *_GROUPS),
    route("GET", "/groups/{id}/members", group_members, *_GROUPS),
    route("GET", "/groups/{id}/transitiveMembers", group_members, *_GROUPS),
    route("POST", "/groups/{id}/members/$ref", add_group_member, *_GROUPS_WRITE),
    route("DELETE", "/groups/{id}/members/{member}/$ref", remove_group_member, *_GROUPS_WRITE),
    *reading("devices", "/devices", *_DIRECTORY, "Device.Read.All"),
    *reading("applications", "/applications", *_APPS),
    *reading("servicePrincipals", "/servicePrincipals", *_APPS),
    *reading(
        "delegatedAdminRelationships",
        "/tenantRelationships/delegatedAdminRelationships",
        "DelegatedAdminRelationship.Read.All",
        "DelegatedAdminRelationship.ReadWrite.All",
    ),
    route(
        "PATCH", "/servicePrincipals/{id}", update_service_principal, "Application.ReadWrite.All"
    ),
    *reading("oauth2PermissionGrants", "/oauth2PermissionGrants", *_GRANTS),
    route(
        "POST",
        "/oauth2PermissionGrants",
        add_grant,
        "DelegatedPermissionGrant.ReadWrite.All",
        "Directory.ReadWrite.All",
    ),
    route(
        "DELETE",
        "/oauth2PermissionGrants/{id}",
        delete_grant,
        "DelegatedPermissionGrant.ReadWrite.All",
        "Directory.ReadWrite.All",
    ),
    route("GET", "/users/{user}/oauth2PermissionGrants", user_grants, *_GRANTS),
    *reading("organization", "/organization", *_DIRECTORY, "Organization.Read.All"),
    *reading("subscribedSkus", "/subscribedSkus", *_DIRECTORY, "Organization.Read.All"),
    *reading("domains", "/domains", *_DIRECTORY, "Domain.Read.All"),
    *reading("conditionalAccessPolicies", "/identity/conditionalAccess/policies", *_POLICIES),
    *reading("namedLocations", "/identity/conditionalAccess/namedLocations", *_POLICIES),
    route(
        "PATCH",
        "/identity/conditionalAccess/policies/{id}",
        update_conditional_access,
        "Policy.ReadWrite.ConditionalAccess",
    ),
    route(
        "PATCH",
        "/policies/authorizationPolicy",
        update_authorization,
        "Policy.ReadWrite.Authorization",
    ),
    route("GET", "/policies/{policy}", get_policy, *_POLICIES),
]
