"""Undoing what a run did: a plan of its own, tiered, approved, carried out and read back.

Each step that was done, or may have been, and that the catalog can reverse is undone from the
snapshot taken before it, in reverse order. What can't be undone is named in the plan with its
reason.
"""

import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

from integrations import catalog, registry
from integrations.contract import Intention
from playbooks import approvals, needs, replaced, stuck, targets, witness
from playbooks import facts as case_facts
from playbooks.engagement import Engagement, judge, strictest
from playbooks.errors import PlaybookError
from playbooks.jobs import target_of
from playbooks.models import Plan, Step
from playbooks.people import named
from playbooks.planner import FORMAT
from playbooks.response import adopt
from playbooks.rules import in_force
from playbooks.standing import OPEN_PLANS
from playbooks.steps import UNDER_WAY, UNDO, change, changed_nothing
from tenants import ledger, work
from tenants.canonical import jsonable
from tenants.models import Case

# With the vendor at this moment: undone when it is known what came of it.
_NEVER_BY_ITSELF = {"id": "undoing", "title": "Undoing is never done by itself"}
_LATER = "It is with the vendor now: its undoing is asked for when it is settled."


def request(plan_id: uuid.UUID, *, actor: str, step_key: str = "") -> Plan:
    """Plan the reversal of what a plan did (or of one step), and ask for its approvals.

    What has not begun of the plan does not begin any more. Undoing containment is always for a
    technician at least. The undoing that is under way is returned where nothing is left to add to
    it. PlaybookError where nothing can be undone. Runs inside the tenant's scope.
    """
    plan = _locked(plan_id)
    if not step_key:
        _stop(plan, f"{named(actor)} had the plan undone before this step began.")
    steps = [
        step
        for step in Step.objects.filter(run__plan=plan).order_by("-position")
        if step_key in ("", step.key) and (_may_be_done(step) or step.status in UNDER_WAY)
    ]
    rules = in_force()
    # What a person entered stays; all else is as it is known now, as each step is judged by.
    facts = {**plan.facts, **case_facts.of_case(plan.case)}
    drafts, skipped = _reversals(plan, steps)
    planned = _judged(drafts, rules, facts)
    under_way = _under_way(plan)
    if not planned and under_way:
        return under_way[0]
    if not planned:
        reasons = "; ".join(f"{item['step']}: {item['why']}" for item in skipped) or "nothing done"
        raise PlaybookError([f"Nothing of this plan can be undone ({reasons})."])
    document = {
        "format": FORMAT,
        "playbook": {**plan.document["playbook"], "title": "Undo: " + _title(plan)},
        "reverses": plan.sha256,
        "engagement": {"version": rules.version, "sha256": rules.sha256},
        "case": str(plan.case_id),
        "subject": plan.document["subject"],
        "steps": planned,
        "skipped": skipped,
        "tier": strictest(*(step["tier"] for step in planned)),
        "objects": len({step["target"]["external_id"] for step in planned}),
    }
    undoing = adopt(plan.case, jsonable(document), facts, plan.playbook_id, rules.version, actor)
    _reopen(plan.case, undoing)
    return undoing


def stop(plan_id: uuid.UUID, *, actor: str) -> None:
    """Let nothing begin any more of a plan; what was done stays.

    PlaybookError where the plan has ended. Runs inside the tenant's scope.
    """
    plan = _locked(plan_id)
    if plan.status not in OPEN_PLANS:
        raise PlaybookError(["This plan has ended already: there is nothing to stop."])
    _stop(plan, f"{named(actor)} stopped the plan before this step began.")
    ledger.append(
        "plan.stopped", actor=actor, case_id=plan.case_id, subject=f"plan {plan.sha256[:12]}",
        body={"plan": plan.sha256},
    )  # fmt: skip


def can_be_undone(step: Step) -> bool:
    """Whether a step was done, or may have been, and the catalog knows its reversal."""
    return _may_be_done(step) and catalog.get(step.action).reversal is not None


def undo_what_came_late(plan: Plan) -> None:
    """Ask for the undoing of what was with the vendor when the rest of its plan was undone."""
    undoings = Plan.objects.filter(case=plan.case_id, document__reverses=plan.sha256)
    late = {
        item["step"]: undoing.requested_by
        for undoing in undoings
        for item in undoing.document["skipped"]
        if item["why"] == _LATER
    }
    for step in Step.objects.filter(run__plan=plan, key__in=late):
        if can_be_undone(step):
            try:
                request(plan.id, actor=late[step.key], step_key=step.key)
            except PlaybookError as error:
                stuck.also_needs(plan.case, str(error))


def tier_of_undoing(
    rules: Engagement,
    action: str,
    target: Mapping[str, Any],
    objects: int,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Return `tier` and `tier_rule` of a step that undoes another one.

    Undoing containment lets somebody in again: never by itself.
    """
    judgement = judge(
        rules,
        action=action,
        target=targets.with_traits(target, facts),
        objects=objects,
        facts=facts,
    )
    tier = strictest("technician", judgement.tier)
    ruled = {"id": judgement.rule, "title": judgement.title}
    return {"tier": tier, "tier_rule": ruled if tier == judgement.tier else _NEVER_BY_ITSELF}


def _locked(plan_id: uuid.UUID) -> Plan:
    return (
        Plan.objects.select_for_update(of=("self",))
        .select_related("case__account", "playbook")
        .get(id=plan_id)
    )


def _may_be_done(step: Step) -> bool:
    was_accepted = step.status == Step.Status.FAILED and step.called_at is not None
    may_be = step.status in (Step.Status.VERIFIED, Step.Status.UNKNOWN) or was_accepted
    return may_be and not witness.was_told_not_done(step)


def _stop(plan: Plan, reason: str) -> None:
    waiting = Step.objects.select_for_update(of=("self",)).filter(
        run__plan=plan, status__in=(Step.Status.PENDING, Step.Status.AWAITING_APPROVAL)
    )
    for step in waiting.select_related("run__plan"):
        change(step, Step.Status.SKIPPED, error=reason)
    approvals.withdraw(plan, reason)
    if plan.status in OPEN_PLANS:
        work.schedule("run", plan.run.id)


def _under_way(plan: Plan) -> list[Plan]:
    """Return the plans that are undoing (part of) a plan now."""
    return list(
        Plan.objects.filter(
            case=plan.case_id, status__in=OPEN_PLANS, document__reverses=plan.sha256
        )
    )


def _title(plan: Plan) -> str:
    return str(plan.document["playbook"]["title"])


def _reversals(plan: Plan, steps: list[Step]) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    told = {step["id"]: step for step in plan.document["steps"]}
    being_undone = {
        step["id"].removeprefix(UNDO) for one in _under_way(plan) for step in one.document["steps"]
    }
    planned: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    for step in steps:
        action = catalog.get(step.action)
        inputs = _inputs(plan, step, told[step.key]) if action.reversal else None
        relying = _relying(step)
        left_behind = replaced.why_not(step)
        if left_behind:
            skipped.append({"step": step.key, "why": left_behind})
        elif action.reversal is None:
            skipped.append({"step": step.key, "why": action.no_reversal})
        elif step.key in being_undone:
            skipped.append({"step": step.key, "why": "It is being undone already."})
        elif step.status in UNDER_WAY:
            skipped.append({"step": step.key, "why": _LATER})
        elif relying:
            skipped.append({"step": step.key, "why": _relies(relying, plan)})
        elif inputs is None:
            skipped.append({"step": step.key, "why": "It changed nothing that could be put back."})
        else:
            previous = [planned[-1]["id"]] if planned else []
            planned.append(_draft(told[step.key], action.reversal, inputs, previous))
    return planned, skipped


def _judged(
    drafts: list[dict[str, Any]], rules: Engagement, facts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    counts = Counter(draft["action"] for draft in drafts)
    return [
        {
            **draft,
            **tier_of_undoing(
                rules, draft["action"], draft["target"], counts[draft["action"]], facts
            ),
        }
        for draft in drafts
    ]


def _relying(step: Step) -> Step | None:
    """Return the step of another plan that came later and found done what this one had done."""
    return (
        Step.objects.filter(
            action=step.action,
            target_external_id=step.target_external_id,
            connection_id=step.connection_id,
            status=Step.Status.VERIFIED,
            intended_at__gt=step.intended_at,
        )
        .exclude(run__plan=step.run.plan_id)
        .select_related("run__plan__case")
        .first()
    )


def _relies(step: Step, plan: Plan) -> str:
    if step.run.plan.case_id == plan.case_id:
        return f"“{_title(step.run.plan)}”, which came later, relies on it: undo that one first."
    return f"Case #{step.run.plan.case.number} relies on it: undo that one first."


def _inputs(plan: Plan, step: Step, told: dict[str, Any]) -> dict[str, Any] | None:
    account = plan.case.account
    # Plans of old name no provider.
    connector = told["target"].get("provider") or (account.provider if account else "")
    if not connector or step.intended_at is None:
        return None
    intention = Intention(
        target_of(told["target"]), told["inputs"], step.intended_at, step.snapshot
    )
    if changed_nothing(step.calls, step.answer):
        # Its snapshot is from before another had done it: to put that back would be to do so twice.
        return None
    inputs = registry.action(connector, step.action).reversal_inputs(intention)
    return None if inputs is None else dict(inputs)


def _draft(
    told: dict[str, Any], action_name: str, inputs: dict[str, Any], needs: list[str]
) -> dict[str, Any]:
    action = catalog.get(action_name)
    return {
        "id": f"{UNDO}{told['id']}",
        "action": action.name,
        "title": action.title,
        "target": told["target"],
        "inputs": inputs,
        "why": {
            "words": f"Puts back what “{told['title']}” changed.",
            "condition": "asked for",
            "facts": {},
        },
        "needs": needs,
        "on_failure": "stop",
        "reversal": {
            "action": action.reversal,
            "title": catalog.get(action.reversal).title if action.reversal else "",
            "reason": action.no_reversal,
        },
    }


def _reopen(case: Case, undoing: Plan) -> None:
    waiting = undoing.status == Plan.Status.AWAITING_APPROVAL
    case.status = Case.Status.AWAITING_APPROVAL if waiting else Case.Status.RESPONDING
    left = needs.besides_deciding(needs.without_call(case.needs))
    asked = "Approve or reject the undoing." if waiting else ""
    case.needs = f"{asked} {left}".strip()
    case.closed_at = None
    case.closed_with_proof = False
    case.contained_at = None
    case.save(update_fields=["status", "needs", "closed_at", "closed_with_proof", "contained_at"])
