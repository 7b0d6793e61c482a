"""What a technician says no action may touch; it stands in the client's ledger."""

from collections.abc import Sequence

from django.db import transaction

from msp.console.actions import NOT_EVERY_CLIENT, actor_of
from msp.console.errors import ConsoleError
from msp.staff.access import writing
from msp.staff.models import Technician
from tenants import excluded_devices, protection
from tenants.models import Account, Device


def protect(
    account: Account, *, actor: Technician, is_break_glass: bool, is_excluded: bool, reason: str
) -> None:
    """Say what kind of protection an account has, or none; ProtectionError: what is missing."""
    with writing(actor, account.tenant_id):
        protection.change(
            account,
            is_break_glass=is_break_glass,
            is_excluded=is_excluded,
            actor=actor_of(actor),
            reason=reason,
        )


def exclude_device(device: Device, *, actor: Technician, reason: str, until: str) -> None:
    """Exclude a device from all actions until the end of a day, or for good where that is empty.

    ProtectionError: what is missing.
    """
    with writing(actor, device.tenant_id):
        excluded_devices.exclude(
            device,
            actor=actor_of(actor),
            reason=reason,
            until=excluded_devices.last_moment(until),
        )


def include_device(device: Device, *, actor: Technician, reason: str) -> None:
    """Let actions touch a device again; ProtectionError: what is missing."""
    with writing(actor, device.tenant_id):
        excluded_devices.include(device, actor=actor_of(actor), reason=reason)


@transaction.atomic
def set_own_identities(names: Sequence[str], *, actor: Technician) -> None:
    """Say which identities are the MSP's own, for every client.

    ConsoleError for a technician who doesn't see every client, ProtectionError for what is none.
    """
    if not actor.sees_all_tenants:
        raise ConsoleError(NOT_EVERY_CLIENT)
    protection.set_own_identities(names, actor=actor_of(actor))
