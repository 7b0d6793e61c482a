"""The activities that the Reports API shows of what was done."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrations.simulators.base.routes import Request
from integrations.simulators.base.store import Record, Tenant

_TYPES = {bool: "boolValue", int: "intValue", str: "value", list: "multiValue"}


def parameters(told: Record) -> list[Record]:
    """Parameters in the API's typed form; an object becomes a message."""
    return [{"name": name, **_typed(value)} for name, value in told.items()]


def _typed(value: Any) -> Record:
    if isinstance(value, dict):
        return {"messageValue": {"parameter": parameters(value)}}
    return {_TYPES[type(value)]: str(value) if type(value) is int else value}


def note(
    tenant: Tenant,
    application: str,
    kind: str,
    name: str,
    *,
    at: datetime,
    actor: Record | None = None,
    ip: str = "",
    country: str = "",
    **told: Any,
) -> Record:
    """Add an activity with one event."""
    number = tenant.store.next("activity")
    record: Record = {
        "kind": "admin#reports#activity",
        "id": {
            "time": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "uniqueQualifier": str(-(10**18) - number),
            "applicationName": application,
            "customerId": tenant.id,
        },
        "etag": f'"activity-{number}"',
        "actor": {"callerType": "USER", "email": actor["primaryEmail"], "profileId": actor["id"]}
        if actor else {},
        "events": [{"type": kind, "name": name, "parameters": parameters(told)}],
    }  # fmt: skip
    if ip:
        record["ipAddress"] = ip
    if country:
        record["networkInfo"] = {"regionCode": country}
    return tenant.put(f"activities:{application}", record, f"{number:08d}")


def note_admin(request: Request, actor: Record, kind: str, name: str, **told: Any) -> None:
    """Add what an administrator did by this request, now."""
    now = datetime.fromtimestamp(request.tenant.store.clock(), UTC)
    note(request.tenant, "admin", kind, name, at=now, actor=actor, **told)
