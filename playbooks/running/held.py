"""Steps that something outside of them keeps from going on: since when, and who is told.

A vendor that can't be asked keeps what comes after at another one waiting for a short time only,
where the playbook says that it goes on after a failure: the engine goes on trying all the same. A
step that could not begin for long is told to a technician, once, and so is at once what nobody
should wait for: a spent budget, a freeze, or that others went on without it.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils import timezone

from playbooks.models import Run, Step
from playbooks.plans.steps import NEVER, NOT_BEGUN, spoken
from playbooks.running import stuck
from playbooks.running.jobs import HeldBack, OutOfReach, Wait
from tenants import ledger
from tenants.models import Case

# How long what comes after a step waits for a vendor that can't be asked.
PATIENCE = dt.timedelta(minutes=2)
# How long a step may be kept from beginning before a technician is told.
SILENCE = dt.timedelta(minutes=15)
_CALLED_TO = (
    Case.Status.RESPONDING, Case.Status.AWAITING_APPROVAL, Case.Status.NEEDS_TECHNICIAN,
)  # fmt: skip


def silent_connections(
    steps: Collection[Step], waits: Mapping[uuid.UUID, Wait]
) -> frozenset[uuid.UUID]:
    """Return the connections that were asked just now, and can't be for longer than PATIENCE.

    `waits`: what each step that was tried now waits for.
    """
    since = timezone.now() - PATIENCE
    return frozenset(
        step.connection_id
        for step in steps
        if step.connection_id is not None
        and isinstance(waits.get(step.id), OutOfReach)
        and step.held_by == Step.Hold.VENDOR
        and step.held_since is not None
        and step.held_since <= since
    )


def note(run: Run, waits: Mapping[uuid.UUID, Wait]) -> float:
    """Keep with each step of a run what holds it, and tell a technician where it is time.

    Returns in how many seconds the run is to be looked at again. Runs in the tenant's scope, with
    the run locked.
    """
    steps = list(run.steps.filter(id__in=waits).order_by("position"))
    for step in steps:
        _keep(step, waits[step.id])
    _tell(run, steps, waits)
    ends = [
        (step.held_since + PATIENCE - timezone.now()).total_seconds()
        for step in steps
        if step.held_since is not None and step.held_by == Step.Hold.VENDOR
    ]
    return min([wait.seconds for wait in waits.values()] + [left for left in ends if left > 0])


def _keep(step: Step, wait: Wait) -> None:
    by = _held_by(wait)
    why = wait.note if by else ""
    if (step.held_by, step.held_why) == (by, why):
        return
    if step.held_by != by:
        step.held_since = timezone.now() if by else None
        step.held_told_at = None
    step.held_by, step.held_why = by, why
    step.save(update_fields=["held_by", "held_why", "held_since", "held_told_at"])


def _held_by(wait: Wait) -> str:
    if isinstance(wait, OutOfReach):
        return Step.Hold.VENDOR
    return Step.Hold.GUARDRAIL if isinstance(wait, HeldBack) else ""


def _tell(run: Run, steps: Sequence[Step], waits: Mapping[uuid.UUID, Wait]) -> None:
    """Call a technician for what is held for too long, and write it down once.

    What has begun may be had by now: that it is not known is told later, by the run.
    """
    gone_past = _gone_past(run)
    told, fresh = [], []
    for step in steps:
        may_be_told = step.status == Step.Status.PENDING or step.key in gone_past
        if step.held_since is None or not may_be_told:
            continue
        if step.held_told_at is None and (
            step.key in gone_past
            or getattr(waits[step.id], "is_for_long", False)
            or timezone.now() - step.held_since >= SILENCE
        ):
            fresh.append(step)
        if step.held_told_at is not None or step in fresh:
            told.append(step)
    if fresh:
        Step.objects.filter(id__in=[s.id for s in fresh]).update(held_told_at=timezone.now())
        _record(run, fresh)
    case = run.plan.case
    if told and case.status in _CALLED_TO:
        stuck.call(case, _in_words(told))


def _gone_past(run: Run) -> set[str]:
    """Return the steps that others needed and yet went on without."""
    begun = set(run.steps.exclude(status__in=NOT_BEGUN + NEVER).values_list("key", flat=True))
    told = [one for one in run.plan.document["steps"] if one["id"] in begun]
    return {needed for one in told for needed in one["needs"]}


def _record(run: Run, fresh: Sequence[Step]) -> None:
    body: dict[str, Any] = {
        "run": run.id,
        "steps": [step.key for step in fresh],
        "since": min(step.held_since for step in fresh if step.held_since is not None),
        "why": sorted({step.held_why for step in fresh}),
    }
    subject = f"{fresh[0].action} {fresh[0].target_name}"
    ledger.append("step.held", actor="engine", case_id=run.plan.case_id, subject=subject, body=body)


def _in_words(told: Sequence[Step]) -> str:
    """Say what waits and why, each reason with the first step that it holds."""
    by_reason: dict[str, list[Step]] = {}
    for step in told:
        by_reason.setdefault(step.held_why, []).append(step)
    lines = []
    for why, steps in by_reason.items():
        what = spoken(steps[0])
        lines.append(f"{what} {'and others wait' if len(steps) > 1 else 'waits'}: {why}")
    return " ".join(lines)
