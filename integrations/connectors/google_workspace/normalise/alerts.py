"""Alerts of the Alert Center as Detection Findings (OCSF 2004).

Source: https://developers.google.com/workspace/admin/alertcenter/reference/rest/v1beta1/alerts
"""

from collections.abc import Iterator, Mapping
from typing import Any

from integrations import ocsf, traces
from integrations.values import Fields, address, device_entity, entities, entity, severity
from tenants.errors import Quarantine
from tenants.records import Finding

# Google names no techniques. These are ours, by words of the alert's type; the first that is found
# wins (https://developers.google.com/workspace/admin/alertcenter/reference/alert-types).
_TECHNIQUES = (
    ("suspicious login", "T1078.004"),
    ("suspicious programmatic login", "T1078.004"),
    ("leaked password", "T1078.004"),
    ("user suspended (suspicious", "T1078.004"),
    ("government attack", "T1566"),
    ("malware", "T1566.001"),
    ("phishing", "T1566"),
    ("suspicious message", "T1566"),
    ("granted admin privilege", "T1098.003"),
    ("super admin password reset", "T1098"),
    ("data export initiated", "T1567"),
)
# What the many kinds of `data` call the accounts, addresses, devices and messages in them.
_ACCOUNTS = ("email", "actorEmail", "userEmail", "triggeringUserEmail", "updatedAdminEmail",
             "recipient")  # fmt: skip
# What holds for the whole organisation, by the kind of an alert's `data` and, where a kind has
# several, the events in it (reference/rest/v1beta1/AppSettingsChanged and …/SensitiveAdminAction).
_OF_THE_ORGANISATION = {
    "AppSettingsChanged": (),
    "SensitiveAdminAction": (
        "ssoProfileCreatedEvent", "ssoProfileUpdatedEvent", "ssoProfileDeletedEvent",
        "primaryAdminChangedEvent",
    ),
}  # fmt: skip
_STATUSES = {"not_started": 1, "in_progress": 2, "closed": 4}
_DEEPEST = 6


def alert(record: Fields) -> Finding:
    """Return one alert. Its time is when the Alert Center made it."""
    if not record.has_any("data", "type", "source"):
        raise Quarantine(
            "not_an_alert", "The record has neither type nor source of an alert. Check the feed."
        )
    uid = record.essential("alertId", what="alert")
    time = record.essential_time("createTime", "startTime")
    title = record.text("type") or record.text("source")
    metadata, data = record.nested("metadata"), record.nested("data")
    severity_id = severity(metadata.text("severity"))
    technique = next((t for words, t in _TECHNIQUES if words in title.lower()), "")
    status = "DELETED" if record.truth("deleted") else metadata.text("status")
    who = _told(data.body, _ACCOUNTS)
    malicious = data.nested("maliciousEntity")
    sender = malicious.text("fromHeader") or malicious.nested("entity").text("emailAddress")
    return Finding(
        uid=uid,
        class_uid=ocsf.DETECTION_FINDING,
        title=title,
        description=data.text("description", "displayName", "title"),
        category=record.text("source"),
        time=time,
        severity_id=severity_id,
        first_activity_at=record.time("startTime"),
        last_activity_at=record.time("endTime"),
        vendor_status=status,
        techniques=(technique,) if technique else (),
        actor=sender or (who[0] if who else ""),
        target=who[0] if who else "",
        entities=_entities(data.body, who),
        link=record.text("securityInvestigationToolLink"),
        is_company_wide=_is_of_the_organisation(data),
        ocsf=ocsf.event(
            ocsf.DETECTION_FINDING, 1, "Create", time,
            severity_id=severity_id,
            severity=metadata.text("severity") if severity_id == ocsf.OTHER else "",
            uid=uid,
            reported_by=ocsf.product("Google Workspace Alert Center", "Google"),
            tenant_uid=record.text("customerId"),
            status_id=_STATUSES.get(status.lower(), ocsf.OTHER if status else ocsf.UNKNOWN),
            status=status,
            finding_info=ocsf.filled(
                uid=uid, title=title, types=[record.text("source")],
                created_time=ocsf.epoch_ms(time),
                first_seen_time=ocsf.epoch_ms(record.time("startTime")),
                last_seen_time=ocsf.epoch_ms(record.time("endTime")),
                modified_time=ocsf.epoch_ms(record.time("updateTime")),
                attacks=[ocsf.attack(technique)] if technique else [],
                src_url=record.text("securityInvestigationToolLink"),
            ),
            evidences=[{"data": dict(data.body)}] if data.body else [],
        ),
    )  # fmt: skip


def _is_of_the_organisation(data: Fields) -> bool:
    kind = data.text("@type").rpartition(".")[2]
    events = _OF_THE_ORGANISATION.get(kind)
    return events is not None and (not events or data.has_any(*events))


def _entities(data: Mapping[str, Any], accounts: list[str]) -> tuple[str, ...]:
    return entities(
        *(entity("account", one) for one in accounts),
        *(entity("ip", address(one)) for one in _told(data, ("ipAddress",))),
        *(entity("message", one) for one in _told(data, ("messageId",))),
        *traces.files(*_told(data, ("attachmentsSha256Hash",))),
        *map(traces.indicator, _told(data, ("sourceIp",))),
        *(device_entity("google_workspace", one) for one in _told(data, ("deviceId",))),
        *(entity("sender", one) for one in _told(data, ("fromHeader",))),
    )


def _told(data: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """The texts under these names, wherever they stand in an alert's data, each once."""
    return list(dict.fromkeys(_found(data, names, _DEEPEST)))


def _found(value: Any, names: tuple[str, ...], depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, Mapping):
        for name in names:
            told = value.get(name)
            texts = told if isinstance(told, list) else [told]
            yield from (one.strip() for one in texts if isinstance(one, str) and one.strip())
        children: Any = value.values()
    else:
        children = value if isinstance(value, list) else ()
    for child in children:
        if isinstance(child, Mapping | list):
            yield from _found(child, names, depth - 1)
