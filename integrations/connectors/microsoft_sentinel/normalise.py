"""Alerts of Sentinel's analytics rules as findings.

Source: https://learn.microsoft.com/azure/sentinel/security-alert-schema; entities are those of
https://learn.microsoft.com/azure/sentinel/entities-reference.
"""

from typing import Any

from integrations import ocsf
from integrations.endpoints import attacks
from integrations.values import Fields, entities, entity, opened, severity, techniques
from tenants.errors import Quarantine
from tenants.records import Finding, SourceRecord


def alert(record: SourceRecord) -> Finding:
    """A row of the table SecurityAlert. Quarantine where it is none."""
    fields = Fields(record.body)
    if "SystemAlertId" not in record.body:
        raise Quarantine(
            "not_recognised", "This is no row of SecurityAlert: export that table for this feed."
        )
    uid = fields.essential("SystemAlertId", what="alert")
    time = fields.essential_time("TimeGenerated", "StartTime")
    title = fields.text("DisplayName", "AlertName") or "Alert of Microsoft Sentinel"
    found = [one for one in _list(record.body.get("Entities")) if isinstance(one, dict)]
    accounts = [name for name in map(_account, map(Fields, found)) if name]
    hosts = [Fields(one).text("HostName") for one in found if Fields(one).word("Type") == "host"]
    addresses = [Fields(one).text("Address") for one in found if Fields(one).word("Type") == "ip"]
    number = severity(fields.word("AlertSeverity"))
    ids = techniques(str(one) for one in _list(record.body.get("Techniques")))
    account, host = next(iter(accounts), ""), next(filter(None, hosts), "")
    return Finding(
        uid=uid, class_uid=ocsf.DETECTION_FINDING, title=title[:500], time=time,
        severity_id=number, description=fields.text("Description"),
        category=fields.text("AlertType"), first_activity_at=fields.time("StartTime"),
        last_activity_at=fields.time("EndTime"), vendor_status=fields.text("Status"),
        techniques=ids, actor=account, target=host or account, link=fields.text("AlertLink"),
        entities=entities(
            *(entity("account", one) for one in accounts),
            *(entity("device", one) for one in hosts),
            *(entity("ip", one) for one in addresses),
        ),
        ocsf=_document(fields, uid, title, number, ids, account, host, addresses),
    )  # fmt: skip


def _document(
    fields: Fields, uid: str, title: str, number: int, ids: tuple[str, ...],
    account: str, host: str, addresses: list[str],
) -> ocsf.Object:  # fmt: skip
    time = fields.essential_time("TimeGenerated", "StartTime")
    return ocsf.event(
        ocsf.DETECTION_FINDING, 1, "Create", time,
        severity_id=number,
        severity=fields.text("AlertSeverity") if number == ocsf.OTHER else "",
        uid=uid,
        reported_by=ocsf.product("Microsoft Sentinel", "Microsoft"),
        message=fields.text("Description"),
        finding_info=ocsf.filled(
            uid=uid, title=title, desc=fields.text("Description"),
            created_time=ocsf.epoch_ms(time),
            first_seen_time=ocsf.epoch_ms(fields.time("StartTime")),
            last_seen_time=ocsf.epoch_ms(fields.time("EndTime")),
            attacks=attacks(ids), types=[fields.text("AlertType")],
        ),
        device=ocsf.endpoint(hostname=host) | {"type_id": ocsf.UNKNOWN} if host else None,
        actor=ocsf.actor(ocsf.user(name=account)) if account else None,
        unmapped=ocsf.filled(
            status=fields.text("Status"), tactics=fields.text("Tactics"), addresses=addresses
        ),
    )  # fmt: skip


def _account(one: Fields) -> str:
    """Name and domain of an account, as one address where both are told."""
    if one.word("Type") != "account":
        return ""
    name, suffix = one.text("Name"), one.text("UPNSuffix")
    return f"{name}@{suffix}" if name and suffix and "@" not in name else name


def _list(told: Any) -> list[Any]:
    """A column that holds a JSON list as text, or is one; [] where it can't be read."""
    found = opened(told)
    return found if isinstance(found, list) else []
