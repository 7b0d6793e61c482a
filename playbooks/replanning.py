"""Planning again: what was planned on facts that hold no more, or what nobody approved.

People approve what a plan says; where the same playbook, on what is known now, would do something
else or needs a stricter tier, the old plan ends before any of its steps has begun, and the new one
is asked for. A plan that was rejected, or that nobody approved in time, is asked for again only
where a person wants it.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from playbooks import availability, planner, response, rules, settling
from playbooks import facts as case_facts
from playbooks.errors import ConditionError, PlaybookError
from playbooks.models import Approval, Plan, Step, Tier
from playbooks.standing import differences, what
from playbooks.steps import NEVER, NOT_BEGUN, change
from playbooks.versions import playbook_of
from tenants import ledger, scope
from tenants.models import Case, PlaybookMode

_ASKED_AGAIN_IN = (
    Case.Status.NEEDS_TECHNICIAN, Case.Status.AWAITING_APPROVAL, Case.Status.RESPONDING,
)  # fmt: skip
_NOT_NOW = "On what is known now it would not be planned."
_REASON = "What the plan was made on has changed: it was planned again."


def look(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Plan again what waits for somebody where what it was made on has changed.

    Handler of work `replan`.
    """
    with scope.tenant(tenant_id):
        waiting = list(_waiting().values_list("id", flat=True))
    for plan_id in waiting:
        with scope.tenant(tenant_id):
            for plan in _waiting().filter(id=plan_id):
                replace_if_changed(plan)


def look_at_case(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Plan again what of one case waits for somebody where what it was made on has changed."""
    with scope.tenant(tenant_id):
        for plan in _waiting().filter(case=case_id):
            replace_if_changed(plan)


def before_deciding(approval_id: uuid.UUID) -> None:
    """Plan again what somebody is about to decide on, where what it was made on has changed.

    Whoever decides then is told that there is another plan. In a transaction before the decision's
    own, whose refusal would take it back.
    """
    pending = _waiting().filter(
        approvals__id=approval_id, approvals__decision=Approval.Decision.PENDING
    )
    for plan in pending:
        replace_if_changed(plan)


def _waiting() -> QuerySet[Plan]:
    rows = Plan.objects.filter(status=Plan.Status.AWAITING_APPROVAL)
    return rows.select_related("case").order_by("created_at")


def replace_if_changed(plan: Plan) -> Plan | None:
    """Return the plan that takes the place of `plan` where what it was made on has changed.

    None where it still holds, where a step has begun (what people have to approve of the others is
    then dropped where it would not be planned now), and for the undoing of a plan, which follows
    from what was done. Runs inside the tenant's scope.
    """
    # Locked before its approvals and steps, as whoever decides on it does.
    plan.status = Plan.objects.select_for_update().get(id=plan.id).status
    if plan.status not in response.OPEN_PLANS or "reverses" in plan.document:
        return None
    steps = set(Step.objects.filter(run__plan=plan).values_list("status", flat=True))
    if not steps & set(NOT_BEGUN):
        return None
    if steps - set(NOT_BEGUN) - set(NEVER):
        _drop_what_changed(plan)
        return None
    facts = {**case_facts.of_case(plan.case), **_given(plan)}
    try:
        document = _plan_now(plan, facts)
    except (PlaybookError, ConditionError) as error:
        _end(plan, f"It can't be planned any more: {error}")
        response.needs_technician(plan.case, f"The plan no longer fits what is known: {error}")
        return plan
    if not differences(plan.document, document):
        return None
    _end(plan, "; ".join(differences(plan.document, document)))
    return _adopt(plan, document, facts)


def _drop_what_changed(plan: Plan) -> None:
    """Let no step begin that people approve, or approved, and that would not be planned now.

    What is automatic goes on: the steps before it may be what has changed its facts.
    """
    facts = {**case_facts.of_case(plan.case), **_given(plan)}
    try:
        planned = {what(step) for step in _plan_now(plan, facts)["steps"]}
    except (PlaybookError, ConditionError):
        planned = set()
    told = {step["id"]: step for step in plan.document["steps"]}
    waiting = Step.objects.filter(run__plan=plan, status__in=NOT_BEGUN).exclude(tier=Tier.AUTOMATIC)
    for step in waiting.select_related("run__plan").select_for_update(of=("self",)):
        if what(told[step.key]) not in planned:
            change(step, Step.Status.SKIPPED, error=_NOT_NOW)


def ask_again(plan_id: uuid.UUID, *, actor: str) -> Plan:
    """Plan anew, on what is known now, what a plan that nobody approved was for; ask for it.

    Or what a technician saw was not done of it. PlaybookError where the plan ended otherwise, was
    asked for again already,
    its case is closed or looked into anew, nothing of it is needed any more, or something that it
    needs is not connected. Runs inside the tenant's scope.
    """
    plan = Plan.objects.select_for_update(of=("self",)).select_related("playbook").get(id=plan_id)
    case = plan.case = Case.objects.select_for_update(of=("self",)).get(id=plan.case_id)
    if not may_be_asked_again(plan):
        raise PlaybookError(["This plan can't be asked for again: open the case and look."])
    facts = {**case_facts.of_case(case), **_given(plan)}
    try:
        document = planner.plan(playbook_of(plan.playbook), facts, rules.in_force(), "technician")
    except ConditionError as error:
        raise PlaybookError([f"It can't be planned any more: {error}"]) from None
    if not document["steps"]:
        raise PlaybookError(["Nothing of the plan is needed any more: close the case."])
    needs = availability.of_plan(document, case.account.provider if case.account else "")
    if needs:
        raise PlaybookError([f"It can't be carried out here: it {needs}."])
    ledger.append(
        "plan.asked_again", actor=actor, case_id=case.id, subject=f"plan {plan.sha256[:12]}",
        body={"plan": plan.sha256, "playbook": document["playbook"]},
    )  # fmt: skip
    fresh = response.adopt(
        case,
        {**document, "asks_again": plan.sha256},
        facts,
        plan.playbook_id,
        document["engagement"]["version"],
        plan.requested_by,
        mode=PlaybookMode.APPROVE,
        replaces=plan,
    )
    response.set_status(case)
    return fresh


def may_be_asked_again(plan: Plan) -> bool:
    """Whether a plan ended because nobody approved it, and none has taken its place.

    Or because a technician saw that one of its steps was not done. While its case is looked into,
    the plan of then may be another one.
    """
    return (
        (plan.status in (Plan.Status.REJECTED, Plan.Status.EXPIRED) or _was_not_done(plan))
        and plan.case.status in _ASKED_AGAIN_IN
        and "reverses" not in plan.document
        and not plan.replaced_by.exists()
    )


def _was_not_done(plan: Plan) -> bool:
    if plan.status != Plan.Status.FAILED:
        return False
    return any(settling.was_told_not_done(step) for step in Step.objects.filter(run__plan=plan))


def _given(plan: Plan) -> dict[str, Any]:
    """Return what a person entered: it stays as it was."""
    return {"inputs": plan.facts["inputs"]} if "inputs" in plan.facts else {}


def _plan_now(plan: Plan, facts: Mapping[str, Any]) -> dict[str, Any]:
    case = plan.case
    is_routine = case.kind == Case.Kind.ROUTINE
    at_least = response.least_tier(plan.mode, case.verdict, is_routine=is_routine)
    return planner.plan(playbook_of(plan.playbook), facts, rules.in_force(), at_least)


def _end(plan: Plan, why: str) -> None:
    waiting = Step.objects.filter(run__plan=plan, status__in=NOT_BEGUN)
    for step in waiting.select_related("run__plan"):
        change(step, Step.Status.SKIPPED, error=_REASON)
    now = timezone.now()
    Approval.objects.filter(plan=plan, decision=Approval.Decision.PENDING).update(
        decision=Approval.Decision.SUPERSEDED, decided_at=now, comment=_REASON
    )
    plan.status = Plan.Status.SUPERSEDED
    plan.finished_at = now
    plan.save(update_fields=["status", "finished_at"])
    plan.run.status = plan.run.Status.DONE
    plan.run.finished_at = now
    plan.run.note = _REASON
    plan.run.save(update_fields=["status", "finished_at", "note"])
    ledger.append(
        "plan.superseded", actor="engine", case_id=plan.case_id,
        subject=f"plan {plan.sha256[:12]}", body={"plan": plan.sha256, "why": why},
    )  # fmt: skip


def _adopt(plan: Plan, document: dict[str, Any], facts: dict[str, Any]) -> Plan:
    if not document["steps"]:
        response.needs_technician(plan.case, "Nothing of the plan is needed any more: look at it.")
        return plan
    fresh = response.adopt(
        plan.case,
        document,
        facts,
        plan.playbook_id,
        document["engagement"]["version"],
        plan.requested_by,
        mode=plan.mode,
        replaces=plan,
    )
    response.set_status(plan.case)
    return fresh
