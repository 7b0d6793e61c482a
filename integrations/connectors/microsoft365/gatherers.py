"""The questions that an investigation asks: one class for each read-only action of the catalog."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365.actions.methods import (
    COLLECTIONS,
    RESTORABLE,
    read_methods,
)
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.mailbox_gatherers import (
    GetForwarding,
    ListInboxRules,
)
from integrations.connectors.microsoft365.normalise.objects import method_kind
from integrations.connectors.microsoft365.normalise.places import country_of
from integrations.connectors.microsoft365.normalise.privileged import is_privileged
from integrations.contract import Gatherer, Json, Target
from integrations.errors import NotFound, PermissionMissing
from integrations.values import Fields

_AUDIT = "AuditLog.Read.All"
_USER = "User.Read.All"
_RECENT = dt.timedelta(hours=48)
_MOST_SIGN_INS = 1000
_MOST_CHANGES = 500
_USER_PROPERTIES = (
    "id", "userPrincipalName", "displayName", "accountEnabled", "onPremisesSyncEnabled",
    "signInSessionsValidFromDateTime", "lastPasswordChangeDateTime", "userType",
)  # fmt: skip
# riskEventTypes that mean an anonymiser, and those that mean an unfamiliar way of signing in.
_ANONYMISED = frozenset({"anonymizedipaddress", "riskyipaddress"})
_UNFAMILIAR = frozenset({"unfamiliarfeatures", "newcountry", "unlikelytravel",
                         "mcasimpossibletravel", "anomaloustoken"})  # fmt: skip
_SETTLED = frozenset({"dismissed", "confirmedsafe"})


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _odata(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _days_ago(inputs: Json, default: int, most: int = 90) -> str:
    days = inputs.get("days")
    wanted = days if isinstance(days, int) and not isinstance(days, bool) else default
    return _odata(_now() - dt.timedelta(days=min(max(wanted, 1), most)))


def _iso(fields: Fields, *names: str) -> str | None:
    found = fields.time(*names)
    return found.isoformat().replace("+00:00", "Z") if found else None


def _quoted(text: str) -> str:
    """A text inside an OData filter."""
    return text.replace("'", "''")


@dataclass(frozen=True, slots=True)
class GetAccount:
    """The account, its directory roles and its state."""

    name: str = "identity.get_account"
    permissions: tuple[str, ...] = (_USER, "RoleManagement.Read.Directory")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``account`` as the catalog states. Roles are those assigned to the user."""
        path = address("/users/{}", target.external_id, select=",".join(_USER_PROPERTIES))
        user = Fields(client.get(path, _USER))
        assignments = client.all(
            address(
                "/roleManagement/directory/roleAssignments",
                filter=f"principalId eq '{_quoted(user.text('id'))}'",
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
                "sessions_valid_from": _iso(user, "signInSessionsValidFromDateTime"),
                "last_password_change": _iso(user, "lastPasswordChangeDateTime"),
                "is_guest": user.word("userType") == "guest",
            }
        }


@dataclass(frozen=True, slots=True)
class ListSignIns:
    """The account's sign-ins, with the usual countries and what stands out."""

    name: str = "identity.list_sign_ins"
    permissions: tuple[str, ...] = (_AUDIT,)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return sign-ins of the last `days` (14), newest first, at most 1,000."""
        since = _days_ago(inputs, 14, most=30)
        path = address(
            "/auditLogs/signIns",
            filter=f"userId eq '{_quoted(target.external_id)}' and createdDateTime ge {since}",
            top=100,
        )
        seen = [_sign_in(Fields(r)) for r in client.all(path, _AUDIT, _MOST_SIGN_INS)]
        seen.sort(key=lambda s: s["time"] or "", reverse=True)
        recent = (_now() - _RECENT).isoformat()
        good = [s for s in seen if s["is_success"] and s["country"]]
        usual = {
            s["country"]
            for s in good
            if (s["time"] or "") < recent and s["risk_level"] in {"", "none", "low", "hidden"}
        }
        lately = {s["country"] for s in good if (s["time"] or "") >= recent}
        suspicious = [s for s in seen if s["is_suspicious"]]
        return {
            "sign_ins": seen,
            "countries": sorted(usual),
            "unusual_countries": sorted(lately - usual),
            "count": len(seen),
            "suspicious_successes": sum(1 for s in suspicious if s["is_success"]),
            "first_suspicious_at": min((s["time"] for s in suspicious if s["time"]), default=None),
            "is_complete": len(seen) < _MOST_SIGN_INS,
        }


def _sign_in(record: Fields) -> dict[str, Any]:
    """One sign-in. Suspicious: risk medium or high, anonymised, or unfamiliar; unless settled."""
    device, place = record.nested("deviceDetail"), record.nested("location")
    level = record.word("riskLevelDuringSignIn")
    aggregated = record.word("riskLevelAggregated")
    kinds = {k.lower() for k in record.texts("riskEventTypes_v2", "riskEventTypes")}
    is_anonymised = bool(kinds & _ANONYMISED)
    is_risky = bool({"medium", "high"} & {level, aggregated})
    is_settled = record.word("riskState") in _SETTLED
    device_name = device.text("displayName")
    return {
        "id": record.text("id"),
        "time": _iso(record, "createdDateTime"),
        "ip": record.text("ipAddress"),
        "country": country_of(record),
        "city": place.text("city"),
        "app": record.text("appDisplayName"),
        "client": record.text("clientAppUsed"),
        "device": device_name or " ".join(
            part for part in (device.text("operatingSystem"), device.text("browser")) if part
        ),
        "is_success": record.nested("status").number("errorCode") == 0,
        "risk_level": level or aggregated,
        "is_anonymised": is_anonymised,
        "is_suspicious": not is_settled
        and (is_risky or is_anonymised or bool(kinds & _UNFAMILIAR)),
        "mfa": record.text("authenticationRequirement")
        or record.nested("mfaDetail").text("authMethod")
        or record.nested("status").text("additionalDetails"),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListAuthMethods:
    """The registered sign-in methods, and which were added lately."""

    name: str = "identity.list_auth_methods"
    permissions: tuple[str, ...] = ("UserAuthenticationMethod.Read.All",)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``methods``. Recent: created since ``inputs.since`` (ISO), else in 48 hours.

        Where Microsoft doesn't say when a method was created, the directory audit may.
        """
        since = Fields(inputs).time("since") or _now() - _RECENT
        methods = [Fields(m) for m in read_methods(client, target.external_id, self.permissions[0])]
        registered = ""
        if any(m.time("createdDateTime", "creationDateTime") is None for m in methods):
            registered = self._registered(client, target, since)
        return {"methods": [_method(m, target, since, registered) for m in methods]}

    def _registered(self, client: GraphClient, target: Target, since: dt.datetime) -> str:
        try:
            entries = _changes_of(client, target.external_id, _odata(since))
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
        "created_at": _iso(record, "createdDateTime", "creationDateTime"),
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
        """Return the detections of the last `days` (30) and the user's risk now."""
        since = _days_ago(inputs, 30)
        user_id = _quoted(target.external_id)
        path = address(
            "/identityProtection/riskDetections",
            filter=f"userId eq '{user_id}' and detectedDateTime ge {since}",
            top=100,
        )
        found = [Fields(r) for r in client.all(path, self.permissions[0], 500)]
        try:
            path = address("/identityProtection/riskyUsers/{}", target.external_id)
            user = Fields(client.get(path, self.permissions[1]))
        except NotFound:
            # A user who never was at risk isn't listed.
            user = Fields({})
        detections = [
            {
                "id": r.text("id"),
                "kind": r.text("riskEventType"),
                "level": r.word("riskLevel"),
                "state": r.text("riskState"),
                "time": _iso(r, "detectedDateTime", "activityDateTime"),
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


@dataclass(frozen=True, slots=True)
class ListDirectoryChanges:
    """Changes made to the account, or by it."""

    name: str = "identity.list_directory_changes"
    permissions: tuple[str, ...] = (_AUDIT,)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return the changes of the last `days` (14), newest first, at most 500 of each kind."""
        entries = _changes_of(client, target.external_id, _days_ago(inputs, 14, most=30))
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


def _changes_of(client: GraphClient, user_id: str, since: str) -> list[Fields]:
    quoted = _quoted(user_id)
    found: dict[str, Fields] = {}
    for condition in (
        f"targetResources/any(t:t/id eq '{quoted}')",
        f"initiatedBy/user/id eq '{quoted}'",
    ):
        path = address(
            "/auditLogs/directoryAudits",
            filter=f"activityDateTime ge {since} and {condition}",
            top=100,
        )
        for record in client.all(path, _AUDIT, _MOST_CHANGES):
            found[str(record.get("id"))] = Fields(record)
    return sorted(found.values(), key=lambda e: e.text("activityDateTime"), reverse=True)


def _is_registration(entry: Fields) -> bool:
    activity = entry.word("activityDisplayName")
    return "registered" in activity and "security info" in activity and "delete" not in activity


def _change(entry: Fields) -> dict[str, Any]:
    by = entry.nested("initiatedBy")
    targets = entry.objects("targetResources")
    target = targets[0] if targets else Fields({})
    return {
        "id": entry.text("id"),
        "time": _iso(entry, "activityDateTime"),
        "activity": entry.text("activityDisplayName"),
        "initiated_by": by.nested("user").text("userPrincipalName", "displayName", "id")
        or by.nested("app").text("displayName", "servicePrincipalName", "appId"),
        "target": target.text("userPrincipalName", "displayName", "id"),
        "is_success": entry.word("result") == "success",
        "category": entry.text("category"),
    }


GATHERERS: tuple[Gatherer, ...] = (
    GetAccount(),
    ListSignIns(),
    ListAuthMethods(),
    ListRiskDetections(),
    ListDirectoryChanges(),
    ListInboxRules(),
    GetForwarding(),
)
