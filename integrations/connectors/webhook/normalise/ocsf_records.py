"""Records that are OCSF already: checked, and kept as they came.

Detections and incidents are findings. Holes and failed checks are events, as with other
connectors: each would open a case.
Source: https://schema.ocsf.io/1.8.0
"""

import datetime as dt
import re
from typing import Final

from integrations import traces
from integrations.alert_identity import alert_uid
from integrations.endpoints import account_name
from integrations.values import Fields, address, content_uid, entities, entity, techniques
from tenants.errors import Quarantine
from tenants.records import Event, Finding, SourceRecord

# Security (deprecated), Detection and Incident Finding, and what of data protection is found.
_FINDINGS: Final = frozenset({2001, 2004, 2005, 2006})
_SEVERITIES: Final = frozenset({0, 1, 2, 3, 4, 5, 6, 99})
_CATEGORIES: Final = range(9)
_ENDPOINTS: Final = ("src_endpoint", "dst_endpoint", "device", "endpoint")


def read(record: SourceRecord) -> Event | Finding:
    """One event or finding; Quarantine names what of OCSF's base it lacks."""
    fields = Fields(record.body)
    class_uid = _number(fields, "class_uid")
    _check(fields, class_uid)
    time = fields.essential_time("time")
    metadata = fields.nested("metadata")
    if class_uid in _FINDINGS:
        return _finding(record, fields, class_uid, time)
    told = metadata.text("uid", "original_event_uid") or fields.nested("finding_info").text("uid")
    uid = _under(metadata, told) if told else content_uid(record.body)
    return _event(record, fields, class_uid, uid, time)


def _number(fields: Fields, name: str) -> int:
    found = fields.number(name)
    if found is None:
        raise Quarantine("not_ocsf", f"The record has no {name}, so it is no OCSF event.")
    return found


def _check(fields: Fields, class_uid: int) -> None:
    version = fields.nested("metadata").text("version")
    if not re.match(r"1\.\d+", version):
        raise Quarantine(
            "ocsf_version",
            f"metadata.version is {version[:20]!r}: Holdfast reads OCSF 1, such as 1.8.0.",
        )
    if class_uid // 1000 not in _CATEGORIES or class_uid < 0:
        raise Quarantine("not_ocsf", f"class_uid {class_uid} is in none of OCSF's categories.")
    severity = _number(fields, "severity_id")
    if severity not in _SEVERITIES:
        raise Quarantine("not_ocsf", f"severity_id {severity} is none of OCSF: 0 to 6, or 99.")
    activity, type_uid = _number(fields, "activity_id"), fields.number("type_uid")
    if type_uid is not None and type_uid != class_uid * 100 + activity:
        raise Quarantine(
            "not_ocsf",
            f"type_uid {type_uid} is not class_uid times 100 plus activity_id "
            f"({class_uid * 100 + activity}).",
        )


def _user(fields: Fields) -> str:
    return fields.text("email_addr", "name", "uid")


def _people(fields: Fields) -> tuple[str, str]:
    """Who did it, and to whom."""
    return _user(fields.nested("actor").nested("user")), _user(fields.nested("user"))


def _account(fields: Fields) -> str:
    return account_name(fields.text("email_addr", "name"), fields.text("domain"))


def _entities(fields: Fields) -> tuple[str, ...]:
    places = [fields.nested(name) for name in _ENDPOINTS]
    found = [fields.nested("actor").nested("user"), fields.nested("user")]
    files = [fields.nested("file")]
    for evidence in fields.objects("evidences"):
        places += [evidence.nested(name) for name in _ENDPOINTS]
        found += [evidence.nested("actor").nested("user"), evidence.nested("user")]
        files += [evidence.nested("file"), evidence.nested("process").nested("file")]
    places += fields.objects("resources")
    hashes = [one.text("value") for file in files for one in file.objects("hashes")]
    return entities(
        *(entity("account", _account(one)) for one in found),
        *(entity("device", one.text("hostname")) for one in places),
        *(entity("ip", address(one.text("ip"))) for one in places),
        *traces.files(*hashes),
    )


def _attacks(fields: Fields) -> tuple[str, ...]:
    told: list[str] = []
    for attack in (*fields.objects("attacks"), *fields.nested("finding_info").objects("attacks")):
        sub = attack.nested("sub_technique").text("uid")
        told.append(sub or attack.nested("technique").text("uid"))
    return techniques(told)


def _device(fields: Fields) -> str:
    places = (fields.nested("device"), fields.nested("dst_endpoint"))
    return next((name for one in places if (name := one.text("hostname", "name", "ip"))), "")


def _event(
    record: SourceRecord, fields: Fields, class_uid: int, uid: str, time: dt.datetime
) -> Event:
    source = fields.nested("src_endpoint")
    actor, owner = _people(fields)
    status = fields.number("status_id")
    title = fields.nested("finding_info").text("title")
    return Event(
        uid=uid,
        class_uid=class_uid,
        activity=title or fields.text("activity_name", "type_name", "class_name", "message")[:128],
        time=time,
        severity_id=_number(fields, "severity_id"),
        is_success={1: True, 2: False}.get(status) if status is not None else None,
        actor=actor or owner,
        target=_device(fields) or owner,
        source_ip=address(source.text("ip")),
        country=source.nested("location").text("country")[:2].upper(),
        entities=_entities(fields),
        ocsf=dict(record.body),
    )


def _finding(record: SourceRecord, fields: Fields, class_uid: int, time: dt.datetime) -> Finding:
    info = fields.nested("finding_info", "finding")
    metadata = fields.nested("metadata")
    uid = info.text("uid") or fields.text("incident_uid") or metadata.text("uid")
    title = info.text("title") or fields.text("message")
    title = title or next((one.text("title") for one in fields.objects("finding_info_list")), "")
    if not title:
        raise Quarantine("missing_title", "The finding has neither a title nor a message.")
    actor, owner = _people(fields)
    found, target = _entities(fields), _device(fields)
    first = info.time("first_seen_time") or fields.time("start_time")
    uid = uid or alert_uid(
        title=title, began=first or info.time("created_time") or time, actor=actor or owner,
        target=target, entities=found, details=info.texts("types"),
    )  # fmt: skip
    return Finding(
        uid=_under(metadata, uid),
        class_uid=class_uid,
        title=title,
        description=info.text("desc") or fields.text("desc", "message"),
        category=", ".join(info.texts("types"))[:128],
        time=info.time("created_time") or time,
        severity_id=_number(fields, "severity_id"),
        first_activity_at=first,
        last_activity_at=info.time("last_seen_time") or fields.time("end_time"),
        confidence=_percent(fields.number("confidence_score")),
        vendor_status=fields.text("status"),
        vendor_verdict=fields.text("verdict"),
        techniques=_attacks(fields),
        actor=actor or owner,
        target=target,
        entities=found,
        link=info.text("src_url") or fields.text("src_url"),
        ocsf=dict(record.body),
    )


def _under(metadata: Fields, uid: str) -> str:
    """The id with the product before it: several sources of one client may count alike."""
    product = metadata.nested("product")
    name = product.text("name", "uid") or product.text("vendor_name")
    return f"{name} {uid}" if name else uid


def _percent(found: int | None) -> int | None:
    return found if found is not None and 0 <= found <= 100 else None
