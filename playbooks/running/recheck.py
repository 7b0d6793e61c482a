"""Reading steps back again, an hour and a day later.

Directory sync and users undo things: where the effect is gone, the case reopens. Where it can't be
seen for a day, the step, the case and the ledger say so; it is tried for a week. A step that was
not seen to work may have worked since: see `late_effects`.
"""

import datetime as dt
import uuid

from django.db.models import QuerySet
from django.utils import timezone

from integrations.contract import Client, ReadBack
from integrations.errors import NotFound
from playbooks.adoption import agreement
from playbooks.models import Step
from playbooks.plans import proof
from playbooks.plans.steps import UNDO, spoken
from playbooks.running import late_effects, seen_accounts, settling, stuck
from playbooks.running.jobs import Failed, Job, LeftBehind, Question, Wait, as_json, ask, load
from playbooks.running.stepping import FIRST_RECHECK
from tenants import ledger, scope, work
from tenants.models import Case

_LAST_RECHECK = dt.timedelta(hours=24)
# A connection that broke is usually mended within a working day; then somebody has to know.
_LONGEST_SILENCE = dt.timedelta(hours=24)
_LAST_TRY = dt.timedelta(days=7)
_SOON = dt.timedelta(minutes=1)
_SELDOM = dt.timedelta(hours=1)
_UNDER_WAY = (Step.Status.INTENDED, Step.Status.CALLED, Step.Status.UNKNOWN)


def recheck(tenant_id: uuid.UUID, step_id: uuid.UUID) -> None:
    """Read a step that was called back once more. Handler of work `recheck`."""
    try:
        job = load(tenant_id, step_id)
    except LeftBehind as gone:
        _leave(tenant_id, step_id, str(gone))
        settling.settle(tenant_id, step_id)
        return
    except Failed as failure:
        _put_off(tenant_id, step_id, str(failure))
        settling.settle(tenant_id, step_id)
        return
    if job.status in late_effects.NOT_SEEN:
        late_effects.look(job)
        return
    if job.status != Step.Status.VERIFIED:
        return
    try:
        seen: ReadBack = ask(Question(job, lambda client: _read_back(job, client)))
    except Wait as wait:
        _put_off(tenant_id, step_id, wait.note, dt.timedelta(seconds=wait.seconds))
    except Failed as failure:
        _put_off(tenant_id, step_id, str(failure))
    else:
        _keep(tenant_id, step_id, seen)


def _read_back(job: Job, client: Client) -> ReadBack:
    """Ask whether the effect is there. It is not on what is gone; other errors don't tell."""
    try:
        return job.action.read_back(client, job.intention)
    except NotFound as error:
        return ReadBack(False, {}, str(error))


def _keep(tenant_id: uuid.UUID, step_id: uuid.UUID, seen: ReadBack) -> None:
    with scope.tenant(tenant_id):
        step = _locked(step_id)
        if step.status != Step.Status.VERIFIED:
            # It was undone on purpose while the vendor was asked.
            return
        if _undoings(step).filter(status__in=_UNDER_WAY).exists():
            _ask_later(step, "its undoing is under way and not settled.", _SOON)
            return
        step.read_back = as_json(seen)
        step.save(update_fields=["read_back"])
        seen_accounts.note(step, seen)
        ledger.append(
            "step.read_back_again",
            actor="engine",
            case_id=step.run.plan.case_id,
            subject=f"{step.action} {step.target_name}",
            body={"step": step.key, "read_back": step.read_back, "words": seen.explanation},
        )
        _seen_again(step)
        if not seen.holds:
            _reopen(step, seen.explanation)
        elif step.verified_at and timezone.now() - step.verified_at < _LAST_RECHECK:
            left = step.verified_at + _LAST_RECHECK - timezone.now()
            work.schedule("recheck", step_id, delay=left.total_seconds())


def _leave(tenant_id: uuid.UUID, step_id: uuid.UUID, why: str) -> None:
    """Note on a step that it is read back no more; nothing is left that its case could do."""
    with scope.tenant(tenant_id):
        step = _locked(step_id)
        if step.status == Step.Status.VERIFIED and not step.error:
            _note_unseen(step, why)


def _put_off(
    tenant_id: uuid.UUID, step_id: uuid.UUID, why: str, wait: dt.timedelta = _SOON
) -> None:
    with scope.tenant(tenant_id):
        step = _locked(step_id)
        if step.status == Step.Status.VERIFIED:
            _ask_later(step, why, wait)


def _locked(step_id: uuid.UUID) -> Step:
    rows = Step.objects.select_for_update(of=("self",)).select_related("run__plan__case")
    return rows.get(id=step_id)


def _undoings(step: Step) -> QuerySet[Step]:
    """Return the steps that were planned to undo this one; they name it by their key."""
    plan = step.run.plan
    return Step.objects.filter(
        run__plan__case_id=plan.case_id,
        run__plan__document__reverses=plan.sha256,
        key=f"{UNDO}{step.key}",
    )


def _ask_later(step: Step, why: str, wait: dt.timedelta) -> None:
    """Have it read back later, and say so where it could not be for too long."""
    now = timezone.now()
    if not step.error and now - _due(step) > _LONGEST_SILENCE:
        _say_unseen(step, why)
    if now - (step.verified_at or now) < _LAST_TRY:
        wait = max(_SELDOM if step.error else _SOON, wait)
        work.schedule("recheck", step.id, delay=wait.total_seconds())


def _due(step: Step) -> dt.datetime:
    """Return when the step had to be read back again, the first time or the last."""
    verified_at = step.verified_at or timezone.now()
    first = verified_at + FIRST_RECHECK
    return first if _last_seen(step) < first else verified_at + _LAST_RECHECK


def _last_seen(step: Step) -> dt.datetime:
    told = step.read_back.get("at")
    return dt.datetime.fromisoformat(told) if told else step.verified_at or timezone.now()


def _note_unseen(step: Step, why: str) -> None:
    step.error = (
        f"It could not be read back again since {_last_seen(step):%d %B %Y, %H:%M} UTC: {why}"
    )
    step.save(update_fields=["error"])
    ledger.append(
        "step.not_read_back_again",
        actor="engine",
        case_id=step.run.plan.case_id,
        subject=f"{step.action} {step.target_name}",
        body={"step": step.key, "error": step.error},
    )


def _say_unseen(step: Step, why: str) -> None:
    _note_unseen(step, why)
    case = step.run.plan.case
    if case.status == Case.Status.CLOSED:
        _open_again(case)
    elif case.status != Case.Status.NEEDS_TECHNICIAN:
        # Others still work on it, and the step says it.
        return
    stuck.also_needs(case, proof.unseen(step))


def _seen_again(step: Step) -> None:
    """Take back what was said while the step could not be seen; the case closes by itself."""
    if not step.error:
        return
    case, said = step.run.plan.case, proof.unseen(step)
    step.error = ""
    step.save(update_fields=["error"])
    if case.status == Case.Status.NEEDS_TECHNICIAN and said in case.needs:
        case.needs = case.needs.replace(said, "").strip()
        if not case.needs:
            case.status = Case.Status.RESPONDING
            work.schedule("close", case.id)
        case.save(update_fields=["status", "needs"])


def _open_again(case: Case) -> None:
    case.closed_at = None
    case.closed_with_proof = False
    case.save(update_fields=["closed_at", "closed_with_proof"])


def _reopen(step: Step, words: str) -> None:
    case = step.run.plan.case
    case.contained_at = None
    case.reopened_count += 1
    case.save(update_fields=["contained_at", "reopened_count"])
    _open_again(case)
    lost = f"{spoken(step)} no longer holds: {words}"
    stuck.also_needs(case, lost)
    if not _undoings(step).exclude(called_at=None).exists():
        # An undoing that failed and yet had its effect says nothing about the playbook.
        agreement.reopened(step.run.plan, words=lost)
