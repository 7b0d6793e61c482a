"""Alerts, incidents, sign-in and audit logs, risk.

Sources: https://learn.microsoft.com/graph/api/resources/security-alert,
https://learn.microsoft.com/graph/api/resources/riskyuser
"""

from __future__ import annotations

from typing import Any

from integrations.simulators.base.store import Record

from .entra import object_id
from .errors import GraphError
from .graph import (
    Answer,
    Request,
    Route,
    existing,
    listing,
    no_content,
    one,
    route,
    shaped,
)

_STATUS = {"unknown", "new", "inProgress", "resolved"}
_CLASSIFICATION = {
    "unknown", "falsePositive", "truePositive", "informationalExpectedActivity",
}  # fmt: skip
_DETERMINATION = {
    "unknown", "apt", "malware", "securityPersonnel", "securityTesting", "unwantedSoftware",
    "other", "multiStagedAttack", "compromisedAccount", "phishing", "maliciousUserActivity",
    "notMalicious", "notEnoughDataToValidate", "confirmedActivity", "lineOfBusinessApplication",
}  # fmt: skip
_ALERT_WRITABLE = {
    "assignedTo": None,
    "status": _STATUS,
    "classification": _CLASSIFICATION,
    "determination": _DETERMINATION,
    "customDetails": None,
}
_INCIDENT_WRITABLE = {
    "assignedTo": None,
    "status": {"active", "resolved", "inProgress", "redirected", "awaitingAction"},
    "classification": _CLASSIFICATION,
    "determination": _DETERMINATION,
    "customTags": None,
    "resolvingComment": None,
    "displayName": None,
    "description": None,
    "severity": {"unknown", "informational", "low", "medium", "high"},
    "summary": None,
}
_ALERTS = ("SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All")
_INCIDENTS = ("SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All")
_RISKY = ("IdentityRiskyUser.Read.All", "IdentityRiskyUser.ReadWrite.All")
_RISK_EVENTS = ("IdentityRiskEvent.Read.All", "IdentityRiskEvent.ReadWrite.All")


def list_alerts(request: Request) -> Answer:
    records = request.tenant.all("alerts")
    return listing(request, records, "security/alerts_v2", newest_first="createdDateTime")


def get_alert(request: Request) -> Answer:
    return shaped(request, _known(request, "alerts"), "security/alerts_v2")


def _known(request: Request, collection: str) -> Record:
    record = request.tenant.get(collection, request.params["id"])
    if record is None:
        raise GraphError(404, "NotFound", f"'{request.params['id']}' was not found.")
    return record


def _changes(request: Request, writable: dict[str, Any]) -> Record:
    body = request.json(writable)
    for name, value in body.items():
        allowed = writable.get(name)
        if allowed is not None and value not in allowed:
            raise GraphError(
                400, "BadRequest", f"Cannot convert the literal '{value}' of property '{name}'."
            )
    return {name: value for name, value in body.items() if not name.startswith("@")}


def update_alert(request: Request) -> Answer:
    _known(request, "alerts")
    changes = _changes(request, _ALERT_WRITABLE)
    stamp: Record = {"lastUpdateDateTime": request.now()}
    if changes.get("status") == "resolved":
        stamp["resolvedDateTime"] = request.now()
    alert = request.tenant.update("alerts", request.params["id"], {**changes, **stamp})
    request.effect("alert.update", alert["id"], **changes)
    return shaped(request, alert, "security/alerts_v2")


def _alerts_of(request: Request, incident: Record) -> list[Record]:
    alerts = request.tenant.all("alerts")
    return [alert for alert in alerts if alert.get("incidentId") == incident["id"]]


def list_incidents(request: Request) -> Answer:
    return listing(
        request,
        request.tenant.all("incidents"),
        "security/incidents",
        newest_first="createdDateTime",
        expansions={"alerts": _alerts_of},
        max_page=50,
    )


def get_incident(request: Request) -> Answer:
    incident = _known(request, "incidents")
    return shaped(request, incident, "security/incidents", {"alerts": _alerts_of})


def incident_alerts(request: Request) -> Answer:
    records = _alerts_of(request, _known(request, "incidents"))
    return listing(request, records, "security/alerts_v2")


def update_incident(request: Request) -> Answer:
    _known(request, "incidents")
    changes = _changes(request, _INCIDENT_WRITABLE) | {"lastUpdateDateTime": request.now()}
    incident = request.tenant.update("incidents", request.params["id"], changes)
    request.effect("incident.update", incident["id"])
    return shaped(request, incident, "security/incidents")


def list_sign_ins(request: Request) -> Answer:
    records = request.tenant.all("signIns")
    return listing(request, records, "auditLogs/signIns", newest_first="createdDateTime")


def get_sign_in(request: Request) -> Answer:
    record = one(request, "signIns", request.params["id"])
    return shaped(request, record, "auditLogs/signIns")


def list_audits(request: Request) -> Answer:
    records = request.tenant.all("directoryAudits")
    return listing(request, records, "auditLogs/directoryAudits", newest_first="activityDateTime")


def get_audit(request: Request) -> Answer:
    record = one(request, "directoryAudits", request.params["id"])
    return shaped(request, record, "auditLogs/directoryAudits")


def list_risky_users(request: Request) -> Answer:
    records = request.tenant.all("riskyUsers")
    return listing(
        request, records, "riskyUsers", newest_first="riskLastUpdatedDateTime", max_page=500
    )


def get_risky_user(request: Request) -> Answer:
    return shaped(request, one(request, "riskyUsers", request.params["id"]), "riskyUsers")


def risky_user_history(request: Request) -> Answer:
    one(request, "riskyUsers", request.params["id"])
    items = request.tenant.all("riskHistory")
    mine = [item for item in items if item["userId"] == request.params["id"]]
    return listing(request, mine, "riskyUsers/history", newest_first="riskLastUpdatedDateTime")


def _set_risk(request: Request, level: str, state: str, detail: str, verb: str) -> Answer:
    user_ids = request.json({"userIds"}).get("userIds")
    if not isinstance(user_ids, list) or not 1 <= len(user_ids) <= 60:
        raise GraphError(400, "Request_BadRequest", "userIds must name between 1 and 60 users.")
    users = [existing(request, "users", str(user_id)) for user_id in user_ids]
    for user in users:
        record = risky_user(user, level, state, detail, request.now())
        request.tenant.put("riskyUsers", record)
        history_id = request.tenant.new_id("risk-history")
        item = {
            **record,
            "id": history_id,
            "userId": user["id"],
            "initiatedBy": object_id(request.app),
            "activity": {"detail": detail, "riskEventTypes": []},
        }
        request.tenant.put("riskHistory", item)
        request.effect(f"risk.{verb}", user["id"])
    return no_content()


def risky_user(user: Record, level: str, state: str, detail: str, when: str) -> Record:
    """A risky user record of a user."""
    return {
        "id": user["id"],
        "isDeleted": False,
        "isProcessing": False,
        "riskDetail": detail,
        "riskLastUpdatedDateTime": when,
        "riskLevel": level,
        "riskState": state,
        "userDisplayName": user["displayName"],
        "userPrincipalName": user["userPrincipalName"],
    }


def confirm_compromised(request: Request) -> Answer:
    return _set_risk(
        request, "high", "confirmedCompromised", "adminConfirmedUserCompromised", "confirm"
    )


def dismiss(request: Request) -> Answer:
    return _set_risk(request, "none", "dismissed", "adminDismissedAllRiskForUser", "dismiss")


def confirm_safe(request: Request) -> Answer:
    return _set_risk(request, "none", "confirmedSafe", "adminConfirmedAccountSafe", "safe")


def list_risk_detections(request: Request) -> Answer:
    records = request.tenant.all("riskDetections")
    return listing(
        request, records, "riskDetections", newest_first="detectedDateTime", max_page=500
    )


def get_risk_detection(request: Request) -> Answer:
    record = one(request, "riskDetections", request.params["id"])
    return shaped(request, record, "riskDetections")


_WRITE_RISK = "IdentityRiskyUser.ReadWrite.All"
ROUTES: list[Route] = [
    route("GET", "/security/alerts_v2", list_alerts, *_ALERTS),
    route("GET", "/security/alerts_v2/{id}", get_alert, *_ALERTS),
    route("PATCH", "/security/alerts_v2/{id}", update_alert, "SecurityAlert.ReadWrite.All"),
    route("GET", "/security/incidents", list_incidents, *_INCIDENTS),
    route("GET", "/security/incidents/{id}", get_incident, *_INCIDENTS),
    route("GET", "/security/incidents/{id}/alerts", incident_alerts, *_INCIDENTS),
    route("PATCH", "/security/incidents/{id}", update_incident, "SecurityIncident.ReadWrite.All"),
    route("GET", "/auditLogs/signIns", list_sign_ins, "AuditLog.Read.All"),
    route("GET", "/auditLogs/signIns/{id}", get_sign_in, "AuditLog.Read.All"),
    route("GET", "/auditLogs/directoryAudits", list_audits, "AuditLog.Read.All"),
    route("GET", "/auditLogs/directoryAudits/{id}", get_audit, "AuditLog.Read.All"),
    route("GET", "/identityProtection/riskyUsers", list_risky_users, *_RISKY),
    route("GET", "/identityProtection/riskyUsers/{id}", get_risky_user, *_RISKY),
    route("GET", "/identityProtection/riskyUsers/{id}/history", risky_user_history, *_RISKY),
    route(
        "POST",
        "/identityProtection/riskyUsers/confirmCompromised",
        confirm_compromised,
        _WRITE_RISK,
    ),
    route("POST", "/identityProtection/riskyUsers/dismiss", dismiss, _WRITE_RISK),
    route("POST", "/identityProtection/riskyUsers/confirmSafe", confirm_safe, _WRITE_RISK),
    route("GET", "/identityProtection/riskDetections", list_risk_detections, *_RISK_EVENTS),
    route("GET", "/identityProtection/riskDetections/{id}", get_risk_detection, *_RISK_EVENTS),
]
