"""Activities of the Reports API as OCSF events: sign-ins, account changes, API calls, mail."""

from integrations import ocsf
from integrations.connectors.google_workspace.normalise.activity import Activity, read
from integrations.connectors.google_workspace.normalise.event_classes import Class, class_of
from integrations.values import Fields, address, device_entity, entities, entity
from tenants.records import Event

# The parameter that names what was acted on, by application; the first that tells.
_TARGETS = {
    "drive": ("doc_title", "doc_id"),
    "token": ("app_name", "client_id"),
    "calendar": ("calendar_id", "event_title"),
    "mobile": ("DEVICE_ID", "DEVICE_MODEL", "USER_EMAIL"),
    "user_accounts": ("email_forwarding_destination_address",),
    "login": ("affected_email_address", "email_forwarding_destination_address"),
    "admin": ("USER_EMAIL", "GROUP_EMAIL", "ROLE_NAME", "SETTING_NAME", "APP_NAME",
              "DOMAIN_NAME", "APPLICATION_NAME", "ORG_UNIT_NAME"),
    "groups_enterprise": ("group_id",),
    "rules": ("rule_name",),
}  # fmt: skip
_PASSED, _FAILED = "challenge passed.", "challenge failed."


def activity(record: Fields) -> Event:
    """Return one event.

    The actor is who did it; Google's own warnings have none, and their target is the account.
    """
    told = read(record)
    if told.application == "gmail":
        return _mail(told)
    kind = class_of(told)
    target = told.parameters.text(*_TARGETS.get(told.application, ())) or told.affected
    is_success = _success(told, kind)
    severity_id = _severity(told, kind)
    return Event(
        uid=told.uid,
        class_uid=kind.class_uid,
        activity=told.name,
        time=told.time,
        severity_id=severity_id,
        is_success=is_success,
        actor=told.actor,
        target=target or ("Google Workspace" if kind.class_uid == ocsf.AUTHENTICATION else ""),
        source_ip=told.ip,
        country=told.country,
        entities=_entities(told),
        ocsf=ocsf.event(
            kind.class_uid, kind.activity_id, kind.activity_name, told.time,
            severity_id=severity_id,
            uid=told.uid,
            reported_by=ocsf.product(f"Google Workspace {told.application}", "Google"),
            tenant_uid=told.customer,
            **ocsf.status(is_success, "", told.parameters.text("login_failure_type")),
            actor=ocsf.actor(
                _who(told) or None, told.parameters.text("app_name"),
                told.parameters.text("client_id"),
            ),
            user=_user(told, kind),
            src_endpoint=ocsf.endpoint(told.ip, place=ocsf.location(told.country)),
            **_of_class(told, kind),
            unmapped=ocsf.filled(event_type=told.type, parameters=dict(told.parameters.body)),
        ),
    )  # fmt: skip


def _who(told: Activity) -> ocsf.Object:
    is_address = "@" in told.actor
    return ocsf.user(told.actor, told.actor_id, email=told.actor if is_address else "")


def _user(told: Activity, kind: Class) -> ocsf.Object:
    """Whose account it is about."""
    if kind.class_uid == ocsf.API_ACTIVITY:
        return {}
    return ocsf.user(told.affected, email=told.affected) if told.affected else _who(told)


def _of_class(told: Activity, kind: Class) -> ocsf.Object:
    if kind.class_uid == ocsf.AUTHENTICATION:
        methods = told.parameters.texts("login_challenge_method")
        return ocsf.filled(
            service=ocsf.filled(name="Google Workspace"),
            logon_type=told.parameters.text("login_type"),
            auth_factors=[{"factor_type": m, "factor_type_id": 99} for m in methods if m != "none"],
            is_remote=True,
        )
    if kind.class_uid == ocsf.API_ACTIVITY:
        service = ocsf.filled(name=told.application)
        resource = told.parameters.text(*_TARGETS.get(told.application, ()))
        uid = told.parameters.text("doc_id", "client_id", "DEVICE_ID")
        return ocsf.filled(
            api=ocsf.filled(operation=told.name, service=service),
            resources=[ocsf.filled(name=resource, uid=uid)] if resource else [],
        )
    return {}


def _success(told: Activity, kind: Class) -> bool | None:
    status = told.parameters.word("login_challenge_status")
    if kind.is_success is None and status in (_PASSED, _FAILED):
        return status == _PASSED
    return kind.is_success


def _severity(told: Activity, kind: Class) -> int:
    """As the name tells; a sign-in that Google marks as suspicious is high all the same."""
    return 4 if told.parameters.truth("is_suspicious") else kind.severity_id


def _entities(told: Activity) -> tuple[str, ...]:
    parameters = told.parameters
    return entities(
        entity("account", told.actor if "@" in told.actor else ""),
        entity("account_id", told.actor_id),
        entity("account", told.affected),
        entity("ip", told.ip),
        entity("app", parameters.text("client_id")),
        device_entity("google_workspace", parameters.text("DEVICE_ID")),
        entity("file", parameters.text("doc_id")),
        entity("sender", parameters.text("email_forwarding_destination_address")),
    )


def _mail(told: Activity) -> Event:
    """What happened to a message (https://support.google.com/a/answer/7230050)."""
    info, event = told.parameters.nested("message_info"), told.parameters.nested("event_info")
    source, link = info.nested("source"), info.nested("connection_info")
    to = [d.text("address") for d in info.objects("destination") if d.text("address")]
    to = to or [d.rpartition(":")[2] for d in info.text("flattened_destinations").split(",") if d]
    sender = source.text("from_header_address", "address")
    ip = address(link.text("client_ip")) or told.ip
    message_id = info.text("rfc2822_message_id").strip("<>")
    is_spam, is_success = info.truth("is_spam"), event.truth("success")
    return Event(
        uid=told.uid,
        class_uid=ocsf.EMAIL_ACTIVITY,
        activity=told.name,
        time=told.time,
        severity_id=2 if is_spam else 1,
        is_success=is_success,
        actor=sender or told.actor,
        target=to[0] if to else told.actor,
        source_ip=ip,
        entities=entities(
            entity("message", message_id),
            *(entity("mailbox", address_) for address_ in to),
            entity("account", told.actor if "@" in told.actor else ""),
            entity("account_id", told.actor_id),
            entity("ip", ip),
        ),
        ocsf=ocsf.event(
            ocsf.EMAIL_ACTIVITY, 4, "Trace", told.time,
            severity_id=2 if is_spam else 1,
            uid=told.uid,
            reported_by=ocsf.product("Gmail", "Google"),
            tenant_uid=told.customer,
            direction_id=0,
            **ocsf.status(is_success, link.text("smtp_reply_code")),
            email=ocsf.filled(
                message_uid=message_id, subject=info.text("subject"), to=to,
                smtp_from=source.text("address"), size=info.number("payload_size"),
                **{"from": sender},
            ),
            actor=ocsf.actor(_who(told) or None),
            src_endpoint=ocsf.endpoint(ip),
            unmapped=ocsf.filled(event_type=told.type, parameters=dict(told.parameters.body)),
        ),
    )  # fmt: skip
