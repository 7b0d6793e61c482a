"""What technicians do about baselines: declare what a playbook takes by hand."""

from django.db import transaction

from msp.console.actions import NOT_EVERY_CLIENT, actor_of
from msp.console.errors import ConsoleError
from msp.staff.models import Technician
from playbooks.models import Baseline
from playbooks.quality import baselines


@transaction.atomic
def declare(playbook: str, minutes: str, reason: str, *, actor: Technician) -> Baseline:
    """Keep what a playbook takes by hand from now on; it stands in every client's ledger.

    ConsoleError for a technician who doesn't see every client, PlaybookError where it makes no
    sense.
    """
    if not actor.sees_all_tenants:
        raise ConsoleError(NOT_EVERY_CLIENT)
    number = int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 6 else 0
    return baselines.declare(playbook, number, reason, actor=actor_of(actor))
