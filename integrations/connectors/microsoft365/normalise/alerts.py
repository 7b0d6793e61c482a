"""Alerts and incidents as findings.

An alert comes as Graph's alerts_v2, as the old Graph security alert (v1), as a row of Defender's
AlertInfo table, or as Sentinel's SecurityAlert; an incident as Graph's incident or Sentinel's
SecurityIncident. Sources: https://learn.microsoft.com/graph/api/resources/security-alert,
/graph/api/resources/alert, /graph/api/resources/security-incident,
https://learn.microsoft.com/defender-xdr/advanced-hunting-alertinfo-table.
"""

from typing import Any

from integrations import ocsf, traces
from integrations.alert_identity import alert_uid
from integrations.connectors.microsoft365.normalise import evidence
from integrations.microsoft.involved import Involved
from integrations.values import (
    Fields,
    entity,
    severity,
    shown,
    techniques,
)
from tenants.errors import Quarantine
from tenants.records import Finding

# OCSF status_id of a finding, by the vendor's word.
_STATUSES = {
    "new": 1, "newalert": 1, "active": 1, "inprogress": 2, "awaitingaction": 2, "dismissed": 3,
    "redirected": 5, "resolved": 4, "closed": 4, "unknown": 0, "unknownfuturevalue": 0, "": 0,
}  # fmt: skip
# OCSF verdict_id, by classification or the old alert's feedback.
_VERDICTS = {
    "truepositive": 2, "falsepositive": 1, "informationalexpectedactivity": 5,
    "benignpositive": 5, "undetermined": 7, "unknown": 0, "unknownfuturevalue": 0, "": 0,
}  # fmt: skip
_SEEN = {
    "alertid", "systemalertid", "id", "provideralertid", "title", "alertdisplayname", "alertname",
    "severity", "alertseverity", "category", "alerttype", "status", "detectionsource",
    "servicesource", "vendorinformation", "evidence", "createddatetime",
}  # fmt: skip


def alert(record: Fields) -> Finding:
    """Return one alert, of whatever shape, as a Detection Finding (OCSF 2004).

    Its time is when the vendor created it; when it happened is first and last activity.
    """
    if len(_SEEN & {name.lower() for name in record.body}) < 3:
        raise Quarantine(
            "not_an_alert",
            "The record has hardly any field of an alert: "
            f"it has {', '.join(sorted(map(str, record.body))[:6]) or 'nothing'}. "
            "Check the connector and the feed.",
        )
    time = record.essential_time(
        "createdDateTime", "eventDateTime", "Timestamp", "TimeGenerated", "ProcessingEndTime",
        "lastUpdateDateTime", "lastModifiedDateTime", "firstActivityDateTime",
        "time", "_TimeReceivedBySvc",
    )  # fmt: skip
    involved = _involved(record)
    attack = techniques(
        record.texts("mitreTechniques", "AttackTechniques", "techniques", "Techniques")
    )
    word = record.text("severity", "AlertSeverity")
    uid = record.text("id", "AlertId", "SystemAlertId", "providerAlertId", "VendorOriginalId")
    title = (
        record.text("title", "AlertDisplayName", "AlertName", "displayName")
        or record.text("category", "AlertType")
        or "Alert without a title"
    )
    first = record.time("firstActivityDateTime", "StartTime", "eventDateTime")
    last = record.time("lastActivityDateTime", "EndTime", "lastEventDateTime")
    category = record.text("category", "AlertType", "Category", "Categories", "Tactics")
    verdict = record.text("classification", "feedback", "Classification")
    vendor = record.nested("vendorInformation")
    product = (
        record.text("productName", "serviceSource", "ProductName", "ServiceSource")
        or vendor.text("provider")
        or record.text("ProviderName")
    )
    severity_id = severity(word)
    uid = uid or alert_uid(
        title=title, began=first or time, category=category, actor=involved.actor,
        target=involved.target, entities=involved.entities, details=(product,),
    )  # fmt: skip
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=title,
        description=record.text("description", "Description"),
        category=category,
        time=time,
        severity_id=severity_id,
        first_activity_at=first,
        last_activity_at=last,
        confidence=_confidence(record),
        vendor_status=record.text("status", "Status"),
        vendor_verdict=verdict,
        techniques=attack,
        actor=involved.actor,
        target=involved.target,
        entities=tuple(involved.entities),
        link=_link(record),
        ocsf=_document(
            ocsf.DETECTION_FINDING, record, uid, title, time, severity_id, word, involved, attack,
            product=product, first=first, last=last,
            evidences=[_evidence_object(item) for item in _all_evidence(record)],
            related=record.text("incidentId"),
        ),
    )  # fmt: skip


def incident(record: Fields) -> Finding:
    """Return one incident as an Incident Finding (OCSF 2005), with what its alerts name."""
    uid = record.essential("id", "incidentId", "IncidentNumber", "IncidentName", what="incident")
    time = record.essential_time(
        "createdDateTime", "CreatedTime", "TimeGenerated", "lastUpdateDateTime", "FirstActivityTime"
    )
    involved = Involved()
    attack: list[str] = []
    starts, ends = [], []
    for child in record.objects("alerts"):
        evidence.read(_all_evidence(child), involved)
        attack.extend(child.texts("mitreTechniques"))
        starts.append(child.time("firstActivityDateTime"))
        ends.append(child.time("lastActivityDateTime"))
    attack.extend(record.nested("AdditionalData").texts("techniques"))
    word = record.text("severity", "Severity")
    severity_id = severity(word)
    title = record.text("displayName", "Title", "title", "incidentName") or f"Incident {uid}"
    first = record.time("FirstActivityTime") or min(filter(None, starts), default=None)
    last = record.time("LastActivityTime") or max(filter(None, ends), default=None)
    verdict = record.text("classification", "Classification")
    found = techniques(attack)
    return Finding(
        uid=uid,
        class_uid=ocsf.INCIDENT_FINDING,
        title=title,
        description=record.text("description", "Description", "summary"),
        category=record.text("determination"),
        time=time,
        severity_id=severity_id,
        first_activity_at=first,
        last_activity_at=last,
        vendor_status=record.text("status", "Status"),
        vendor_verdict=verdict,
        techniques=found,
        actor=involved.actor,
        target=involved.target,
        entities=tuple(involved.entities),
        link=_link(record),
        ocsf=_document(
            ocsf.INCIDENT_FINDING, record, uid, title, time, severity_id, word, involved, found,
            product="Microsoft Defender XDR", first=first, last=last,
            finding_info_list=[
                ocsf.filled(uid=child.text("id"), title=child.text("title"))
                for child in record.objects("alerts")
            ],
        ),
    )  # fmt: skip


def _involved(record: Fields) -> Involved:
    involved = evidence.read(_all_evidence(record))
    for state in record.objects("userStates"):
        involved.account(state)
        involved.ip(state.text("logonIp"))
    for state in record.objects("hostStates"):
        involved.device(state)
        involved.ip(state.text("privateIpAddress"))
        involved.ip(state.text("publicIpAddress"))
    for state in record.objects("fileStates"):
        digest = state.nested("fileHash")
        involved.add(*traces.files(digest.text("hashValue")))
    for state in record.objects("networkConnections"):
        involved.ip(state.text("sourceAddress"))
        involved.ip(state.text("destinationAddress"))
    for state in record.objects("cloudAppStates"):
        involved.ip(state.text("destinationServiceIp"))
    if record.has_any("AccountUpn", "AccountObjectId"):
        involved.account(record)
    if not involved.devices and record.has_any("CompromisedEntity"):
        involved.add(entity("account", record.text("CompromisedEntity")))
        involved.accounts.append(record.text("CompromisedEntity"))
    return involved


def _all_evidence(record: Fields) -> list[Fields]:
    return record.objects("evidence") or [_sentinel(item) for item in record.objects("Entities")]


def _sentinel(item: Fields) -> Fields:
    """An entity of a SecurityAlert in the words of Graph's evidence.

    Source: https://learn.microsoft.com/azure/sentinel/entities-reference
    """
    kind = item.word("Type")
    if kind == "account":
        name, suffix = item.text("Name"), item.text("UPNSuffix")
        upn = item.text("UserPrincipalName") or (f"{name}@{suffix}" if name and suffix else "")
        account = {
            "userPrincipalName": upn,
            "accountName": name,
            "domainName": item.text("NTDomain", "DnsDomain"),
            "azureAdUserId": item.text("AadUserId"),
            "userSid": item.text("Sid"),
        }
        return Fields({"@odata.type": "userEvidence", "userAccount": account})
    if kind == "ip":
        return Fields({"@odata.type": "ipEvidence", "ipAddress": item.text("Address")})
    if kind == "host":
        return Fields({**item.body, "@odata.type": "deviceEvidence"})
    if kind in {"mailbox", "mailmessage", "mail-message"}:
        named = {"mailbox": "mailboxEvidence"}.get(kind, "analyzedMessageEvidence")
        recipient = {"recipientEmailAddress": item.text("Recipient")}
        return Fields({**item.body, **recipient, "@odata.type": named})
    return item


def _confidence(record: Fields) -> int | None:
    """Percent: v1 gives 0…100, Sentinel 0…1."""
    found = record.real("confidence", "ConfidenceScore", "confidenceScore")
    if found is None:
        return None
    percent = found * 100 if 0 < found <= 1 and not record.has("confidence") else found
    return round(percent) if 0 <= percent <= 100 else None


def _link(record: Fields) -> str:
    found = record.text("alertWebUrl", "incidentWebUrl", "AlertLink", "IncidentUrl")
    if not found:
        found = next(iter(record.texts("sourceMaterials")), "")
    return found if found.startswith("https://") else ""


def _document(
    class_uid: int,
    record: Fields,
    uid: str,
    title: str,
    time: Any,
    severity_id: int,
    word: str,
    involved: Involved,
    attack: tuple[str, ...],
    *,
    product: str,
    first: Any,
    last: Any,
    related: str = "",
    **more: Any,
) -> ocsf.Object:
    status = record.text("status", "Status")
    verdict = record.text("classification", "feedback", "Classification")
    updated = record.time("lastUpdateDateTime", "lastModifiedDateTime", "LastModifiedTime")
    info = ocsf.filled(
        uid=uid,
        title=title,
        desc=record.text("description", "Description"),
        types=record.texts("category", "AlertType"),
        created_time=ocsf.epoch_ms(time),
        modified_time=ocsf.epoch_ms(updated),
        first_seen_time=ocsf.epoch_ms(first),
        last_seen_time=ocsf.epoch_ms(last),
        attacks=[ocsf.attack(technique) for technique in attack],
        src_url=_link(record),
        analytic=ocsf.filled(
            name=record.text("detectionSource", "DetectionSource"), uid=record.text("detectorId")
        ),
        related_events=[{"uid": related}] if related else [],
    )
    confidence = _confidence(record)
    return ocsf.event(
        class_uid, 1, "Create", time,
        severity_id=severity_id,
        severity=word if severity_id == ocsf.OTHER else "",
        uid=uid,
        reported_by=ocsf.product(product or "Microsoft 365", "Microsoft"),
        tenant_uid=record.text("tenantId", "azureTenantId", "TenantId"),
        profiles=("incident",),
        finding_info=info,
        status_id=_STATUSES.get(status.lower().replace(" ", ""), ocsf.OTHER),
        status=status,
        verdict_id=_VERDICTS.get(verdict.lower().replace(" ", ""), ocsf.OTHER),
        verdict=verdict,
        confidence_score=confidence,
        confidence_id=_confidence_id(confidence),
        actor=ocsf.actor(ocsf.user(name=involved.actor)) if involved.actor else None,
        resources=[ocsf.filled(name=name) for name in involved.mailboxes + involved.devices],
        unmapped=ocsf.filled(
            determination=record.text("determination"),
            recommended_actions=record.text("recommendedActions"),
            incident_id=related,
            assigned_to=record.text("assignedTo"),
        ),
        **more,
    )  # fmt: skip


def _confidence_id(percent: int | None) -> int | None:
    if percent is None:
        return None
    return 1 if percent < 34 else 2 if percent < 67 else 3


def _evidence_object(item: Fields) -> ocsf.Object:
    """One piece of evidence as OCSF's evidence artifact."""
    account = item.nested("userAccount")
    file = item.nested("fileDetails", "imageFile")
    return ocsf.filled(
        name=evidence.kind_of(item) or shown(item.text("Type")),
        verdict=item.text("verdict"),
        user=ocsf.user(
            account.text("userPrincipalName", "accountName"),
            account.text("azureAdUserId", "userSid"),
            account.text("displayName"),
            domain=account.text("domainName"),
        ),
        src_endpoint=ocsf.endpoint(ip=item.text("ipAddress", "senderIp")),
        device=ocsf.filled(
            hostname=item.text("deviceDnsName", "hostName"), uid=item.text("mdeDeviceId")
        ),
        file=ocsf.filled(name=file.text("fileName"), path=file.text("filePath")),
        process=ocsf.filled(cmd_line=item.text("processCommandLine"), pid=item.number("processId")),
        email=ocsf.filled(subject=item.text("subject"), message_uid=item.text("internetMessageId")),
        url=ocsf.filled(url_string=item.text("url")),
        data=item.texts("roles", "detailedRoles"),
    )


def alert_evidence_row(record: Fields) -> Involved:
    """Return what one row of Defender's AlertEvidence table names."""
    involved = Involved()
    involved.account(record)
    involved.device(record)
    involved.ip(record.text("RemoteIP", "LocalIP"))
    involved.message(record)
    if record.has_any("SHA256", "SHA1"):
        involved.file(record)
    return involved
