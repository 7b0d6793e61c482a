"""Sign-ins as Authentication events (OCSF 3002).

Graph's signIn (https://learn.microsoft.com/graph/api/resources/signin), the Azure diagnostic
export and Log Analytics tables of it
(https://learn.microsoft.com/azure/azure-monitor/reference/tables/signinlogs), Defender's
AADSignInEventsBeta, and the sign-ins of the unified audit log.
"""

from integrations import ocsf
from integrations.connectors.microsoft365.normalise.places import country_of, place_of
from integrations.values import (
    Fields,
    address,
    content_uid,
    device_entity,
    entities,
    entity,
    risk_severity,
)
from tenants.errors import Quarantine
from tenants.records import Event

_SUCCESS = frozenset({"0", "success", "succeeded", "true"})
_FAILURE = frozenset({"failure", "failed", "false"})
# https://learn.microsoft.com/graph/api/resources/signin#authenticationprotocol-values
_PROTOCOLS = {"oauth2": 6, "saml20": 5, "wsfederation": 99, "ropc": 6, "devicecode": 6}
_WHO = (
    "userPrincipalName", "UserId", "userId", "servicePrincipalId", "servicePrincipalName",
    "AccountUpn", "AccountObjectId", "appId", "userDisplayName",
)  # fmt: skip


def sign_in(record: Fields) -> Event:
    """Return one sign-in. Its time is when it began (createdDateTime), not when it was exported.

    The actor is the user, or the service principal or managed identity that signed in; the
    target is the application that a user signed in to, or the resource that a service asked for.
    Severity follows the risk that Microsoft saw in it.
    """
    if not record.has_any(*_WHO):
        raise Quarantine(
            "not_a_sign_in",
            "The record names neither a user nor an application that signed in. Check the feed.",
        )
    time = record.essential_time(
        "createdDateTime", "CreationTime", "TimeGenerated", "Timestamp", "time", "p_event_time"
    )
    uid = record.text("id", "ReportId", "RequestId", "OriginalRequestId") or content_uid(
        record.body
    )
    who = _user(record)
    service = _service(record)
    target = (service if who["name"] or who["uid"] else record.text("resourceDisplayName")) or (
        service or record.text("resourceDisplayName", "resourceId")
    )
    actor = who["name"] or _principal(record) or who["display_name"] or who["uid"]
    actor = actor or record.text("appId", "identity")
    ip = address(record.text("ipAddress", "callerIpAddress", "IPAddress", "ClientIP"))
    words = [
        w
        for w in (
            record.text("riskLevelDuringSignIn"),
            record.text("riskLevelAggregated", "riskLevel"),
        )
        if w
    ]
    severity_id = risk_severity(*words) if words else 1
    is_success = succeeded(record)
    device = record.nested("deviceDetail", "DeviceDetail")
    return Event(
        uid=uid,
        class_uid=ocsf.AUTHENTICATION,
        activity="Logon",
        time=time,
        severity_id=severity_id,
        is_success=is_success,
        actor=actor,
        target=target,
        source_ip=ip,
        country=country_of(record),
        entities=entities(
            entity("account", who["name"]),
            entity("account_id", who["uid"]),
            entity("ip", ip),
            entity("device", device.text("displayName") or record.text("DeviceName")),
            device_entity("entra", device.text("deviceId") or record.text("AadDeviceId")),
            entity("app", record.text("appId", "ApplicationId")),
            entity("session", record.text("sessionId")),
        ),
        ocsf=_document(record, uid, time, severity_id, words, who, ip, is_success),
    )


def succeeded(record: Fields) -> bool | None:
    """Whether the sign-in succeeded: by error code, else by result; None where it isn't told."""
    code = error_code(record)
    if code:
        return code in _SUCCESS
    for name in ("resultType", "resultSignature", "ResultStatus", "Result"):
        word = record.word(name)
        if word in _SUCCESS:
            return True
        if word in _FAILURE or word.isdigit():
            return False
    return None


def error_code(record: Fields) -> str:
    """The AADSTS number as text ("0" is success); "" where it isn't told."""
    status = record.nested("status", "Status")
    code = status.text("errorCode") or record.text("errorCode", "ErrorCode", "ErrorNumber")
    if code:
        return code
    result = record.text("resultType")
    return result if result.isdigit() else ""


def _user(record: Fields) -> dict[str, str]:
    return {
        "name": record.text("userPrincipalName", "AccountUpn"),
        "uid": record.text("userId", "AccountObjectId", "UserKey"),
        "display_name": record.text("userDisplayName", "AccountDisplayName"),
    }


def _principal(record: Fields) -> str:
    return record.text("servicePrincipalName", "managedIdentityName", "servicePrincipalId")


def _service(record: Fields) -> str:
    return record.text("appDisplayName", "Application", "resourceDisplayName", "appId")


def _document(
    record: Fields,
    uid: str,
    time: object,
    severity_id: int,
    words: list[str],
    who: dict[str, str],
    ip: str,
    is_success: bool | None,
) -> ocsf.Object:
    device = record.nested("deviceDetail", "DeviceDetail")
    status = record.nested("status", "Status")
    protocol = record.word("authenticationProtocol")
    requirement = record.word("authenticationRequirement")
    user = ocsf.user(who["name"], who["uid"], who["display_name"])
    return ocsf.event(
        ocsf.AUTHENTICATION, 1, "Logon", time,  # type: ignore[arg-type]
        severity_id=severity_id,
        severity=words[0] if severity_id == ocsf.OTHER and words else "",
        uid=uid,
        reported_by=ocsf.product("Microsoft Entra ID", "Microsoft"),
        tenant_uid=record.text("tenantId", "AADTenantId", "homeTenantId"),
        correlation_uid=record.text("correlationId"),
        **ocsf.status(
            is_success,
            error_code(record) or record.text("resultType", "ResultStatus"),
            status.text("failureReason", "additionalDetails") or record.text("ResultDescription"),
        ),
        user=user,
        actor=ocsf.actor(
            user or None,
            record.text("appDisplayName", "servicePrincipalName", "Application"),
            record.text("appId", "ApplicationId"),
        ),
        src_endpoint=ocsf.endpoint(
            ip, hostname=device.text("displayName"), uid=device.text("deviceId"),
            place=place_of(record), asn=record.text("autonomousSystemNumber"),
            os=device.text("operatingSystem"),
        ),
        service=ocsf.filled(
            name=record.text("resourceDisplayName") or _service(record),
            uid=record.text("resourceId"),
        ),
        http_request=ocsf.filled(user_agent=record.text("userAgent")),
        session=ocsf.filled(uid=record.text("sessionId")),
        auth_protocol=record.text("authenticationProtocol"),
        auth_protocol_id=_PROTOCOLS.get(protocol, 99) if protocol not in {"", "none"} else None,
        is_mfa=requirement == "multifactorauthentication" if requirement else None,
        is_remote=True,
        risk_level=record.text("riskLevelDuringSignIn", "riskLevelAggregated"),
        unmapped=_unmapped(record, device),
    )  # fmt: skip


def _unmapped(record: Fields, device: Fields) -> ocsf.Object:
    return ocsf.filled(
        client_app=record.text("clientAppUsed", "ClientAppUsed"),
        browser=device.text("browser"),
        conditional_access=record.text("conditionalAccessStatus"),
        risk_state=record.text("riskState"),
        risk_detail=record.text("riskDetail"),
        risk_event_types=record.texts("riskEventTypes_v2", "riskEventTypes"),
        is_interactive=record.truth("isInteractive"),
        user_type=record.text("userType"),
        mfa_method=record.nested("mfaDetail").text("authMethod"),
        cross_tenant=record.text("crossTenantAccessType"),
    )
