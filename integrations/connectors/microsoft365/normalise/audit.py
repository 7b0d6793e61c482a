"""Changes in the directory, as Account Change (OCSF 3001) or API Activity (6003) events.

Graph's directoryAudit (https://learn.microsoft.com/graph/api/resources/directoryaudit), its Azure
diagnostic export, and the Log Analytics table AuditLogs.
"""

from integrations import ocsf
from integrations.values import (
    Fields,
    address,
    content_uid,
    entities,
    entity,
)
from tenants.errors import Quarantine
from tenants.records import Event

_SUCCESS = frozenset({"success", "succeeded", "true", "0"})
_FAILURE = frozenset({"failure", "failed", "false", "clienterror", "servererror"})
_ACCOUNT_CATEGORIES = frozenset({"usermanagement", "rolemanagement", "authentication"})
# OCSF activity of Account Change by words of the activity, the first that is found wins.
# https://learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities
_ACCOUNT_ACTIVITIES = (
    (("reset password", "reset user password"), 4, "Password Reset"),
    (("change password", "change user password", "self-service password"), 3, "Password Change"),
    (("registered security info", "registered all required", "enable strong auth"), 10,
     "MFA Factor Enable"),
    (("deleted security info", "disable strong auth"), 11, "MFA Factor Disable"),
    (("disable account",), 5, "Disable"),
    (("enable account",), 2, "Enable"),
    (("add member to role", "add eligible member to role", "assign role"), 7, "Attach Policy"),
    (("remove member from role", "remove eligible member"), 8, "Detach Policy"),
    (("delete user", "hard delete user"), 6, "Delete"),
    (("add user", "create user", "invite external user", "invite internal user"), 1, "Create"),
    (("unlock",), 12, "Unlock"),
)  # fmt: skip
_API_ACTIVITIES = {
    "add": 1, "create": 1, "assign": 1, "read": 2, "get": 2, "update": 3, "delete": 4,
    "remove": 4, "unassign": 4,
}  # fmt: skip


def directory_audit(record: Fields) -> Event:
    """Return one entry of the directory audit.

    The actor is the user who did it (userPrincipalName, else name, else id), or the application;
    the target is the user that was changed where there is one, else the first thing changed.
    """
    activity = record.text("activityDisplayName", "operationName", "OperationName")
    if not activity:
        raise Quarantine(
            "not_an_audit_entry",
            "The record doesn't say what was done (activityDisplayName). Check the feed.",
        )
    time = record.essential_time("activityDateTime", "TimeGenerated", "time", "p_event_time")
    uid = record.text("id") or content_uid(record.body)
    initiated = record.nested("initiatedBy")
    by_user, by_app = initiated.nested("user"), initiated.nested("app")
    actor = _actor(record, by_user, by_app)
    targets = record.objects("targetResources", "targetResource")
    main = _main_target(targets)
    target = name_of(main) if main else ""
    ip = address(by_user.text("ipAddress") or record.text("callerIpAddress", "ipAddress"))
    is_success = outcome(record)
    class_uid, activity_id, activity_name = _classified(record, activity, targets)
    user = main if main is not None and _is_user(main) else Fields({})
    return Event(
        uid=uid,
        class_uid=class_uid,
        activity=activity,
        time=time,
        is_success=is_success,
        actor=actor,
        target=target,
        source_ip=ip,
        entities=entities(
            entity("account", by_user.text("userPrincipalName")),
            entity("account_id", by_user.text("id")),
            *(e for t in targets if _is_user(t) for e in _user_entities(t)),
            entity("app", by_app.text("appId", "servicePrincipalId")),
            entity("ip", ip),
        ),
        ocsf=ocsf.event(
            class_uid, activity_id, activity_name, time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product(record.text("loggedByService") or "Microsoft Entra ID",
                                     "Microsoft"),
            tenant_uid=record.text("tenantId", "AADTenantId"),
            correlation_uid=record.text("correlationId"),
            **ocsf.status(is_success, record.text("result"),
                          record.text("resultReason", "ResultDescription")),
            actor=ocsf.actor(
                ocsf.user(by_user.text("userPrincipalName"), by_user.text("id"),
                          by_user.text("displayName")) or None,
                by_app.text("displayName", "servicePrincipalName"),
                by_app.text("appId"),
            ),
            user=ocsf.user(user.text("userPrincipalName"), user.text("id"),
                           user.text("displayName")),
            src_endpoint=ocsf.endpoint(ip),
            http_request=ocsf.filled(user_agent=_user_agent(record)),
            api=ocsf.filled(operation=activity,
                            service=ocsf.filled(name=record.text("loggedByService")))
            if class_uid == ocsf.API_ACTIVITY else None,
            resources=[
                ocsf.filled(name=name_of(t), uid=t.text("id"), type=t.text("type"))
                for t in targets
            ],
            unmapped=ocsf.filled(
                category=record.text("category"),
                operation_type=record.text("operationType", "AADOperationType"),
                modified_properties=_changes(targets),
            ),
        ),
    )  # fmt: skip


def outcome(record: Fields) -> bool | None:
    """Whether it succeeded; None where it isn't told or not settled (timeout)."""
    for name in ("result", "resultStatus", "resultType"):
        word = record.word(name)
        if word in _SUCCESS:
            return True
        if word in _FAILURE:
            return False
    return None


def _actor(record: Fields, by_user: Fields, by_app: Fields) -> str:
    return (
        by_user.text("userPrincipalName")
        or by_app.text("displayName", "servicePrincipalName", "appId", "servicePrincipalId")
        or by_user.text("displayName", "id")
        or record.text("identity", "InitiatingUser")
    )


def _is_user(target: Fields) -> bool:
    return target.word("type") == "user"


def _main_target(targets: list[Fields]) -> Fields | None:
    users = [t for t in targets if _is_user(t) and name_of(t)]
    return next(iter([*users, *targets]), None)


def name_of(target: Fields) -> str:
    """A changed thing as people know it: userPrincipalName, else name, else id."""
    return target.text("userPrincipalName", "displayName", "id")


def _user_entities(target: Fields) -> tuple[str, ...]:
    return (
        entity("account", target.text("userPrincipalName")),
        entity("account_id", target.text("id")),
    )


def _classified(record: Fields, activity: str, targets: list[Fields]) -> tuple[int, int, str]:
    lower = activity.lower()
    is_about_user = any(_is_user(t) for t in targets)
    if is_about_user and record.word("category").replace(" ", "") in _ACCOUNT_CATEGORIES:
        for words, number, name in _ACCOUNT_ACTIVITIES:
            if any(word in lower for word in words):
                return ocsf.ACCOUNT_CHANGE, number, name
        return ocsf.ACCOUNT_CHANGE, ocsf.OTHER, activity
    kind = record.word("operationType", "AADOperationType") or lower.split(" ")[0]
    number = _API_ACTIVITIES.get(kind, ocsf.OTHER)
    names = {1: "Create", 2: "Read", 3: "Update", 4: "Delete"}
    return ocsf.API_ACTIVITY, number, names.get(number, activity)


def _changes(targets: list[Fields]) -> list[ocsf.Object]:
    return [
        ocsf.filled(
            name=change.text("displayName"),
            old=change.text("oldValue")[:2000],
            new=change.text("newValue")[:2000],
        )
        for target in targets
        for change in target.objects("modifiedProperties")
    ]


def _user_agent(record: Fields) -> str:
    for detail in record.objects("additionalDetails"):
        if detail.word("key") == "user-agent":
            return detail.text("value")
    return record.text("userAgent")
