"""Alerts as findings, from the alerts API and from the event stream, which tell the same.

Both know an alert by its composite id, so it becomes one finding whichever came first.
Source: https://www.falconpy.io/Service-Collections/Alerts.html
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations import ocsf, traces
from integrations.alert_identity import alert_uid
from integrations.endpoints import account_name, attacks, file
from integrations.values import (
    Fields,
    address,
    device_entity,
    entities,
    entity,
    severity,
    techniques,
)
from tenants.errors import Quarantine
from tenants.records import Finding

# OCSF status_id and verdict_id by Falcon's words.
_STATUSES = {"new": 1, "in_progress": 2, "reopened": 2, "closed": 4, "ignored": 3, "": 0}
_VERDICTS = {"true_positive": 2, "false_positive": 1, "ignored": 5, "": 0}


@dataclass(frozen=True, slots=True)
class _Told:
    """What an alert says, whatever it came in."""

    uid: str
    title: str
    time: dt.datetime
    severity_id: int
    description: str
    tactic: str
    techniques: tuple[str, ...]
    status: str
    resolution: str
    confidence: int | None
    host: str
    device_id: str
    user: str
    sid: str
    domain: str
    ips: tuple[str, ...]
    file_name: str
    file_path: str
    hashes: tuple[str, ...]
    command_line: str
    process_id: str
    programs: tuple[str, ...]
    bad: tuple[str, ...]
    disposition: str
    product: str
    link: str
    tenant: str
    first: dt.datetime | None
    updated: dt.datetime | None


def severity_of(fields: Fields) -> int:
    """OCSF severity_id: by its name, else by the number (1…5 in the stream, 1…100 elsewhere)."""
    named = fields.text("severity_name", "SeverityName", "DetectSeverityName")
    if named:
        return severity(named)
    number = fields.number("severity")
    if number is None:
        return 0
    return number if number <= 5 else min(number // 20 + 1, 5)


def alert(fields: Fields) -> Finding:
    """One alert of the alerts API (v2) as a Detection Finding (OCSF 2004)."""
    device = fields.nested("device")
    mapped = fields.objects("mitre_attack")
    attack = techniques([*fields.texts("technique_id"), *(m.text("technique_id") for m in mapped)])
    return _finding(
        _Told(
            uid=fields.essential("composite_id", "id", what="alert"),
            title=fields.text("display_name", "name") or "Alert without a title",
            time=fields.essential_time("created_timestamp", "timestamp", "context_timestamp"),
            severity_id=severity_of(fields),
            description=fields.text("description"),
            tactic=fields.text("tactic", "objective"),
            techniques=attack,
            status=fields.word("status"),
            resolution=fields.word("resolution"),
            confidence=fields.number("confidence"),
            host=device.text("hostname") or fields.text("hostname", "source_endpoint_host_name"),
            device_id=device.text("device_id") or fields.text("agent_id"),
            user=fields.text("user_principal", "user_name", "source_account_name"),
            sid=fields.text("user_id"),
            domain=fields.text("logon_domain", "source_account_domain"),
            ips=_addresses(device.text("local_ip"), device.text("external_ip"),
                           fields.text("source_endpoint_address_ip4")),
            file_name=fields.text("filename"),
            file_path=fields.text("filepath"),
            hashes=(fields.text("sha256"), fields.text("sha1"), fields.text("md5")),
            command_line=fields.text("cmdline"),
            process_id=fields.text("triggering_process_graph_id", "process_id"),
            programs=_programs(
                fields.text("triggering_process_graph_id", "process_id"),
                fields.nested("parent_details").text("process_graph_id", "process_id")
                or fields.text("parent_process_id"),
                fields.text("tree_root"),
            ),
            bad=_indicators(fields),
            disposition=fields.text("pattern_disposition_description"),
            product=fields.text("product"),
            link=fields.text("falcon_host_link"),
            tenant=fields.text("cid"),
            first=fields.time("context_timestamp", "timestamp"),
            updated=fields.time("updated_timestamp"),
        )
    )  # fmt: skip


def streamed(fields: Fields, outer: Fields) -> Finding:
    """One detection of the event stream; `outer` is what stands beside the event."""
    mapped = fields.objects("MitreAttack")
    name = fields.text("Name", "DetectName", "IncidentType", "Tactic")
    if not fields.has_any("SeverityName", "Severity", "Tactic", "Technique", "FalconHostLink"):
        raise Quarantine("not_an_alert", "The event has hardly any field of a detection.")
    return _finding(
        _Told(
            uid=fields.text("CompositeId", "DetectId", "IncidentID"),
            title=name or "Detection without a name",
            time=Fields({**outer.body, **fields.body}).essential_time(
                "UTCTimestamp", "ContextTimeStamp", "StartTime", "ProcessStartTime", "timestamp",
                "p_event_time", "eventCreationTime",
            ),
            severity_id=severity_of(fields),
            description=fields.text("Description", "DetectDescription"),
            tactic=fields.text("Tactic", "Objective"),
            techniques=techniques(
                [m.text("TechniqueID") for m in mapped] + fields.texts("Technique")
            ),
            status=fields.word("Status"),
            resolution="",
            confidence=None,
            host=fields.text("Hostname", "ComputerName", "SourceEndpointHostName"),
            device_id=fields.text("AgentIdString", "SensorId", "AgentId") or outer.text("aid"),
            user=fields.text("UserName", "SourceAccountName", "AccountName"),
            sid=fields.text("UserId"),
            domain=fields.text("LogonDomain", "MachineDomain", "SourceAccountDomain"),
            ips=_addresses(fields.text("LocalIP"), fields.text("SourceEndpointIpAddress")),
            file_name=fields.text("FileName"),
            file_path=fields.text("FilePath"),
            hashes=(fields.text("SHA256String"), fields.text("SHA1String"),
                    fields.text("MD5String")),
            command_line=fields.text("CommandLine"),
            process_id=fields.text("ProcessId"),
            programs=_programs(fields.text("ProcessId"), fields.text("ParentProcessId")),
            bad=tuple(fields.texts("IOCValue")),
            disposition=fields.text("PatternDispositionDescription"),
            product="",
            link=fields.text("FalconHostLink"),
            tenant=fields.text("CustomerIdString", "cid") or outer.text("cid"),
            first=fields.time("ProcessStartTime", "StartTime"),
            # The stream tells how an alert was at first; what the API says of it is never older.
            updated=fields.time("UTCTimestamp") or outer.time("eventCreationTime"),
        )
    )  # fmt: skip


def _programs(*ids: str) -> tuple[str, ...]:
    """Falcon's numbers of programs, which it gives once on a computer.

    Those of its graph have the computer before them: ``pid:<agent>:<number>``.
    """
    numbers = (one.rpartition(":")[2] for one in ids)
    return tuple(number for number in numbers if number.strip("0"))


def _indicators(fields: Fields) -> tuple[str, ...]:
    """What the alert calls an indicator of compromise."""
    context = [one.text("ioc_value") for one in fields.objects("ioc_context")]
    return (fields.text("ioc_value"), *fields.texts("ioc_values"), *context)


def _addresses(*values: str) -> tuple[str, ...]:
    return tuple(found for value in values if (found := address(value)))


def _finding(told: _Told) -> Finding:
    account = account_name(told.user, told.domain, told.host, told.sid)
    files = traces.files(*told.hashes)
    device_id = told.device_id if told.device_id.strip("0") else ""
    actor, target = account or told.user, told.host or device_id or told.file_name
    found = entities(
        entity("device", told.host), device_entity("crowdstrike", device_id),
        entity("account", account),
        *(entity("ip", ip) for ip in told.ips), *files,
        *(traces.process_tree("crowdstrike", device_id, one) for one in told.programs),
        *map(traces.indicator, told.bad),
    )  # fmt: skip
    # By one of its hashes: other feeds tell the same alert with fewer of them.
    named = [one for one in found if one not in files[1:]]
    uid = told.uid or alert_uid(
        title=told.title, began=told.first or told.time, category=told.tactic, actor=actor,
        target=target, entities=named, details=(told.command_line, told.process_id),
    )  # fmt: skip
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=told.title,
        description=told.description,
        category=told.tactic,
        time=told.time,
        severity_id=told.severity_id,
        first_activity_at=told.first,
        last_activity_at=told.first,
        confidence=told.confidence if told.confidence and told.confidence <= 100 else None,
        vendor_status=told.status,
        vendor_verdict=told.resolution,
        techniques=told.techniques,
        actor=actor,
        target=target,
        entities=found,
        link=told.link if told.link.startswith("https://") else "",
        ocsf=_document(told, uid, device_id),
    )


def _document(told: _Told, uid: str, device_id: str) -> ocsf.Object:
    process = ocsf.filled(
        name=told.file_name,
        uid=told.process_id,
        cmd_line=told.command_line,
        file=file(told.file_name, told.file_path, *told.hashes),
        user=ocsf.user(told.user, told.sid, domain=told.domain),
    )
    device: dict[str, Any] = ocsf.endpoint(
        hostname=told.host, uid=device_id, ip=next(iter(told.ips), "")
    )
    return ocsf.event(
        ocsf.DETECTION_FINDING, 1, "Create", told.time,
        severity_id=told.severity_id,
        uid=uid,
        reported_by=ocsf.product("CrowdStrike Falcon", "CrowdStrike"),
        tenant_uid=told.tenant,
        profiles=("incident", "host"),
        finding_info=ocsf.filled(
            uid=uid,
            title=told.title,
            desc=told.description,
            types=[told.tactic] if told.tactic else [],
            created_time=ocsf.epoch_ms(told.time),
            modified_time=ocsf.epoch_ms(told.updated),
            first_seen_time=ocsf.epoch_ms(told.first),
            attacks=attacks(told.techniques),
            src_url=told.link,
        ),
        status_id=_STATUSES.get(told.status, ocsf.OTHER),
        status=told.status,
        verdict_id=_VERDICTS.get(told.resolution, ocsf.OTHER),
        verdict=told.resolution,
        confidence_score=told.confidence,
        device=device | {"type_id": ocsf.UNKNOWN} if device else None,
        actor=ocsf.actor(ocsf.user(told.user, told.sid, domain=told.domain) or None),
        evidences=[{"process": process}] if process else [],
        unmapped=ocsf.filled(disposition=told.disposition, product=told.product),
    )  # fmt: skip
