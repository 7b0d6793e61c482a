"""The console's activities: what people and agents did; and alerts of the client's own rules."""

import datetime as dt

from integrations import ocsf, traces
from integrations.values import Fields, address, device_entity, entities, entity, severity
from tenants.records import Event, Finding

# An alert of a custom detection rule (STAR), which no other feed brings.
_CUSTOM_ALERT = 3608
# Activities about the console's own users, by activityType: class, activity, success.
_OF_USERS = {
    27: (ocsf.AUTHENTICATION, 1, "Logon", True), 33: (ocsf.AUTHENTICATION, 2, "Logoff", True),
    133: (ocsf.AUTHENTICATION, 1, "Logon", False), 134: (ocsf.AUTHENTICATION, 1, "Logon", False),
    23: (ocsf.ACCOUNT_CHANGE, 1, "Create", True), 25: (ocsf.ACCOUNT_CHANGE, 6, "Delete", True),
}  # fmt: skip


def activity(fields: Fields) -> Event | Finding:
    """One entry of the activity log."""
    uid = fields.essential("id", what="activity")
    time = fields.essential_time("createdAt", "updatedAt")
    kind, data = fields.number("activityType"), fields.nested("data")
    if kind == _CUSTOM_ALERT and data.has_any("alertId"):
        return _alert(fields, data, time)
    return _event(fields, data, uid, time, kind)


def _event(fields: Fields, data: Fields, uid: str, time: dt.datetime, kind: int | None) -> Event:
    class_uid, activity_id, name, is_success = _OF_USERS.get(
        kind or 0, (ocsf.API_ACTIVITY, ocsf.OTHER, f"Activity {kind}", None)
    )
    host, agent_id = data.text("computerName"), fields.text("agentId")
    user = data.text("email", "username", "byUser", "userName")
    ip = address(data.text("ipAddress", "externalIp"))
    words = fields.text("primaryDescription", "description")
    about_user = class_uid != ocsf.API_ACTIVITY
    return Event(
        uid=uid,
        class_uid=class_uid,
        activity=f"{kind} {words}".strip(),
        time=time,
        is_success=is_success,
        actor=user or fields.text("userId"),
        target=host or agent_id or (user if about_user else ""),
        source_ip=ip,
        entities=entities(
            entity("device", host), device_entity("sentinelone", agent_id),
            entity("account", user if "@" in user else ""), entity("ip", ip),
            entity("threat", fields.text("threatId")),
        ),
        ocsf=ocsf.event(
            class_uid, activity_id, name, time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product("SentinelOne Singularity", "SentinelOne"),
            tenant_uid=fields.text("siteId", "accountId"),
            correlation_uid=fields.text("activityUuid"),
            message=words,
            **ocsf.status(is_success),
            actor=ocsf.actor(ocsf.user(user, fields.text("userId")) or None),
            user=ocsf.user(user, fields.text("userId")) if about_user else None,
            api=None if about_user else {"operation": f"Activity {kind}"},
            src_endpoint=ocsf.endpoint(ip),
            resources=[ocsf.filled(name=host, uid=agent_id, type="endpoint")]
            if host or agent_id else [],
            unmapped={"data": data.body} if data.body else None,
        ),
    )  # fmt: skip


def _alert(fields: Fields, data: Fields, time: dt.datetime) -> Finding:
    """An alert of a rule as a Detection Finding; the rule's severity comes as ``E_HIGH``."""
    uid = data.text("alertId")
    level = severity(data.text("severity").upper().removeprefix("E_"))
    rule, host, agent_id = data.text("ruleName"), data.text("computerName"), fields.text("agentId")
    words = fields.text("primaryDescription")
    ip, remote = address(data.text("agentIpV4")), address(data.text("dstIp"))
    detected = data.time("detectedAt")
    title = f"Rule {rule}" if rule else words or "Alert of a rule"
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=title,
        description=words,
        category="Custom rule",
        time=time,
        severity_id=level,
        first_activity_at=detected,
        last_activity_at=detected,
        target=host or agent_id,
        entities=entities(
            entity("device", host), device_entity("sentinelone", agent_id), entity("ip", ip),
            entity("ip", remote), entity("domain", data.text("dnsRequest")),
            *traces.files(fields.text("secondaryDescription")),
            traces.indicator(data.text("tiIndicatorValue")),
        ),
        ocsf=ocsf.event(
            ocsf.DETECTION_FINDING, 1, "Create", time,
            severity_id=level,
            severity=data.text("severity") if level == ocsf.OTHER else "",
            uid=uid,
            reported_by=ocsf.product("SentinelOne Singularity", "SentinelOne"),
            tenant_uid=fields.text("siteId", "accountId"),
            message=words,
            finding_info=ocsf.filled(
                uid=uid, title=title, desc=data.text("ruleDescription"),
                created_time=ocsf.epoch_ms(time), first_seen_time=ocsf.epoch_ms(detected),
                analytic=ocsf.filled(name=rule, uid=data.text("ruleId"), type_id=1),
            ),
            device=ocsf.endpoint(hostname=host, uid=agent_id, ip=ip) | {"type_id": ocsf.UNKNOWN},
            unmapped={"data": data.body},
        ),
    )  # fmt: skip
