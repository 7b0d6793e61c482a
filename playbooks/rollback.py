"""Undoing what a run did: a plan of its own, tiered, approved, carried out and read back.

Each verified step that the catalog can reverse is undone from the snapshot taken before it, in
reverse order. What can't be undone is named in the plan with its reason.
"""

import uuid
from typing import Any

from integrations import catalog, registry
from integrations.contract import Intention
from playbooks import agreement
from playbooks.engagement import Engagement, judge, strictest
from playbooks.errors import PlaybookError
from playbooks.jobs import target_of
from playbooks.models import Plan, Step
from playbooks.planner import FORMAT
from playbooks.response import adopt
from playbooks.rules import in_force
from playbooks.steps import UNDO
from tenants.canonical import jsonable
from tenants.models import Case


def request(plan_id: uuid.UUID, *, actor: str, step_key: str = "") -> Plan:
    """Plan the reversal of a plan's verified steps (or of one), and ask for its approvals.

    Undoing containment is always for a technician at least. PlaybookError where nothing can be
    undone. Runs inside the tenant's scope.
    """
    plan = Plan.objects.select_related("case__account", "playbook").get(id=plan_id)
    steps = list(
        Step.objects.filter(run__plan=plan, status=Step.Status.VERIFIED).order_by("-position")
    )
    if step_key:
        steps = [step for step in steps if step.key == step_key]
    rules = in_force()
    planned, skipped = _reversals(plan, steps, rules)
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
    undoing = adopt(
        plan.case, jsonable(document), plan.facts, plan.playbook_id, rules.version, actor
    )
    _reopen(plan.case, undoing)
    agreement.rolled_back(plan, actor=actor)
    return undoing


def _title(plan: Plan) -> str:
    return str(plan.document["playbook"]["title"])


def _reversals(
    plan: Plan, steps: list[Step], rules: Engagement
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    told = {step["id"]: step for step in plan.document["steps"]}
    planned: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    for step in steps:
        action = catalog.get(step.action)
        if step.reversals.filter(status=Step.Status.VERIFIED).exists():
            continue
        inputs = _inputs(plan, step, told[step.key]) if action.reversal else None
        if action.reversal is None:
            skipped.append({"step": step.key, "why": action.no_reversal})
        elif inputs is None:
            skipped.append({"step": step.key, "why": "It changed nothing that could be put back."})
        else:
            previous = [planned[-1]["id"]] if planned else []
            planned.append(_draft(plan, told[step.key], action.reversal, inputs, previous, rules))
    return planned, skipped


def _inputs(plan: Plan, step: Step, told: dict[str, Any]) -> dict[str, Any] | None:
    account = plan.case.account
    # Plans of old name no provider.
    connector = told["target"].get("provider") or (account.provider if account else "")
    if not connector or step.intended_at is None:
        return None
    intention = Intention(
        target_of(told["target"]), told["inputs"], step.intended_at, step.snapshot
    )
    inputs = registry.action(connector, step.action).reversal_inputs(intention)
    return None if inputs is None else dict(inputs)


def _draft(
    plan: Plan,
    told: dict[str, Any],
    action_name: str,
    inputs: dict[str, Any],
    needs: list[str],
    rules: Engagement,
) -> dict[str, Any]:
    action = catalog.get(action_name)
    judgement = judge(rules, action=action_name, target=told["target"], objects=1, facts=plan.facts)
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
        # Undoing containment lets somebody in again: never by itself.
        "tier": strictest("technician", judgement.tier),
        "tier_rule": {"id": judgement.rule, "title": judgement.title},
    }


def _reopen(case: Case, undoing: Plan) -> None:
    waiting = undoing.status == Plan.Status.AWAITING_APPROVAL
    case.status = Case.Status.AWAITING_APPROVAL if waiting else Case.Status.RESPONDING
    case.needs = "Approve or reject the undoing." if waiting else ""
    case.closed_at = None
    case.closed_with_proof = False
    case.contained_at = None
    case.save(update_fields=["status", "needs", "closed_at", "closed_with_proof", "contained_at"])
