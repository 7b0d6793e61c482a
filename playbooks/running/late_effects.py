"""Effects that come late: of a step that the vendor accepted, or may have, and that was not seen.

A computer that was off is isolated when it is switched on; by then the step has failed. It is
looked for an hour and a day later, and a technician is told where it is there after all.
"""

import datetime as dt

from django.utils import timezone

from integrations.contract import ReadBack
from playbooks.models import Step
from playbooks.plans import proof, witness
from playbooks.plans.steps import change
from playbooks.running import seen_accounts, settling, stuck
from playbooks.running.jobs import Failed, Job, Question, Wait, as_json, ask
from playbooks.running.stepping import mark_undone
from tenants import scope, work
from tenants.models import Case

NOT_SEEN = (Step.Status.FAILED, Step.Status.UNKNOWN)
_LAST_LOOK = dt.timedelta(hours=24)
_LAST_TRY = dt.timedelta(days=7)
_SELDOM = dt.timedelta(hours=1)


def look(job: Job) -> None:
    """Look for the effect of a step that was not seen to work, or that somebody tells of."""
    try:
        seen: ReadBack = ask(
            Question(job, lambda client: job.action.read_back(client, job.intention))
        )
    except (Wait, Failed):
        settling.settle(job.tenant_id, job.step_id)
        _look_again(job, _SELDOM, until=_LAST_TRY)
        return
    if seen.holds:
        _record(job, seen)
    else:
        settling.settle(job.tenant_id, job.step_id)
        _look_again(job, _LAST_LOOK, until=_LAST_LOOK)


def _look_again(job: Job, wait: dt.timedelta, until: dt.timedelta) -> None:
    with scope.tenant(job.tenant_id):
        step = Step.objects.get(id=job.step_id)
        ended = step.finished_at or timezone.now()
        if step.status in NOT_SEEN and timezone.now() - ended < until:
            work.schedule("recheck", step.id, delay=wait.total_seconds())


def _record(job: Job, seen: ReadBack) -> None:
    """Note that it is there, so that it can be undone, and put its case before a technician."""
    with scope.tenant(job.tenant_id):
        rows = Step.objects.select_for_update(of=("self",)).select_related("run__plan__case")
        step = rows.get(id=job.step_id)
        if step.status not in NOT_SEEN:
            return
        asked, was_settled = witness.asked(step), witness.was_told_done(step)
        given_up = proof.without_proof(step)
        keep = {"read_back": as_json(seen), "verified_at": timezone.now()}
        body = {"read_back": keep["read_back"], "words": seen.explanation}
        change(step, Step.Status.VERIFIED, keep=keep, body=body, kind="step.verified_late")
        seen_accounts.note(step, seen)
        case = step.run.plan.case
        if step.told.get("was_done"):
            # It is as a technician said, and now there is proof.
            if not was_settled:
                mark_undone(step, case.id)
                settling.go_on(case, asked)
            return
        if case.status == Case.Status.CLOSED:
            case.closed_at, case.closed_with_proof = None, False
            case.save(update_fields=["closed_at", "closed_with_proof"])
        # It was put before a technician as what failed.
        case.needs = case.needs.replace(given_up, "").strip()
        case.save(update_fields=["needs"])
        stuck.also_needs(case, proof.late(step))
