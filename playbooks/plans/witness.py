"""What a technician saw at the vendor of a step of which nobody knows whether it was done."""

from playbooks.models import Step
from playbooks.people import named
from playbooks.plans.steps import spoken

_LOOK = "Look at the vendor, and say on the plan's page whether it was done."


def may_be_told(step: Step) -> bool:
    """Whether a technician is asked to say what became of a step."""
    return step.status == Step.Status.UNKNOWN and not step.told


def is_being_settled(step: Step) -> bool:
    """Whether somebody has said it, and the step is being read back once more."""
    return step.status == Step.Status.UNKNOWN and bool(step.told) and not _is_settled(step)


def was_told_done(step: Step) -> bool:
    """Whether somebody saw at the vendor that it was done, and nobody has seen otherwise since."""
    return step.status == Step.Status.UNKNOWN and _is_settled(step) and step.told["was_done"]


def was_told_not_done(step: Step) -> bool:
    """Whether somebody saw at the vendor that it was not done."""
    return step.status == Step.Status.FAILED and _is_settled(step) and not step.told["was_done"]


def words(step: Step) -> str:
    """Return what a technician said became of a step, in one sentence; empty without any."""
    if not step.told:
        return ""
    what = "was done" if step.told["was_done"] else "was not done"
    return f"{named(step.told['by'])} saw at the vendor that it {what}: “{step.told['note']}”."


def asked(step: Step) -> str:
    """Return how a case asks a person to look at a step."""
    return f"{spoken(step)}: {step.error} {_LOOK}"


def _is_settled(step: Step) -> bool:
    return "settled_at" in step.told
