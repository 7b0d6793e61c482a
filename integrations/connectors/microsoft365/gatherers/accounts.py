"""Questions about one account: its state, its ways to sign in, its risk, and its changes."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.actions.methods import (
    COLLECTIONS,
    RESTORABLE,
    read_methods,
)
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.gatherers.words import (
    AUDIT,
    ago,
    changes_of,
    initiator,
    iso,
    recent_since,
)
from integrations.connectors.microsoft365.normalise.objects import method_kind
from integrations.connectors.microsoft365.normalise.places import country_of
from integrations.connectors.microsoft365.normalise.privileged import is_privileged
from integrations.contract import Json, Target
from integrations.errors import NotFound, PermissionMissing
from integrations.microsoft.odata import literal, quoted
from integrations.values import Fields

_USER = "User.Read.All"
_UNLICENSED = "not licensed"
_USER_PROPERTIES = (
    "id", "userPrincipalName", "displayName", "accountEnabled", "onPremisesSyncEnabled",
    "signInSessionsValidFromDateTime", "lastPasswordChangeDateTime", "userType",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GetAccount:
    """The account, its directory roles and its state."""

    name: str = "identity.get_account"
    permissions: tuple[str, ...] = (_USER, "RoleManagement.Read.Directory")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``account`` as the catalog states. Roles are those assigned to the user."""
        path = address(
            "/users/{}", target.external_id, select=",".join(_USER_PROPERTIES),
            expand="manager($select=id)",
        )  # fmt: skip
        user = Fields(client.get(path, _USER))
        assignments = client.all(
            address(
                "/roleManagement/directory/roleAssignments",
                filter=f"principalId eq '{quoted(user.text('id'))}'",
                expand="roleDefinition",
            ),
            "RoleManagement.Read.Directory",
        )
        roles = [Fields(a).nested("roleDefinition") for a in assignments]
        synced = user.truth("onPremisesSyncEnabled") is True
        return {
            "account": {
                "id": user.text("id"),
                "username": user.text("userPrincipalName"),
                "display_name": user.text("displayName"),
                "is_enabled": user.truth("accountEnabled"),
                "is_privileged": any(
                    is_privileged(
                        role.text("templateId", "id") or str(a.get("roleDefinitionId") or ""),
                        role.text("displayName"),
                    )
                    for role, a in zip(roles, assignments, strict=True)
                ),
                "roles": sorted({r.text("displayName") for r in roles if r.text("displayName")}),
                "source_of_authority": "active_directory" if synced else "cloud",
                "sessions_valid_from": iso(user.time("signInSessionsValidFromDateTime")),
                "last_password_change": iso(user.time("lastPasswordChangeDateTime")),
                "is_guest": user.word("userType") == "guest",
                "manager": user.nested("manager").text("id"),
            }
        }


@dataclass(frozen=True, slots=True)
class ListAuthMethods:
    """The registered sign-in methods, and which were added lately."""

    name: str = "identity.list_auth_methods"
    permissions: tuple[str, ...] = ("UserAuthenticationMethod.Read.All",)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``methods``. Recent: created since ``inputs.since`` (ISO), else in 48 hours.

        Where Microsoft doesn't say when a method was created, the directory audit may.
        """
        since = recent_since(inputs)
        methods = [Fields(m) for m in read_methods(client, target.external_id, self.permissions[0])]
        registered = ""
        if any(m.time("createdDateTime", "creationDateTime") is None for m in methods):
            registered = self._registered(client, target, since)
        return {"methods": [_method(m, target, since, registered) for m in methods]}

    def _registered(self, client: GraphClient, target: Target, since: dt.datetime) -> str:
        try:
            entries = changes_of(client, target.external_id, since)
        except PermissionMissing:
            return ""
        return " ".join(
            f"{e.text('resultReason')} " for e in entries if _is_registration(e)
        ).lower()


# Words of the audit's resultReason for each kind of method.
_REASON_WORDS = {
    "phone": ("phone", "sms", "mobile"), "email": ("email",), "authenticator": ("authenticator",),
    "fido2": ("fido", "passkey", "security key"), "software_oath": ("oath", "software token"),
    "temporary_access_pass": ("temporary access pass",), "windows_hello": ("windows hello",),
}  # fmt: skip


def _method(record: Fields, target: Target, since: dt.datetime, registered: str) -> dict[str, Any]:
    kind = method_kind(record)
    created = record.time("createdDateTime", "creationDateTime")
    by_audit = any(word in registered for word in _REASON_WORDS.get(kind, ()))
    name = record.text("displayName", "phoneNumber", "emailAddress", "model")
    return {
        "id": record.text("id"),
        "external_id": f"{target.external_id}/{record.text('id')}",
        "kind": kind,
        "name": name or kind.replace("_", " "),
        "created_at": iso(created),
        "is_removable": kind in COLLECTIONS,
        "is_restorable": kind in RESTORABLE,
        "is_recent": created >= since if created is not None else by_audit,
    }


@dataclass(frozen=True, slots=True)
class ListRiskDetections:
    """What Microsoft's own risk engine says of the account."""

    name: str = "identity.list_risk_detections"
    permissions: tuple[str, ...] = ("IdentityRiskEvent.Read.All", "IdentityRiskyUser.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return the detections of the last `days` (30) and the user's risk now.

        Without a licence (riskyUsers: Entra ID P2; riskDetections: P1) nobody rates anybody's risk:
        the level is then "not licensed".
        """
        since = literal(ago(inputs, "days", 30, most=90))
        user_id = quoted(target.external_id)
        path = address(
            "/identityProtection/riskDetections",
            filter=f"userId eq '{user_id}' and detectedDateTime ge {since}",
            top=100,
        )
        try:
            found = [Fields(r) for r in client.all(path, self.permissions[0], 500)]
        except PermissionMissing as error:
            _check_unlicensed(client, self.permissions[0], error)
            found = []
        try:
            path = address("/identityProtection/riskyUsers/{}", target.external_id)
            user = Fields(client.get(path, self.permissions[1]))
        except NotFound:
            # A user who never was at risk isn't listed.
            user = Fields({})
        except PermissionMissing as error:
            _check_unlicensed(client, self.permissions[1], error)
            user = Fields({"riskLevel": _UNLICENSED, "riskState": _UNLICENSED})
        detections = [
            {
                "id": r.text("id"),
                "kind": r.text("riskEventType"),
                "level": r.word("riskLevel"),
                "state": r.text("riskState"),
                "time": iso(r.time("detectedDateTime", "activityDateTime")),
                "ip": r.text("ipAddress"),
                "country": country_of(r),
            }
            for r in found
        ]
        return {
            "detections": detections,
            "user_risk_level": user.word("riskLevel") or "none",
            "user_risk_state": user.text("riskState") or "none",
        }


def _check_unlicensed(client: GraphClient, permission: str, refusal: PermissionMissing) -> None:
    """Raise the refusal, unless the permission is granted: then it is the licence that lacks."""
    enough = {permission, permission.replace(".Read.", ".ReadWrite.")}
    if not enough & client.granted():
        raise refusal


@dataclass(frozen=True, slots=True)
class ListDirectoryChanges:
    """Changes made to the account, or by it."""

    name: str = "identity.list_directory_changes"
    permissions: tuple[str, ...] = (AUDIT,)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return the changes of the last `days` (14), newest first, at most 500 of each kind."""
        entries = changes_of(client, target.external_id, ago(inputs, "days", 14, most=30))
        changes = [_change(entry) for entry in entries]
        return {
            "changes": changes,
            "methods_registered": [
                {
                    "time": change["time"],
                    "method": entry.text("resultReason") or change["activity"],
                    "initiated_by": change["initiated_by"],
                }
                for entry, change in zip(entries, changes, strict=True)
                if _is_registration(entry) and change["is_success"]
            ],
        }


def _is_registration(entry: Fields) -> bool:
    activity = entry.word("activityDisplayName")
    return "registered" in activity and "security info" in activity and "delete" not in activity


def _change(entry: Fields) -> dict[str, Any]:
    targets = entry.objects("targetResources")
    target = targets[0] if targets else Fields({})
    return {
        "id": entry.text("id"),
        "time": iso(entry.time("activityDateTime")),
        "activity": entry.text("activityDisplayName"),
        "initiated_by": initiator(entry),
        "target": target.text("userPrincipalName", "displayName", "id"),
        "is_success": entry.word("result") == "success",
        "category": entry.text("category"),
    }
