"""An ordinary day's mail and files: what message trace and the unified audit log tell of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.simulators.base.store import Record, Tenant, stable_id

from .graph import instant

_PARTNERS = ("orders@supplier.example", "news@trade.example")


def fill(tenant: Tenant, now: datetime) -> None:
    """Let each licensed member get two messages and open a file."""
    people = [one for one in tenant.true_all("users") if one["assignedLicenses"] and one["mail"]]
    for number, person in enumerate(people):
        when = now - timedelta(hours=20, minutes=-number)
        for sender in _PARTNERS:
            tenant.put("messageTraces", _trace(person, sender, when))
        tenant.put("unifiedAudit", _opened(tenant, person, when))


def _trace(person: Record, sender: str, when: datetime) -> Record:
    trace = stable_id("ordinary mail", person["id"], sender)
    return {
        "id": trace,
        "MessageTraceId": trace,
        "MessageId": f"<{trace}@{sender.partition('@')[2]}>",
        "Received": instant(when),
        "SenderAddress": sender,
        "RecipientAddress": person["mail"],
        "Subject": "This week",
        "Status": "Delivered",
        "Size": 18_000,
        "FromIP": "198.51.100.25",
        "ToIP": None,
    }


def _opened(tenant: Tenant, person: Record, when: datetime) -> Record:
    entry = stable_id("opened", person["id"])
    site = f"https://{tenant.domain.partition('.')[0]}.sharepoint.example/sites/all"
    return {
        "id": entry,
        "Id": entry,
        "CreationTime": instant(when),
        "Operation": "FileAccessed",
        "OrganizationId": tenant.id,
        "RecordType": 6,
        "UserId": person["userPrincipalName"],
        "UserKey": person["userPrincipalName"],
        "UserType": 0,
        "Workload": "SharePoint",
        "ObjectId": f"{site}/Shared Documents/Rota.xlsx",
        "SiteUrl": site,
        "ClientIP": "203.0.113.20",
        "ResultStatus": "Succeeded",
    }
