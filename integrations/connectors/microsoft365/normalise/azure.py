"""Azure's activity log and the resource logs of storage, as API Activity events (OCSF 6003).

Sources: https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema and
https://learn.microsoft.com/azure/storage/blobs/monitor-blob-storage-reference.
"""

from integrations import ocsf
from integrations.values import Fields, address, content_uid, entities, entity
from tenants.errors import Quarantine
from tenants.records import Event

_CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims"
_SUCCESS = frozenset({"success", "succeeded", "succeed"})
_FAILURE = frozenset({"failed", "failure", "fail"})
_SEVERITIES = {"critical": 5, "error": 3, "warning": 2}
# The last part of an operation's name, or how a storage operation's name begins.
_ACTIVITIES = {
    "write": (3, "Update"), "read": (2, "Read"), "delete": (4, "Delete"), "purge": (4, "Delete"),
    "put": (1, "Create"), "copy": (1, "Create"), "get": (2, "Read"), "list": (2, "Read"),
    "set": (3, "Update"), "append": (3, "Update"), "extend": (3, "Update"),
}  # fmt: skip


def activity(record: Fields) -> Event:
    """Return one entry of the activity log, or of a storage account's log.

    The actor is the caller's user name, or the application's id; the target is the resource's
    name. ARM's "write" creates or updates: it counts as Create only where the answer was 201.
    """
    operation = record.text("operationName", "OperationNameValue", "OperationName")
    resource = record.text("resourceId", "ResourceId", "_ResourceId")
    if not operation or not resource:
        raise Quarantine(
            "not_an_activity",
            "The record names no operation or no resource: it is no entry of Azure's activity "
            "log. Check the feed.",
        )
    time = record.essential_time("time", "eventTimestamp", "TimeGenerated")
    uid = record.text("eventDataId", "EventDataId") or content_uid(record.body)
    claims = record.nested("identity").nested("claims")
    user = claims.text(f"{_CLAIM}/upn", "name", f"{_CLAIM}/emailaddress")
    user = user or record.text("caller", "Caller")
    app = claims.text("appid") or record.text("applicationId")
    ip = address(record.text("callerIpAddress", "CallerIpAddress"))
    name = resource.rstrip("/").rsplit("/", 1)[-1]
    is_success = _outcome(record)
    activity_id, activity_name = _activity(operation, record)
    severity_id = _SEVERITIES.get(record.word("level", "Level"), 1)
    return Event(
        uid=uid,
        class_uid=ocsf.API_ACTIVITY,
        activity=operation,
        time=time,
        severity_id=severity_id,
        is_success=is_success,
        actor=user or app,
        target=name,
        source_ip=ip,
        entities=entities(
            entity("account", user if "@" in user else ""), entity("ip", ip), entity("app", app),
            entity("azure_resource", resource),
        ),
        ocsf=ocsf.event(
            ocsf.API_ACTIVITY, activity_id, activity_name, time,
            severity_id=severity_id,
            uid=uid,
            reported_by=ocsf.product("Azure", "Microsoft"),
            tenant_uid=record.text("tenantId", "TenantId"),
            correlation_uid=record.text("correlationId", "CorrelationId"),
            **ocsf.status(
                is_success, record.text("resultSignature", "statusCode"),
                record.text("resultDescription", "statusText"),
            ),
            actor=ocsf.actor(ocsf.user(user), app_uid=app),
            api=ocsf.filled(
                operation=operation, version=record.text("operationVersion"),
                service=ocsf.filled(name=_service(operation, resource)),
            ),
            src_endpoint=ocsf.endpoint(ip),
            http_request=ocsf.filled(user_agent=record.text("userAgentHeader")),
            cloud=ocsf.filled(
                provider="Azure", region=record.text("location"),
                account=ocsf.filled(uid=_subscription(resource)),
            ),
            resources=[ocsf.filled(name=name, uid=resource)],
            unmapped=ocsf.filled(
                category=record.text("category"), object_key=record.text("objectKey"),
                request=record.nested("requestbody").body or record.text("requestbody"),
                recommendation=record.text("recommendationName"),
            ),
        ),
    )  # fmt: skip


def _activity(operation: str, record: Fields) -> tuple[int, str]:
    parts = operation.lower().split("/")
    verb = parts[-2] if parts[-1] == "action" and len(parts) > 1 else parts[-1]
    found = _ACTIVITIES.get(verb)
    if len(parts) == 1:
        found = next((told for word, told in _ACTIVITIES.items() if verb.startswith(word)), None)
    if verb == "write" and record.text("resultSignature", "statusCode") in ("201", "Created"):
        return 1, "Create"
    return found or (ocsf.OTHER, verb)


def _outcome(record: Fields) -> bool | None:
    for name in ("resultType", "ActivityStatusValue", "metricResponseType", "statusText"):
        word = record.word(name)
        if word in _SUCCESS:
            return True
        if word in _FAILURE:
            return False
    code = record.number("statusCode")
    return code < 400 if code is not None else None


def _service(operation: str, resource: str) -> str:
    if "/" in operation:
        return operation.split("/", 1)[0]
    parts = resource.split("/")
    lower = [part.lower() for part in parts]
    place = lower.index("providers") + 1 if "providers" in lower else len(parts)
    return parts[place] if place < len(parts) else ""


def _subscription(resource: str) -> str:
    parts = resource.strip("/").split("/")
    return parts[1] if len(parts) > 1 and parts[0].lower() == "subscriptions" else ""
