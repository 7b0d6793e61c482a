"""Risk detections and risky users of Microsoft Entra ID Protection.

Sources: https://learn.microsoft.com/graph/api/resources/riskdetection,
/graph/api/resources/serviceprincipalriskdetection, /graph/api/resources/riskyuser.
"""

from integrations import ocsf, traces
from integrations.alert_identity import alert_uid
from integrations.connectors.microsoft365.normalise.places import place_of
from integrations.values import (
    Fields,
    address,
    entities,
    entity,
    risk_severity,
    techniques,
)
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Finding

# https://learn.microsoft.com/entra/id-protection/concept-identity-protection-risks
_TITLES = {
    "unfamiliarfeatures": "Unfamiliar sign-in properties",
    "anonymizedipaddress": "Sign-in from an anonymous IP address",
    "maliciousipaddress": "Sign-in from a malicious IP address",
    "malwareinfectedipaddress": "Sign-in from an IP address of infected devices",
    "suspiciousipaddress": "Sign-in from a suspicious IP address",
    "unlikelytravel": "Atypical travel",
    "mcasimpossibletravel": "Impossible travel",
    "newcountry": "Sign-in from a new country",
    "leakedcredentials": "Leaked credentials",
    "passwordspray": "Password spray",
    "anomaloustoken": "Anomalous token",
    "tokenissueranomaly": "Token issuer anomaly",
    "suspiciousbrowser": "Suspicious browser",
    "suspiciousinboxforwarding": "Suspicious inbox forwarding",
    "mcassuspiciousinboxmanipulationrules": "Suspicious inbox manipulation rules",
    "mcasfinsuspiciousfileaccess": "Mass access to sensitive files",
    "adminconfirmedusercompromised": "An administrator confirmed the user compromised",
    "investigationsthreatintelligence": "Microsoft Entra threat intelligence",
    "attackerinthemiddle": "Attacker in the middle",
    "suspiciousapitraffic": "Suspicious API traffic",
    "suspicioussendingpatterns": "Suspicious sending patterns",
    "anomaloususeractivity": "Anomalous user activity",
    "riskyipaddress": "Activity from an anonymous IP address",
    "nationstateip": "Sign-in from a threat actor's IP address",
    "userreportedsuspiciousactivity": "The user reported suspicious activity",
    "generic": "Additional risk detected",
}
# The detections that call the address itself bad.
_OF_BAD_ADDRESSES = frozenset({
    "maliciousipaddress", "malwareinfectedipaddress", "nationstateip", "passwordspray",
    "attackerinthemiddle",
})  # fmt: skip
# OCSF status_id of a finding, by riskState.
_STATES = {
    "atrisk": 1, "confirmedcompromised": 1, "dismissed": 3, "remediated": 4, "confirmedsafe": 4,
    "none": 4, "unknownfuturevalue": 0, "": 0,
}  # fmt: skip
_VERDICTS = {"confirmedcompromised": 2, "confirmedsafe": 5, "dismissed": 3}
_AT_RISK = frozenset({"atrisk", "confirmedcompromised"})


def risk_detection(record: Fields) -> Finding:
    """Return one risk detection (of a user or a service principal) as a Detection Finding.

    Its time is when it was detected; when it happened is first activity. The level `hidden`
    (without a P2 licence) counts as informational.
    """
    if not record.has_any("riskEventType", "riskType", "riskLevel", "riskState", "requestId"):
        raise Quarantine(
            "not_a_risk_detection",
            "The record has neither riskEventType nor riskLevel: it is no risk detection.",
        )
    kind = record.text("riskEventType", "riskType")
    time = record.essential_time(
        "detectedDateTime", "activityDateTime", "lastUpdatedDateTime", "TimeGenerated", "time"
    )
    level, state = record.text("riskLevel"), record.text("riskState")
    user, app = record.text("userPrincipalName"), record.text("servicePrincipalDisplayName")
    user_id, app_id = record.text("userId"), record.text("appId")
    principal_id = record.text("servicePrincipalId")
    who = user or app or record.text("userDisplayName") or user_id or app_id or principal_id
    ip = address(record.text("ipAddress"))
    title = _TITLES.get(kind.lower()) or (f"Risk detection {kind}" if kind else "Risk detection")
    severity_id = risk_severity(level) if level else 0
    info = [item.text("Value") for item in record.objects("additionalInfo")]
    attack = techniques([*record.texts("mitreTechniqueId"), *info, _joined(record)])
    activity = record.time("activityDateTime")
    found = entities(
        entity("account", user), entity("account_id", user_id), entity("ip", ip),
        entity("app", app_id or principal_id),
        traces.indicator(ip) if kind.lower() in _OF_BAD_ADDRESSES else "",
    )  # fmt: skip
    uid = record.text("id") or alert_uid(
        title=title, began=activity or time, category=kind, actor=who, entities=found,
        details=record.texts("requestId"),
    )  # fmt: skip
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=title,
        description=record.text("riskDetail"),
        category=kind,
        time=time,
        severity_id=severity_id,
        first_activity_at=activity,
        last_activity_at=record.time("lastUpdatedDateTime"),
        vendor_status=state,
        vendor_verdict=record.text("riskDetail"),
        techniques=attack,
        actor=who,
        target=who,
        entities=found,
        ocsf=ocsf.event(
            ocsf.DETECTION_FINDING, 1, "Create", time,
            severity_id=severity_id,
            severity=level if severity_id == ocsf.OTHER else "",
            uid=uid,
            reported_by=ocsf.product("Microsoft Entra ID Protection", "Microsoft"),
            correlation_uid=record.text("correlationId"),
            finding_info=ocsf.filled(
                uid=uid, title=title, types=[kind] if kind else [],
                created_time=ocsf.epoch_ms(time), first_seen_time=ocsf.epoch_ms(activity),
                attacks=[ocsf.attack(technique) for technique in attack],
                related_events=[{"uid": found} for found in record.texts("requestId")],
            ),
            status_id=_STATES.get(state.lower(), ocsf.OTHER),
            status=state,
            verdict_id=_VERDICTS.get(state.lower(), 0),
            risk_level=level,
            actor=ocsf.actor(
                ocsf.user(user, user_id, record.text("userDisplayName")), app, app_id
            ),
            evidences=[ocsf.filled(src_endpoint=ocsf.endpoint(ip, place=place_of(record)))],
            unmapped=ocsf.filled(
                detection_timing=record.text("detectionTimingType"),
                activity=record.text("activity"),
                source=record.text("source"),
            ),
        ),
    )  # fmt: skip


def _joined(record: Fields) -> str:
    return " ".join(
        text for item in record.objects("additionalInfo") for text in item.texts("Value")
    )


def risky_user(record: Fields, *, as_account: bool = False) -> Finding | DirectoryItem:
    """Return a risky user: a finding while at risk, else what the directory says of the account.

    A user at risk (`atRisk`, `confirmedCompromised`) is Microsoft's judgement that somebody must
    look: a finding, one for each change of the risk. Any other state (none, remediated, dismissed,
    confirmed safe) asks for nothing: it only updates the account's risk level. `as_account` asks
    for the directory's view whatever the state.
    """
    user_id = record.text("userId") if _is_history(record) else record.text("id", "userId")
    upn = record.text("userPrincipalName")
    if not user_id and not upn:
        raise Quarantine(
            "missing_id", "The risky user has neither id nor userPrincipalName: export it again."
        )
    state, level = record.word("riskState"), record.word("riskLevel")
    if record.has_any("riskLastUpdatedDateTime") or (state in _AT_RISK and not as_account):
        time = record.essential_time("riskLastUpdatedDateTime", "TimeGenerated", "time")
    if state not in _AT_RISK or as_account:
        deleted = record.truth("isDeleted") is True and not _is_history(record)
        return DirectoryItem(
            kind="account",
            external_id=user_id or upn,
            name=upn or record.text("userDisplayName") or user_id,
            attributes=_account_risk(record, upn, level, state),
            is_deleted=deleted,
        )
    severity_id = risk_severity(level) if level else 0
    uid = f"risky_user:{user_id or upn.lower()}:{time.isoformat()}"
    who = upn or record.text("userDisplayName") or user_id
    is_confirmed = state == "confirmedcompromised"
    title = "User confirmed compromised" if is_confirmed else f"User at {level or 'unknown'} risk"
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=title,
        description=record.text("riskDetail"),
        category="riskyUser",
        time=time,
        severity_id=severity_id,
        last_activity_at=time,
        vendor_status=record.text("riskState"),
        vendor_verdict=record.text("riskDetail"),
        actor=who,
        target=who,
        entities=entities(entity("account", upn), entity("account_id", user_id)),
        ocsf=ocsf.event(
            ocsf.DETECTION_FINDING, 2, "Update", time,
            severity_id=severity_id,
            severity=level if severity_id == ocsf.OTHER else "",
            uid=uid,
            reported_by=ocsf.product("Microsoft Entra ID Protection", "Microsoft"),
            finding_info=ocsf.filled(
                uid=uid, title=title, types=["riskyUser"], modified_time=ocsf.epoch_ms(time)
            ),
            status_id=1,
            status=record.text("riskState"),
            verdict_id=_VERDICTS.get(state, 0),
            risk_level=level,
            actor=ocsf.actor(ocsf.user(upn, user_id, record.text("userDisplayName"))),
        ),
    )  # fmt: skip


def _is_history(record: Fields) -> bool:
    return record.has_any("userId") and record.has_any("id")


def _account_risk(record: Fields, upn: str, level: str, state: str) -> dict[str, object]:
    return ocsf.filled(
        username=upn,
        display_name=record.text("userDisplayName"),
        risk_level=level,
        risk_state=state,
        risk_detail=record.text("riskDetail"),
    )
