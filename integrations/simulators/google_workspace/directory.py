"""Users, roles and domains of the Directory API.

https://developers.google.com/workspace/admin/directory/reference/rest/v1/users
"""

from __future__ import annotations

from datetime import UTC, datetime

from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route
from integrations.simulators.base.store import Record

from .activity import note_admin
from .errors import refusal
from .requests import admin_of, body_of, found_user, must_be_admin, page, seen_user, whole
from .scopes import DOMAINS, ROLES, ROLES_READ, SECURITY, USERS, USERS_READ

_WRITABLE = ("suspended", "password", "changePasswordAtNextLogin", "recoveryEmail",
             "recoveryPhone", "archived", "orgUnitPath")  # fmt: skip
_READ = (USERS, USERS_READ)


def _shown(user: Record) -> Record:
    """A user as the API shows it: a reason only where there is one."""
    return {k: v for k, v in user.items() if k != "suspensionReason" or v}


def _list_users(request: Request) -> Answer:
    must_be_admin(request)
    if not request.options.get("customer") and not request.options.get("domain"):
        raise refusal(400, "Bad Request")
    is_deleted = request.options.get("showDeleted", "").lower() == "true"
    found = [u for u in request.tenant.all("users") if bool(u.get("deletionTime")) is is_deleted]
    name, _, value = request.options.get("query", "").partition("=")
    if name in {"isAdmin", "isDelegatedAdmin", "isSuspended"}:
        field = "suspended" if name == "isSuspended" else name
        found = [u for u in found if u[field] is (value == "true")]
    elif name:
        raise refusal(400, "Invalid Input: query")
    found = sorted(found, key=lambda u: str(u["primaryEmail"]))
    shown = [_shown(user) for user in found]
    return page(request, "users", shown, "maxResults", "admin#directory#users")


def _get_user(request: Request) -> Answer:
    must_be_admin(request)
    return Answer(200, _shown(seen_user(request)))


def _patch_user(request: Request) -> Answer:
    actor, user = admin_of(request), found_user(request)
    body = body_of(request, *_WRITABLE)
    changes = {k: v for k, v in body.items() if k != "password"}
    if "suspended" in body:
        if not isinstance(body["suspended"], bool):
            raise refusal(400, "Invalid Input: suspended")
        changes["suspensionReason"] = "ADMIN" if body["suspended"] else ""
    if "password" in body and not 8 <= len(str(body["password"])) <= 100:
        raise refusal(400, "Invalid Input: Bad password")
    changed = sorted(k for k in changes if user.get(k) != changes[k])
    updated = request.tenant.update("users", user["id"], changes)
    _note_changes(request, actor, user, body)
    if changed:
        request.effect("user.update", user["id"], properties=changed)
    return Answer(200, _shown(updated))


def _note_changes(request: Request, actor: Record, user: Record, body: Record) -> None:
    mail = user["primaryEmail"]
    if "suspended" in body and body["suspended"] is not user["suspended"]:
        name = "SUSPEND_USER" if body["suspended"] else "UNSUSPEND_USER"
        note_admin(request, actor, "USER_SETTINGS", name, USER_EMAIL=mail)
    if "password" in body:
        note_admin(request, actor, "USER_SETTINGS", "CHANGE_PASSWORD", USER_EMAIL=mail)
        request.effect("user.reset_password", user["id"])


def _sign_out(request: Request) -> Answer:
    actor, user = admin_of(request), found_user(request)
    note_admin(
        request, actor, "USER_SETTINGS", "RESET_SIGNIN_COOKIES", USER_EMAIL=user["primaryEmail"]
    )
    request.effect("user.sign_out", user["id"])
    return Answer(204)


def _domains(request: Request) -> Answer:
    must_be_admin(request)
    return whole("domains", request.tenant.all("domains"), "admin#directory#domains")


def _roles(request: Request) -> Answer:
    must_be_admin(request)
    return page(request, "items", request.tenant.all("roles"), "maxResults",
                "admin#directory#roles")  # fmt: skip


def new_user(
    *, user_id: str, mail: str, name: str, customer: str, created: datetime, seen: datetime | None
) -> Record:
    """A user as the API shows one."""
    given, _, family = name.partition(" ")
    return {
        "kind": "admin#directory#user", "id": user_id, "etag": f'"{user_id}"',
        "primaryEmail": mail, "name": {"givenName": given, "familyName": family, "fullName": name},
        "isAdmin": False, "isDelegatedAdmin": False, "customerId": customer, "orgUnitPath": "/",
        "lastLoginTime": _iso(seen or datetime(1970, 1, 1, tzinfo=UTC)),
        "creationTime": _iso(created), "agreedToTerms": True, "suspended": False,
        "suspensionReason": "", "archived": False, "changePasswordAtNextLogin": False,
        "isMailboxSetup": True, "isEnrolledIn2Sv": True, "isEnforcedIn2Sv": False,
        "includeInGlobalAddressList": True, "ipWhitelisted": False,
        "emails": [{"address": mail, "primary": True}],
        "organizations": [{"title": "Clerk", "primary": True}],
        "recoveryEmail": "", "recoveryPhone": "",
    }  # fmt: skip


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


_USER = "/admin/directory/v1/users/{user}"
_CUSTOMER = "/admin/directory/v1/customer/{customer}"
ROUTES: list[Route] = [
    route("GET", "/admin/directory/v1/users", _list_users, *_READ),
    route("GET", _USER, _get_user, *_READ),
    route("PATCH", _USER, _patch_user, USERS),
    route("POST", f"{_USER}/signOut", _sign_out, SECURITY),
    route("GET", f"{_CUSTOMER}/domains", _domains, *DOMAINS),
    route("GET", f"{_CUSTOMER}/roles", _roles, ROLES, ROLES_READ),
]  # fmt: skip
