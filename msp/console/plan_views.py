"""The plans of a case in words: their steps, who decided, and what may be done now."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msp.console import words
from msp.console.rules_page import OUTCOMES
from msp.console.words import NotNeeded, Word
from playbooks import approvals
from playbooks.errors import PlaybookError
from playbooks.models import Approval, Plan, Step, Tier
from playbooks.people import named
from playbooks.plans.standing import OPEN_PLANS
from playbooks.plans.steps import NEVER, NOT_BEGUN
from playbooks.replanning import replanning
from playbooks.running import undo_choices
from playbooks.running.undo_choices import Choice
from tenants.models import Case, PlaybookMode

_READ_BACK = (Step.Status.VERIFIED, Step.Status.ROLLED_BACK)
_NOT_BEGUN = (*NEVER, *NOT_BEGUN)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a step reached a stage."""

    label: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class StepView:
    """One step, with what allowed it and what proves it."""

    title: str
    target: str
    status: Word
    why: str
    tier: str
    rule: str
    moments: Sequence[Moment]
    proof: str
    holds: bool | None
    error: str
    no_reversal: str
    is_reversal: bool
    warning: str


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """One demand for an approval, open or decided.

    `why_not`: why the technician who looks may not approve, whoever else may; `if_silent`: what
    happens when nobody answers in time.
    """

    row: Approval
    asked: str
    decision: Word
    decided_by: str
    is_open: bool
    needs_comment: bool
    why_not: str
    if_silent: str


@dataclass(frozen=True, slots=True)
class PlanView:
    """One plan with its steps and approvals."""

    row: Plan
    title: str
    status: Word
    tier: str
    note: str
    steps: Sequence[StepView]
    not_needed: Sequence[NotNeeded]
    approvals: Sequence[ApprovalView]
    done: int
    counted: int
    requested_by: str
    undo: Sequence[Choice]
    would: Sequence[str]
    can_be_carried_out: bool
    can_be_asked_again: bool
    is_live: bool

    @property
    def opens(self) -> bool:
        """Return whether the plan blocked an account that can be opened again."""
        return any(choice.is_open for choice in self.undo)

    @property
    def left(self) -> Sequence[NotNeeded]:
        """Return what the undoing of a plan leaves as it is."""
        return self.not_needed if "reverses" in self.row.document else ()

    @property
    def open_approvals(self) -> list[ApprovalView]:
        """Return the approvals that wait for somebody."""
        return [approval for approval in self.approvals if approval.is_open]


def of_case(case: Case, actor: str) -> list[PlanView]:
    """Return the plans of a case, as the technician `actor` sees them. In the tenant's scope."""
    plans = (
        Plan.in_scope()
        .filter(case=case)
        .select_related("playbook", "run", "case")
        .prefetch_related("approvals", "run__steps", "replaced_by")
        .order_by("created_at", "id")
    )
    return [_plan(plan, actor) for plan in plans]


def _plan(plan: Plan, actor: str) -> PlanView:
    run = getattr(plan, "run", None)
    told = {step["id"]: step for step in plan.document.get("steps", [])}
    rows = sorted(run.steps.all(), key=lambda step: step.position) if run else []
    # What a plan had not begun when another took its place is counted there.
    is_replaced = plan.status == Plan.Status.SUPERSEDED or bool(plan.replaced_by.all())
    steps = [_step(row, told.get(row.key, {})) for row in rows]
    counted = [row for row in rows if not (is_replaced and row.status in _NOT_BEGUN)]
    return PlanView(
        row=plan,
        title=str(plan.document.get("playbook", {}).get("title") or plan.playbook.playbook_id),
        status=words.of_plan(plan, rows),
        tier=words.TIERS.get(Tier(plan.tier), plan.tier),
        note=run.note if run else "",
        steps=steps,
        not_needed=words.not_needed(plan),
        approvals=[_approval(row, actor) for row in plan.approvals.all()],
        done=sum(row.status in _READ_BACK for row in counted),
        counted=len(counted),
        requested_by=named(plan.requested_by),
        undo=undo_choices.of_plan(plan, rows) if rows else [],
        would=[f"{one['title']}: {one['target']['name']}" for one in told.values()]
        if plan.mode == PlaybookMode.SHADOW
        else [],
        can_be_carried_out=plan.status == Plan.Status.SHADOW
        and plan.case.status != Case.Status.CLOSED,
        can_be_asked_again=replanning.may_be_asked_again(plan),
        is_live=plan.status in OPEN_PLANS,
    )


def _step(row: Step, told: Mapping[str, Any]) -> StepView:
    stages = (
        ("decided", row.intended_at),
        ("asked for", row.called_at),
        ("read back", row.verified_at),
        ("ended", row.finished_at if not row.verified_at else None),
    )
    return StepView(
        title=words.action_title(row.action),
        target=words.target(row.target_kind, row.target_name),
        status=words.of_step(row, str(told.get("tier_rule", {}).get("id", ""))),
        why=str(told.get("why", {}).get("words", "")),
        tier=words.TIERS.get(Tier(row.tier), row.tier),
        rule=str(told.get("tier_rule", {}).get("title", "")),
        moments=[Moment(label, at) for label, at in stages if at],
        proof=str(row.read_back.get("explanation", "")),
        holds=row.read_back.get("holds"),
        error=row.error,
        no_reversal=str(told.get("reversal", {}).get("reason", "")),
        is_reversal=row.reverses_id is not None,
        warning=str(told.get("warning", "")),
    )


def _approval(row: Approval, actor: str) -> ApprovalView:
    is_open = row.decision == Approval.Decision.PENDING
    return ApprovalView(
        row=row,
        asked=words.ASKED.get(Tier(row.tier), row.tier),
        decision=words.DECISIONS[Approval.Decision(row.decision)],
        decided_by=named(row.decided_by) if row.decided_by else "",
        is_open=is_open,
        needs_comment=row.tier == Tier.CLIENT,
        why_not=approvals.why_not_approve(row, actor) if is_open else "",
        if_silent=_if_silent(row) if is_open else "",
    )


def _if_silent(row: Approval) -> str:
    try:
        return OUTCOMES[approvals.outcome_if_silent(row)]
    except PlaybookError:
        # Rules that can't be read any more forbid every step; the page is to be seen all the same.
        return ""
