"""What a technician changes about detections."""

from integrations.alerting import stages
from msp.console.actions import NOT_EVERY_CLIENT, actor_of
from msp.console.errors import ConsoleError
from msp.staff.access import writing
from msp.staff.models import Technician
from tenants.models import Tenant


def set_stage(
    rule_id: str, stage: str, tenant: Tenant | None, *, actor: Technician, why: str
) -> None:
    """Set how far a rule may go for a client, or (None) for all of them without one of their own.

    DetectionError where it can't be; ConsoleError for all, from who doesn't see every client.
    """
    if tenant is not None:
        with writing(actor, tenant.id):
            stages.set_for_tenant(rule_id, stage, actor=actor_of(actor), why=why)
        return
    if not actor.sees_all_tenants:
        raise ConsoleError(NOT_EVERY_CLIENT)
    stages.set_for_all(rule_id, stage, actor=actor_of(actor), why=why)
