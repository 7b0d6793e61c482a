"""Carrying out a run: its steps in order, those that don't need each other at the same time.

One worker holds the run. Vendors are asked in threads, which touch no database; every row is
written by the worker itself.
"""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

from django.utils import timezone

from integrations.contract import Client
from playbooks import approvals, rollback
from playbooks.errors import PlaybookError
from playbooks.investigating.known_facts import KnownFacts
from playbooks.models import Approval, Plan, Run, Step
from playbooks.people import ENGINE
from playbooks.plans.steps import FINISHED, UNDER_WAY, spoken
from playbooks.replanning import replanning
from playbooks.running import held, sequence, stepping, stuck
from playbooks.running.jobs import Failed, Job, Question, Wait, open_client, understood
from playbooks.running.sequence import FAILURES
from playbooks.running.stepping import Talk
from tenants import ledger, scope, work
from tenants.models import Case

_AT_ONCE = 4
# Longer than a vendor's action may take to show, and than most of its outages.
_LONGEST_UNSETTLED = dt.timedelta(hours=6)
_DONE = (Step.Status.VERIFIED, Step.Status.ROLLED_BACK)


def advance(tenant_id: uuid.UUID, run_id: uuid.UUID) -> None:
    """Carry a run as far as it goes now. Handler of work `run`."""
    with scope.tenant(tenant_id):
        plan = Plan.objects.select_related("case").get(run__id=run_id)
        if replanning.replace_if_changed(plan) is not None:
            return
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as threads:
        waits = _Steps(plan, run_id, threads).carry()
    _settle_run(tenant_id, run_id, waits)


class _HasFailed(Exception):
    """A step has failed before it began."""

    def __init__(self, step_id: uuid.UUID, reason: str) -> None:
        super().__init__(reason)
        self.step_id = step_id


class _Steps:
    """The steps of one run that are being carried out by this worker."""

    def __init__(self, plan: Plan, run_id: uuid.UUID, threads: ThreadPoolExecutor) -> None:
        self._tenant_id = plan.tenant_id
        self._told = {step["id"]: step for step in plan.document["steps"]}
        self._run_id = run_id
        self._threads = threads
        self._known = KnownFacts()
        self._clients: dict[uuid.UUID, Client] = {}
        self._talks: dict[Future[Any], tuple[uuid.UUID, Talk, Question]] = {}
        self._waits: dict[uuid.UUID, Wait] = {}

    def carry(self) -> Mapping[uuid.UUID, Wait]:
        """Carry every step as far as it goes now; return what each of the others waits for."""
        try:
            self._begin_what_may()
            while self._talks:
                done, _ = wait(self._talks, return_when=FIRST_COMPLETED)
                ended = [self._has_ended(future) for future in done]
                if any(ended):
                    self._begin_what_may()
        finally:
            for _, talk, _question in self._talks.values():
                talk.close()
        return self._waits

    def _begin_what_may(self) -> None:
        """Begin steps until there is none that may; one that ends at once may free another."""
        is_looking = True
        while is_looking:
            is_looking = False
            for job in self._next_jobs():
                talk = stepping.carry(job)
                is_looking |= not self._go_on(job.step_id, talk, partial(next, talk))

    def _next_jobs(self) -> list[Job]:
        """Return the steps that may go on now, as many as there is room for."""
        with scope.tenant(self._tenant_id):
            while True:
                try:
                    return self._judged()
                except _HasFailed as failed:
                    # What comes after it may not be done any more: look at all of them again.
                    stepping.fail(self._tenant_id, failed.step_id, str(failed))

    def _judged(self) -> list[Job]:
        rows = Step.objects.filter(run=self._run_id).defer("snapshot", "answer", "read_back")
        steps = list(rows.order_by("position"))
        sequence.skip_hopeless(steps, self._told)
        passed_over = self._waits.keys() | {step_id for step_id, _, _ in self._talks.values()}
        jobs: list[Job] = []
        silent = held.silent_connections(steps, self._waits)
        for step in sequence.that_may_go_on(steps, self._told, silent):
            if step.id in passed_over or len(self._talks) + len(jobs) >= _AT_ONCE:
                continue
            try:
                jobs.append(stepping.judged(step.id, self._known))
            except Wait as waiting:
                self._waits[step.id] = waiting
            except Failed as failure:
                raise _HasFailed(step.id, str(failure)) from None
        return jobs

    def _has_ended(self, future: Future[Any]) -> bool:
        """Give a step the answer to what it asked; return whether it asks nothing more."""
        step_id, talk, question = self._talks.pop(future)
        error = future.exception()
        if error is None:
            return not self._go_on(step_id, talk, partial(talk.send, future.result()))
        if isinstance(error, Exception):
            understanding = understood(question, error)
            return not self._go_on(step_id, talk, partial(talk.throw, understanding))
        raise error

    def _go_on(self, step_id: uuid.UUID, talk: Talk, turn: Callable[[], Question]) -> bool:
        """Let a step take its next turn; return whether it asks something more."""
        try:
            question, client = self._with_client(talk, turn())
        except (StopIteration, stepping.Overtaken):
            return False
        except Wait as waiting:
            self._waits[step_id] = waiting
            return False
        except Failed as failure:
            stepping.fail(self._tenant_id, step_id, str(failure))
            return False
        future = self._threads.submit(question.put, client)
        self._talks[future] = (step_id, talk, question)
        return True

    def _with_client(self, talk: Talk, question: Question) -> tuple[Question, Client]:
        """Return what the step asks and the client to ask; the step hears why there is none."""
        while True:
            connection_id = question.job.connection_id
            try:
                if connection_id not in self._clients:
                    self._clients[connection_id] = open_client(question.job)
                return question, self._clients[connection_id]
            except (Wait, Failed) as error:
                question = talk.throw(error)


def _settle_run(tenant_id: uuid.UUID, run_id: uuid.UUID, waits: Mapping[uuid.UUID, Wait]) -> None:
    """Say where the run stands, and look at it again when something may have changed."""
    with scope.tenant(tenant_id):
        Plan.objects.select_for_update().get(run__id=run_id)
        run = Run.objects.select_for_update().select_related("plan__case").get(id=run_id)
        statuses = set(run.steps.values_list("status", flat=True))
        if waits:
            soonest = min(waits.values(), key=lambda wait: wait.seconds)
            _set(run, Run.Status.WAITING, soonest.note)
            seconds = held.note(run, waits)
            _tell_if_unsettled(run)
            work.schedule("run", run_id, delay=max(0.1, seconds))
        elif statuses <= set(FINISHED):
            _finish(run, statuses)
        elif Step.Status.AWAITING_APPROVAL in statuses:
            _set(run, Run.Status.WAITING, "Waiting for an approval.")


def _set(run: Run, status: Run.Status, note: str) -> None:
    run.status, run.note = status, note
    run.save(update_fields=["status", "note"])


def _tell_if_unsettled(run: Run) -> None:
    """Put a step before a technician whose outcome nobody has known for too long."""
    case = run.plan.case
    step = run.steps.filter(
        status__in=UNDER_WAY,
        intended_at__lt=timezone.now() - _LONGEST_UNSETTLED,
    ).first()
    if step is not None and case.status == Case.Status.RESPONDING:
        stuck.call(case, f"It is not known yet whether {spoken(step)} was done: {run.note}")


def _finish(run: Run, statuses: set[str]) -> None:
    if run.finished_at is not None:
        return
    approvals.withdraw(run.plan, "The plan has ended.")
    failed = bool(statuses & set(FAILURES))
    run.finished_at = timezone.now()
    run.save(update_fields=["finished_at"])
    undone = Run.Status.ROLLED_BACK if stepping.is_undone(run) else Run.Status.DONE
    _set(run, Run.Status.FAILED if failed else undone, "")
    plan = run.plan
    plan.status = Plan.Status.FAILED if failed else _ended(plan, statuses)
    plan.finished_at = run.finished_at
    plan.save(update_fields=["status", "finished_at"])
    ledger.append(
        f"plan.{plan.status}", actor="engine", case_id=plan.case_id,
        subject=f"plan {plan.sha256[:12]}", body={"plan": plan.sha256},
    )  # fmt: skip
    if failed:
        _roll_back_if_told(run)
    rollback.undo_what_came_late(plan)
    work.schedule("close", plan.case_id)


def _ended(plan: Plan, statuses: set[str]) -> Plan.Status:
    """Return how a plan without failures ended: carried out, rejected or expired."""
    rows = list(plan.approvals.all())
    stood_in = {row.stands_in_for for row in rows if row.decision == "approved"}
    if any(row.decision == "rejected" for row in rows):
        return Plan.Status.REJECTED
    # A tier that did not answer in time, and whom another answered for, did not end the plan; nor
    # did one that was not asked any more.
    if any(_is_overdue(row) and row.tier not in stood_in for row in rows):
        return Plan.Status.EXPIRED
    return Plan.Status.DONE if statuses & set(_DONE) else Plan.Status.REJECTED


def _is_overdue(row: Approval) -> bool:
    was_silent = row.decided_at is not None and row.decided_at >= row.expires_at
    return row.decision == Approval.Decision.EXPIRED and was_silent


def _roll_back_if_told(run: Run) -> None:
    """Plan the undoing of what was done, where a step that failed says so."""
    told = {step["id"]: step for step in run.plan.document["steps"]}
    failed = run.steps.filter(status__in=FAILURES)
    if not any(told[step.key]["on_failure"] == "roll_back" for step in failed):
        return
    try:
        rollback.request(run.plan_id, actor=ENGINE)
    except PlaybookError as error:
        _set(run, Run.Status.FAILED, str(error))
