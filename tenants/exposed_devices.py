"""Whether the internet reaches a device, as a technician says: above what any vendor tells."""

from tenants import ledger, work
from tenants.errors import ProtectionError
from tenants.models import Device

_LONGEST_REASON = 1000
_KINDS = {True: "device.exposed", False: "device.not_exposed", None: "device.exposed_as_told"}


def of_client() -> list[Device]:
    """Return the devices of the scope's tenant of which a technician said it, by hostname."""
    rows = Device.in_scope().exclude(exposed_by_hand=None)
    return list(rows.order_by("hostname", "provider", "external_id"))


def mark(device: Device, *, is_exposed: bool | None, actor: str, reason: str) -> Device:
    """Say whether the internet reaches a device, and why; None takes the word back.

    ProtectionError where no reason is given. Runs inside the tenant's scope.
    """
    reason = reason.strip()[:_LONGEST_REASON]
    if not reason:
        raise ProtectionError("Say why: it is kept in the client's ledger.")
    row = Device.objects.select_for_update(of=("self",)).get(id=device.id)
    before = row.exposed_by_hand
    if before == is_exposed:
        return row
    row.exposed_by_hand = is_exposed
    row.exposed_by, row.exposed_because = ("", "") if is_exposed is None else (actor, reason)
    row.save(update_fields=["exposed_by_hand", "exposed_by", "exposed_because"])
    ledger.append(
        _KINDS[is_exposed], actor=actor, subject=str(row),
        body={"provider": row.provider, "before": before, "reason": reason},
    )  # fmt: skip
    work.schedule("replan", row.tenant_id)
    work.schedule("rescore", row.tenant_id)
    return row
