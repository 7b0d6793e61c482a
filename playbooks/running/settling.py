"""A step of which nobody knows whether it was done: a technician looks at the vendor, and says it.

The vendor is asked once more first, and what it shows counts before anybody's word. A word is no
proof: a step that somebody says was done stays "not read back", and its case closes without proof.
"""

import uuid

from django.utils import timezone

from playbooks.cases import needs
from playbooks.errors import PlaybookError
from playbooks.models import Step
from playbooks.plans import proof, witness
from playbooks.plans.steps import change
from playbooks.running.stepping import mark_undone
from tenants import ledger, scope, work
from tenants.models import Case

_LONGEST_NOTE = 1000


def tell(plan_id: uuid.UUID, step_key: str, *, was_done: bool, note: str, actor: str) -> None:
    """Keep what a technician saw at the vendor of a step that could not be settled.

    It is read back once more at once, and `settle` goes by that or by this. PlaybookError where
    nobody is asked (any more), or the note is empty. Runs inside the tenant's scope.
    """
    rows = Step.objects.select_for_update(of=("self",)).select_related("run__plan")
    step = rows.filter(run__plan=plan_id, key=step_key).first()
    if step is None or not witness.may_be_told(step):
        raise PlaybookError(["It is known by now what became of this step: look at it again."])
    note = note.strip()[:_LONGEST_NOTE]
    if not note:
        raise PlaybookError(["Say what you saw at the vendor: the client may ask."])
    now = timezone.now().isoformat()
    step.told = {"was_done": was_done, "note": note, "by": actor, "at": now}
    step.save(update_fields=["told"])
    ledger.append(
        "step.told", actor=actor, case_id=step.run.plan.case_id,
        subject=f"{step.action} {step.target_name}",
        body={"step": step.key, "run": step.run_id, "was_done": was_done, "note": note},
    )  # fmt: skip
    work.schedule("recheck", step.id)


def settle(tenant_id: uuid.UUID, step_id: uuid.UUID) -> None:
    """Go by a technician's word where reading back once more did not tell."""
    with scope.tenant(tenant_id):
        rows = Step.objects.select_for_update(of=("self",)).select_related("run__plan__case")
        step = rows.get(id=step_id)
        if not witness.is_being_settled(step):
            return
        waits_for = witness.asked(step)
        done = step.told["was_done"]
        step.told = {**step.told, "settled_at": timezone.now().isoformat()}
        change(
            step,
            Step.Status.UNKNOWN if done else Step.Status.FAILED,
            error=f"{witness.words(step)} It could not be read back.",
            keep={"told": step.told},
            kind="step.told_done" if done else "step.told_not_done",
        )
        if done:
            mark_undone(step, step.run.plan.case_id)
        go_on(step.run.plan.case, waits_for, instead=proof.without_proof(step))


def go_on(case: Case, waits_for: str, instead: str = "") -> None:
    """Let a case go on that waited for what is known now, in the words of `witness.asked`.

    What else a person has to do for it stays, with what is said `instead`; where there is nothing
    else, closing says what is left.
    """
    if case.status == Case.Status.NEEDS_TECHNICIAN and waits_for in case.needs:
        left = needs.without(case.needs, [waits_for])
        if left:
            case.needs = f"{left} {instead}".strip()
        else:
            case.status, case.needs = Case.Status.RESPONDING, ""
        case.save(update_fields=["status", "needs"])
    work.schedule("close", case.id)
