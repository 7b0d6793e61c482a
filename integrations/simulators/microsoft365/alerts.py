"""Alerts, evidence, incidents, risk detections and audit entries, in the shapes of Graph."""

from __future__ import annotations

import json
from datetime import datetime

from integrations.simulators.base.store import Record, Tenant, stable_id

from .graph import instant
from .people import Place

_SOURCES = {
    "azureAdIdentityProtection": ("azureAdIdentityProtection", "Microsoft Entra ID Protection"),
    "cloudAppSecurity": ("microsoftDefenderForCloudApps", "Microsoft Defender for Cloud Apps"),
    "microsoftDefenderForOffice365": (
        "microsoftDefenderForOffice365",
        "Microsoft Defender for Office 365",
    ),
}


def _evidence(kind: str, when: datetime, verdict: str, role: str | None) -> Record:
    return {
        "@odata.type": f"#microsoft.graph.security.{kind}",
        "createdDateTime": instant(when),
        "verdict": verdict,
        "remediationStatus": "none",
        "remediationStatusDetails": None,
        "roles": [role] if role else [],
        "detailedRoles": [],
        "tags": [],
    }


def _account(tenant_id: str | None, user: Record) -> Record:
    name, _, domain = str(user["userPrincipalName"]).partition("@")
    return {
        "accountName": name,
        "domainName": domain,
        "userSid": None,
        "azureAdUserId": user["id"],
        "userPrincipalName": user["userPrincipalName"],
        "displayName": user["displayName"],
    } | ({"tenantId": tenant_id} if tenant_id else {})


def user_evidence(
    tenant: Tenant, user: Record, when: datetime, verdict: str, role: str | None = None
) -> Record:
    """The user as evidence of an alert."""
    account = _account(tenant.id, user)
    return {**_evidence("userEvidence", when, verdict, role), "stream": None,
            "userAccount": account}  # fmt: skip


def mailbox_evidence(user: Record, when: datetime) -> Record:
    """The user's mailbox as evidence of an alert."""
    return {
        **_evidence("mailboxEvidence", when, "suspicious", None),
        "primaryAddress": user["mail"],
        "displayName": user["displayName"],
        "upn": user["userPrincipalName"],
        "userAccount": _account(None, user),
    }


def message_evidence(
    user: Record, when: datetime, message_id: str, sender: str, subject: str, threat: str
) -> Record:
    """A mail message as evidence of an alert; `threat` is what it carries (Phish, Malware)."""
    from_ = {"emailAddress": sender, "displayName": None, "domainName": sender.rpartition("@")[2]}
    return {
        **_evidence("analyzedMessageEvidence", when, "malicious", None),
        "internetMessageId": message_id,
        "networkMessageId": stable_id("network", message_id),
        "subject": subject,
        "recipientEmailAddress": user["mail"],
        "p1Sender": from_,
        "p2Sender": from_,
        "senderIp": None,
        "threats": [threat] if threat else [],
        "threatDetectionMethods": [],
        "urlCount": 1 if threat == "Phish" else 0,
        "urls": [],
        "attachmentsCount": 1 if threat == "Malware" else 0,
        "deliveryAction": "Delivered",
        "deliveryLocation": "Inbox",
        "receivedDateTime": instant(when),
        "language": "en",
        "antiSpamDirection": "Inbound",
        "urn": None,
    }


def ip_evidence(when: datetime, address: str, place: Place, verdict: str) -> Record:
    """An address as evidence of an alert."""
    location = {
        "city": place.city,
        "countryName": place.country,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "state": place.state,
    }
    return {
        **_evidence("ipEvidence", when, verdict, "attacker" if verdict == "suspicious" else None),
        "ipAddress": address,
        "countryLetterCode": place.country,
        "location": location,
        "stream": None,
    }


def alert(
    tenant: Tenant,
    alert_id: str,
    user: Record,
    when: datetime,
    title: str,
    severity: str,
    category: str,
    techniques: list[str],
    evidence: list[Record],
    *,
    detector: str,
    incident_id: str | None = None,
) -> Record:
    """A new alert of `detector`, one of azureAdIdentityProtection and cloudAppSecurity."""
    source, product = _SOURCES[detector]
    provider_id = alert_id.replace("-", "")
    full_id = f"{'ad' if source == 'azureAdIdentityProtection' else 'ca'}{provider_id}"
    portal, moment = "https://security.microsoft.com", instant(when)
    number = incident_id or str(1000 + tenant.store.next("incident"))
    return {
        "id": full_id,
        "providerAlertId": provider_id,
        "incidentId": number,
        "status": "new",
        "severity": severity,
        "classification": None,
        "determination": None,
        "serviceSource": source,
        "detectionSource": detector,
        "productName": product,
        "detectorId": title.replace(" ", ""),
        "tenantId": tenant.id,
        "title": title,
        "description": f"{title} involving {user['displayName']} ({user['userPrincipalName']}).",
        "recommendedActions": "Confirm with the user, revoke sessions and review mailbox rules.",
        "category": category,
        "categories": [category],
        "assignedTo": None,
        "alertWebUrl": f"{portal}/alerts/{full_id}?tid={tenant.id}",
        "incidentWebUrl": f"{portal}/incidents/{number}?tid={tenant.id}",
        "actorDisplayName": None,
        "threatDisplayName": None,
        "threatFamilyName": None,
        "mitreTechniques": techniques,
        "createdDateTime": moment,
        "lastUpdateDateTime": moment,
        "resolvedDateTime": None,
        "firstActivityDateTime": evidence[0]["createdDateTime"],
        "lastActivityDateTime": moment,
        "alertPolicyId": None,
        "investigationState": None,
        "customDetails": None,
        "additionalData": None,
        "comments": [],
        "evidence": evidence,
        "systemTags": [],
    }


def malformed_alerts(tenant: Tenant, when: datetime) -> list[Record]:
    """Three alerts that break what the contract promises, each in one way."""
    names = [stable_id(tenant.id, "malformed", number).replace("-", "") for number in range(3)]
    base = {"tenantId": tenant.id, "status": "new", "evidence": [],
            "createdDateTime": instant(when), "lastUpdateDateTime": instant(when)}  # fmt: skip
    return [
        {"id": f"ad{names[0]}", "tenantId": tenant.id, "status": "new",
         "createdDateTime": instant(when)},
        {**base, "id": f"ad{names[1]}", "title": "A kind of alert that is new",
         "severity": "catastrophic", "serviceSource": "microsoftDefenderForEverything"},
        {**base, "id": f"ad{names[2]}", "title": "An alert without a time", "severity": "medium",
         "createdDateTime": "yesterday", "serviceSource": "azureAdIdentityProtection"},
    ]  # fmt: skip


def incident(tenant: Tenant, number: str, user: Record, when: datetime) -> Record:
    """The incident that joins the alerts about one user."""
    moment = instant(when)
    return {
        "id": number,
        "tenantId": tenant.id,
        "redirectIncidentId": None,
        "incidentWebUrl": f"https://security.microsoft.com/incidents/{number}?tid={tenant.id}",
        "displayName": f"Multi-stage incident involving {user['displayName']}",
        "createdDateTime": moment,
        "lastUpdateDateTime": moment,
        "assignedTo": None,
        "classification": None,
        "determination": None,
        "status": "active",
        "severity": "high",
        "customTags": [],
        "comments": [],
        "systemTags": [],
        "description": None,
        "lastModifiedBy": None,
        "resolvingComment": None,
        "summary": None,
        "priorityScore": None,
    }


def risk_detection(
    detection_id: str,
    user: Record,
    when: datetime,
    place: Place,
    address: str,
    kind: str,
    level: str,
    request_id: str,
) -> Record:
    """A risk detection on a sign-in."""
    moment = instant(when)
    info = [{"Key": "riskReasons", "Value": [kind]}, {"Key": "userAgent", "Value": "Mozilla/5.0"}]
    return {
        "id": detection_id,
        "requestId": request_id,
        "correlationId": stable_id(request_id, "correlation"),
        "riskEventType": kind,
        "riskState": "atRisk",
        "riskLevel": level,
        "riskDetail": "none",
        "source": "IdentityProtection",
        "detectionTimingType": "realtime" if kind == "unfamiliarFeatures" else "offline",
        "activity": "signin",
        "tokenIssuerType": "AzureAD",
        "ipAddress": address,
        "location": place.location(),
        "activityDateTime": moment,
        "detectedDateTime": moment,
        "lastUpdatedDateTime": moment,
        "userId": user["id"],
        "userDisplayName": user["displayName"],
        "userPrincipalName": user["userPrincipalName"],
        "additionalInfo": json.dumps(info),
    }


def directory_audit(
    entry_id: str, user: Record, when: datetime, activity: str, address: str | None
) -> Record:
    """What a user did to the own account, as the directory audit tells it."""
    who = {
        "id": user["id"],
        "displayName": user["displayName"],
        "userPrincipalName": user["userPrincipalName"],
    }
    target = {**who, "type": "User", "groupType": None, "modifiedProperties": []}
    return {
        "id": f"Authentication Methods_{entry_id}",
        "category": "UserManagement",
        "correlationId": stable_id(entry_id, "correlation"),
        "result": "success",
        "resultReason": "User registered Mobile Phone SMS",
        "activityDisplayName": activity,
        "activityDateTime": instant(when),
        "loggedByService": "Authentication Methods",
        "operationType": "Update",
        "initiatedBy": {"app": None, "user": {**who, "ipAddress": address}},
        "targetResources": [target],
        "additionalDetails": [],
    }
