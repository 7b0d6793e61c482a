"""The order of a run's steps: which may go on now, and which can't come any more."""

import uuid
from collections.abc import Mapping
from typing import Any

from playbooks.models import Step
from playbooks.plans.steps import FINISHED, NOT_BEGUN, change

FAILURES = (Step.Status.FAILED, Step.Status.UNKNOWN)
_MAY_GO_ON = (Step.Status.PENDING, Step.Status.INTENDED, Step.Status.CALLED)


def that_may_go_on(
    steps: list[Step], told: Mapping[str, Any], silent: frozenset[uuid.UUID]
) -> list[Step]:
    """Return the steps whose turn has come: not finished, and all that they need is.

    `silent` are the connections that keep no step at another one waiting any longer.
    """
    by_key = {step.key: step for step in steps}

    def keeps_waiting(step: Step, needed: Step) -> bool:
        if needed.status in FINISHED:
            return False
        may_be_passed = (
            needed.status in _MAY_GO_ON
            and needed.connection_id in silent
            and needed.connection_id != step.connection_id
        )
        return not may_be_passed or _must_be_done(told[needed.key])

    return [
        step
        for step in steps
        if step.status in _MAY_GO_ON
        and not any(keeps_waiting(step, by_key[key]) for key in told[step.key]["needs"])
    ]


def skip_hopeless(steps: list[Step], told: Mapping[str, Any]) -> None:
    """Skip what can't come any more: after a failure that stops, or needing what was not done."""
    by_key = {step.key: step for step in steps}
    stopped = [s for s in steps if s.status in FAILURES and _stops(told[s.key])]
    for step in steps:
        if step.status not in NOT_BEGUN:
            continue
        not_done = [
            by_key[key]
            for key in told[step.key]["needs"]
            if by_key[key].status in FINISHED
            and by_key[key].status != Step.Status.VERIFIED
            and _must_be_done(told[key])
        ]
        reason = stopped or not_done
        if reason:
            change(step, Step.Status.SKIPPED, error=f"{reason[0].key} was not done before it.")


def _stops(told: Mapping[str, Any]) -> bool:
    """Whether what comes after a step must not be done when the step itself was not."""
    return told["on_failure"] != "continue"


def _must_be_done(told: Mapping[str, Any]) -> bool:
    """Whether what needs a step may not be done without it."""
    return _stops(told) or bool(told.get("is_canary"))
