"""Everything that the page of one case shows, read once and put into words."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msp.console import answers, routine_case, selectors, words
from msp.console.routine_case import RoutineView
from msp.console.words import Word
from playbooks.models import Approval, Plan, Step, Tier
from tenants import evidence
from tenants.models import Case, Evidence, Finding, LedgerEntry, PlaybookMode

TIMELINE_LENGTH = 300
FINDINGS_SHOWN = 50
_NOT_CARRIED_OUT = (Plan.Status.REJECTED, Plan.Status.EXPIRED, Plan.Status.FAILED)


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


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """One demand for an approval, open or decided."""

    row: Approval
    asked: str
    decision: Word
    decided_by: str
    is_open: bool
    needs_comment: bool


@dataclass(frozen=True, slots=True)
class PlanView:
    """One plan with its steps and approvals."""

    row: Plan
    title: str
    status: Word
    tier: str
    note: str
    steps: Sequence[StepView]
    not_needed: Sequence[str]
    approvals: Sequence[ApprovalView]
    done: int
    counted: int
    requested_by: str
    can_be_undone: bool
    would: Sequence[str]
    can_be_carried_out: bool

    @property
    def open_approvals(self) -> list[ApprovalView]:
        """Return the approvals that wait for somebody."""
        return [approval for approval in self.approvals if approval.is_open]


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One piece of evidence; `is_intact`: whether it still has the hash it was kept with."""

    row: Evidence
    words: str
    is_intact: bool


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One ledger entry in words."""

    at: dt.datetime
    kind: Word
    subject: str
    detail: str
    actor: str
    sequence: int | None


@dataclass(frozen=True, slots=True)
class CasePage:
    """The page."""

    case: Case
    who: str
    about: str
    status: Word
    severity: Word
    risk: Word
    verdict: Word
    confidence: str
    because: str
    rule: str
    playbook: str
    missing: Sequence[Mapping[str, str]]
    plans: Sequence[PlanView]
    evidence: Sequence[EvidenceView]
    findings: Sequence[tuple[Finding, Word]]
    findings_left_out: int
    timeline: Sequence[TimelineEntry]
    assignee: str
    routine: RoutineView | None

    @property
    def waiting(self) -> list[tuple[PlanView, ApprovalView]]:
        """Return the plans that wait for an approval."""
        return [(plan, approval) for plan in self.plans for approval in plan.open_approvals]

    @property
    def steps(self) -> list[StepView]:
        """Return the steps of every plan."""
        return [step for plan in self.plans for step in plan.steps]

    @property
    def proven(self) -> int:
        """Return how many steps were read back."""
        return sum(plan.done for plan in self.plans)

    @property
    def unavailable(self) -> int:
        """Return how many questions got no answer."""
        return sum(not item.row.is_available for item in self.evidence)


def find(case_id: uuid.UUID) -> Case | None:
    """Return the case if the technician's scope shows it."""
    return Case.in_scope().select_related("tenant", "account__person").filter(id=case_id).first()


def read(case: Case) -> CasePage:
    """Return the page of `case`."""
    detail = case.verdict_detail
    total = case.findings.count()
    return CasePage(
        case=case,
        who=selectors.who(case),
        about=_about(case),
        status=words.CASES[Case.Status(case.status)],
        severity=words.severity(case.severity_id),
        risk=words.risk(case.risk),
        verdict=words.verdict(case),
        confidence=str(detail.get("confidence", "")),
        because=str(detail.get("because", "")),
        rule=str(detail.get("rule", "")),
        playbook=f"{detail['playbook']}, version {detail['version']}"
        if "playbook" in detail
        else "",
        missing=detail.get("missing", []),
        plans=_plans(case),
        evidence=[
            EvidenceView(row, _answer(row), evidence.content_hash(row) == row.sha256)
            for row in case.evidence.order_by("asked_at", "id")
        ],
        findings=[
            (finding, words.severity(finding.severity_id))
            for finding in case.findings.defer("ocsf").order_by("time")[:FINDINGS_SHOWN]
        ],
        findings_left_out=max(0, total - FINDINGS_SHOWN),
        timeline=_timeline(case),
        assignee=case.assignee,
        routine=routine_case.read(case),
    )


def _answer(row: Evidence) -> str:
    facts = row.answer.get("facts") if row.is_available else None
    return (answers.in_words(row.gatherer, facts) if facts else "") or row.summary


def _about(case: Case) -> str:
    """Return what makes the account special, in a few words."""
    account = case.account
    if account is None:
        return ""
    person = account.person
    said = [
        (person.job_title if person else ""),
        ("important person" if person and person.is_vip else ""),
        ("administrator" if account.is_privileged else ""),
        ("protected: no action may touch it" if account.is_protected else ""),
        (
            "governed by Active Directory"
            if account.source_of_authority == "active_directory"
            else ""
        ),
        ("no second sign-in factor" if account.is_mfa_registered is False else ""),
    ]
    return ", ".join(part for part in said if part)


def _plans(case: Case) -> list[PlanView]:
    plans = (
        Plan.in_scope()
        .filter(case=case)
        .select_related("playbook", "run", "case")
        .prefetch_related("approvals", "run__steps")
        .order_by("created_at", "id")
    )
    undone = {
        plan.document.get("reverses") for plan in plans if plan.status not in _NOT_CARRIED_OUT
    }
    return [_plan(plan, is_undone=plan.sha256 in undone) for plan in plans]


def _can_be_undone(plan: Plan, rows: Sequence[Step]) -> bool:
    """Whether the plan is over and did something that the catalog can reverse."""
    return (
        plan.finished_at is not None
        and "reverses" not in plan.document
        and any(row.status == Step.Status.VERIFIED and words.reversal(row.action) for row in rows)
    )


def _plan(plan: Plan, *, is_undone: bool) -> PlanView:
    run = getattr(plan, "run", None)
    told = {step["id"]: step for step in plan.document.get("steps", [])}
    rows = sorted(run.steps.all(), key=lambda step: step.position) if run else []
    steps = [_step(row, told.get(row.key, {})) for row in rows]
    return PlanView(
        row=plan,
        title=str(plan.document.get("playbook", {}).get("title") or plan.playbook.playbook_id),
        status=words.PLANS[Plan.Status(plan.status)],
        tier=words.TIERS.get(Tier(plan.tier), plan.tier),
        note=run.note if run else "",
        steps=steps,
        not_needed=[
            f"{item['step'].replace('_', ' ').replace('-', ' ').capitalize()}: {item['why']}"
            for item in plan.document.get("skipped", [])
        ],
        approvals=[_approval(row) for row in plan.approvals.all()],
        done=sum(row.status == Step.Status.VERIFIED for row in rows),
        counted=len(rows),
        requested_by=words.actor(plan.requested_by),
        can_be_undone=not is_undone and _can_be_undone(plan, rows),
        would=[f"{one['title']}: {one['target']['name']}" for one in told.values()]
        if plan.mode == PlaybookMode.SHADOW
        else [],
        can_be_carried_out=plan.status == Plan.Status.SHADOW
        and plan.case.status != Case.Status.CLOSED,
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
        status=words.STEPS[Step.Status(row.status)],
        why=str(told.get("why", {}).get("words", "")),
        tier=words.TIERS.get(Tier(row.tier), row.tier),
        rule=str(told.get("tier_rule", {}).get("title", "")),
        moments=[Moment(label, at) for label, at in stages if at],
        proof=str(row.read_back.get("explanation", "")),
        holds=row.read_back.get("holds"),
        error=row.error,
        no_reversal=str(told.get("reversal", {}).get("reason", "")),
        is_reversal=row.reverses_id is not None,
    )


def _approval(row: Approval) -> ApprovalView:
    return ApprovalView(
        row=row,
        asked=words.ASKED.get(Tier(row.tier), row.tier),
        decision=words.DECISIONS[Approval.Decision(row.decision)],
        decided_by=words.actor(row.decided_by) if row.decided_by else "",
        is_open=row.decision == Approval.Decision.PENDING,
        needs_comment=row.tier == Tier.CLIENT,
    )


def _timeline(case: Case) -> list[TimelineEntry]:
    rows = (
        LedgerEntry.in_scope()
        .filter(tenant=case.tenant_id, case_id=case.id)
        .select_related("seal")
        .order_by("id")[:TIMELINE_LENGTH]
    )
    return [timeline_entry(row) for row in rows]


def timeline_entry(row: LedgerEntry) -> TimelineEntry:
    """Put one ledger entry into words."""
    seal = getattr(row, "seal", None)
    return TimelineEntry(
        at=row.at,
        kind=words.ledger_kind(row.kind),
        subject=words.ledger_subject(row.kind, row.subject),
        detail=_detail(row.body),
        actor=words.actor(row.actor),
        sequence=seal.sequence if seal else None,
    )


def _detail(body: Mapping[str, Any]) -> str:
    """Return the sentence in an entry's body, if it has one."""
    playbook = body.get("playbook")
    if isinstance(playbook, Mapping):
        return str(playbook.get("title", ""))
    seen = body.get("read_back")
    if isinstance(seen, Mapping):
        return str(seen.get("explanation", ""))
    for key in ("error", "because", "comment", "note", "reason"):
        if body.get(key):
            return str(body[key])
    return ""
