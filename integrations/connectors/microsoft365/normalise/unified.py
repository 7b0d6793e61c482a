"""The unified audit log, and other activity tables, as API Activity events (OCSF 6003).

The Office 365 Management Activity API
(https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema),
its exports (OfficeActivity of Log Analytics, Search-UnifiedAuditLog, Graph's auditLogRecord), and
the rows of Defender's advanced hunting tables.
"""

from integrations import ocsf, traces
from integrations.connectors.microsoft365.normalise import alerts, audit
from integrations.connectors.microsoft365.normalise.mail import addresses_in
from integrations.connectors.microsoft365.normalise.places import country_of, place_of
from integrations.connectors.microsoft365.normalise.sign_ins import sign_in
from integrations.values import (
    Fields,
    address,
    content_uid,
    entities,
    entity,
    opened,
)
from tenants.errors import Quarantine
from tenants.records import Event

_SIGN_INS = frozenset({"userloggedin", "userloginfailed"})
_IP = (
    "ClientIP", "ClientIPAddress", "ActorIpAddress", "Client_IPAddress", "ClientIP_", "ActorIp",
    "IPAddress",
)  # fmt: skip
_READ_VERBS = ("get", "search", "view", "mailitemsaccessed", "fileaccessed", "filedownloaded",
               "filepreviewed", "messagebind", "ldapsearch", "userloggedin")  # fmt: skip
# Parameters of New-InboxRule, Set-InboxRule and Set-Mailbox; RuleActions is what Outlook writes.
_SENDING_ON = (
    "ForwardTo", "ForwardAsAttachmentTo", "RedirectTo", "ForwardingSmtpAddress",
    "ForwardingAddress", "RuleActions",
)  # fmt: skip
_MOST_RECIPIENTS = 50
_VERBS = (
    (("new", "add", "create", "fileuploaded"), 1, "Create"),
    (_READ_VERBS, 2, "Read"),
    (("set", "update", "enable", "disable", "change", "modify", "move", "reset"), 3, "Update"),
    (("remove", "delete", "clear", "harddelete", "softdelete"), 4, "Delete"),
)


def unified_audit(record: Fields) -> Event:
    """Return one entry of the unified audit log.

    The actor is UserId; the target is the mailbox or object that the operation names, for inbox
    rules the mailbox that they are in. Sign-ins in it become Authentication events.
    """
    record = _whole(record)
    operation = record.text("Operation", "Operations")
    if not operation:
        raise Quarantine(
            "not_an_audit_entry", "The record has no Operation: it is no entry of the audit log."
        )
    if operation.lower() in _SIGN_INS:
        return _sign_in(record)
    time = record.essential_time(
        "CreationTime", "TimeGenerated", "createdDateTime", "CreationDate", "Timestamp", "time"
    )
    uid = record.text("Id", "OfficeId", "SourceRecordId", "Identity") or content_uid(record.body)
    actor = record.text("UserId", "UserPrincipalName", "UserIds", "UserKey")
    parameters = parameters_of(record)
    target = _target(record, operation, parameters, actor)
    ip = address(record.text(*_IP))
    is_success = audit.outcome(record)
    activity_id, activity_name = _activity(operation)
    workload = record.text("Workload", "OfficeWorkload", "Source_Workload", "service")
    app_id = record.text("ClientAppId", "ApplicationId")
    return Event(
        uid=uid,
        class_uid=ocsf.API_ACTIVITY,
        activity=operation,
        time=time,
        is_success=is_success,
        actor=actor,
        target=target,
        source_ip=ip,
        country=country_of(record),
        entities=entities(
            entity("account", actor if "@" in actor else ""),
            entity("mailbox", target if "@" in target else ""),
            entity("account", target if "@" in target else ""),
            entity("ip", ip),
            entity("app", app_id),
            *_sent_on(parameters),
            *(entity("message", found) for found in _message_ids(record)),
        ),
        ocsf=ocsf.event(
            ocsf.API_ACTIVITY, activity_id, activity_name, time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product(workload or "Microsoft 365", "Microsoft"),
            tenant_uid=record.text("OrganizationId", "OfficeTenantId"),
            **ocsf.status(is_success, record.text("ResultStatus"), record.text("ResultReason")),
            actor=ocsf.actor(ocsf.user(actor, record.text("UserKey")), app_uid=app_id),
            api=ocsf.filled(operation=operation, service=ocsf.filled(name=workload)),
            src_endpoint=ocsf.endpoint(ip, place=place_of(record)),
            http_request=ocsf.filled(user_agent=record.text("UserAgent", "ClientInfoString")),
            resources=[ocsf.filled(name=target, uid=record.text("ObjectId", "MailboxGuid"))],
            unmapped=ocsf.filled(
                parameters=parameters,
                record_type=record.text("RecordType", "auditLogRecordType"),
                user_type=record.text("UserType"),
                logon_type=record.text("LogonType", "Logon_Type"),
                external_access=record.truth("ExternalAccess"),
            ),
        ),
    )  # fmt: skip


def parameters_of(record: Fields) -> dict[str, str]:
    """A cmdlet's parameters by name, from a list of name and value or from an object."""
    raw = opened(record.raw("Parameters", "OperationProperties"))
    if isinstance(raw, dict):
        return {str(name): str(value) for name, value in raw.items()}
    found = {}
    for item in record.objects("Parameters", "OperationProperties"):
        name = item.text("Name")
        if name:
            found[name] = item.text("Value")
    return found


def _sent_on(parameters: dict[str, str]) -> list[str]:
    """Where a rule or a mailbox is made to send mail on to, as entities."""
    named = Fields(parameters)
    told = (found for name in _SENDING_ON for found in addresses_in(named.text(name).lower()))
    return [entity("sender", one.removeprefix("smtp:")) for one in told][:_MOST_RECIPIENTS]


def _target(record: Fields, operation: str, parameters: dict[str, str], actor: str) -> str:
    named = Fields(parameters)
    if "inboxrule" in operation.lower():
        # Identity and ObjectId name the rule here, not the mailbox.
        owner = named.text("Mailbox") or record.text("MailboxOwnerUPN")
        return owner or actor
    if "mailbox" in operation.lower() and named.text("Identity"):
        return named.text("Identity").split("/")[-1] if _is_path(named) else named.text("Identity")
    return (
        record.text("MailboxOwnerUPN", "TargetUserOrGroupName", "OfficeObjectId", "ObjectId")
        or named.text("Identity", "User", "Mailbox")
        or record.nested("Item").text("Subject")
        or record.text("SiteUrl", "ApplicationDisplayName")
    )


def _is_path(named: Fields) -> bool:
    """Whether Identity is a canonical name, "server/…/organisation/alias"."""
    return "microsoft exchange hosted organizations" in named.word("Identity")


def _message_ids(record: Fields) -> list[str]:
    item = record.nested("Item")
    found = [record.text("InternetMessageId"), item.text("InternetMessageId")]
    for folder in record.objects("Folders"):
        found += [i.text("InternetMessageId") for i in folder.objects("FolderItems")]
    return [message for message in found if message][:50]


def _activity(operation: str) -> tuple[int, str]:
    lower = operation.lower()
    for words, number, name in _VERBS:
        if lower.startswith(tuple(words)):
            return number, name
    return ocsf.OTHER, operation


def _whole(record: Fields) -> Fields:
    """Open what an export wraps: the entry itself is inside AuditData or RawEventData."""
    inner = record.nested("AuditData", "RawEventData")
    if not inner.has_any("Operation", "CreationTime", "Id"):
        return record
    names = {name.lower() for name in inner.body}
    outer = {k: v for k, v in record.body.items() if str(k).lower() not in names}
    return Fields({**inner.body, **outer})


def _sign_in(record: Fields) -> Event:
    details = {d.word("Name"): d.text("Value") for d in record.objects("ExtendedProperties")}
    device = {d.word("Name"): d.text("Value") for d in record.objects("DeviceProperties")}
    number = record.text("ErrorNumber")
    translated = {
        "id": record.text("Id"),
        "createdDateTime": record.raw("CreationTime", "TimeGenerated"),
        "userPrincipalName": record.text("UserId"),
        "userId": record.text("UserKey"),
        "ipAddress": record.text(*_IP),
        "appId": record.text("ApplicationId"),
        "userAgent": details.get("useragent", ""),
        "resultType": number or record.text("ResultStatus"),
        "errorCode": number if record.word("Operation") == "userloginfailed" else "0",
        "ResultDescription": record.text("LogonError"),
        "deviceDetail": {
            "displayName": device.get("displayname"), "operatingSystem": device.get("os"),
            "deviceId": device.get("id"),
        },
        "tenantId": record.text("OrganizationId"),
        "sessionId": device.get("sessionid"),
    }  # fmt: skip
    if record.word("Operation") == "userloginfailed" and not number:
        translated["errorCode"] = "50126"
    return sign_in(Fields({k: v for k, v in translated.items() if v}))


def hunting_row(record: Fields) -> Event:
    """Return one row of an advanced hunting table (ActionType) as API Activity.

    Rows of CloudAppEvents carry the audit entry itself; where that names the user, it is taken.
    """
    raw = record.nested("RawEventData")
    time = record.essential_time("Timestamp", "TimeGenerated", "time")
    action = record.text("ActionType", "ActivityType", "Operation")
    uid = record.text("ReportId", "ReportId_string") or raw.text("Id") or content_uid(record.body)
    if record.has_any("ReportId_long") and not record.has_any("ReportId", "ReportId_string"):
        # The number is unique only together with the device and the time.
        uid = f"{record.text('DeviceName')}:{record.text('ReportId_long')}:{time.isoformat()}"
    actor = (
        record.text("AccountUpn")
        or raw.text("UserId")
        or record.text("InitiatingProcessAccountUpn", "AccountDisplayName", "AccountName")
        or record.text("AccountObjectId", "InitiatingProcessAccountName")
    )
    target = (
        record.text("TargetAccountUpn", "TargetAccountDisplayName")
        or raw.text("MailboxOwnerUPN")
        or record.text("DestinationDeviceName", "TargetDeviceName", "ObjectName", "RemoteUrl")
        or record.text("DeviceName", "Application")
    )
    ip = address(record.text("IPAddress", "LocalIP") or raw.text(*_IP))
    activity_id, activity_name = _activity(action)
    service = record.text("Application")
    account_id = record.text("AccountObjectId")
    return Event(
        uid=uid,
        class_uid=ocsf.API_ACTIVITY,
        activity=action,
        time=time,
        is_success=audit.outcome(raw),
        actor=actor,
        target=target,
        source_ip=ip,
        country=country_of(record),
        entities=entities(
            entity("account", actor if "@" in actor else ""),
            entity("account_id", account_id),
            entity("device", record.text("DeviceName")),
            entity("device", record.text("DestinationDeviceName")),
            entity("mailbox", raw.text("MailboxOwnerUPN")),
            entity("ip", ip),
            entity("app", record.text("OAuthAppId") or raw.text("ClientAppId")),
            *_sent_on(parameters_of(raw)),
            *traces.files(*(record.text(f"{of}{name}") for of in ("", "InitiatingProcess")
                            for name in ("SHA256", "SHA1", "MD5"))),
        ),
        ocsf=ocsf.event(
            ocsf.API_ACTIVITY, activity_id, activity_name, time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product("Microsoft Defender XDR", "Microsoft"),
            **ocsf.status(audit.outcome(raw), raw.text("ResultStatus")),
            actor=ocsf.actor(
                ocsf.user(actor, account_id, record.text("AccountDisplayName")),
                record.text("InitiatingProcessFileName"),
            ),
            api=ocsf.filled(operation=action, service=ocsf.filled(name=service)),
            src_endpoint=ocsf.endpoint(
                ip, hostname=record.text("DeviceName"), port=record.number("Port", "LocalPort"),
                place=place_of(record),
            ),
            dst_endpoint=ocsf.endpoint(
                record.text("DestinationIPAddress", "RemoteIP"),
                hostname=record.text("DestinationDeviceName", "RemoteDeviceName"),
                port=record.number("DestinationPort", "RemotePort"),
            ),
            http_request=ocsf.filled(user_agent=record.text("UserAgent", "UserAgent_string")),
            resources=[ocsf.filled(name=target, uid=record.text("ObjectId"))],
            unmapped=ocsf.filled(
                command_line=record.text("InitiatingProcessCommandLine")[:2000],
                additional=record.nested("AdditionalFields", "AdditionalFields_string").body,
                protocol=record.text("Protocol"),
            ),
        ),
    )  # fmt: skip


def alert_evidence(record: Fields) -> Event:
    """Return one row of Defender's AlertEvidence table as a Base Event.

    It is no alert of its own; it tells what an alert of AlertInfo is about.
    """
    time = record.essential_time("Timestamp", "TimeGenerated", "time")
    involved = alerts.alert_evidence_row(record)
    alert_id = record.text("AlertId")
    uid = content_uid(record.body)
    return Event(
        uid=uid,
        class_uid=ocsf.BASE_EVENT,
        activity="Alert evidence",
        time=time,
        actor=involved.actor,
        target=alert_id,
        source_ip=next(iter(involved.addresses), ""),
        entities=tuple(involved.entities),
        ocsf=ocsf.event(
            ocsf.BASE_EVENT, ocsf.OTHER, "Alert evidence", time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product("Microsoft Defender XDR", "Microsoft"),
            correlation_uid=alert_id,
            unmapped=ocsf.filled(
                entity_type=record.text("EntityType"), role=record.text("EvidenceRole"),
            ),
        ),
    )  # fmt: skip
