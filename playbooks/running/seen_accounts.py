"""What reading back a step shows of an account, kept in the directory at once.

The directory is read at its own times; a plan that is made before that would go by what Holdfast
itself has changed since. Only that sign-in is allowed is kept: an account that was blocked may be
opened by others at any time, and to block it once more than needed does no harm.
"""

from integrations.contract import ReadBack
from integrations.models import Connection
from playbooks.models import Step
from tenants.models import Account

# Whether sign-in is allowed where the action's effect is there.
_ALLOWS = {"identity.disable_sign_in": False, "identity.enable_sign_in": True}


def note(step: Step, seen: ReadBack) -> None:
    """Keep what a read-back shows of the step's account. Runs inside the tenant's scope."""
    allows = _ALLOWS.get(step.action)
    if allows is None or step.connection_id is None or not (seen.holds or seen.observed):
        # What is gone, or could not be seen, shows nothing of itself.
        return
    if allows is not seen.holds:
        return
    connector = Connection.ever.values_list("connector", flat=True).get(id=step.connection_id)
    Account.objects.filter(
        provider=connector, external_id=step.target_external_id, deleted_upstream_at=None
    ).update(is_enabled=True)
