"""Carrying out a run: intend, call, record, verify; resume after a crash.

Every transition is a committed row and a ledger entry before the next thing happens. A worker
that finds a step `intended` doesn't know whether the call was made: it reads back first, waits as
long as the vendor may show the old state, and only then calls again. So an effect is had once.
"""

import datetime as dt
import secrets
import string
import uuid
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from integrations import catalog, connections, registry
from integrations.contract import Action, Intention, ReadBack, Target
from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    OutcomeUnknown,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    UnknownAction,
)
from playbooks import approvals, guardrails
from playbooks.models import Plan, Run, Step
from playbooks.steps import FINISHED, change
from tenants import ledger, scope, vault, work

_PARKED_SECONDS = 300.0
FIRST_RECHECK = dt.timedelta(hours=1)
_MAX_CALLS = 3


@dataclass(frozen=True, slots=True)
class Job:
    """A step, out of the database: what its vendor calls need."""

    step_id: uuid.UUID
    run_id: uuid.UUID
    case_id: uuid.UUID
    tenant_id: uuid.UUID
    status: str
    connector: str
    connection_id: uuid.UUID
    action: Action
    intention: Intention
    intended_at: dt.datetime | None
    called_at: dt.datetime | None
    calls: int


class Wait(Exception):
    """The step can't go on now; the run is looked at again in `seconds`."""

    def __init__(self, seconds: float, note: str) -> None:
        super().__init__(note)
        self.seconds = seconds
        self.note = note


class Failed(Exception):
    """The step has failed for good, with a reason in plain words."""


def advance(tenant_id: uuid.UUID, run_id: uuid.UUID) -> None:
    """Carry a run as far as it goes now. Handler of work `run`."""
    waits: dict[uuid.UUID, Wait] = {}
    while (step_id := _next_step(tenant_id, run_id, waits)) is not None:
        work.renew()
        try:
            _advance_step(tenant_id, step_id)
        except Wait as wait:
            waits[step_id] = wait
        except Failed as failure:
            _fail(tenant_id, step_id, str(failure))
    _settle_run(tenant_id, run_id, list(waits.values()))


def _next_step(
    tenant_id: uuid.UUID, run_id: uuid.UUID, waiting: Container[uuid.UUID]
) -> uuid.UUID | None:
    """Return the next step that may go on, passing over those that wait already."""
    with scope.tenant(tenant_id):
        run = Run.objects.select_related("plan").get(id=run_id)
        steps = list(run.steps.order_by("position"))
        told = {step["id"]: step for step in run.plan.document["steps"]}
        _skip_hopeless(steps, told)
        by_key = {step.key: step for step in steps}
        for step in steps:
            needed = [by_key[key] for key in told[step.key]["needs"]]
            if (
                step.status in (Step.Status.PENDING, Step.Status.INTENDED, Step.Status.CALLED)
                and step.id not in waiting
                and all(one.status in FINISHED for one in needed)
            ):
                return step.id
    return None


def _skip_hopeless(steps: list[Step], told: Mapping[str, Any]) -> None:
    """Skip what can't come any more: after a failure that stops, or needing what was not done."""
    by_key = {step.key: step for step in steps}
    stopped = [s for s in steps if s.status == Step.Status.FAILED and _stops(told[s.key])]
    for step in steps:
        if step.status not in (Step.Status.PENDING, Step.Status.AWAITING_APPROVAL):
            continue
        not_done = [
            by_key[key]
            for key in told[step.key]["needs"]
            if by_key[key].status in FINISHED
            and by_key[key].status != Step.Status.VERIFIED
            and _stops(told[key])
        ]
        reason = stopped or not_done
        if reason:
            change(step, Step.Status.SKIPPED, error=f"{reason[0].key} was not done before it.")


def _stops(told: Mapping[str, Any]) -> bool:
    """Whether what comes after a step must not be done when the step itself was not."""
    return told["on_failure"] != "continue"


def _advance_step(tenant_id: uuid.UUID, step_id: uuid.UUID) -> None:
    job = load(tenant_id, step_id)
    if job.status == Step.Status.PENDING:
        job = _intend(job)
        _call(job)
    elif job.status == Step.Status.INTENDED:
        _settle_unknown(job)
    _verify(load(tenant_id, step_id))


def load(tenant_id: uuid.UUID, step_id: uuid.UUID) -> Job:
    """Take a step out of the database for its vendor calls; Failed where it can't be done."""
    with scope.tenant(tenant_id):
        step = Step.objects.select_related("run__plan__case__account").get(id=step_id)
        case = step.run.plan.case
        if step.connection_id is None or case.account is None:
            raise Failed("This client has no connection that could do it. Connect it, plan again.")
        told = next(s for s in step.run.plan.document["steps"] if s["id"] == step.key)
        try:
            action = registry.action(case.account.provider, step.action)
        except UnknownAction as error:
            raise Failed(str(error)) from None
        return Job(
            step_id=step.id,
            run_id=step.run_id,
            case_id=case.id,
            tenant_id=tenant_id,
            status=step.status,
            connector=case.account.provider,
            connection_id=step.connection_id,
            action=action,
            intention=_intention(step, told),
            intended_at=step.intended_at,
            called_at=step.called_at,
            calls=step.calls,
        )


def _intention(step: Step, told: Mapping[str, Any]) -> Intention:
    target = Target(
        kind=step.target_kind,
        id=step.target_id,
        external_id=step.target_external_id,
        name=step.target_name,
        parent_external_id=told["target"].get("parent_external_id", ""),
    )
    return Intention(
        target=target,
        inputs=told["inputs"],
        since=step.intended_at or timezone.now(),
        snapshot=step.snapshot,
        secrets=_step_secrets(step) if step.intended_at else {},
    )


def _step_secrets(step: Step) -> Mapping[str, str]:
    """Return what the step must know and nobody may read: made once, kept in the vault."""
    if step.action != "identity.reset_password":
        return {}
    return vault.get_or_put(f"step/{step.id}", {"new_password": _new_password()})


def _new_password() -> str:
    """Return 24 random characters with every class that Microsoft's complexity rule wants."""
    alphabet = string.ascii_letters + string.digits + "!#%+-_=?"
    return "Hf9!" + "".join(secrets.choice(alphabet) for _ in range(20))


def _intend(job: Job) -> Job:
    """Check that it may begin, keep the prior state, and write down the intention."""
    with scope.tenant(job.tenant_id):
        _must_have_no_obstacle(job)
    snapshot = ask(job, lambda client: job.action.snapshot(client, job.intention))
    with scope.tenant(job.tenant_id):
        step = _locked(job, Step.Status.PENDING)
        # Once more with the row locked: the kill switch counts up to the last moment.
        _must_have_no_obstacle(job)
        # What was there before the first try counts, should it have worked after all.
        step.snapshot = step.snapshot or dict(snapshot)
        step.intended_at = timezone.now()
        change(step, Step.Status.INTENDED, case_id=job.case_id, body={"snapshot": snapshot})
    return load(job.tenant_id, job.step_id)


def _must_have_no_obstacle(job: Job) -> None:
    step = Step.objects.select_related("run__plan__case__account").get(id=job.step_id)
    found = guardrails.obstacle(step)
    if found is not None:
        raise Failed(found.reason) if found.is_final else Wait(60, found.reason)


def _call(job: Job) -> None:
    work.renew()
    with scope.tenant(job.tenant_id):
        Step.objects.filter(id=job.step_id).update(calls=job.calls + 1)
    try:
        answer = ask(job, lambda client: job.action.call(client, job.intention))
    except _Unknown:
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


def _settle_unknown(job: Job) -> None:
    """Find out whether an intended step was called, by asking the vendor."""
    seen = ask(job, lambda client: job.action.read_back(client, job.intention))
    if seen.holds:
        _record_call(job, {"settled_by": "reading back", "observed": dict(seen.observed)})
        return
    assert job.intended_at is not None
    since = (timezone.now() - job.intended_at).total_seconds()
    settle = settings.SETTLE_SECONDS or catalog.get(job.action.name).settle_seconds
    if since < settle:
        raise Wait(max(0.5, settle - since), "Waiting to see whether the last call had worked.")
    if job.calls >= _MAX_CALLS:
        raise Failed(f"Called {job.calls} times without an effect that could be read back.")
    with scope.tenant(job.tenant_id):
        _locked(job, Step.Status.INTENDED)
        _must_have_no_obstacle(job)
    _call(job)


def _verify(job: Job) -> None:
    if job.status != Step.Status.CALLED:
        return
    seen = ask(job, lambda client: job.action.read_back(client, job.intention))
    assert job.called_at is not None
    waited = (timezone.now() - job.called_at).total_seconds()
    if not seen.holds and waited < catalog.get(job.action.name).verify_within_seconds:
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
    original = Step.objects.select_for_update().get(
        run__plan__sha256=undone,
        run__plan__case_id=step.run.plan.case_id,
        key=step.key.removeprefix("undo "),
    )
    step.reverses = original
    step.save(update_fields=["reverses"])
    change(original, Step.Status.ROLLED_BACK, body={"by": step.key})


def as_json(seen: ReadBack) -> dict[str, Any]:
    """Return a read-back as a step keeps it, with the time of asking."""
    return {
        "holds": seen.holds,
        "observed": dict(seen.observed),
        "explanation": seen.explanation,
        "at": timezone.now().isoformat(),
    }


def ask(job: Job, question: Callable[[Any], Any]) -> Any:
    """Speak to the vendor, and turn its errors into waiting or failing."""
    try:
        with connections.client(job.tenant_id, job.connection_id) as client:
            return question(client)
    except Throttled as error:
        raise Wait(error.retry_after, str(error)) from None
    except Unavailable as error:
        raise Wait(10, str(error)) from None
    except OutcomeUnknown as error:
        raise _Unknown(str(error)) from None
    except (Unauthorised, PermissionMissing, ConnectionMisconfigured) as error:
        with scope.tenant(job.tenant_id):
            connections.mark_broken(job.connection_id, str(error))
        raise Wait(_PARKED_SECONDS, f"The connection needs attention: {error}") from None
    except (NotFound, Rejected) as error:
        raise Failed(str(error)) from None


class _Unknown(Wait):
    """No answer came: the step stays intended, and is settled by reading back."""

    def __init__(self, note: str) -> None:
        super().__init__(1, note)


def _locked(job: Job, expected: Step.Status) -> Step:
    """Return the step's row, locked; LeaseLost where another worker has moved it on."""
    step = Step.objects.select_for_update().get(id=job.step_id)
    if step.status != expected:
        raise work.LeaseLost(f"Step {step.key} is {step.status}, no longer {expected}.")
    return step


def _fail(tenant_id: uuid.UUID, step_id: uuid.UUID, reason: str) -> None:
    with scope.tenant(tenant_id):
        step = Step.objects.select_for_update().select_related("run__plan").get(id=step_id)
        if step.status not in FINISHED:
            change(step, Step.Status.FAILED, error=reason)


def _settle_run(tenant_id: uuid.UUID, run_id: uuid.UUID, waits: list[Wait]) -> None:
    """Say where the run stands, and look at it again when something may have changed."""
    with scope.tenant(tenant_id):
        run = Run.objects.select_for_update().select_related("plan__case").get(id=run_id)
        statuses = set(run.steps.values_list("status", flat=True))
        if waits:
            soonest = min(waits, key=lambda wait: wait.seconds)
            _set(run, Run.Status.WAITING, soonest.note)
            work.schedule("run", run_id, delay=max(0.1, soonest.seconds))
        elif statuses <= set(FINISHED):
            _finish(run, statuses)
        elif Step.Status.AWAITING_APPROVAL in statuses:
            _set(run, Run.Status.WAITING, "Waiting for an approval.")


def _set(run: Run, status: Run.Status, note: str) -> None:
    run.status, run.note = status, note
    run.save(update_fields=["status", "note"])


def _finish(run: Run, statuses: set[str]) -> None:
    if run.finished_at is not None:
        return
    approvals.withdraw(run.plan, "The plan has ended.")
    failed = Step.Status.FAILED in statuses
    run.finished_at = timezone.now()
    _set(run, Run.Status.FAILED if failed else Run.Status.DONE, "")
    run.save(update_fields=["finished_at"])
    plan = run.plan
    plan.status = Plan.Status.FAILED if failed else _ended(plan, statuses)
    plan.finished_at = run.finished_at
    plan.save(update_fields=["status", "finished_at"])
    ledger.append(
        f"plan.{plan.status}", actor="engine", case_id=plan.case_id,
        subject=f"plan {plan.sha256[:12]}", body={"plan": plan.sha256},
    )  # fmt: skip
    work.schedule("close", plan.case_id)


def _ended(plan: Plan, statuses: set[str]) -> Plan.Status:
    """Return how a plan without failures ended: carried out, rejected or expired."""
    decisions = set(plan.approvals.values_list("decision", flat=True))
    if "rejected" in decisions:
        return Plan.Status.REJECTED
    return Plan.Status.EXPIRED if "expired" in decisions else Plan.Status.DONE
