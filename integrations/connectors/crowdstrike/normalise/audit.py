"""Falcon's own audit: who signed in to it, and what they changed there."""

import re

from integrations import ocsf
from integrations.values import Fields, address, content_uid, entities, entity
from tenants.records import Event

# OCSF Account Change (3001), by what the name of the operation begins with.
_ACCOUNT_CHANGES = (
    ("createuser", 1, "Create"), ("deleteuser", 6, "Delete"), ("grantuserroles", 7,
     "Attach Policy"), ("revokeuserroles", 8, "Detach Policy"), ("changepassword", 3,
     "Password Change"), ("resetpassword", 4, "Password Reset"), ("requestresetpassword", 4,
     "Password Reset"), ("resetauthsecret", 11, "MFA Factor Disable"), ("activateuser", 2,
     "Enable"), ("deactivateuser", 5, "Disable"),
)  # fmt: skip
_SIGN_IN = re.compile(r"authenticate$|^sso", re.IGNORECASE)
_VERBS = (
    (("create", "add", "grant"), 1, "Create"), (("get", "read", "list", "view"), 2, "Read"),
    (("update", "set", "enable", "disable", "reset"), 3, "Update"),
    (("delete", "remove", "revoke"), 4, "Delete"),
)  # fmt: skip


def entry(told: Fields, metadata: Fields) -> Event:
    """One entry: a sign-in (3002), a change of an account (3001), or another act (6003)."""
    operation = told.text("OperationName") or "Unknown operation"
    time = Fields({**metadata.body, **told.body}).essential_time(
        "UTCTimestamp", "eventCreationTime"
    )
    values = _values(told)
    actor = told.text("UserId") or values.get("actor_user", "")
    target = values.get("target_name", "") or values.get("group_name", "") or values.get("name", "")
    ip = address(told.text("UserIp"))
    class_uid, activity_id, activity = _classified(operation)
    if class_uid == ocsf.AUTHENTICATION:
        target = target or actor
    is_success = told.truth("Success")
    uid = uid_of(told, metadata)
    return Event(
        uid=uid,
        class_uid=class_uid,
        activity=operation,
        time=time,
        is_success=is_success,
        actor=actor,
        target=target,
        source_ip=ip,
        entities=entities(
            entity("account", actor if "@" in actor else ""),
            entity("account", target if "@" in target else ""),
            entity("ip", ip),
        ),
        ocsf=ocsf.event(
            class_uid, activity_id, activity, time,
            severity_id=1,
            uid=uid,
            reported_by=ocsf.product("CrowdStrike Falcon", "CrowdStrike"),
            tenant_uid=metadata.text("customerIDString"),
            correlation_uid=values.get("trace_id", ""),
            **ocsf.status(is_success),
            actor=ocsf.actor(
                ocsf.user(actor, values.get("actor_user_uuid", "")) or None,
                told.text("ServiceName"),
            ),
            user=_user(class_uid, actor, target, values),
            src_endpoint=ocsf.endpoint(ip),
            api={"operation": operation, "service": {"name": told.text("ServiceName")}}
            if class_uid == ocsf.API_ACTIVITY else None,
            unmapped={"values": values} if values else None,
        ),
    )  # fmt: skip


def uid_of(told: Fields, metadata: Fields) -> str:
    """Where an event stands in the customer's stream; else its content."""
    offset = metadata.number("offset")
    if offset is None:
        return content_uid(told.body)
    created = metadata.text("eventCreationTime")
    return f"{metadata.text('customerIDString')}/{offset}/{created}"


def _user(class_uid: int, actor: str, target: str, values: dict[str, str]) -> ocsf.Object | None:
    if class_uid == ocsf.AUTHENTICATION:
        return ocsf.user(actor, values.get("actor_user_uuid", ""))
    if class_uid == ocsf.ACCOUNT_CHANGE:
        return ocsf.user(target or actor, values.get("target_user_uuid", ""))
    return None


def _values(told: Fields) -> dict[str, str]:
    """What the entry says of the operation, by key; a key that comes again keeps all values."""
    found: dict[str, str] = {}
    for pair in told.objects("AuditKeyValues"):
        key, value = pair.text("Key"), pair.text("ValueString")
        if key and value:
            found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _classified(operation: str) -> tuple[int, int, str]:
    lower = operation.lower().replace("_", "")
    if _SIGN_IN.search(operation):
        return ocsf.AUTHENTICATION, 1, "Logon"
    for start, number, name in _ACCOUNT_CHANGES:
        if lower.startswith(start):
            return ocsf.ACCOUNT_CHANGE, number, name
    for starts, number, name in _VERBS:
        if lower.startswith(starts):
            return ocsf.API_ACTIVITY, number, name
    return ocsf.API_ACTIVITY, ocsf.OTHER, operation
