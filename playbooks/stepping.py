"""One step: intend, call, record, verify; resume after a crash.

Every transition is a committed row and a ledger entry before the next thing happens. A worker
that finds a step `intended` doesn't know whether the call was made: it reads back first, waits as
long as the vendor may show the old state, and only then calls again. So an effect is had once.

A step is a generator: it yields what is to be asked of the vendor and is given the answer, so that
one worker can carry many steps at once and alone touches the database.
"""

import datetime as dt
import uuid
from collections.abc import Generator, Mapping
from typing import Any

from django.conf import settings
from django.utils import timezone

from integrations import catalog, connections
from integrations.contract import ReadBack
from playbooks import guardrails
from playbooks.jobs import Failed, Job, NoAnswer, Question, Wait, as_json, load
from playbooks.models import Run, Step
from playbooks.steps import FINISHED, change
from tenants import scope, work

FIRST_RECHECK = dt.timedelta(hours=1)
_MAX_CALLS = 3

Talk = Generator[Question, Any, None]


def begin(tenant_id: uuid.UUID, step_id: uuid.UUID) -> Talk:
    """Carry a step as far as it goes now. Raises Wait or Failed where it can't go on."""
    job = load(tenant_id, step_id)
    if job.status == Step.Status.PENDING:
        job = yield from _intend(job)
        yield from _call(job)
    elif job.status == Step.Status.INTENDED:
        yield from _settle_unknown(job)
    yield from _verify(load(tenant_id, step_id))


def _intend(job: Job) -> Generator[Question, Any, Job]:
    """Check that it may begin, keep the prior state, and write down the intention."""
    with scope.tenant(job.tenant_id):
        _must_have_no_obstacle(job)
    snapshot = yield Question(job, lambda client: job.action.snapshot(client, job.intention))
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status.PENDING)
        # Once more with the row locked: the kill switch counts up to the last moment.
        _must_have_no_obstacle(job)
        # What was there before the first try counts, should it have worked after all.
        step.snapshot = step.snapshot or dict(snapshot)
        step.intended_at = timezone.now()
        change(step, Step.Status.INTENDED, case_id=job.case_id, body={"snapshot": snapshot})
        if snapshot:
            # A connection that was broken has just been seen to work.
            connections.mark_healthy(job.connection_id)
    return load(job.tenant_id, job.step_id)


def _must_have_no_obstacle(job: Job) -> None:
    step = Step.objects.select_related("run__plan__case__account").get(id=job.step_id)
    found = guardrails.obstacle(step)
    if found is not None:
        raise Failed(found.reason) if found.is_final else Wait(found.seconds, found.reason)


def _call(job: Job) -> Talk:
    work.renew()
    with scope.tenant(job.tenant_id):
        Step.objects.filter(id=job.step_id).update(calls=job.calls + 1)
    try:
        answer = yield Question(job, lambda client: job.action.call(client, job.intention))
    except NoAnswer:
        raise
    except Wait:
        # The vendor said that nothing was done: the step begins again, guardrails and all.
        with scope.tenant(job.tenant_id):
            step = _locked(job, Step.Status.INTENDED)
            step.calls = max(0, job.calls)
            change(step, Step.Status.PENDING, case_id=job.case_id, kind="step.postponed")
        raise
    _record_call(job, answer)


def _record_call(job: Job, answer: Mapping[str, Any]) -> None:
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status.INTENDED)
        step.answer = dict(answer)
        step.called_at = timezone.now()
        change(step, Step.Status.CALLED, case_id=job.case_id, body={"answer": answer})


def _settle_unknown(job: Job) -> Talk:
    """Find out whether an intended step was called, by asking the vendor."""
    try:
        seen = yield _reading_back(job)
    except Failed as failure:
        _give_up(job, f"whether the call had worked can't be read back: {failure}")
        return
    if seen.holds:
        _record_call(job, {"settled_by": "reading back", "observed": dict(seen.observed)})
        return
    assert job.intended_at is not None
    since = (timezone.now() - job.intended_at).total_seconds()
    settle = settings.SETTLE_SECONDS or catalog.get(job.action.name).settle_seconds
    if since < settle:
        raise Wait(max(0.5, settle - since), "Waiting to see whether the last call had worked.")
    if job.calls >= _MAX_CALLS:
        _give_up(job, f"called {job.calls} times without an answer or an effect to be seen.")
        return
    with scope.tenant(job.tenant_id):
        _locked(job, Step.Status.INTENDED)
        _must_have_no_obstacle(job)
    yield from _call(job)


def _give_up(job: Job, why: str) -> None:
    """Leave it to a person: it is not known whether it was done."""
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status.INTENDED)
        change(step, Step.Status.UNKNOWN, case_id=job.case_id, error=f"It is not known: {why}")


def _reading_back(job: Job) -> Question:
    return Question(job, lambda client: job.action.read_back(client, job.intention))


def _verify(job: Job) -> Talk:
    if job.status != Step.Status.CALLED:
        return
    seen: ReadBack = yield _reading_back(job)
    assert job.called_at is not None
    waited = (timezone.now() - job.called_at).total_seconds()
    if not seen.holds and waited < job.verify_within:
        with scope.tenant(job.tenant_id):
            Step.objects.filter(id=job.step_id).update(read_back=as_json(seen))
        raise Wait(min(60, max(1, waited)), f"Not to be seen at the vendor yet: {seen.explanation}")
    if not seen.holds:
        raise Failed(f"The vendor accepted it, but reading back shows: {seen.explanation}")
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status.CALLED)
        step.read_back = as_json(seen)
        step.verified_at = timezone.now()
        change(step, Step.Status.VERIFIED, case_id=job.case_id, body={"read_back": step.read_back})
        work.schedule("recheck", step.id, delay=FIRST_RECHECK.total_seconds())
        _mark_undone(step)


def _mark_undone(step: Step) -> None:
    """Mark the step that this one has undone, so that it is not expected to hold any more."""
    undone = step.run.plan.document.get("reverses")
    if undone is None:
        return
    original = (
        Step.objects.select_for_update(of=("self",))
        .select_related("run")
        .get(
            run__plan__sha256=undone,
            run__plan__case_id=step.run.plan.case_id,
            key=step.key.removeprefix("undo "),
        )
    )
    step.reverses = original
    step.save(update_fields=["reverses"])
    change(original, Step.Status.ROLLED_BACK, body={"by": step.key})
    _mark_run_undone(original.run)


def _mark_run_undone(run: Run) -> None:
    """Call a run rolled back when nothing is left of it that could be."""
    left = run.steps.filter(status=Step.Status.VERIFIED)
    if not any(catalog.get(step.action).reversal for step in left):
        run.status = Run.Status.ROLLED_BACK
        run.save(update_fields=["status"])


def fail(tenant_id: uuid.UUID, step_id: uuid.UUID, reason: str) -> None:
    """End a step that has failed for good."""
    with scope.tenant(tenant_id):
        step = Step.objects.select_for_update().select_related("run__plan").get(id=step_id)
        if step.status not in FINISHED:
            change(step, Step.Status.FAILED, error=reason)


def _locked(job: Job, expected: Step.Status) -> Step:
    """Return the step's row, locked; LeaseLost where another worker has moved it on."""
    step = (
        Step.objects.select_for_update(of=("self",)).select_related("run__plan").get(id=job.step_id)
    )
    if step.status != expected:
        raise work.LeaseLost(f"Step {step.key} is {step.status}, no longer {expected}.")
    return step
