"""Who changed what in Intune, and enrolments, as API Activity events (OCSF 6003).

Sources: https://learn.microsoft.com/graph/api/resources/intune-auditing-auditevent,
https://learn.microsoft.com/azure/azure-monitor/reference/tables/intuneoperationallogs.
"""

from integrations import ocsf
from integrations.connectors.intune.normalise.devices import PRODUCT
from integrations.values import Fields, address, content_uid, device_entity, entities, entity
from tenants.errors import Quarantine
from tenants.records import Event

_ACTIVITIES = {"create": 1, "get": 2, "patch": 3, "update": 3, "action": 99, "delete": 4}
_NAMES = {1: "Create", 2: "Read", 3: "Update", 4: "Delete"}


def audit_event(told: Fields) -> Event:
    """One entry of Intune's audit log."""
    activity = told.text("activity", "displayName", "activityType")
    if not activity:
        raise Quarantine(
            "not_an_audit_entry", "The record doesn't say what was done (activity). Check the feed."
        )
    time = told.essential_time("activityDateTime")
    uid = told.text("id") or content_uid(told.body)
    actor = told.nested("actor")
    user, app = actor.text("userPrincipalName"), actor.text("applicationDisplayName")
    who = user or app or actor.text("servicePrincipalName", "userId", "applicationId")
    changed = told.objects("resources")
    first = changed[0] if changed else Fields({})
    target = first.text("displayName", "resourceId")
    ip = address(actor.text("ipAddress"))
    result = told.word("activityResult")
    is_success = {"success": True, "failure": False}.get(result)
    number = _ACTIVITIES.get(told.word("activityOperationType"), ocsf.OTHER)
    return Event(
        uid=uid,
        class_uid=ocsf.API_ACTIVITY,
        activity=activity,
        time=time,
        is_success=is_success,
        actor=who,
        target=target,
        source_ip=ip,
        entities=entities(
            entity("account", user), entity("account_id", actor.text("userId")),
            entity("app", actor.text("applicationId")), entity("ip", ip),
            *(device_entity("intune", r.text("resourceId")) for r in changed if _is_device(r)),
        ),
        ocsf=ocsf.event(
            ocsf.API_ACTIVITY, number, _NAMES.get(number, activity), time,
            severity_id=1,
            uid=uid,
            reported_by=PRODUCT,
            correlation_uid=told.text("correlationId"),
            **ocsf.status(is_success, told.text("activityResult")),
            actor=ocsf.actor(
                ocsf.user(user, actor.text("userId")) or None, app, actor.text("applicationId")
            ),
            src_endpoint=ocsf.endpoint(ip),
            api=ocsf.filled(
                operation=activity, service=ocsf.filled(name=told.text("componentName"))
            ),
            resources=[
                ocsf.filled(
                    name=r.text("displayName"), uid=r.text("resourceId"),
                    type=r.text("auditResourceType", "type"),
                )
                for r in changed
            ],
            unmapped=ocsf.filled(
                category=told.text("category"), activity_type=told.text("activityType"),
                modified_properties=_changes(changed),
            ),
        ),
    )  # fmt: skip


def _is_device(resource: Fields) -> bool:
    return "manageddevice" in resource.word("auditResourceType", "type")


def _changes(resources: list[Fields]) -> list[ocsf.Object]:
    return [
        ocsf.filled(
            name=change.text("displayName"),
            old=change.text("oldValue")[:2000],
            new=change.text("newValue")[:2000],
        )
        for resource in resources
        for change in resource.objects("modifiedProperties")
    ]


def enrolment(told: Fields) -> Event:
    """A device's enrolment in the operational log."""
    time = told.essential_time("EnrollmentTimeUTC", "time", "TimeGenerated")
    device_id = told.text("IntuneDeviceId", "AADDeviceId")
    user_id = told.text("IntuneUserId")
    result = told.text("resultType", "Result")
    is_success = {"success": True, "failure": False, "fail": False}.get(result.lower())
    uid = content_uid(told.body)
    return Event(
        uid=uid,
        class_uid=ocsf.API_ACTIVITY,
        activity="Device enrolled" if is_success else "Device enrolment",
        time=time,
        is_success=is_success,
        actor=user_id,
        target=device_id,
        entities=entities(
            entity("account_id", user_id),
            device_entity("intune", told.text("IntuneDeviceId")),
            device_entity("entra", told.text("AADDeviceId")),
        ),
        ocsf=ocsf.event(
            ocsf.API_ACTIVITY, 1, "Create", time,
            severity_id=1,
            uid=uid,
            reported_by=PRODUCT,
            tenant_uid=told.text("AADTenantId", "tenantId"),
            **ocsf.status(is_success, result, told.text("FailureReason")),
            actor=ocsf.actor(ocsf.user(uid=user_id)),
            api=ocsf.filled(operation="Enrollment"),
            resources=[ocsf.filled(uid=device_id, type="device")],
            unmapped=ocsf.filled(
                enrolment=told.text("EnrollmentType"), system=told.text("Os"),
                version=told.text("OsVersion"), failure=told.text("FailureCategory"),
            ),
        ),
    )  # fmt: skip
