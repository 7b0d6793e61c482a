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

from playbooks import availability, planner, response
from playbooks.adoption import autonomy
from playbooks.adoption.versions import playbook_of
from playbooks.cases import subjects
from playbooks.errors import ConditionError, PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.models import Approval, Plan, Step, Tier
from playbooks.plans import giving_way, witness
from playbooks.plans.standing import OPEN_PLANS, differences, what
from playbooks.plans.steps import NEVER, NOT_BEGUN, UNDER_WAY, change
from playbooks.policy import rules
from playbooks.replanning import withdrawing
from playbooks.running import sequence
from tenants import ledger, scope
from tenants.models import Case, PlaybookMode

_ASKED_AGAIN_IN = (
    Case.Status.NEEDS_TECHNICIAN, Case.Status.AWAITING_APPROVAL, Case.Status.RESPONDING,
)  # fmt: skip
_NOT_NOW = "On what is known now it would not be planned."
_LOWERED = (
    "The playbook may no longer act by itself for this client: what had not begun was planned "
    "again, for a technician to approve."
)
_DEALT_WITH = "the plan before this one has dealt with it"


def look(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Plan again what waits for somebody where what it was made on has changed.

    What is of an organisation that is connected no more is withdrawn. Handler of work `replan`.
    """
    with scope.tenant(tenant_id):
        withdrawing.withdraw_all()
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

    None where it still holds, and for the undoing of a plan, which follows from what was done.
    Where a step has begun, what people have to approve of the others is only dropped where it would
    not be planned now; and where the playbook was lowered, another plan takes the place of the
    rest. Runs inside the tenant's scope.
    """
    # Locked before its approvals and steps, as whoever decides on it does.
    plan.status = Plan.objects.select_for_update().get(id=plan.id).status
    if plan.status not in OPEN_PLANS:
        return None
    withdrawing.withdraw(plan)
    if "reverses" in plan.document:
        return None
    steps = set(Step.objects.filter(run__plan=plan).values_list("status", flat=True))
    if not steps & set(NOT_BEGUN):
        return None
    mode = _mode_now(plan)
    if steps - set(NOT_BEGUN) - set(NEVER):
        return _replace_begun(plan, mode)
    if subjects.is_gone(plan.case, plan.facts):
        _no_longer_fits(plan, "what it is about is another case's now.")
        return plan
    facts = _facts(plan)
    try:
        document = _plan_now(plan, facts, mode)
    except (PlaybookError, ConditionError) as error:
        _no_longer_fits(plan, error)
        return plan
    found = differences(plan.document, document)
    if not found:
        return None
    reason = giving_way.REASON if mode == plan.mode else _LOWERED
    return _adopt(plan, document, facts, mode, reason, "; ".join(found))


def _mode_now(plan: Plan) -> str:
    """Return how far a plan may go by now: its playbook may have been lowered since it was made."""
    if plan.mode == PlaybookMode.AUTOMATIC and not autonomy.may_act(plan):
        return PlaybookMode.APPROVE
    return plan.mode


def _replace_begun(plan: Plan, mode: str) -> Plan | None:
    """Keep what has not begun of a plan that has to what is known now.

    Returns the plan that takes the place of the rest, where that may no longer go on by itself.
    """
    is_automatic = Step.objects.filter(
        run__plan=plan, status=Step.Status.PENDING, tier=Tier.AUTOMATIC
    ).exists()
    if mode != plan.mode and is_automatic:
        return _plan_rest(plan, mode)
    _drop_what_changed(plan)
    return None


def _plan_rest(plan: Plan, mode: str) -> Plan | None:
    """Plan again what has not begun of a plan, as soon as what has begun is settled.

    Until then the guardrails hold it: what comes of the one decides on the other.
    """
    rows = Step.objects.filter(run__plan=plan).select_related("run__plan")
    steps = list(rows.select_for_update(of=("self",)).order_by("position"))
    if any(step.status in UNDER_WAY for step in steps):
        return None
    told = {step["id"]: step for step in plan.document["steps"]}
    sequence.skip_hopeless(steps, told)
    if not any(step.status in NOT_BEGUN for step in steps):
        return None
    facts = _facts(plan)
    try:
        document = _plan_now(plan, facts, mode)
    except (PlaybookError, ConditionError) as error:
        _no_longer_fits(plan, error)
        return plan
    over = {what(told[step.key]) for step in steps if step.status not in NOT_BEGUN}
    not_again = {step["id"] for step in document["steps"] if what(step) in over}
    rest = planner.without(document, not_again, _DEALT_WITH)
    return _adopt(plan, rest, facts, mode, _LOWERED, "its playbook was lowered")


def _no_longer_fits(plan: Plan, error: Exception | str) -> None:
    giving_way.give_way(plan, why=f"It can't be planned any more: {error}")
    response.needs_technician(plan.case, f"The plan no longer fits what is known: {error}")


def _drop_what_changed(plan: Plan) -> None:
    """Let no step begin that people approve, or approved, and that would not be planned now.

    What is automatic goes on: the steps before it may be what has changed its facts.
    """
    facts = _facts(plan)
    try:
        planned = {what(step) for step in _plan_now(plan, facts, plan.mode)["steps"]}
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
    facts = _facts(plan)
    try:
        document = _of_rest(
            plan, planner.plan(playbook_of(plan.playbook), facts, rules.in_force(), "technician")
        )
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
    return any(witness.was_told_not_done(step) for step in Step.objects.filter(run__plan=plan))


def _facts(plan: Plan) -> dict[str, Any]:
    """Return what is known now of what a plan is for, of those that its case is about."""
    about = subjects.of_facts(plan.case, plan.facts)
    return {**case_facts.of_case(plan.case, about), **_given(plan)}


def _given(plan: Plan) -> dict[str, Any]:
    """Return what a person entered: it stays as it was."""
    return {"inputs": plan.facts["inputs"]} if "inputs" in plan.facts else {}


def _plan_now(plan: Plan, facts: Mapping[str, Any], mode: str) -> dict[str, Any]:
    is_routine = plan.case.kind == Case.Kind.ROUTINE
    verdict = facts.get("verdict", {}).get("value", "")
    at_least = response.least_tier(mode, verdict, is_routine=is_routine)
    return _of_rest(
        plan, planner.plan(playbook_of(plan.playbook), facts, rules.in_force(), at_least)
    )


def _of_rest(plan: Plan, document: dict[str, Any]) -> dict[str, Any]:
    """Return `document` without what a plan leaves out, where it was made for the rest of one."""
    left_out = {one["step"] for one in plan.document["skipped"] if one["why"] == _DEALT_WITH}
    planned = {step["id"] for step in document["steps"]}
    return planner.without(document, left_out & planned, _DEALT_WITH)


def _adopt(
    plan: Plan, document: dict[str, Any], facts: dict[str, Any], mode: str, reason: str, why: str
) -> Plan:
    giving_way.give_way(plan, why=why, reason=reason)
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
        mode=mode,
        replaces=plan,
    )
    response.set_status(plan.case)
    return fresh
