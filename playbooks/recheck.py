"""Reading verified steps back again, an hour and a day later.

Directory sync and users undo things: where the effect is gone, the case reopens.
"""

import datetime as dt
import uuid

from django.utils import timezone

from integrations import catalog
from integrations.contract import ReadBack
from playbooks import agreement
from playbooks.jobs import Failed, Question, Wait, as_json, ask, load
from playbooks.models import Step
from playbooks.response import needs_technician
from tenants import ledger, scope, work

_LAST_RECHECK = dt.timedelta(hours=24)


def recheck(tenant_id: uuid.UUID, step_id: uuid.UUID) -> None:
    """Read a verified step back once more. Handler of work `recheck`."""
    try:
        job = load(tenant_id, step_id)
        if job.status != Step.Status.VERIFIED:
            return
        seen: ReadBack = ask(
            Question(job, lambda client: job.action.read_back(client, job.intention))
        )
    except Wait as wait:
        with scope.tenant(tenant_id):
            work.schedule("recheck", step_id, delay=max(60, wait.seconds))
    except Failed as failure:
        _keep(tenant_id, step_id, None, str(failure))
    else:
        _keep(tenant_id, step_id, seen, seen.explanation)


def _keep(tenant_id: uuid.UUID, step_id: uuid.UUID, seen: ReadBack | None, words: str) -> None:
    with scope.tenant(tenant_id):
        step = (
            Step.objects.select_for_update(of=("self",))
            .select_related("run__plan__case")
            .get(id=step_id)
        )
        if step.status != Step.Status.VERIFIED:
            # It was undone on purpose while the vendor was asked.
            return
        if seen is not None:
            step.read_back = as_json(seen)
            step.save(update_fields=["read_back"])
        ledger.append(
            "step.read_back_again",
            actor="engine",
            case_id=step.run.plan.case_id,
            subject=f"{step.action} {step.target_name}",
            body={"step": step.key, "read_back": step.read_back, "words": words},
        )
        if seen is None or not seen.holds:
            _reopen(step, words)
        elif step.verified_at and timezone.now() - step.verified_at < _LAST_RECHECK:
            left = step.verified_at + _LAST_RECHECK - timezone.now()
            work.schedule("recheck", step_id, delay=left.total_seconds())


def _reopen(step: Step, words: str) -> None:
    case = step.run.plan.case
    case.closed_at = None
    case.closed_with_proof = False
    case.contained_at = None
    case.reopened_count += 1
    case.save(update_fields=["closed_at", "closed_with_proof", "contained_at", "reopened_count"])
    needs_technician(
        case,
        f"“{catalog.get(step.action).title}” for {step.target_name} no longer holds: {words}",
    )
    agreement.reopened(step.run.plan, words=case.needs)
