"""From Defender for Endpoint's records to findings and directory items. Pure.

Sources: https://learn.microsoft.com/defender-endpoint/api/machine, …/alerts,
…/get-assessment-software-vulnerabilities, …/get-all-vulnerabilities-by-machines,
…/get-assessment-software-inventory,
https://learn.microsoft.com/defender-xdr/advanced-hunting-alertinfo-table.
"""

from collections.abc import Callable, Mapping

from integrations import ocsf
from integrations.microsoft.involved import Involved
from integrations.values import (
    Fields,
    device_entity,
    entities,
    entity,
    opened,
    severity,
    techniques,
)
from tenants.errors import Quarantine
from tenants.records import DirectoryItem, Event, Finding, Normalised, SourceRecord

PRODUCT = ocsf.product("Microsoft Defender for Endpoint", "Microsoft")
# OCSF status_id and verdict_id, by the vendor's word.
_STATUSES = {"new": 1, "inprogress": 2, "resolved": 4, "unknown": 0, "": 0}
_VERDICTS = {
    "truepositive": 2, "falsepositive": 1, "informationalexpectedactivity": 5, "unknown": 0, "": 0,
}  # fmt: skip
# Defender says so of what it found to be harmful; other evidence only belongs to the story.
_FOUND_BAD = frozenset({"detected", "blocked", "prevented", "remediated"})
_PORTAL = "https://security.microsoft.com/alerts/"


def _read(read: Callable[[Fields], Normalised]) -> Callable[[SourceRecord], Normalised]:
    """A normaliser: what is no record is refused, envelopes are taken off."""

    def normalise(record: SourceRecord) -> Normalised:
        refused = record.context.get("quarantine")
        if isinstance(refused, Mapping):
            raise Quarantine(str(refused.get("code")), str(refused.get("reason")))
        url = str(record.context.get("url") or "").lower()
        if "://" in url and "/api/" not in url:
            raise Quarantine(
                "other_service",
                "An answer of another service of Microsoft's: take it in with the connector of "
                "that service.",
            )
        return read(_inside(Fields(record.body)))

    return normalise


def _inside(record: Fields) -> Fields:
    """A record out of the envelopes of a rule's test and of a diagnostic export."""
    log = record.nested("log")
    if log.body and record.has_any("rule", "test", "log_types"):
        return _inside(log)
    inner = opened(record.raw("properties"))
    if isinstance(inner, Mapping) and inner and record.has_any("category", "operationName"):
        told = {str(name).lower() for name in inner} | {"properties"}
        around = {k: v for k, v in record.body.items() if str(k).lower() not in told}
        return Fields({**inner, **around})
    return record


def _machine(told: Fields) -> DirectoryItem:
    external_id = told.essential("id", what="machine")
    if not told.has_any("computerDnsName", "osPlatform", "healthStatus"):
        raise Quarantine(
            "not_a_machine",
            "Nothing in the record shows a computer (computerDnsName, osPlatform). Check the feed.",
        )
    platform = told.text("osPlatform")
    addresses = told.objects("ipAddresses")
    return DirectoryItem(
        kind="device",
        external_id=external_id,
        name=told.text("computerDnsName") or external_id,
        attributes=ocsf.filled(
            operating_system=" ".join(p for p in (platform, told.text("version")) if p),
            first_seen_at=told.time("firstSeen"),
            last_seen_at=told.time("lastSeen"),
            health=told.text("healthStatus"),
            onboarding=told.text("onboardingStatus"),
            risk=told.word("riskScore"),
            exposure=told.word("exposureLevel"),
            antivirus=told.text("defenderAvStatus"),
            agent_version=told.text("agentVersion"),
            entra_device_id=told.text("aadDeviceId"),
            managed_by=told.text("managedBy"),
            merged_into=told.text("mergedIntoMachineId"),
            tags=told.texts("machineTags"),
            device_value=told.text("deviceValue"),
            group=told.text("rbacGroupName"),
            last_ip=told.text("lastIpAddress"),
            last_external_ip=told.text("lastExternalIpAddress"),
            mac_addresses=sorted({a.text("macAddress") for a in addresses if a.text("macAddress")}),
            cloud_resource=told.nested("vmMetadata").text("resourceId"),
        )
        | {
            "is_server": "server" in platform.lower(),
            "is_onboarded": told.word("onboardingStatus") == "onboarded",
        },
    )


def _alert(told: Fields) -> Finding:
    """An alert as a Detection Finding (OCSF 2004); also as a row of the table AlertInfo."""
    uid = told.essential("id", "AlertId", what="alert")
    if not told.has_any("title", "severity", "alertCreationTime"):
        raise Quarantine(
            "not_an_alert",
            "Nothing in the record shows an alert (title, severity, alertCreationTime). "
            "Check the feed.",
        )
    time = told.essential_time(
        "alertCreationTime", "Timestamp", "firstEventTime", "lastUpdateTime", "time"
    )
    involved = _involved(told)
    word = told.text("severity")
    status = told.text("status")
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=told.text("title") or told.text("category") or f"Alert {uid}",
        description=told.text("description"),
        category=told.text("category"),
        time=time,
        severity_id=severity(word),
        first_activity_at=told.time("firstEventTime"),
        last_activity_at=told.time("lastEventTime"),
        vendor_status=status,
        vendor_verdict=told.text("classification"),
        techniques=_techniques(told),
        actor=involved.actor,
        target=involved.target,
        entities=tuple(involved.entities),
        link=_PORTAL + uid,
        ocsf=ocsf.event(
            ocsf.DETECTION_FINDING, 1, "Create", time,
            severity_id=severity(word),
            severity=word if severity(word) == ocsf.OTHER else "",
            uid=uid,
            reported_by=PRODUCT,
            tenant_uid=told.text("aadTenantId", "tenantId"),
            profiles=("incident",),
            finding_info=_finding_info(told, uid),
            status_id=_STATUSES.get(status.lower(), ocsf.OTHER),
            status=status,
            verdict_id=_VERDICTS.get(_letters(told.word("classification")), ocsf.OTHER),
            verdict=told.text("classification"),
            actor=ocsf.actor(ocsf.user(name=involved.actor)) if involved.actor else None,
            device=ocsf.endpoint(hostname=told.text("computerDnsName"), uid=told.text("machineId")),
            evidences=[_evidence(item) for item in told.objects("evidence")],
            malware=_malware(told),
            unmapped=ocsf.filled(
                determination=told.text("determination"),
                incident_id=told.text("incidentId"),
                investigation_state=told.text("investigationState"),
                assigned_to=told.text("assignedTo"),
                service=told.text("ServiceSource"),
            ),
        ),
    )  # fmt: skip


def _letters(word: str) -> str:
    return "".join(c for c in word if c.isalpha())


def _techniques(told: Fields) -> tuple[str, ...]:
    return techniques(told.texts("mitreTechniques", "AttackTechniques"))


def _malware(told: Fields) -> list[ocsf.Object]:
    name = told.text("threatName", "threatFamilyName")
    return [ocsf.filled(name=name, classification_ids=[ocsf.UNKNOWN])] if name else []


def _finding_info(told: Fields, uid: str) -> ocsf.Object:
    related = told.text("incidentId")
    return ocsf.filled(
        uid=uid,
        title=told.text("title"),
        desc=told.text("description"),
        types=told.texts("category"),
        created_time=ocsf.epoch_ms(told.time("alertCreationTime", "Timestamp")),
        modified_time=ocsf.epoch_ms(told.time("lastUpdateTime")),
        first_seen_time=ocsf.epoch_ms(told.time("firstEventTime")),
        last_seen_time=ocsf.epoch_ms(told.time("lastEventTime")),
        attacks=[ocsf.attack(technique) for technique in _techniques(told)],
        src_url=_PORTAL + uid,
        analytic=ocsf.filled(name=told.text("detectionSource"), uid=told.text("detectorId")),
        related_events=[{"uid": related}] if related else [],
    )


def _involved(told: Fields) -> Involved:
    """Its computer first, then what the evidence names."""
    involved = Involved()
    machine = {"deviceDnsName": told.text("computerDnsName"), "mdeDeviceId": told.text("machineId")}
    involved.device(Fields(machine))
    for item in told.objects("evidence"):
        involved.account(item)
        involved.ip(item.text("ipAddress"))
        if item.has_any("sha256", "sha1"):
            involved.file(item)
        if item.has_any("url"):
            involved.add(entity("url", item.text("url")))
        if item.has_any("processId"):
            involved.process(item, told.text("machineId"))
        if item.word("detectionStatus") in _FOUND_BAD:
            involved.bad(item.text("ipAddress"), item.text("url"))
    user = told.nested("relatedUser")
    if user.body and not involved.accounts:
        involved.account(Fields({"accountName": user.text("userName"),
                                 "domainName": user.text("domainName")}))  # fmt: skip
    if told.has_any("incidentId"):
        involved.add(entity("incident", told.text("incidentId")))
    return involved


def _evidence(item: Fields) -> ocsf.Object:
    file = ocsf.filled(name=item.text("fileName"), path=item.text("filePath"))
    return ocsf.filled(
        name=item.text("entityType"),
        verdict=item.text("detectionStatus"),
        user=ocsf.user(
            item.text("userPrincipalName", "accountName"), item.text("aadUserId", "userSid"),
            domain=item.text("domainName"),
        ),
        src_endpoint=ocsf.endpoint(ip=item.text("ipAddress")),
        file=file | _hashes(item) if file else None,
        process=ocsf.filled(
            cmd_line=item.text("processCommandLine"), pid=item.number("processId")
        ),
        url=ocsf.filled(url_string=item.text("url")),
        data=ocsf.filled(
            registry_key=item.text("registryKey"), registry_value=item.text("registryValue")
        ),
    )  # fmt: skip


def _hashes(item: Fields) -> ocsf.Object:
    """OCSF fingerprints: SHA-1 is algorithm 2, SHA-256 is 3."""
    found = [
        {"algorithm_id": number, "value": item.text(name)}
        for name, number in (("sha1", 2), ("sha256", 3))
        if item.text(name)
    ]
    return ocsf.filled(hashes=found)


def _vulnerability(told: Fields) -> Event:
    """A known hole of a program on a computer, as a Vulnerability Finding (OCSF 2002).

    Kept as an event: a hole is no attack, and as a finding each would open a case. A later state
    of the same hole stands beside the earlier ones.
    """
    cve = told.text("cveId")
    device_id = told.text("deviceId", "machineId")
    if not cve or not device_id:
        raise Quarantine(
            "no_vulnerability",
            "The row names no known hole (cveId) of a device (deviceId); it only says what is "
            "installed. Take it in with the feed software.",
        )
    vendor = told.text("softwareVendor", "productVendor")
    name, version = (
        told.text("softwareName", "productName"),
        told.text("softwareVersion", "productVersion"),
    )
    uid = "-_-".join((device_id, cve, vendor, name, version))
    time = told.essential_time("firstSeenTimestamp", "eventTimestamp", "lastSeenTimestamp")
    last = told.time("eventTimestamp", "lastSeenTimestamp")
    is_fixed = told.word("status") == "fixed"
    host, word = told.text("deviceName"), told.text("vulnerabilitySeverityLevel", "severity")
    title = f"{cve} in {name} {version}".strip()
    score = told.real("cvssScore")
    return Event(
        uid=uid,
        class_uid=ocsf.VULNERABILITY_FINDING,
        activity=f"{cve} {told.text('status') or 'New'}".lower(),
        time=time,
        severity_id=severity(word),
        target=host or device_id,
        entities=entities(
            entity("device", host), device_entity("defender_endpoint", device_id),
            entity("cve", cve),
        ),
        ocsf=ocsf.event(
            ocsf.VULNERABILITY_FINDING, *((3, "Close") if is_fixed else (1, "Create")), time,
            severity_id=severity(word),
            uid=uid,
            reported_by=PRODUCT,
            status_id=4 if is_fixed else 1,
            status=told.text("status") or "New",
            finding_info=ocsf.filled(
                uid=uid, title=title,
                first_seen_time=ocsf.epoch_ms(told.time("firstSeenTimestamp")),
                last_seen_time=ocsf.epoch_ms(last),
            ),
            resources=[ocsf.filled(name=host, uid=device_id, type="device")],
            vulnerabilities=[
                ocsf.filled(
                    cve=ocsf.filled(
                        uid=cve, cvss=[{"base_score": score, "version": ""}] if score else []
                    ),
                    severity=word,
                    is_exploit_available=_is_exploited(told),
                    is_fix_available=told.truth("securityUpdateAvailable"),
                    affected_packages=[
                        ocsf.filled(name=name, version=version, vendor_name=vendor)
                    ],
                    kb_article_list=[{"uid": kb} for kb in _updates(told)],
                )
            ],
            unmapped=ocsf.filled(
                exploitability=told.text("exploitabilityLevel"),
                update=told.text("recommendedSecurityUpdate"),
            ),
        ),
    )  # fmt: skip


def _is_exploited(told: Fields) -> bool | None:
    level = told.word("exploitabilityLevel")
    return level not in ("noexploit", "") if level else None


def _updates(told: Fields) -> list[str]:
    found = told.text("recommendedSecurityUpdateId", "fixingKbId")
    return [found] if found else []


def _software(told: Fields) -> DirectoryItem:
    """A program on a computer."""
    device_id = told.essential("deviceId", what="program's computer")
    name = told.essential("softwareName", what="program")
    vendor, version = told.text("softwareVendor"), told.text("softwareVersion")
    return DirectoryItem(
        kind="software",
        external_id="-_-".join((device_id, vendor, name, version)),
        name=f"{name} {version}".strip(),
        parent=device_id,
        attributes=ocsf.filled(
            vendor=vendor,
            name=name,
            version=version,
            hostname=told.text("deviceName"),
            weaknesses=told.number("numberOfWeaknesses"),
            first_seen_at=told.time("softwareFirstSeenTimestamp"),
            end_of_support=told.text("endOfSupportStatus"),
            end_of_support_at=told.time("endOfSupportDate"),
        ),
    )


machine = _read(_machine)
alert = _read(_alert)
vulnerability = _read(_vulnerability)
software = _read(_software)
