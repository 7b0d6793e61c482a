"""Devices that no action may ever touch: named by people, with reason and end, kept in the ledger.

What is excluded is a machine, as every connector knows it by its hostname now; that a connector
which comes later may know it too is looked at when a step is about to begin.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from tenants import ledger, scope, work
from tenants.errors import ProtectionError
from tenants.models import Device, Tenant

_LONGEST_REASON = 1000
_MOST_OF_A_NAME = 20
_LAST = dt.time(23, 59, 59)


def of_client() -> list[Device]:
    """Return the devices of the scope's tenant that no action may touch now, by hostname."""
    rows = Device.in_scope().filter(is_excluded=True)
    still = rows.filter(Q(excluded_until=None) | Q(excluded_until__gt=timezone.now()))
    return list(still.order_by("hostname", "provider", "external_id"))


def find(name: str) -> list[Device]:
    """Return the devices with this hostname (with or without its domain) or id, everywhere.

    ProtectionError where the directory knows none, or too many to be one machine. Runs inside the
    tenant's scope.
    """
    name = name.strip()
    host = name.lower().rstrip(".")
    rows = Device.in_scope().annotate(host=Lower("hostname"))
    wanted = Q(external_id=name) | Q(host=host)
    if "." not in host:
        wanted |= Q(host__startswith=f"{host}.")
    found: list[Device] = []
    if host:
        found = [*rows.filter(wanted).order_by("provider", "external_id")]
    if not found:
        raise ProtectionError(
            f"The directory knows no device {name!r}: give its whole hostname or id. A new device "
            "is known after the next reading of the devices."
        )
    if len(found) > _MOST_OF_A_NAME:
        raise ProtectionError(f"{len(found)} devices are called {name!r}: give the id of one.")
    return found


def last_moment(day: str) -> dt.datetime | None:
    """Return the end of a day (YYYY-MM-DD) in the scope's tenant's time zone; None for "".

    ProtectionError where it is no day, or over already.
    """
    if not day.strip():
        return None
    zone = ZoneInfo(Tenant.objects.get(id=scope.require_tenant_id()).time_zone)
    try:
        end = dt.datetime.combine(dt.date.fromisoformat(day.strip()), _LAST, zone)
    except ValueError:
        raise ProtectionError(f"{day!r} is no day: write it like 2026-12-31.") from None
    if end <= timezone.now():
        raise ProtectionError(f"{day} is over: give a later day, or none to exclude it for good.")
    return end


def exclude(device: Device, *, actor: str, reason: str, until: dt.datetime | None = None) -> Device:
    """Exclude a device from all actions, until a time (aware) or for good.

    ProtectionError where no reason is given. Runs inside the tenant's scope.
    """
    return _change(device, True, until, actor, reason)


def include(device: Device, *, actor: str, reason: str) -> Device:
    """Let actions touch a device again; ProtectionError where no reason is given."""
    return _change(device, False, None, actor, reason)


def _change(
    device: Device, is_excluded: bool, until: dt.datetime | None, actor: str, reason: str
) -> Device:
    reason = reason.strip()[:_LONGEST_REASON]
    if not reason:
        raise ProtectionError("Say why: it is kept in the client's ledger.")
    row = Device.objects.select_for_update(of=("self",)).get(id=device.id)
    before = _told(row)
    row.is_excluded, row.excluded_until = is_excluded, until
    if _told(row) == before:
        return row
    row.excluded_by, row.excluded_because = (actor, reason) if is_excluded else ("", "")
    row.save(update_fields=["is_excluded", "excluded_until", "excluded_by", "excluded_because"])
    ledger.append(
        f"device.{'excluded' if is_excluded else 'included'}",
        actor=actor,
        subject=str(row),
        body={"provider": row.provider, "before": before, "now": _told(row), "reason": reason},
    )
    work.schedule("replan", row.tenant_id)
    return row


def _told(row: Device) -> dict[str, object]:
    return {"is_excluded": row.is_excluded, "until": row.excluded_until}
