"""Whether a plan that was made to act by itself still may, when its playbook was lowered since."""

from playbooks.adoption import activation
from playbooks.models import Activation, Plan, Step
from playbooks.people import ENGINE
from tenants.models import PlaybookMode


def may_act(plan: Plan) -> bool:
    """Whether what is automatic of a plan may go on.

    Measured agreement lowers a playbook for what is planned from then on: what has begun goes on,
    since an attack contained halfway is worse than either. A person who lowers it means that too.
    Runs inside the tenant's scope.
    """
    if activation.mode_in_force(plan.document["playbook"]["id"]) == PlaybookMode.AUTOMATIC:
        return True
    return has_begun(plan) and not _was_lowered_by_a_person(plan)


def has_begun(plan: Plan) -> bool:
    """Whether a step of a plan was called, or was about to be when its worker died."""
    return Step.objects.filter(run__plan=plan, calls__gt=0).exists()


def _was_lowered_by_a_person(plan: Plan) -> bool:
    """Whether anybody but the engine has lowered the playbook since the plan was made.

    Where nothing says who, as with the client's usual mode, it was a person.
    """
    since = Activation.objects.filter(
        playbook_id=plan.document["playbook"]["id"], created_at__gt=plan.created_at
    ).exclude(mode=PlaybookMode.AUTOMATIC)
    return not since.exists() or since.exclude(actor=ENGINE).exists()
