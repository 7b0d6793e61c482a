"""Alerts as events: that a check failed or a computer wasn't reached is no attack.

As findings of the case room, each would open a case.
"""

from integrations import ocsf
from integrations.values import Fields, device_entity, entities, entity
from tenants.records import Event

_SEVERITIES = {"": 0, "info": 1, "warning": 3, "error": 4}
_KINDS = {
    "availability": "Computer not reached", "check": "Check failed", "task": "Task failed",
    "custom": "Alert",
}  # fmt: skip


def alert(fields: Fields) -> Event:
    """An alert of a computer, or the end of one."""
    uid = fields.essential("id", what="alert")
    is_over = bool(fields.truth("resolved"))
    started = fields.essential_time("alert_time")
    time = (fields.time("resolved_on") or started) if is_over else started
    number = _SEVERITIES.get(fields.word("severity"), ocsf.OTHER)
    kind = _KINDS.get(fields.word("alert_type"), "Alert")
    host, agent_id = fields.text("hostname"), fields.text("agent_id")
    return Event(
        uid=uid,
        class_uid=ocsf.BASE_EVENT,
        activity=f"{kind}, resolved" if is_over else kind,
        time=time,
        severity_id=1 if is_over else number,
        target=host or agent_id,
        entities=entities(entity("device", host), device_entity("tactical_rmm", agent_id)),
        ocsf=ocsf.event(
            ocsf.BASE_EVENT, ocsf.OTHER, "Alert", time,
            severity_id=1 if is_over else number,
            severity=fields.text("severity") if number == ocsf.OTHER and not is_over else "",
            uid=uid,
            reported_by=ocsf.product("Tactical RMM", "Amidaware"),
            tenant_uid=fields.text("client"),
            message=fields.text("message"),
            device=ocsf.endpoint(hostname=host, uid=agent_id) | {"type_id": ocsf.UNKNOWN},
            unmapped=ocsf.filled(
                alert_type=fields.text("alert_type"),
                site=fields.text("site"),
                severity=fields.text("severity"),
                is_snoozed=fields.truth("snoozed"),
                started_at=ocsf.epoch_ms(started),
            ),
        ),
    )  # fmt: skip
