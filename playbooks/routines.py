"""Routines: work that nobody's alert asked for, such as taking a leaver off, carried out as plans.

A routine is a case of its own kind, so that its questions, plan, approvals, proof and ledger are
the same as everywhere. It can be started for later: it is then asked and planned at that time.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from integrations import catalog
from playbooks import availability, planner, response, results
from playbooks.adoption import activation
from playbooks.adoption.versions import remember
from playbooks.cases.case_numbers import next_number
from playbooks.errors import ConditionError, PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.investigating.gathering import gather
from playbooks.language import Playbook
from playbooks.policy import rules
from playbooks.routine_inputs import checked
from tenants import ledger, scope, work
from tenants.models import Account, Case, PlaybookMode, Severity

# Between somebody's click and here a moment passes.
_LATE = dt.timedelta(minutes=1)
_LONGEST_AHEAD = dt.timedelta(days=366)


def start(
    playbook_id: str,
    *,
    actor: str,
    inputs: Mapping[str, Any] | None = None,
    account: Account | None = None,
    at: dt.datetime | None = None,
    once: str = "",
) -> Case:
    """Start a routine for the scope's tenant, now or `at` a time (aware).

    `once`: a word of the caller's own for this one wish; who says it again gets the same case.

    PlaybookError where the playbook is no routine, an input is missing, unknown or of another
    type than the playbook says, or it is about one account and none is given, or the other way.
    """
    playbook = activation.in_force(playbook_id).playbook
    if playbook.kind != "routine":
        raise PlaybookError([f"{playbook_id} is a playbook for {playbook.kind}s, not a routine."])
    _check_account(playbook, account)
    now = timezone.now()
    _check_time(at, now)
    request = {
        "playbook": playbook_id,
        "inputs": checked(playbook, inputs or {}),
        "by": actor,
        **({"at": at.astimezone(dt.UTC).isoformat()} if at else {}),
        **({"once": once} if once else {}),
    }
    number = next_number()
    if once and (started := _started(once)) is not None:
        return started
    case = Case.objects.create(
        tenant_id=scope.require_tenant_id(),
        number=number,
        kind=Case.Kind.ROUTINE,
        title=playbook.title + (f": {account.display_name or account.username}" if account else ""),
        severity_id=Severity.INFORMATIONAL,
        account=account,
        request=request,
        opened_at=now,
        acknowledged_at=now,
        first_activity_at=now,
        last_activity_at=now,
    )
    ledger.append(
        "routine.started",
        actor=actor,
        case_id=case.id,
        subject=str(case),
        body={"request": case.request, "at": at or now},
    )
    delay = max(0.0, (at - now).total_seconds()) if at else 0
    work.schedule("routine", case.id, delay=delay)
    return case


def cancel(case_id: uuid.UUID, *, actor: str, reason: str) -> Case:
    """End a routine of the scope's tenant that has not begun; its case is closed, never deleted.

    PlaybookError where it has begun, or no reason is given.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise PlaybookError(["Say why it is cancelled: whoever asked for it will want to know."])
    case = Case.objects.select_for_update(of=("self",)).get(id=case_id)
    if case.kind != Case.Kind.ROUTINE or case.status != Case.Status.NEW:
        raise PlaybookError(["It has begun already: reject its plan, or let it be undone."])
    case.status = Case.Status.CLOSED
    case.closed_at = timezone.now()
    case.closing_note = f"Cancelled before it began: {reason}"
    case.save(update_fields=["status", "closed_at", "closing_note"])
    ledger.append(
        "routine.cancelled",
        actor=actor,
        case_id=case.id,
        subject=str(case),
        body={"request": case.request, "reason": reason},
    )
    return case


def begins_at(case: Case) -> dt.datetime | None:
    """Return when a routine that has not begun will begin; None for one that was not put off."""
    told = case.request.get("at")
    return dt.datetime.fromisoformat(told) if told and case.status == Case.Status.NEW else None


def _started(once: str) -> Case | None:
    return Case.objects.filter(kind=Case.Kind.ROUTINE, request__once=once).first()


def _check_account(playbook: Playbook, account: Account | None) -> None:
    if playbook.is_about_one_account and account is None:
        raise PlaybookError([f"{playbook.id} is about one account: say which (--account)."])
    if account is not None and not playbook.is_about_one_account:
        raise PlaybookError([f"{playbook.id} is about the whole client: leave the account out."])
    if account is not None and account.is_protected and _changes_something(playbook):
        raise PlaybookError(
            [
                f"{account.username} is protected: no action may touch it. If it is the right "
                "account, end its protection first."
            ]
        )


def _changes_something(playbook: Playbook) -> bool:
    return any(not catalog.get(step.uses).is_read_only for step in playbook.steps)


def _check_time(at: dt.datetime | None, now: dt.datetime) -> None:
    if at is not None and at < now - _LATE:
        raise PlaybookError(["The time has passed: give a later one, or none to begin now."])
    if at is not None and at > now + _LONGEST_AHEAD:
        raise PlaybookError(["The time is more than a year ahead: start it when it is nearer."])


def carry_out(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Ask what the routine asks, plan it, and have it approved. Handler of work `routine`."""
    with scope.tenant(tenant_id):
        case = Case.objects.select_related("account__person", "tenant").get(id=case_id)
        if _has_begun(case):
            return
        held = activation.in_force(case.request["playbook"])
        playbook = held.playbook
        asking = [step for step in playbook.steps if catalog.get(step.uses).is_read_only]
    if not gather(tenant_id, case_id, asking, retry="routine"):
        return
    with scope.tenant(tenant_id):
        case = Case.objects.select_for_update(of=("self",)).get(id=case_id)
        if _has_begun(case):
            # Somebody cancelled it while the questions were asked.
            return
        _plan(case, playbook, held.mode)


def _has_begun(case: Case) -> bool:
    """Whether a routine was planned or ended; a technician may have been called before that."""
    return case.status == Case.Status.CLOSED or "playbook" in case.verdict_detail


def _plan(case: Case, playbook: Playbook, mode: str) -> None:
    facts = case_facts.of_case(case)
    version = remember(playbook)
    _keep_results(case, playbook, version.sha256, facts)
    policy = rules.in_force()
    try:
        # A person has asked for it, so it is not for the shadow; what is not automatic is asked.
        at_least = response.least_tier(mode, case.verdict, is_routine=True)
        document = planner.plan(playbook, facts, policy, at_least)
    except (PlaybookError, ConditionError) as error:
        response.needs_technician(case, f"The routine could not be planned: {error}")
        return
    case.verdict_detail["not_planned"] += planner.left_by_hand(document)
    case.save(update_fields=["verdict_detail"])
    missing = availability.of_plan(document, case.account.provider if case.account else "")
    if missing:
        response.needs_technician(case, missing)
        return
    if not document["steps"]:
        response.set_status(case)
        ledger.append(
            "plan.empty", actor="engine", case_id=case.id, subject=playbook.title,
            body={"playbook": playbook.id, "skipped": document["skipped"]},
        )  # fmt: skip
        work.schedule("close", case.id)
        return
    response.adopt(
        case, document, facts, version.sha256, policy.version, case.request["by"],
        mode=PlaybookMode.AUTOMATIC if at_least == "automatic" else PlaybookMode.APPROVE,
    )  # fmt: skip
    response.set_status(case)


def _keep_results(
    case: Case, playbook: Playbook, version_sha256: str, facts: Mapping[str, Any]
) -> None:
    """Keep with the case what the routine found, and what of it is left for a technician."""
    lines = results.of(playbook, facts)
    case.verdict_detail = {
        "playbook": playbook.id,
        "version": playbook.version,
        "playbook_sha256": version_sha256,
        "results": [line.as_json() for line in lines],
        "not_planned": [line.words for line in lines if line.to_do],
    }
    case.save(update_fields=["verdict_detail"])
    ledger.append(
        "routine.results", actor="engine", case_id=case.id, subject=playbook.title,
        body={"playbook": playbook.id, "note": " ".join(line.words for line in lines)},
    )  # fmt: skip
