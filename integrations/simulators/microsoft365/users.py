"""Users: directory entries, sign-in, sessions, delta.

Source: https://learn.microsoft.com/graph/api/resources/user
"""

from __future__ import annotations

import json
from typing import Any

from integrations.simulators.base.store import Record

from . import odata
from .errors import GraphError, bad_request, forbidden, not_found
from .graph import (
    METADATA,
    Answer,
    Request,
    Route,
    audit,
    existing,
    listing,
    no_content,
    one,
    route,
    shaped,
)

# What Graph returns for a user when nothing is selected.
DEFAULT_PROPERTIES = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
]
PROPERTIES = frozenset(
    [
        *DEFAULT_PROPERTIES,
        "accountEnabled",
        "ageGroup",
        "assignedLicenses",
        "assignedPlans",
        "city",
        "companyName",
        "consentProvidedForMinor",
        "country",
        "createdDateTime",
        "creationType",
        "deletedDateTime",
        "department",
        "employeeHireDate",
        "employeeId",
        "employeeLeaveDateTime",
        "employeeOrgData",
        "employeeType",
        "externalUserState",
        "externalUserStateChangeDateTime",
        "faxNumber",
        "identities",
        "imAddresses",
        "isResourceAccount",
        "lastPasswordChangeDateTime",
        "legalAgeGroupClassification",
        "licenseAssignmentStates",
        "mailNickname",
        "onPremisesDistinguishedName",
        "onPremisesDomainName",
        "onPremisesExtensionAttributes",
        "onPremisesImmutableId",
        "onPremisesLastSyncDateTime",
        "onPremisesProvisioningErrors",
        "onPremisesSamAccountName",
        "onPremisesSecurityIdentifier",
        "onPremisesSyncEnabled",
        "onPremisesUserPrincipalName",
        "otherMails",
        "passwordPolicies",
        "passwordProfile",
        "postalCode",
        "preferredDataLocation",
        "provisionedPlans",
        "proxyAddresses",
        "securityIdentifier",
        "serviceProvisioningErrors",
        "showInAddressList",
        "signInActivity",
        "signInSessionsValidFromDateTime",
        "state",
        "streetAddress",
        "usageLocation",
        "userType",
    ]
)
_WRITABLE = {
    "accountEnabled": bool,
    "passwordProfile": dict,
    "passwordPolicies": str,
    "displayName": str,
    "givenName": str,
    "surname": str,
    "jobTitle": str,
    "department": str,
    "companyName": str,
    "city": str,
    "country": str,
    "officeLocation": str,
    "mobilePhone": str,
    "businessPhones": list,
    "otherMails": list,
    "usageLocation": str,
    "showInAddressList": bool,
    "employeeLeaveDateTime": str,
}
_READ = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_LIFE_CYCLE = ("User-LifeCycleInfo.Read.All", "User-LifeCycleInfo.ReadWrite.All")
_WRITE = ("User.ReadWrite.All", "Directory.ReadWrite.All")


def user_id(request: Request, *, for_writing: bool = False) -> str:
    """The id of the user that the path names by id or userPrincipalName, or 404."""
    name = request.params["user"]
    users = request.tenant.true_all("users") if for_writing else request.tenant.all("users")
    for user in users:
        if name == user["id"] or name.casefold() == user["userPrincipalName"].casefold():
            return str(user["id"])
    raise not_found(name)


def project(user: Record, names: list[str]) -> Record:
    """A user as Graph returns it: the default properties, or the selected ones."""
    unknown = [name for name in names if name not in PROPERTIES and name != "*"]
    if unknown:
        raise bad_request(
            f"Parsing OData Select and Expand failed: Could not find a property named "
            f"'{unknown[0]}' on type 'microsoft.graph.user'."
        )
    wanted = names or DEFAULT_PROPERTIES
    return {name: user.get(name) for name in wanted if name in user or name in DEFAULT_PROPERTIES}


def _may_read_activity(request: Request) -> None:
    asked = request.options.get("$select", "") + request.options.get("$filter", "")
    if "signInActivity" in asked and "AuditLog.Read.All" not in request.roles:
        raise forbidden()


def list_users(request: Request) -> Answer:
    _may_read_activity(request)
    users = request.tenant.all("users")
    return listing(request, users, "users", known=PROPERTIES, select=project, max_page=999)


def count_users(request: Request) -> Answer:
    if request.headers.get("consistencylevel", "").lower() != "eventual":
        raise bad_request("$count is not currently supported.", "Request_BadRequest")
    users = request.tenant.all("users")
    if "$filter" in request.options:
        holds = odata.compile_filter(request.options["$filter"], PROPERTIES)
        users = [user for user in users if holds(user)]
    return Answer(200, str(len(users)), {"Content-Type": "text/plain"})


def get_user(request: Request) -> Answer:
    _may_read_activity(request)
    asked = request.options.get("$select", "")
    if "employeeLeaveDateTime" in asked and not request.roles & set(_LIFE_CYCLE):
        raise forbidden()
    user = one(request, "users", user_id(request))
    return shaped(request, user, "users", {"manager": _manager}, select=project)


def _manager(request: Request, user: Record) -> Record | None:
    """The user's manager, as $expand=manager shows them: nothing where there is none."""
    found = (one for one in request.tenant.all("users") if one["id"] == user.get("manager"))
    return next(({"id": one["id"]} for one in found), None)


def update_user(request: Request) -> Answer:
    uid = user_id(request, for_writing=True)
    changes = request.json(_WRITABLE)
    for name, value in changes.items():
        expected = _WRITABLE.get(name)
        if expected and value is not None and not isinstance(value, expected):
            raise GraphError(
                400, "Request_BadRequest", f"Invalid value specified for property '{name}'."
            )
    _may_update(request, changes)
    before = existing(request, "users", uid)
    stored = {k: v for k, v in changes.items() if k != "passwordProfile" and not k.startswith("@")}
    if "passwordProfile" in changes:
        stored |= _new_password(request, changes["passwordProfile"] or {})
        request.effect("user.reset_password", uid)
    if "accountEnabled" in changes:
        verb = "user.enable" if changes["accountEnabled"] else "user.disable"
        request.effect(verb, uid, was=before["accountEnabled"])
    others = sorted(set(stored) - {"accountEnabled", "lastPasswordChangeDateTime"})
    if others and "passwordProfile" not in changes:
        request.effect("user.update", uid, properties=others)
    after = request.tenant.update("users", uid, stored)
    _audit_update(request, before, after, changes)
    return no_content()


def _may_update(request: Request, changes: Record) -> None:
    """The least permission depends on what is changed: see the user update page of the vendor."""
    needed = {
        "passwordProfile": "User-PasswordProfile.ReadWrite.All",
        "accountEnabled": "User.EnableDisableAccount.All",
    }
    may_write = bool(request.roles & set(_WRITE))
    for name in changes:
        if may_write and name != "passwordProfile":
            continue
        if needed.get(name, "User.ReadWrite.All") not in request.roles:
            raise forbidden()


def _new_password(request: Request, profile: Record) -> Record:
    password = profile.get("password")
    if not isinstance(password, str) or len(password) < 8:
        raise GraphError(
            400,
            "Request_BadRequest",
            "The specified password does not comply with password complexity requirements. "
            "Please provide a different password.",
        )
    return {"lastPasswordChangeDateTime": request.now()}


def _audit_update(request: Request, before: Record, after: Record, changes: Record) -> None:
    if "passwordProfile" in changes:
        audit(request, "Reset user password", after)
    if "accountEnabled" in changes:
        activity = "Enable account" if changes["accountEnabled"] else "Disable account"
        values = (json.dumps([before["accountEnabled"]]), json.dumps([after["accountEnabled"]]))
        audit(request, activity, after, changes={"AccountEnabled": values})
    elif "passwordProfile" not in changes:
        audit(request, "Update user", after)


def delete_user(request: Request) -> Answer:
    uid = user_id(request, for_writing=True)
    user = existing(request, "users", uid)
    request.tenant.remove("users", uid)
    request.effect("user.delete", uid)
    audit(request, "Delete user", user)
    return no_content()


def revoke_sessions(request: Request) -> Answer:
    uid = user_id(request, for_writing=True)
    before = existing(request, "users", uid)["signInSessionsValidFromDateTime"]
    after = request.tenant.update("users", uid, {"signInSessionsValidFromDateTime": request.now()})
    request.effect("user.revoke_sessions", uid, was=before)
    audit(request, "Update StsRefreshTokenValidFrom Timestamp", after)
    return Answer(200, {"@odata.context": f"{METADATA}#Edm.Boolean", "value": True})


def users_delta(request: Request) -> Answer:
    """Every user first; after a deltaLink only those that changed since."""
    query = request.query
    state: dict[str, Any] = {"since": 0, "upto": request.tenant.newest_visible_change(), "skip": 0}
    for name in ("$skiptoken", "$deltatoken"):
        if name in query.options:
            state |= odata.decode_token(query.options[name])
    changes = _user_changes(request, int(state["since"]), int(state["upto"]))
    size = query.integer("$top") or request.page_size
    page = changes[state["skip"] : state["skip"] + size]
    body: Record = {"@odata.context": f"{METADATA}#users"}
    kept = {k: v for k, v in query.options.items() if k not in {"$skiptoken", "$deltatoken"}}
    if state["skip"] + size < len(changes):
        token = odata.encode_token(state | {"skip": state["skip"] + size})
        options = kept | {"$skiptoken": token}
        body["@odata.nextLink"] = odata.link(request.base, request.path, options)
    else:
        options = kept | {"$deltatoken": odata.encode_token({"since": state["upto"]})}
        body["@odata.deltaLink"] = odata.link(request.base, request.path, options)
    body["value"] = page
    return Answer(200, body)


def _user_changes(request: Request, since: int, upto: int) -> list[Record]:
    tenant = request.tenant
    selected = request.query.select
    found: list[tuple[int, Record]] = []
    for key, number in tenant.changes.items():
        collection, _, uid = key.partition("/")
        if collection == "users" and (since < number <= upto or not since):
            user = tenant.get("users", uid)
            if user is not None:
                found.append((number, {**project(user, selected), "id": uid}))
    for key, number in tenant.deleted.items():
        collection, _, uid = key.partition("/")
        if collection == "users" and since < number <= upto and since:
            found.append((number, {"id": uid, "@removed": {"reason": "changed"}}))
    return [record for _, record in sorted(found, key=lambda item: item[0])]


ROUTES: list[Route] = [
    route("GET", "/users", list_users, *_READ),
    route("GET", "/users/$count", count_users, *_READ),
    route("GET", "/users/delta", users_delta, *_READ),
    route("GET", "/users/delta()", users_delta, *_READ),
    route("GET", "/users/microsoft.graph.delta()", users_delta, *_READ),
    route("GET", "/users/{user}", get_user, *_READ),
    route(
        "PATCH",
        "/users/{user}",
        update_user,
        *_WRITE,
        "User.EnableDisableAccount.All",
        "User-PasswordProfile.ReadWrite.All",
    ),
    route("DELETE", "/users/{user}", delete_user, "User.ReadWrite.All"),
    route(
        "POST",
        "/users/{user}/revokeSignInSessions",
        revoke_sessions,
        *_WRITE,
        "User.RevokeSessions.All",
    ),
]
