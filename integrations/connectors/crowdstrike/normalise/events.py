"""What comes in the event stream, and in the data replicator's files, by its kind.

An event of the stream is ``{"metadata": {"eventType", …}, "event": {…}}``; one of the replicator
(FDR) has ``event_simpleName``, or an external event's type. Source:
https://www.falconpy.io/Service-Collections/Event-Streams.html
"""

from integrations import ocsf
from integrations.connectors.crowdstrike.normalise import alerts, audit, sensor
from integrations.values import Fields, address, content_uid, device_entity, entities, entity
from tenants.records import Event, Normalised

_AUDITS = frozenset({"authactivityauditevent", "useractivityauditevent"})
_TIMES = (
    "UTCTimestamp", "timestamp", "StartTimestamp", "EndTimestamp", "eventCreationTime",
    "p_event_time",
)  # fmt: skip


def event(fields: Fields) -> Normalised:
    """One event of the stream or of the replicator."""
    if fields.has_any("event_simpleName"):
        return sensor.event(fields)
    metadata = fields.nested("metadata")
    inner = fields.nested("event", "unknown_payload")
    told = inner if inner.body else fields
    kind = _kind(metadata, told, fields)
    if kind.lower() in _AUDITS:
        return audit.entry(told, metadata)
    if kind.lower().endswith("detectionsummaryevent"):
        # The stream's own time stands beside the event, where that has none.
        return alerts.streamed(told, Fields({**metadata.body, **_flat(fields)}))
    if kind.lower().startswith("remoteresponsesession"):
        return _remote_session(told, kind, _beside(fields, metadata))
    return _other(told, kind, metadata, _beside(fields, metadata))


def _kind(metadata: Fields, told: Fields, outer: Fields) -> str:
    """The event's type, such as ``EppDetectionSummaryEvent``."""
    found = (
        metadata.text("eventType")
        or told.text("ExternalApiType")
        or outer.text("fdr_event_type", "ExternalApiType")
        or told.text("EventType")
    )
    return found.removeprefix("Event_")


def _flat(fields: Fields) -> dict[str, object]:
    return {name: value for name, value in fields.body.items() if name not in ("event", "metadata")}


def _beside(fields: Fields, metadata: Fields) -> Fields:
    return Fields({**metadata.body, **_flat(fields)})


def _remote_session(told: Fields, kind: str, beside: Fields) -> Event:
    """Somebody of the client or of the MSP works on a host through Falcon (Real Time Response)."""
    both = Fields({**beside.body, **told.body})
    time = both.essential_time(*_TIMES)
    user, host = told.text("UserName"), told.text("HostnameField", "Hostname")
    device = told.text("AgentIdString") or beside.text("aid")
    uid = f"{told.text('SessionId') or content_uid(told.body)}/{kind}"
    is_start = "start" in kind.lower()
    return Event(
        uid=uid,
        class_uid=ocsf.API_ACTIVITY,
        activity=kind,
        time=time,
        actor=user,
        target=host or device,
        entities=entities(
            entity("device", host), device_entity("crowdstrike", device), entity("account", user)
        ),
        ocsf=ocsf.event(
            ocsf.API_ACTIVITY, 1 if is_start else 4, "Create" if is_start else "Delete", time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product("CrowdStrike Falcon", "CrowdStrike"),
            tenant_uid=both.text("CustomerIdString", "cid", "customerIDString"),
            correlation_uid=told.text("SessionId"),
            actor=ocsf.actor(ocsf.user(user) or None),
            api={"operation": kind},
            src_endpoint=ocsf.endpoint(),
            resources=[ocsf.filled(name=host, uid=device, type="host")],
            unmapped=ocsf.filled(commands=told.texts("Commands")),
        ),
    )  # fmt: skip


def _other(told: Fields, kind: str, metadata: Fields, beside: Fields) -> Event:
    both = Fields({**beside.body, **told.body})
    time = both.essential_time(*_TIMES)
    host = told.text("Hostname", "HostName", "ComputerName", "HostnameField")
    device = told.text("AgentIdString", "SensorId", "AgentId", "DeviceId") or beside.text("aid")
    user = told.text("UserName", "UserId")
    ip = address(told.text("UserIp", "LocalIP", "RemoteAddress"))
    uid = audit.uid_of(told, metadata)
    return Event(
        uid=uid,
        class_uid=ocsf.BASE_EVENT,
        activity=kind or "Event",
        time=time,
        actor=user,
        target=host or device,
        source_ip=ip,
        entities=entities(
            entity("device", host), device_entity("crowdstrike", device),
            entity("account", user if "@" in user else ""), entity("ip", ip),
        ),
        ocsf=ocsf.event(
            ocsf.BASE_EVENT, ocsf.OTHER, kind or "Event", time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product("CrowdStrike Falcon", "CrowdStrike"),
            tenant_uid=both.text("CustomerIdString", "customerIDString", "cid"),
            unmapped={name: value for name, value in told.body.items() if value not in ("", None)},
        ),
    )  # fmt: skip
