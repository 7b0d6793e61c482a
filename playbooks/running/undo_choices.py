"""What of a plan can be undone, and which of it would give an intruder back what they had made.

What was taken from the account's owner (a sign-in that was blocked, a computer that was isolated)
is given back. What the plan removed because the evidence took it as a part of the attack is not,
unless somebody says that the verdict was wrong.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations import catalog
from playbooks.models import Plan, Step, spoken_target
from playbooks.plans import witness
from playbooks.plans.standing import OPEN_PLANS
from playbooks.plans.steps import UNDER_WAY, UNDO
from tenants.models import HARMLESS, Case

BLOCK = "identity.disable_sign_in"
# Acted on as a whole, these are their owner's; all else that contains was made or used by somebody.
_OF_THE_OWNER = ("account", "device")
# How an answer marks what it takes as a part of the attack.
_MARKS = ("is_suspicious", "is_recent", "is_risky", "is_malicious")
_MADE = "This restores what the intruder made: only if the verdict was wrong."
_USED = "This lets in again what the attack used: only if the verdict was wrong."
_LETS_IN = ("sender", "indicator", "trusted_sender", "message", "file", "process")


@dataclass(frozen=True, slots=True)
class Choice:
    """A step that can be undone: what that would do to whom.

    `warning` says that it would restore what the attack made or used, and is empty for what is
    its owner's; `is_open` that it opens an account again.
    """

    key: str
    title: str
    target: str
    warning: str
    is_open: bool

    @property
    def is_ticked(self) -> bool:
        """Whether it is undone where nobody chooses otherwise."""
        return not self.warning


def of_plan(plan: Plan, rows: Collection[Step] | None = None) -> list[Choice]:
    """Return what can be undone of a plan, in the order in which it would be; the last step first.

    `rows` are the plan's steps, where they are at hand. Runs inside the tenant's scope.
    """
    if "reverses" in plan.document:
        return []
    steps = rows if rows is not None else Step.objects.filter(run__plan=plan)
    gone = being_undone(plan)
    return [
        Choice(
            step.key,
            catalog.get(catalog.get(step.action).reversal or step.action).title,
            spoken_target(step.target_kind, step.target_name),
            warning(plan, step),
            step.action == BLOCK,
        )
        for step in sorted(steps, key=lambda one: -one.position)
        if can_be_undone(step) and step.key not in gone
    ]


def can_be_undone(step: Step) -> bool:
    """Whether a step was done, or may have been, and the catalog knows its reversal."""
    return may_be_done(step) and catalog.get(step.action).reversal is not None


def may_be_done(step: Step) -> bool:
    """Whether a step was done, or nobody can say that it was not."""
    was_accepted = step.status == Step.Status.FAILED and step.called_at is not None
    may_be = step.status in (Step.Status.VERIFIED, Step.Status.UNKNOWN) or was_accepted
    return may_be and not witness.was_told_not_done(step)


def under_way(plan: Plan) -> list[Plan]:
    """Return the plans that are undoing (part of) a plan now."""
    return list(
        Plan.objects.filter(
            case=plan.case_id, status__in=OPEN_PLANS, document__reverses=plan.sha256
        )
    )


def being_undone(plan: Plan) -> set[str]:
    """Return the steps of a plan that are being undone now."""
    return {
        step["id"].removeprefix(UNDO) for one in under_way(plan) for step in one.document["steps"]
    }


def done(plan: Plan) -> list[Step]:
    """Return the steps that were done, may have been, or are with the vendor; the last first."""
    return [
        step
        for step in Step.objects.filter(run__plan=plan).order_by("-position")
        if may_be_done(step) or step.status in UNDER_WAY
    ]


def everything(plan: Plan) -> set[str]:
    """Return the keys of all that a plan did: there was no attack."""
    return {step.key for step in done(plan)}


def ticked(plan: Plan) -> set[str]:
    """Return the keys of what gives its owner something back."""
    return {step.key for step in done(plan) if not warning(plan, step)}


def warning(plan: Plan, step: Step) -> str:
    """Say that undoing a step would restore what the attack made or used; empty where not.

    Nothing was made by an attack where there was none: in a routine, or in a case that was found
    harmless.
    """
    if plan.case.kind == Case.Kind.ROUTINE or plan.case.verdict in HARMLESS:
        return ""
    action = catalog.get(step.action)
    if not action.is_containment or action.target in _OF_THE_OWNER or _was_there(plan, step):
        return ""
    return _USED if action.target in _LETS_IN else _MADE


def _was_there(plan: Plan, step: Step) -> bool:
    """Whether the evidence lists a step's target, and takes it nowhere as part of the attack."""
    evidence = plan.facts.get("evidence", {})
    marks = [
        bool(item[mark])
        for item in _items(evidence)
        if item.get("external_id") == step.target_external_id
        for mark in _MARKS
        if mark in item
    ]
    return bool(marks) and not any(marks)


def _items(evidence: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for answer in evidence.values():
        for listed in answer.values() if isinstance(answer, Mapping) else ():
            for item in listed if isinstance(listed, list) else ():
                if isinstance(item, Mapping):
                    yield item
