"""Who holds which role and is in which group, of the Directory API.

https://developers.google.com/workspace/admin/directory/reference/rest/v1/roleAssignments, …/members
"""

from __future__ import annotations

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route
from integrations.simulators.base.store import Record

from .activity import note_admin
from .errors import missing, refusal
from .requests import admin_of, body_of, must_be_admin, page, user_of
from .scopes import GROUPS, MEMBERS, MEMBERS_READ, ROLES, ROLES_READ


def _assignments(request: Request) -> Answer:
    must_be_admin(request)
    found = request.tenant.all("role_assignments")
    if request.options.get("userKey"):
        user = user_of(request.tenant, request.options["userKey"])
        if user is None:
            raise missing("userKey")
        found = [a for a in found if a["assignedTo"] == user["id"]]
    return page(request, "items", found, "maxResults", "admin#directory#roleAssignments")


def _add_assignment(request: Request) -> Answer:
    actor = admin_of(request)
    body = body_of(request, "roleId", "assignedTo", "scopeType", "orgUnitId", "assigneeType")
    user = user_of(request.tenant, str(body.get("assignedTo") or ""))
    role = request.tenant.true("roles", str(body.get("roleId") or ""))
    if user is None or role is None or body.get("scopeType") not in {"CUSTOMER", "ORG_UNIT"}:
        raise refusal(400, "Invalid Input")
    number = str(10**15 + request.tenant.store.next("role_assignment"))
    made = {**new_assignment(number, role["roleId"], user["id"]), "scopeType": body["scopeType"]}
    request.tenant.put("role_assignments", made, number)
    _note(request, actor, user, role, "ASSIGN_ROLE")
    request.effect("role.assign", number)
    return Answer(200, made)


def _delete_assignment(request: Request) -> Answer:
    actor, number = admin_of(request), request.params["assignment"]
    assignment = request.tenant.true("role_assignments", number)
    if assignment is None:
        raise missing("roleAssignmentId")
    user = user_of(request.tenant, assignment["assignedTo"])
    role = request.tenant.true("roles", assignment["roleId"])
    request.tenant.remove("role_assignments", number)
    if user and role:
        _note(request, actor, user, role, "UNASSIGN_ROLE")
    request.effect("role.unassign", number)
    return Answer(204)


def _note(request: Request, actor: Record, user: Record, role: Record, name: str) -> None:
    note_admin(
        request, actor, "DELEGATED_ADMIN_SETTINGS", name,
        USER_EMAIL=user["primaryEmail"], ROLE_NAME=role["roleName"],
    )  # fmt: skip


def new_assignment(number: str, role_id: str, user_id: str) -> Record:
    """A role assignment as the API shows one."""
    return {
        "kind": "admin#directory#roleAssignment", "etag": f'"{number}"',
        "roleAssignmentId": number, "roleId": role_id, "assignedTo": user_id,
        "assigneeType": "user", "scopeType": "CUSTOMER",
    }  # fmt: skip


def _groups(request: Request) -> Answer:
    must_be_admin(request)
    found = request.tenant.all("groups")
    if request.options.get("userKey"):
        user = user_of(request.tenant, request.options["userKey"])
        if user is None:
            raise missing("userKey")
        found = [g for g in found if request.tenant.get(f"members:{g['id']}", user["id"])]
    return page(request, "groups", found, "maxResults", "admin#directory#groups")


def _group(request: Request) -> Record:
    wanted = request.params["group"].casefold()
    for group in request.tenant.true_all("groups"):
        if wanted in {group["id"].casefold(), group["email"].casefold()}:
            return group
    raise missing("groupKey")


def _members(request: Request) -> Answer:
    must_be_admin(request)
    found = request.tenant.all(f"members:{_group(request)['id']}")
    return page(request, "members", found, "maxResults", "admin#directory#members")


def _member(request: Request) -> Answer:
    must_be_admin(request)
    collection = f"members:{_group(request)['id']}"
    user = user_of(request.tenant, request.params["member"])
    found = request.tenant.get(collection, user["id"]) if user else None
    if found is None:
        raise missing("memberKey")
    return Answer(200, found)


def _add_member(request: Request) -> Answer:
    admin_of(request)
    group, body = _group(request), body_of(request, "id", "email", "role")
    user = user_of(request.tenant, str(body.get("id") or body.get("email") or ""))
    if user is None:
        raise missing("memberKey")
    collection = f"members:{group['id']}"
    if request.tenant.true(collection, user["id"]):
        raise refusal(409, "Member already exists.")
    member = new_member(user, str(body.get("role") or "MEMBER"))
    request.tenant.put(collection, member)
    request.effect("member.add", f"{group['id']}/{user['id']}")
    return Answer(200, member)


def _delete_member(request: Request) -> Answer:
    admin_of(request)
    group = _group(request)
    collection = f"members:{group['id']}"
    user = user_of(request.tenant, request.params["member"])
    if user is None or request.tenant.true(collection, user["id"]) is None:
        raise missing("memberKey")
    request.tenant.remove(collection, user["id"])
    request.effect("member.delete", f"{group['id']}/{user['id']}")
    return Answer(204)


def new_member(user: Record, role: str) -> Record:
    """A member as the API shows one."""
    return {
        "kind": "admin#directory#member", "etag": f'"{user["id"]}"', "id": user["id"],
        "email": user["primaryEmail"], "role": role, "type": "USER", "status": "ACTIVE",
    }  # fmt: skip


_ASSIGNMENTS = "/admin/directory/v1/customer/{customer}/roleassignments"
_MEMBERS = "/admin/directory/v1/groups/{group}/members"
ROUTES: list[Route] = [
    route("GET", _ASSIGNMENTS, _assignments, ROLES, ROLES_READ),
    route("POST", _ASSIGNMENTS, _add_assignment, ROLES),
    route("DELETE", f"{_ASSIGNMENTS}/{{assignment}}", _delete_assignment, ROLES),
    route("GET", "/admin/directory/v1/groups", _groups, *GROUPS),
    route("GET", _MEMBERS, _members, *MEMBERS_READ),
    route("POST", _MEMBERS, _add_member, *MEMBERS),
    route("GET", f"{_MEMBERS}/{{member}}", _member, *MEMBERS_READ),
    route("DELETE", f"{_MEMBERS}/{{member}}", _delete_member, *MEMBERS),
]
