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
from django.db import models
from django.utils import timezone

from integrations import catalog, connections
from integrations.contract import ReadBack
from playbooks import guardrails
from playbooks.investigating.known_facts import KnownFacts
from playbooks.models import Run, Step
from playbooks.plans.steps import FINISHED, UNDO, change
from playbooks.running import seen_accounts
from playbooks.running.jobs import (
    Failed,
    HeldBack,
    Job,
    NoAnswer,
    Question,
    Wait,
    as_json,
    moved_on,
    of_step,
)
from tenants import scope, work

FIRST_RECHECK = dt.timedelta(hours=1)
_MAX_CALLS = 3

Talk = Generator[Question, Any, None]
# One turn of it, which gives the job as it stands afterwards.
Moving = Generator[Question, Any, Job]


class Overtaken(Exception):
    """The step was ended by a person, or by another step's failure, while its vendor was asked."""


def judged(step_id: uuid.UUID, known: KnownFacts) -> Job:
    """Return the step's job where it may go on now; raises Wait or Failed where it may not.

    Runs in the tenant's scope. What has begun goes on: whether it may be called again is asked
    when that is known to be necessary.
    """
    step = _with_case().defer("run__plan__facts").get(id=step_id)
    job = of_step(step)
    if job.status == Step.Status.PENDING:
        _must_be_free(guardrails.standing_obstacle(step, known))
    return job


def carry(job: Job) -> Talk:
    """Carry a step as far as it goes now. Raises Wait or Failed where it can't go on."""
    if job.status == Step.Status.PENDING:
        job = yield from _intend(job)
        job = yield from _call(job)
    elif job.status == Step.Status.INTENDED:
        job = yield from _settle_unknown(job)
    if job.status == Step.Status.CALLED:
        yield from _verify(job)


def _intend(job: Job) -> Moving:
    """Keep the prior state, and write down the intention."""
    snapshot = yield Question(job, lambda client: job.action.snapshot(client, job.intention))
    with scope.tenant(job.tenant_id):
        step = _locked_to_call(job, Step.Status.PENDING)
        keep = {
            "snapshot": dict(snapshot),
            "intended_at": timezone.now(),
            "unanswered_at": None,
            "calls": job.calls + 1,
        }
        change(
            step, Step.Status.INTENDED, case_id=job.case_id, keep=keep, body={"snapshot": snapshot}
        )
        _still_ours()
        if snapshot:
            # A connection that was broken has just been seen to work.
            connections.seen_to_work(job.connection_id)
        return moved_on(job, step)


def _must_be_free(found: guardrails.Obstacle | None) -> None:
    if found is not None:
        if found.is_final:
            raise Failed(found.reason)
        raise HeldBack(found.seconds, found.reason, found.is_for_long)


def _call(job: Job) -> Moving:
    try:
        answer = yield Question(
            job, lambda client: job.action.call(client, job.intention), may_change=True
        )
    except NoAnswer:
        raise
    except Wait:
        _take_back_call(job)
        raise
    except Failed as failure:
        if job.calls == 1:
            raise
        return (yield from _settle_refused(job, failure))
    return _record_call(job, answer)


def _settle_refused(job: Job, failure: Failed) -> Moving:
    """Look whether an earlier call, which had no answer, is why this one was refused."""
    try:
        seen = yield _reading_back(job)
    except Failed as unread:
        return _give_up(job, f"{failure} Nor could it be read back: {unread}")
    if not seen.holds:
        raise failure
    return _record_settled(job, seen)


def _record_settled(job: Job, seen: ReadBack) -> Job:
    return _record_call(job, {"settled_by": "reading back", "observed": dict(seen.observed)})


def _still_ours() -> None:
    """Take back what this transaction wrote where another worker has taken the run over.

    Asked last: whoever decides on the plan locks its steps and the ledger before the due work.
    """
    work.renew()


def _take_back_call(job: Job) -> None:
    """Note that the vendor said that nothing was done by this call.

    The step begins again, guardrails and all; but where an earlier call had no answer, that one
    may still have its effect, so the step stays to be settled by reading back.
    """
    calls = job.calls - 1
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status.INTENDED)
        change(
            step,
            Step.Status.INTENDED if calls else Step.Status.PENDING,
            case_id=job.case_id,
            keep={"calls": calls, "unanswered_at": timezone.now() if calls else None},
            kind="step.postponed",
        )
        _still_ours()


def _record_call(job: Job, answer: Mapping[str, Any]) -> Job:
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status.INTENDED)
        keep = {"answer": dict(answer), "called_at": timezone.now()}
        change(step, Step.Status.CALLED, case_id=job.case_id, keep=keep, body={"answer": answer})
        _still_ours()
        return moved_on(job, step)


def _settle_unknown(job: Job) -> Moving:
    """Find out whether an intended step was called, by asking the vendor."""
    try:
        seen = yield _reading_back(job)
    except Failed as failure:
        return _give_up(job, f"whether the call had worked can't be read back: {failure}")
    if seen.holds:
        return _record_settled(job, seen)
    since = (timezone.now() - _unanswered_since(job)).total_seconds()
    settle = settings.SETTLE_SECONDS or catalog.get(job.action.name).settle_seconds
    if since < settle:
        raise Wait(max(0.5, settle - since), "Waiting to see whether the last call had worked.")
    if job.calls >= _MAX_CALLS:
        return _give_up(job, f"called {job.calls} times without an answer or an effect to be seen.")
    return (yield from _call(_once_more(job)))


def _unanswered_since(job: Job) -> dt.datetime:
    """Return when it was first seen that the call has no answer.

    An effect may be had until then, and shown later still: the wait begins here, not when the
    call was intended.
    """
    if job.unanswered_at is None:
        now = timezone.now()
        with scope.tenant(job.tenant_id):
            step = _locked(job, Step.Status.INTENDED)
            step.unanswered_at = now
            step.save(update_fields=["unanswered_at"])
            _still_ours()
        return now
    return job.unanswered_at


def _once_more(job: Job) -> Job:
    """Let a call that has had no effect be made again, guardrails and all."""
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status.INTENDED)
        _must_be_free(guardrails.obstacle(_with_case().get(id=step.id)))
        step.calls = job.calls + 1
        step.unanswered_at = None
        step.save(update_fields=["calls", "unanswered_at"])
        _still_ours()
        return moved_on(job, step)


def _give_up(job: Job, why: str) -> Job:
    """Leave it to a person: it is not known whether it was done."""
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status(job.status))
        change(step, Step.Status.UNKNOWN, case_id=job.case_id, error=f"It is not known: {why}")
        _look_again_later(step)
        _still_ours()
        return moved_on(job, step)


def _reading_back(job: Job) -> Question:
    return Question(job, lambda client: job.action.read_back(client, job.intention))


def _verify(job: Job) -> Talk:
    assert job.called_at is not None
    try:
        seen: ReadBack = yield _reading_back(job)
    except Failed as failure:
        _wait_to_see(job, str(failure))
        _give_up(job, f"it was accepted, but can't be read back: {failure}")
        return
    if seen.holds:
        _record_verified(job, seen)
        return
    with scope.tenant(job.tenant_id):
        Step.objects.filter(id=job.step_id).update(read_back=as_json(seen))
    _wait_to_see(job, seen.explanation)
    raise Failed(f"The vendor accepted it, but reading back shows: {seen.explanation}")


def _wait_to_see(job: Job, why: str) -> None:
    """Raise Wait while the vendor may still take its time to show what it has accepted."""
    assert job.called_at is not None
    waited = (timezone.now() - job.called_at).total_seconds()
    if waited < job.verify_within:
        raise Wait(min(60, max(1, waited)), f"Not to be seen at the vendor yet: {why}")


def _record_verified(job: Job, seen: ReadBack) -> None:
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status.CALLED)
        read_back = as_json(seen)
        keep = {"read_back": read_back, "verified_at": timezone.now()}
        body = {"read_back": read_back}
        change(step, Step.Status.VERIFIED, case_id=job.case_id, keep=keep, body=body)
        seen_accounts.note(step, seen)
        _look_again_later(step)
        mark_undone(step, job.case_id)
        _still_ours()


def _look_again_later(step: Step) -> None:
    work.schedule("recheck", step.id, delay=FIRST_RECHECK.total_seconds())


def mark_undone(step: Step, case_id: uuid.UUID) -> None:
    """Mark the step that this one has undone, so that it is not expected to hold any more."""
    if not step.key.startswith(UNDO):
        return
    undone = step.run.plan.document["reverses"]
    original = (
        Step.objects.select_for_update(of=("self",))
        .select_related("run__plan")
        .get(
            run__plan__sha256=undone,
            run__plan__case_id=case_id,
            key=step.key.removeprefix(UNDO),
        )
    )
    step.reverses = original
    step.save(update_fields=["reverses"])
    change(original, Step.Status.ROLLED_BACK, body={"by": step.key})
    _mark_run_undone(original.run)


def _mark_run_undone(run: Run) -> None:
    if run.finished_at is not None and is_undone(run):
        run.status = Run.Status.ROLLED_BACK
        run.save(update_fields=["status"])


def is_undone(run: Run) -> bool:
    """Whether something of a run was undone, and nothing is left of it that could be."""
    actions: dict[str, set[str]] = {}
    for status, action in run.steps.values_list("status", "action"):
        actions.setdefault(status, set()).add(action)
    left = actions.get(Step.Status.VERIFIED, set())
    return Step.Status.ROLLED_BACK in actions and not any(catalog.get(a).reversal for a in left)


def fail(tenant_id: uuid.UUID, step_id: uuid.UUID, reason: str) -> None:
    """End a step that has failed for good."""
    with scope.tenant(tenant_id):
        step = Step.objects.select_for_update().select_related("run__plan").get(id=step_id)
        if step.status not in FINISHED:
            change(step, Step.Status.FAILED, error=reason)
            if step.called_at is not None:
                # It was accepted: it may be had later still, as by a computer that was off.
                _look_again_later(step)
            _still_ours()


def _locked(job: Job, expected: Step.Status) -> Step:
    """Return the step's row, locked.

    Overtaken where it was ended meanwhile, LeaseLost where another worker has moved it on.
    """
    return _still(expected, Step.objects.select_for_update().get(id=job.step_id))


def _locked_to_call(job: Job, expected: Step.Status) -> Step:
    """Return the step's row, locked, when nothing has come into the way of calling the vendor."""
    rows = _with_case().defer("run__plan__facts", "run__plan__document")
    step = _still(expected, rows.select_for_update(of=("self",)).get(id=job.step_id))
    _must_be_free(guardrails.last_obstacle(step))
    return step


def _with_case() -> models.QuerySet[Step]:
    return Step.objects.select_related(
        "run__plan__case__account__person", "run__plan__case__tenant"
    )


def _still(expected: Step.Status, step: Step) -> Step:
    if step.status in FINISHED:
        raise Overtaken(step.key)
    if step.status != expected:
        raise work.LeaseLost(f"Step {step.key} is {step.status}, no longer {expected}.")
    return step
