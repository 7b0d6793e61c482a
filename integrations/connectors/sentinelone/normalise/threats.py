"""Threats as findings, and what was done about them."""

import datetime as dt

from integrations import ocsf, traces
from integrations.endpoints import account_name, attacks, file
from integrations.values import Fields, address, device_entity, entities, entity, techniques
from tenants.records import Finding

# SentinelOne grades how sure it is, not how bad it would be.
_SEVERITIES = {"malicious": 4, "suspicious": 3, "n/a": 0, "": 0}
_STATUSES = {"unresolved": 1, "in_progress": 2, "resolved": 4, "": 0}
_VERDICTS = {"true_positive": 2, "false_positive": 1, "suspicious": 4, "undefined": 0, "": 0}


def threat_id(fields: Fields) -> str:
    """The id by which a threat is acted upon."""
    return fields.nested("threatInfo").text("threatId") or fields.text("id")


def techniques_of(fields: Fields) -> tuple[str, ...]:
    """ATT&CK ids of all indicators of a threat."""
    tactics = [t for i in fields.objects("indicators") for t in i.objects("tactics")]
    named = [one.text("name") for tactic in tactics for one in tactic.objects("techniques")]
    return techniques(named)


def was_done(fields: Fields, action: str) -> dt.datetime | None:
    """When a mitigation last succeeded, such as ``kill``; None where it has not."""
    found = [
        one.time("lastUpdate", "mitigationEndedAt")
        for one in fields.objects("mitigationStatus")
        if one.word("action") == action and one.word("status") == "success"
    ]
    return max((moment for moment in found if moment is not None), default=None)


def is_quarantined(fields: Fields) -> bool:
    """Whether the threat's file is locked away: it was, and was not let out since."""
    locked, released = was_done(fields, "quarantine"), was_done(fields, "unquarantine")
    return locked is not None and (released is None or locked >= released)


def severity_of(fields: Fields) -> int:
    """OCSF severity_id, by how sure SentinelOne is."""
    return _SEVERITIES.get(fields.nested("threatInfo").word("confidenceLevel"), ocsf.OTHER)


def title_of(fields: Fields) -> str:
    """What was found, in words that say whether it is known to be harmful."""
    info = fields.nested("threatInfo")
    sure = "Malicious" if info.word("confidenceLevel") == "malicious" else "Suspicious"
    what = "program" if info.truth("isFileless") else "file"
    kind = info.text("classification")
    return f"{sure} {what} {info.text('threatName')}".strip() + (f" ({kind})" if kind else "")


def _description(fields: Fields) -> str:
    """What each indicator says, once."""
    told = [one.text("description") for one in fields.objects("indicators")]
    return "; ".join(dict.fromkeys(filter(None, told)))


def threat(fields: Fields) -> Finding:
    """One threat as a Detection Finding (OCSF 2004)."""
    info, now = fields.nested("threatInfo"), fields.nested("agentRealtimeInfo")
    then = fields.nested("agentDetectionInfo")
    uid = threat_id(fields) or info.essential("threatId", what="threat")
    time = info.essential_time("createdAt", "identifiedAt")
    host, agent_id = now.text("agentComputerName"), now.text("agentId")
    account = account_name(info.text("processUser"), then.text("agentDomain"), host)
    ips = [address(then.text(name)) for name in ("agentIpV4", "externalIp")]
    attack = techniques_of(fields)
    hashes = (info.text("sha256"), info.text("sha1"), info.text("md5"))
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=title_of(fields),
        description=_description(fields),
        category=info.text("classification"),
        time=time,
        severity_id=severity_of(fields),
        first_activity_at=info.time("identifiedAt"),
        last_activity_at=info.time("identifiedAt"),
        vendor_status=info.word("incidentStatus"),
        vendor_verdict=info.word("analystVerdict"),
        techniques=attack,
        actor=account or info.text("processUser"),
        target=host or agent_id,
        entities=entities(
            entity("device", host), device_entity("sentinelone", agent_id),
            entity("account", account),
            *(entity("ip", ip) for ip in ips), *traces.files(*hashes),
            traces.process_tree("sentinelone", agent_id, info.text("storyline")),
        ),
        ocsf=_document(fields, uid, time, attack, file(
            info.text("threatName"), info.text("filePath"), *hashes
        )),
    )  # fmt: skip


def _document(
    fields: Fields,
    uid: str,
    time: dt.datetime,
    attack: tuple[str, ...],
    found: ocsf.Object,
) -> ocsf.Object:
    info, now = fields.nested("threatInfo"), fields.nested("agentRealtimeInfo")
    status, verdict = info.word("incidentStatus"), info.word("analystVerdict")
    user = ocsf.user(info.text("processUser"))
    device = ocsf.endpoint(
        hostname=now.text("agentComputerName"), uid=now.text("agentId"),
        ip=address(fields.nested("agentDetectionInfo").text("agentIpV4")),
        os=now.text("agentOsName"),
    )  # fmt: skip
    process = ocsf.filled(
        name=info.text("originatorProcess"), cmd_line=info.text("maliciousProcessArguments"),
        user=user,
    )  # fmt: skip
    return ocsf.event(
        ocsf.DETECTION_FINDING, 1, "Create", time,
        severity_id=severity_of(fields),
        severity=info.text("confidenceLevel") if severity_of(fields) == ocsf.OTHER else "",
        uid=uid,
        reported_by=ocsf.product("SentinelOne Singularity", "SentinelOne"),
        tenant_uid=now.text("siteId", "accountId"),
        correlation_uid=info.text("storyline"),
        profiles=("incident", "host"),
        finding_info=ocsf.filled(
            uid=uid,
            title=title_of(fields),
            types=[info.text("classification")] if info.text("classification") else [],
            created_time=ocsf.epoch_ms(time),
            modified_time=ocsf.epoch_ms(info.time("updatedAt")),
            first_seen_time=ocsf.epoch_ms(info.time("identifiedAt")),
            attacks=attacks(attack),
            analytic=ocsf.filled(name=", ".join(info.texts("engines")), type_id=0),
        ),
        status_id=_STATUSES.get(status, ocsf.OTHER),
        status=status,
        verdict_id=_VERDICTS.get(verdict, ocsf.OTHER),
        verdict=verdict,
        device=device | {"type_id": ocsf.UNKNOWN} if device else None,
        actor=ocsf.actor(user or None),
        evidences=[ocsf.filled(file=found, process=process)] if found or process else [],
        unmapped=ocsf.filled(
            confidence=info.text("confidenceLevel"),
            mitigation=info.text("mitigationStatus"),
            detection_type=info.text("detectionType"),
            is_fileless=info.truth("isFileless"),
        ),
    )  # fmt: skip
