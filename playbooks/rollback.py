"""Undoing what a run did: a plan of its own, tiered, approved, carried out and read back.

Each chosen step that was done, or may have been, and that the catalog can reverse is undone from
the snapshot taken before it, in reverse order. What can't be undone, and what is left as it is, is
named in the plan with its reason; what was left can be undone later.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from integrations import catalog, registry
from integrations.contract import Intention
from playbooks import approvals
from playbooks.cases import needs, subjects
from playbooks.engagement import Engagement, judge, strictest
from playbooks.errors import PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan, Step, spoken_target
from playbooks.people import named
from playbooks.planner import FORMAT
from playbooks.plans.standing import OPEN_PLANS
from playbooks.plans.steps import UNDER_WAY, UNDO, change, changed_nothing
from playbooks.policy.rules import in_force
from playbooks.response import adopt
from playbooks.running import stuck, undo_choices
from playbooks.running.jobs import target_of
from playbooks.targeting import replaced, targets
from tenants import ledger, work
from tenants.canonical import jsonable
from tenants.models import Case

# With the vendor at this moment: undone when it is known what came of it.
_NEVER_BY_ITSELF = {"id": "undoing", "title": "Undoing is never done by itself"}
_LATER = "It is with the vendor now: its undoing is asked for when it is settled."
_LEFT = "Left as it is, by choice. It can be undone later."
_OPENS = "Open the account again"


def request(
    plan_id: uuid.UUID,
    *,
    actor: str,
    chosen: Collection[str] | None = None,
    opens: bool = False,
) -> Plan:
    """Plan the reversal of what a plan did, and ask for its approvals.

    `chosen` are the keys of the steps to undo; where nobody chooses, what the attack made stays
    removed. `opens` says that an account is opened again for its owner, and the attack was one.
    What has not begun of the plan does not begin any more. Undoing containment is always for a
    technician at least. The undoing that is under way is returned where nothing is left to add to
    it. PlaybookError where nothing can be undone. Runs inside the tenant's scope.
    """
    plan = _locked(plan_id)
    done = undo_choices.done(plan)
    wanted = undo_choices.ticked(plan) if chosen is None else set(chosen)
    unknown = sorted(wanted - {step.key for step in Step.objects.filter(run__plan=plan)})
    if unknown or (not wanted and chosen is not None):
        raise PlaybookError(["Choose on the plan's page what is to be undone."])
    _stop(plan, f"{named(actor)} had the plan undone before this step began.")
    rules = in_force()
    # What a person entered stays; all else is as it is known now, as each step is judged by.
    facts = {
        **plan.facts, **case_facts.of_case(plan.case, subjects.of_facts(plan.case, plan.facts))
    }  # fmt: skip
    drafts, skipped = _reversals(plan, done, wanted)
    planned = _judged(drafts, rules, facts)
    under_way = undo_choices.under_way(plan)
    if not planned and under_way:
        return under_way[0]
    if not planned:
        reasons = "; ".join(f"{item['step']}: {item['why']}" for item in skipped) or "nothing done"
        raise PlaybookError([f"Nothing of this plan can be undone ({reasons})."])
    document = _document(plan, planned, skipped, rules, opens=opens)
    undoing = adopt(plan.case, jsonable(document), facts, plan.playbook_id, rules.version, actor)
    _note_left(undoing, actor)
    _reopen(plan.case, undoing)
    return undoing


def open_again(plan_id: uuid.UUID, *, actor: str) -> Plan:
    """Let the owner of an account that a plan blocked sign in again; all else stays as it is.

    PlaybookError where the plan blocked none, or that can't be undone. Runs inside the tenant's
    scope.
    """
    blocks = {
        step.key
        for step in undo_choices.done(_locked(plan_id))
        if step.action == undo_choices.BLOCK
    }
    if not blocks:
        raise PlaybookError(["This plan has blocked no account that could be opened again."])
    return request(plan_id, actor=actor, chosen=blocks, opens=True)


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
        if undo_choices.can_be_undone(step):
            try:
                request(plan.id, actor=late[step.key], chosen={step.key})
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


def _stop(plan: Plan, reason: str) -> None:
    waiting = Step.objects.select_for_update(of=("self",)).filter(
        run__plan=plan, status__in=(Step.Status.PENDING, Step.Status.AWAITING_APPROVAL)
    )
    for step in waiting.select_related("run__plan"):
        change(step, Step.Status.SKIPPED, error=reason)
    approvals.withdraw(plan, reason)
    if plan.status in OPEN_PLANS:
        work.schedule("run", plan.run.id)


def _title(plan: Plan) -> str:
    return str(plan.document["playbook"]["title"])


def _reversals(
    plan: Plan, steps: list[Step], chosen: Collection[str]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    told = {step["id"]: step for step in plan.document["steps"]}
    being_undone = undo_choices.being_undone(plan)
    planned: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    for step in steps:
        reversal = catalog.get(step.action).reversal
        inputs = _inputs(plan, step, told[step.key]) if reversal else None
        why_not = _why_not(plan, step, being_undone, chosen)
        if why_not or reversal is None:
            skipped.append({"step": step.key, "title": _spoken(told[step.key]), "why": why_not})
        elif inputs is None:
            why_not = "It changed nothing that could be put back."
            skipped.append({"step": step.key, "title": _spoken(told[step.key]), "why": why_not})
        else:
            previous = [planned[-1]["id"]] if planned else []
            warning = undo_choices.warning(plan, step)
            planned.append(_draft(told[step.key], reversal, inputs, previous, warning))
    return planned, skipped


def _why_not(plan: Plan, step: Step, being_undone: set[str], chosen: Collection[str]) -> str:
    """Return why a step is not undone; empty where it is, if it changed anything."""
    action = catalog.get(step.action)
    if left_behind := replaced.why_not(step):
        return left_behind
    if action.reversal is None:
        return action.no_reversal
    if step.key in being_undone:
        return "It is being undone already."
    if step.key not in chosen:
        return f"{_LEFT} {undo_choices.warning(plan, step)}".strip()
    if step.status in UNDER_WAY:
        return _LATER
    relying = _relying(step)
    return _relies(relying, plan) if relying else ""


def _spoken(told: Mapping[str, Any]) -> str:
    """Return a planned step as people read it."""
    return f"{told['title']}: {spoken_target(told['target']['kind'], told['target']['name'])}"


def _document(
    plan: Plan,
    planned: list[dict[str, Any]],
    skipped: list[dict[str, str]],
    rules: Engagement,
    *,
    opens: bool,
) -> dict[str, Any]:
    """Return the plan that undoes `plan`, as people approve it."""
    title = _OPENS if opens else f"Undo: {_title(plan)}"
    return {
        **({"opens": True} if opens else {}),
        "format": FORMAT,
        "playbook": {**plan.document["playbook"], "title": title},
        "reverses": plan.sha256,
        "engagement": {"version": rules.version, "sha256": rules.sha256},
        "case": str(plan.case_id),
        "subject": plan.document["subject"],
        "steps": planned,
        "skipped": skipped,
        "tier": strictest(*(step["tier"] for step in planned)),
        "objects": len({step["target"]["external_id"] for step in planned}),
    }


def _note_left(undoing: Plan, actor: str) -> None:
    """Write into the ledger what was left as it is, where somebody chose."""
    left = [one for one in undoing.document["skipped"] if one["why"].startswith(_LEFT)]
    if left:
        words = ", ".join(one["title"] for one in left)
        ledger.append(
            "plan.undo_chosen", actor=actor, case_id=undoing.case_id,
            subject=f"plan {undoing.sha256[:12]}",
            body={
                "plan": undoing.sha256, "reverses": undoing.document["reverses"],
                "undone": [step["title"] for step in undoing.document["steps"]],
                "left": [one["step"] for one in left], "note": f"Left as it is: {words}.",
            },
        )  # fmt: skip


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
    told: dict[str, Any],
    action_name: str,
    inputs: dict[str, Any],
    needs: list[str],
    warning: str,
) -> dict[str, Any]:
    action = catalog.get(action_name)
    return {
        **({"warning": warning} if warning else {}),
        "id": f"{UNDO}{told['id']}",
        "action": action.name,
        "title": action.title,
        "target": told["target"],
        "inputs": inputs,
        "why": {
            "words": f"Puts back what “{told['title']}” changed. {warning}".strip(),
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
    if not undoing.document.get("opens"):
        case.contained_at = None
    case.save(update_fields=["status", "needs", "closed_at", "closed_with_proof", "contained_at"])
