"""Evidence from Microsoft 365, read-only: what an investigation asks."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from integrations.connectors.microsoft365 import suspicion
from integrations.connectors.microsoft365.actions.identity import instant
from integrations.connectors.microsoft365.actions.mailbox import forwarding
from integrations.connectors.microsoft365.actions.methods import (
    all_methods,
    is_restorable,
    kind_of,
)
from integrations.connectors.microsoft365.actions.rules import settable
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.contract import Json, Target
from integrations.errors import NotFound

_RECENT = dt.timedelta(hours=48)
_MOST = 2000
_DEFAULT_DAYS = 14
_SUSPICIOUS_RISK = {"medium", "high"}
_SUSPICIOUS_EVENTS = {
    "anonymizedipaddress", "maliciousipaddress", "maliciousipaddressvalidcredentialsblockedip",
    "unlikelytravel", "impossibletravel", "mcasimpossibletravel", "newcountry", "riskyipaddress",
    "tokenissueranomaly", "anomaloustoken", "leakedcredentials", "nationstateip",
    "attackerinthemiddle", "suspiciousapitraffic", "passwordspray",
}  # fmt: skip


def _since(inputs: Json) -> str:
    days = int(inputs.get("days", _DEFAULT_DAYS))
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    return start.strftime("%Y-%m-%dT%H:%M:%SZ")


def _sign_ins(client: GraphClient, target: Target, since: str) -> list[dict[str, Any]]:
    path = address(
        "/auditLogs/signIns",
        filter=f"userId eq '{target.external_id}' and createdDateTime ge {since}",
        top=200,
    )
    return client.all(path, "AuditLog.Read.All", _MOST)


def is_suspicious_sign_in(record: Json) -> bool:
    """Whether Microsoft rates a sign-in as risky, or names a kind of attack with it."""
    levels = {
        str(record.get(key) or "").lower()
        for key in ("riskLevelDuringSignIn", "riskLevelAggregated")
    }
    if str(record.get("riskState") or "").lower() in ("dismissed", "confirmedsafe"):
        return False
    events = {str(e).lower() for e in record.get("riskEventTypes_v2") or []}
    return bool(levels & _SUSPICIOUS_RISK or events & _SUSPICIOUS_EVENTS)


def _succeeded(record: Json) -> bool:
    return (record.get("status") or {}).get("errorCode") == 0


class GetAccount:
    """The account itself, with its directory roles."""

    name = "identity.get_account"
    permissions = ("User.Read.All", "RoleManagement.Read.Directory")
    _fields = (
        "id", "userPrincipalName", "displayName", "accountEnabled", "userType",
        "onPremisesSyncEnabled", "signInSessionsValidFromDateTime", "lastPasswordChangeDateTime",
    )  # fmt: skip

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Read the user and the roles it holds."""
        path = address("/users/{}", target.external_id, select=",".join(self._fields))
        user = client.get(path, self.permissions[0])
        held = client.all(address("/users/{}/transitiveMemberOf", target.external_id),
                          self.permissions[1])  # fmt: skip
        roles = sorted(
            str(item.get("displayName"))
            for item in held
            if str(item.get("@odata.type", "")).lower().endswith("directoryrole")
        )
        return {
            "account": {
                "id": user["id"],
                "username": user.get("userPrincipalName"),
                "display_name": user.get("displayName"),
                "is_enabled": user.get("accountEnabled"),
                "is_privileged": bool(roles),
                "roles": roles,
                "source_of_authority": (
                    "active_directory" if user.get("onPremisesSyncEnabled") else "cloud"
                ),
                "sessions_valid_from": user.get("signInSessionsValidFromDateTime"),
                "last_password_change": user.get("lastPasswordChangeDateTime"),
            }
        }


class ListSignIns:
    """Sign-ins, with the usual countries of the calm ones as a baseline."""

    name = "identity.list_sign_ins"
    permissions = ("AuditLog.Read.All",)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Read the sign-ins of the last days, newest first."""
        records = _sign_ins(client, target, _since(inputs))
        signs = sorted((_sign_in(r) for r in records), key=lambda s: str(s["time"]), reverse=True)
        border = dt.datetime.now(dt.UTC) - _RECENT
        usual = _countries(s for s in signs if not s["is_suspicious"] and _before(s, border))
        recent = _countries(s for s in signs if not _before(s, border))
        suspicious = [s for s in signs if s["is_suspicious"] and s["is_success"]]
        return {
            "sign_ins": signs[:200],
            "count": len(signs),
            "countries": usual,
            "unusual_countries": [c for c in recent if usual and c not in usual],
            "suspicious_successes": len(suspicious),
            "first_suspicious_at": min((str(s["time"]) for s in suspicious), default=None),
        }


def _before(sign_in: Json, border: dt.datetime) -> bool:
    when = instant(sign_in["time"])
    return when is not None and when < border


def _countries(signs: Iterable[Json]) -> list[str]:
    return sorted({str(s["country"]) for s in signs if s["is_success"] and s["country"]})


def _sign_in(record: Json) -> dict[str, Any]:
    location, device = record.get("location") or {}, record.get("deviceDetail") or {}
    return {
        "id": record.get("id"),
        "time": record.get("createdDateTime"),
        "ip": record.get("ipAddress"),
        "country": location.get("countryOrRegion"),
        "city": location.get("city"),
        "app": record.get("appDisplayName"),
        "client": record.get("clientAppUsed"),
        "device": device.get("displayName") or device.get("operatingSystem"),
        "is_success": _succeeded(record),
        "risk_level": record.get("riskLevelDuringSignIn"),
        "is_anonymised": "anonymizedipaddress"
        in {str(e).lower() for e in record.get("riskEventTypes_v2") or []},
        "is_suspicious": is_suspicious_sign_in(record),
    }


class ListAuthMethods:
    """Registered sign-in methods; recent ones are those that an intruder may have added."""

    name = "identity.list_auth_methods"
    permissions = ("UserAuthenticationMethod.Read.All", "AuditLog.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Read the methods, and mark those that came with or after a suspicious sign-in."""
        since = _since(inputs)
        suspicious = [
            str(r.get("createdDateTime"))
            for r in _sign_ins(client, target, since)
            if is_suspicious_sign_in(r) and _succeeded(r)
        ]
        first = instant(min(suspicious)) if suspicious else None
        border = first or dt.datetime.now(dt.UTC) - _RECENT
        methods = [_method(m, border) for m in all_methods(client, target.external_id)]
        return {"methods": methods, "recent_from": border.isoformat()}


def _method(method: Json, border: dt.datetime) -> dict[str, Any]:
    kind = kind_of(method)
    created = instant(method.get("createdDateTime"))
    name = (
        method.get("phoneNumber") or method.get("emailAddress") or method.get("displayName") or kind
    )
    return {
        "id": method.get("id"),
        "external_id": method.get("id"),
        "kind": kind,
        "name": f"{kind.replace('_', ' ')} {name}" if name != kind else kind.replace("_", " "),
        "created_at": method.get("createdDateTime"),
        "is_removable": kind not in ("password", "other"),
        "is_restorable": is_restorable(method),
        "is_recent": created is not None and created >= border,
    }


class ListRiskDetections:
    """What Entra ID Protection thinks of the user."""

    name = "identity.list_risk_detections"
    permissions = ("IdentityRiskEvent.Read.All", "IdentityRiskyUser.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Read the user's detections of the last days and the user's own risk."""
        path = address(
            "/identityProtection/riskDetections", filter=f"userId eq '{target.external_id}'"
        )
        since = instant(_since(inputs))
        found = client.all(path, self.permissions[0], _MOST)
        recent = [
            r for r in found if since and (instant(r.get("detectedDateTime")) or since) >= since
        ]
        try:
            risky = client.get(
                address("/identityProtection/riskyUsers/{}", target.external_id),
                self.permissions[1],
            )
        except NotFound:
            # Entra lists only users that ever had a risk.
            risky = {}
        return {
            "detections": [_detection(r) for r in recent],
            "user_risk_level": str(risky.get("riskLevel") or "none").lower(),
            "user_risk_state": str(risky.get("riskState") or "none"),
        }


def _detection(record: Json) -> dict[str, Any]:
    return {
        "id": record.get("id"),
        "kind": record.get("riskEventType"),
        "level": record.get("riskLevel"),
        "state": record.get("riskState"),
        "time": record.get("activityDateTime") or record.get("detectedDateTime"),
        "ip": record.get("ipAddress"),
        "country": (record.get("location") or {}).get("countryOrRegion"),
    }


class ListDirectoryChanges:
    """What was changed in the directory by the user or for it."""

    name = "identity.list_directory_changes"
    permissions = ("AuditLog.Read.All",)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Read the directory audit of the last days, and keep what concerns the user."""
        path = address(
            "/auditLogs/directoryAudits", filter=f"activityDateTime ge {_since(inputs)}", top=200
        )
        changes = [
            _change(record)
            for record in client.all(path, self.permissions[0], _MOST)
            if _concerns(record, target.external_id)
        ]
        registered = [
            {"time": c["time"], "method": c["activity"], "initiated_by": c["initiated_by"]}
            for c in changes
            if "registered" in str(c["activity"]).lower() and c["is_success"]
        ]
        return {"changes": changes, "methods_registered": registered}


def _concerns(record: Json, user_id: str) -> bool:
    by = ((record.get("initiatedBy") or {}).get("user") or {}).get("id")
    targets = [item.get("id") for item in record.get("targetResources") or []]
    return user_id == by or user_id in targets


def _change(record: Json) -> dict[str, Any]:
    by = record.get("initiatedBy") or {}
    who = (by.get("user") or {}).get("userPrincipalName") or (by.get("app") or {}).get(
        "displayName"
    )
    targets = record.get("targetResources") or [{}]
    return {
        "id": record.get("id"),
        "time": record.get("activityDateTime"),
        "activity": record.get("activityDisplayName"),
        "initiated_by": who,
        "target": targets[0].get("userPrincipalName") or targets[0].get("displayName"),
        "is_success": str(record.get("result")).lower() == "success",
        "category": record.get("category"),
    }


class ListInboxRules:
    """The mailbox's rules, each with what makes it suspicious."""

    name = "mailbox.list_inbox_rules"
    permissions = ("MailboxSettings.Read", "Domain.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Read and assess the rules."""
        domains = client.domains()
        rules = client.all(
            address("/users/{}/mailFolders/inbox/messageRules", target.external_id),
            self.permissions[0],
        )
        return {"rules": [_rule(rule, domains) for rule in rules]}


def _rule(rule: dict[str, Any], domains: frozenset[str]) -> dict[str, Any]:
    found = suspicion.assess(rule, domains, {})
    return {
        "external_id": rule["id"],
        "name": rule.get("displayName") or "(no name)",
        "is_enabled": bool(rule.get("isEnabled")),
        "is_suspicious": found.is_suspicious,
        "why": list(found.why),
        "forwards_to": list(found.forwards_to),
        "forwards_outside": found.forwards_outside,
        "deletes": found.deletes,
        "moves_to": found.moves_to,
        "rule": settable(rule),
    }


class GetForwarding:
    """Whether the mailbox sends mail on."""

    name = "mailbox.get_forwarding"
    permissions = ("Exchange.ManageAsApp", "Domain.Read.All")

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Read the mailbox's forwarding."""
        told = forwarding(client, target.external_id)
        smtp = str(told["ForwardingSmtpAddress"] or "").lower().removeprefix("smtp:")
        recipient = told["ForwardingAddress"]
        outside = bool(smtp) and smtp.rsplit("@", 1)[-1] not in client.domains()
        return {
            "forwarding": {
                "smtp_address": smtp or None,
                "recipient": recipient,
                "keeps_copy": told["DeliverToMailboxAndForward"],
            },
            "is_forwarding": bool(smtp or recipient),
            "forwards_outside": outside,
        }


GATHERERS = (
    GetAccount(),
    ListSignIns(),
    ListAuthMethods(),
    ListRiskDetections(),
    ListDirectoryChanges(),
    ListInboxRules(),
    GetForwarding(),
)
