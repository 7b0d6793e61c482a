"""Alerts: what the antivirus did is a finding; that a disk is full is an event.

As findings of the case room, the conditions of everyday operation would each open a case.
"""

from typing import Any

from integrations import ocsf
from integrations.connectors.ninjaone.normalise.computers import name_of
from integrations.values import Fields, device_entity, entities, entity
from tenants.records import Event, Finding

_SEVERITIES = {"": 0, "none": 1, "minor": 2, "moderate": 3, "major": 4, "critical": 5}


def is_threat(fields: Fields) -> bool:
    """Whether an alert tells of harmful software, by where it comes from."""
    return fields.word("sourceType").endswith("_threat")


def alert(fields: Fields) -> Finding | Event:
    """An alert that stands, of one device."""
    uid = fields.essential("uid", what="alert")
    time = fields.essential_time("createTime", "updateTime")
    title = fields.text("subject", "conditionName", "sourceName", "message") or "Alert"
    number = _SEVERITIES.get(fields.word("severity"), ocsf.OTHER)
    device = fields.text("deviceId")
    host = name_of(fields.nested("device"))
    found = entities(entity("device", host), device_entity("ninjaone", device))
    if is_threat(fields):
        return Finding(
            uid=uid, class_uid=ocsf.DETECTION_FINDING, title=title[:500], time=time,
            severity_id=number, description=fields.text("message"),
            category=fields.text("sourceType"), last_activity_at=fields.time("updateTime"),
            target=host or device, entities=found,
            ocsf=_document(
                fields, ocsf.DETECTION_FINDING, 1, "Create",
                finding_info=ocsf.filled(
                    uid=uid, title=title, desc=fields.text("message"),
                    created_time=ocsf.epoch_ms(time),
                    modified_time=ocsf.epoch_ms(fields.time("updateTime")),
                    types=[fields.text("sourceType")],
                ),
            ),
        )  # fmt: skip
    return Event(
        uid=uid, class_uid=ocsf.BASE_EVENT, activity=title[:120], time=time, severity_id=number,
        target=host or device, entities=found,
        ocsf=_document(fields, ocsf.BASE_EVENT, ocsf.OTHER, "Alert"),
    )  # fmt: skip


def _document(
    fields: Fields, class_uid: int, activity_id: int, activity: str, **more: Any
) -> ocsf.Object:
    number = _SEVERITIES.get(fields.word("severity"), ocsf.OTHER)
    device = fields.nested("device")
    return ocsf.event(
        class_uid, activity_id, activity, fields.essential_time("createTime", "updateTime"),
        severity_id=number,
        severity=fields.text("severity") if number == ocsf.OTHER else "",
        uid=fields.text("uid"),
        reported_by=ocsf.product("NinjaOne", "NinjaOne"),
        tenant_uid=device.text("organizationId"),
        message=fields.text("message"),
        device=ocsf.endpoint(hostname=name_of(device), uid=fields.text("deviceId"))
        | {"type_id": ocsf.UNKNOWN},
        unmapped=ocsf.filled(
            source=fields.text("sourceType"),
            condition=fields.text("conditionName", "sourceName"),
            priority=fields.text("priority"),
            health=fields.text("conditionHealthStatus"),
        ),
        **more,
    )  # fmt: skip
