"""Questions about accounts: state, roles, groups, apps, ways to sign in, and all administrators."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations.connectors.google_workspace import audit, scopes
from integrations.connectors.google_workspace.actions.grants import tokens_of
from integrations.connectors.google_workspace.client import (
    CUSTOMER,
    JsonObject,
    WorkspaceClient,
    objects,
)
from integrations.connectors.google_workspace.gatherers.words import iso, now, recent_since
from integrations.connectors.google_workspace.normalise.accounts import is_privileged
from integrations.connectors.google_workspace.roles import (
    assignments,
    definitions,
    held_roles,
    name_of,
)
from integrations.contract import Json, Target
from integrations.values import Fields

# Scopes that let an app read or change what matters: mail, files, contacts, the directory.
_FAR_REACHING = (
    "mail.google.com", "/auth/gmail", "/auth/drive", "/auth/admin.", "/auth/cloud-platform",
    "/auth/apps.", "/auth/contacts", "/auth/ediscovery", "/auth/cloud_search",
)  # fmt: skip
_NARROW = ("drive.file", "drive.appdata", "gmail.addons", "gmail.labels")
_GRANTED = frozenset({"ASSIGN_ROLE", "GRANT_ADMIN_PRIVILEGE", "GRANT_DELEGATED_ADMIN_PRIVILEGES"})
_ROLES_LOOK_BACK = dt.timedelta(days=30)


def _user(client: WorkspaceClient, target: Target) -> Fields:
    request = client.directory.users().get(userKey=target.external_id, projection="full")
    return Fields(client.read(request, scopes.USERS_READ))


def _days_since(moment: dt.datetime | None) -> int:
    """Whole days since a time; for who never signed in, as long as can be."""
    return (now() - moment).days if moment else 36_500


@dataclass(frozen=True, slots=True)
class GetAccount:
    """The account, its roles and its state."""

    name: str = "identity.get_account"
    permissions: tuple[str, ...] = (scopes.USERS_READ, scopes.ROLES_READ)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``account`` as the catalog states."""
        user = _user(client, target)
        known = definitions(client)
        held = [Fields(known.get(str(a.get("roleId")), {}))
                for a in assignments(client, user.text("id"))]  # fmt: skip
        return {
            "account": {
                "id": user.text("id"),
                "username": user.text("primaryEmail"),
                "display_name": user.nested("name").text("fullName"),
                "is_enabled": not (user.truth("suspended") or user.truth("archived")),
                "is_privileged": bool(
                    user.truth("isAdmin")
                    or user.truth("isDelegatedAdmin")
                    or any(is_privileged(role) for role in held)
                ),
                "roles": sorted({name_of(role) for role in held} - {""}),
                "source_of_authority": "unknown",
                "last_sign_in": iso(user.time("lastLoginTime")),
                "is_mfa_registered": user.truth("isEnrolledIn2Sv"),
                "is_guest": user.truth("isGuestUser") is True,
            }
        }


@dataclass(frozen=True, slots=True)
class ListAuthMethods:
    """Ways to sign in or to recover the account that an administrator can see."""

    name: str = "identity.list_auth_methods"
    permissions: tuple[str, ...] = (scopes.USERS_READ, scopes.SECURITY, scopes.AUDIT)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``methods``. Recent: changed since ``inputs.since`` (ISO), else in 48 hours.

        Google doesn't list a user's keys and phones for the second step: only that there is one,
        the recovery address and phone, and app passwords.
        """
        since = recent_since(inputs)
        user = _user(client, target)
        events = audit.events(client, "user_accounts", since, user=target.external_id)
        changed = {event.name for event in events}
        methods = [
            _method(target, kind, name, is_recent=bool(changed & set(names)))
            for kind, name, names in (
                ("two_step", "2-Step Verification" if user.truth("isEnrolledIn2Sv") else "",
                 ("2sv_enroll", "passkey_enrolled")),
                ("recovery_email", user.text("recoveryEmail"), ("recovery_email_edit",)),
                ("recovery_phone", user.text("recoveryPhone"), ("recovery_phone_edit",)),
            )
            if name
        ]  # fmt: skip
        request = client.directory.asps().list(userKey=target.external_id)
        for told in objects(client.read(request, scopes.SECURITY), "items"):
            asp = Fields(told)
            created = asp.time("creationTime")
            method = _method(target, f"app_password/{asp.text('codeId')}", asp.text("name"),
                             is_recent=created is not None and created >= since)  # fmt: skip
            methods.append({**method, "kind": "app_password", "created_at": iso(created)})
        return {"methods": methods}


def _method(target: Target, kind: str, name: str, *, is_recent: bool) -> dict[str, Any]:
    return {
        "id": kind,
        "external_id": f"{target.external_id}/{kind}",
        "kind": kind,
        "name": name,
        "created_at": None,
        "is_removable": False,
        "is_restorable": False,
        "is_recent": is_recent,
    }


@dataclass(frozen=True, slots=True)
class ListGrants:
    """Apps that the account allowed something."""

    name: str = "identity.list_oauth_grants"
    permissions: tuple[str, ...] = (scopes.SECURITY, scopes.AUDIT)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``grants``. Risky: reaches far, and Google doesn't know its maker, or is new."""
        since = recent_since(inputs)
        events = audit.events(
            client, "token", since, user=target.external_id, eventName="authorize"
        )
        lately = {event.parameters.text("client_id") for event in events}
        found = tokens_of(client, target.external_id)
        return {"grants": [_grant(Fields(token), target, lately) for token in found]}


def _grant(token: Fields, target: Target, lately: set[str]) -> dict[str, Any]:
    client_id, allowed = token.text("clientId"), token.texts("scopes")
    is_verified = token.truth("anonymous") is False
    is_recent = client_id in lately
    return {
        "id": client_id,
        "external_id": f"{target.external_id}/{client_id}",
        "name": token.text("displayText") or client_id,
        "publisher": "",
        "is_verified": is_verified,
        "scopes": allowed,
        "is_recent": is_recent,
        "is_risky": any(map(_reaches_far, allowed)) and (is_recent or not is_verified),
    }


def _reaches_far(scope: str) -> bool:
    return any(w in scope for w in _FAR_REACHING) and not any(w in scope for w in _NARROW)


@dataclass(frozen=True, slots=True)
class ListRoleAssignments:
    """Administrator roles that the account holds."""

    name: str = "identity.list_role_assignments"
    permissions: tuple[str, ...] = (scopes.ROLES_READ, scopes.USERS_READ, scopes.AUDIT)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``assignments``. Recent: given in the last 48 hours, by the admin log."""
        mail = client.address(target.external_id)
        given = [
            event
            for event in audit.events(
                client, "admin", now() - _ROLES_LOOK_BACK, filters=f"USER_EMAIL=={mail}"
            )
            if event.name in _GRANTED
        ]
        known = definitions(client)
        found = []
        for told in assignments(client, target.external_id):
            assignment = Fields(told)
            role = Fields(known.get(assignment.text("roleId"), {}))
            names = {role.text("roleName"), name_of(role)}
            by = next((e for e in given if e.parameters.text("ROLE_NAME") in names), None)
            found.append(
                {
                    "id": assignment.text("roleAssignmentId"),
                    "external_id": assignment.text("roleAssignmentId"),
                    "name": name_of(role),
                    "is_privileged": is_privileged(role),
                    "is_recent": by is not None and by.time >= recent_since(inputs),
                    "granted_by": by.actor if by else "",
                    "granted_at": iso(by.time) if by else None,
                    "is_eligible": False,
                }
            )
        return {"assignments": found}


@dataclass(frozen=True, slots=True)
class ListGroups:
    """Groups that the account is in."""

    name: str = "identity.list_groups"
    permissions: tuple[str, ...] = (scopes.GROUPS_READ,)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``groups`` that the account is a direct member of."""
        groups = client.directory.groups()
        request = groups.list(userKey=target.external_id, maxResults=200)
        found = [Fields(g) for g in client.all(groups, request, "groups", scopes.GROUPS_READ)]
        return {
            "groups": [
                {
                    "id": group.text("id"),
                    "external_id": f"{group.text('id')}/{target.external_id}",
                    "name": group.text("name", "email"),
                    "mail": group.text("email"),
                }
                for group in found
            ]
        }


def _everybody(client: WorkspaceClient) -> list[JsonObject]:
    users = client.directory.users()
    request = users.list(customer=CUSTOMER, maxResults=500, orderBy="email")
    return client.all(users, request, "users", scopes.USERS_READ)


def _line(user: Fields) -> dict[str, Any]:
    return {
        "external_id": user.text("id"),
        "name": user.text("primaryEmail"),
        "is_enabled": not (user.truth("suspended") or user.truth("archived")),
        "last_sign_in_days": _days_since(user.time("lastLoginTime")),
        "is_mfa_registered": user.truth("isEnrolledIn2Sv") is True,
    }


@dataclass(frozen=True, slots=True)
class ListPrivilegedAccounts:
    """Accounts that are administrators."""

    name: str = "identity.list_privileged_accounts"
    permissions: tuple[str, ...] = (scopes.USERS_READ, scopes.ROLES_READ)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``accounts`` with their roles, of all that are not suspended."""
        held = held_roles(client)
        found = []
        for user in map(Fields, _everybody(client)):
            roles = held.get(user.text("id"), [])
            line = _line(user)
            is_one = user.truth("isAdmin") or user.truth("isDelegatedAdmin") or roles
            if is_one and line["is_enabled"]:
                found.append({**line, "roles": sorted(role["name"] for role in roles)})
        return {"accounts": found}


@dataclass(frozen=True, slots=True)
class ListInactiveAccounts:
    """Accounts that nobody has signed in to for long."""

    name: str = "identity.list_inactive_accounts"
    permissions: tuple[str, ...] = (scopes.USERS_READ,)

    def gather(self, client: WorkspaceClient, target: Target, inputs: Json) -> Json:
        """Return ``accounts`` unused for `days` (90), of all that are not suspended.

        One that was made within that time and never used isn't counted.
        """
        told = inputs.get("days")
        days = told if isinstance(told, int) and told > 0 else 90
        users = [Fields(user) for user in _everybody(client)]
        old = [u for u in users if _days_since(u.time("creationTime")) >= days]
        lines = map(_line, old)
        return {
            "accounts": [
                line for line in lines if line["is_enabled"] and line["last_sign_in_days"] >= days
            ]
        }
