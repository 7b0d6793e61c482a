"""What a case's steps lack of proof, in the sentences that the case says it in."""

from playbooks.models import Plan, Step
from playbooks.plans import witness
from playbooks.plans.steps import NEVER, spoken
from tenants.models import Case


def newest_steps(case: Case) -> list[Step]:
    """Return the last try of each action on each target."""
    newest: dict[tuple[str, str], Step] = {}
    # What was planned again never began, and is not missing.
    steps = (
        Step.objects.filter(run__plan__case=case)
        .exclude(run__plan__status=Plan.Status.SUPERSEDED)
        .exclude(status__in=NEVER, run__plan__replaced_by__isnull=False)
        .select_related("run__plan")
        .order_by("run__started_at", "position")
    )
    for step in steps:
        newest[step.action, step.target_external_id] = step
    return list(newest.values())


def without_proof(step: Step) -> str:
    """Return what one action lacks, in one sentence; empty if nothing."""
    what = spoken(step)
    if step.status == Step.Status.FAILED:
        return f"{what} failed: {step.error}"
    if witness.was_told_done(step):
        return ""
    if step.status == Step.Status.UNKNOWN:
        return witness.asked(step)
    if step.status == Step.Status.FORBIDDEN:
        return f"{what} is not done by itself. {_rule(step)}"
    if step.status == Step.Status.SKIPPED:
        return f"{what} was not done. {step.error}"
    if step.status not in (Step.Status.VERIFIED, Step.Status.ROLLED_BACK):
        return f"{what} is not finished."
    if step.status == Step.Status.VERIFIED and not step.holds:
        return f"{what} no longer holds: {step.read_back.get('explanation', '')}"
    return ""


def said_of(steps: list[Step]) -> list[str]:
    """Return all that a case may say of steps by now."""
    return [*filter(None, map(without_proof, steps)), *only_said_once(steps)]


def outdated(case: Case) -> list[str]:
    """Return what a case may have said of steps that were tried again since."""
    newest = {step.id for step in newest_steps(case)}
    older = Step.objects.filter(run__plan__case=case).exclude(id__in=newest)
    return said_of(list(older.select_related("run__plan")))


def only_said_once(steps: list[Step]) -> list[str]:
    """Return what was said of proven steps when it came to light, and nobody says again."""
    verified = [step for step in steps if step.status == Step.Status.VERIFIED]
    return [*(unseen(step) for step in verified if step.error), *map(late, verified)]


def unseen(step: Step) -> str:
    """Say of a step that was proven that it can't be read back again."""
    return f"{spoken(step)}: {step.error}"


def late(step: Step) -> str:
    """Say of a step that had been given up that it took effect after all."""
    return f"{spoken(step)} took effect after all, when it had been given up: keep it, or undo it."


def _rule(step: Step) -> str:
    """Return which rule forbids a step, and what is left to do."""
    told = next(told for told in step.run.plan.document["steps"] if told["id"] == step.key)
    return f"{told['tier_rule']['title']}: decide whether to do it by hand."
