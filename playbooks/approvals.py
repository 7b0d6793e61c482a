"""The ladder: who is asked to allow a plan, and what their answer, or their silence, does.

People approve a plan by its hash. Nobody is asked for an automatic step. An approval that nobody
gives in time has the outcome that the rules of engagement name for its tier: the plan ends and the
case says that it needs a technician, a technician answers for the client, or what can be undone is
done. Never silence.
"""

import datetime as dt
import uuid
from typing import Any

from django.db import models
from django.utils import timezone

from playbooks.adoption import agreement
from playbooks.approval_policy import DEFAULTS, LONGEST_PLAN, ApprovalPolicy
from playbooks.cases import needs
from playbooks.errors import ApprovalError
from playbooks.guardrails import REQUIRED_APPROVALS, tiers_granted
from playbooks.models import Approval, Plan, Step, Tier
from playbooks.people import named
from playbooks.planner import plan_sha256
from playbooks.plans.steps import change
from playbooks.policy.rules import in_force
from tenants import ledger, scope, work
from tenants.models import Case, PlaybookMode

_TOO_LATE = "Nobody approved it in time."
_WAITING = Step.Status.AWAITING_APPROVAL
# An answer after this helps nobody: what it allows has to begin as well.
_LONGEST_WAIT = LONGEST_PLAN - dt.timedelta(hours=1)


def policy(tier: str) -> ApprovalPolicy:
    """Return how long the scope's tenant waits for a tier, and what silence then means."""
    return in_force().approvals.get(tier, DEFAULTS[tier])


def request(plan: Plan) -> list[Approval]:
    """Ask whomever the plan's steps need, and schedule reminders and the expiry."""
    tiers = {
        required
        for step in plan.document["steps"]
        for required in REQUIRED_APPROVALS.get(step["tier"], ())
    }
    return [_ask(plan, tier, hours=policy(tier).hours) for tier in sorted(tiers)]


def _ask(plan: Plan, tier: str, *, hours: float, stands_in_for: str = "") -> Approval:
    now = timezone.now()
    approval = Approval.objects.create(
        tenant_id=scope.require_tenant_id(),
        plan=plan,
        tier=tier,
        stands_in_for=stands_in_for,
        requested_at=now,
        expires_at=now + dt.timedelta(hours=hours),
    )
    work.schedule("expire", approval.id, delay=hours * 3600)
    # A client is invited at once; technicians see it in their queue, and are reminded later.
    first = 0 if tier == Tier.CLIENT else policy(tier).remind_after_hours * 3600
    if tier == Tier.CLIENT or first:
        work.schedule("remind", approval.id, delay=first)
    ledger.append(
        "approval.requested",
        actor="engine",
        case_id=plan.case_id,
        subject=f"{Tier(tier).label} for plan {plan.sha256[:12]}",
        body={
            "plan": plan.sha256,
            "tier": tier,
            "stands_in_for": stands_in_for,
            "expires_at": approval.expires_at,
        },
    )
    return approval


def decide(
    approval_id: uuid.UUID, *, approve: bool, actor: str, sha256: str, comment: str = ""
) -> Approval:
    """Record one person's decision on exactly the plan with this hash.

    Raises ApprovalError where the plan is another than the person saw, the approval was decided
    or has expired, a second person is demanded, or the client's consent is not named.
    """
    approval = locked(approval_id)
    _check(approval, approve, actor, sha256, comment)
    approval.decision = Approval.Decision.APPROVED if approve else Approval.Decision.REJECTED
    approval.decided_at = timezone.now()
    approval.decided_by = actor
    approval.decided_sha256 = sha256
    approval.comment = comment
    approval.save()
    ledger.append(
        f"approval.{approval.decision}",
        actor=actor,
        case_id=approval.plan.case_id,
        subject=f"{Tier(approval.tier).label} for plan {sha256[:12]}",
        body={"plan": sha256, "tier": approval.tier, "comment": comment},
    )
    if approve:
        says_something = _free_steps(approval.plan)
    else:
        reason = f"Rejected by {named(actor)}" + (f": {comment}" if comment else ".")
        _reject(approval, reason)
        says_something = True
    if says_something:
        agreement.decided(approval.plan, approve=approve, actor=actor, comment=comment)
    return approval


def expire(tenant_id: uuid.UUID, approval_id: uuid.UUID) -> None:
    """Do what the rules say where nobody answered in time. Handler of work `expire`."""
    with scope.tenant(tenant_id):
        if not Approval.objects.filter(id=approval_id).exists():
            return
        approval = locked(approval_id)
        if approval.decision != Approval.Decision.PENDING:
            return
        if approval.expires_at > timezone.now():
            left = approval.expires_at - timezone.now()
            work.schedule("expire", approval_id, delay=left.total_seconds())
            return
        outcome = outcome_if_silent(approval)
        approval.decision = Approval.Decision.EXPIRED
        approval.decided_at = timezone.now()
        approval.save()
        ledger.append(
            "approval.expired",
            actor="engine",
            case_id=approval.plan.case_id,
            subject=f"{Tier(approval.tier).label} for plan {approval.plan.sha256[:12]}",
            body={"plan": approval.plan.sha256, "tier": approval.tier, "outcome": outcome},
        )
        _carry_out(outcome, approval)


def outcome_if_silent(approval: Approval) -> str:
    """Return what silence means here; a stand-in who is silent too ends the plan.

    One of `approval_policy.ON_TIMEOUT`.
    """
    outcome = "end" if approval.stands_in_for else policy(approval.tier).on_timeout
    left = approval.plan.created_at + _LONGEST_WAIT - timezone.now()
    if outcome == "technician" and left < dt.timedelta(hours=1):
        return "end"
    return outcome


def _carry_out(outcome: str, approval: Approval) -> None:
    plan = approval.plan
    if outcome == "technician":
        left = plan.created_at + _LONGEST_WAIT - timezone.now()
        hours = min(policy(Tier.TECHNICIAN).hours, left.total_seconds() / 3600)
        _ask(plan, Tier.TECHNICIAN, hours=hours, stands_in_for=approval.tier)
    elif outcome == "reversible_part":
        _free_reversible_part(approval)
    else:
        _drop_steps(plan, _TOO_LATE)


def _free_reversible_part(approval: Approval) -> None:
    """Let the rules answer for the tier that was silent, for what can be undone only.

    They answer for no step that a second person has to approve besides: that takes two people.
    """
    plan = approval.plan
    reversible = {
        step["id"] for step in plan.document["steps"] if step.get("reversal", {}).get("action")
    }
    tiers = [tier for tier, needed in REQUIRED_APPROVALS.items() if approval.tier in needed]
    for step in _to_change(plan, _WAITING, tier__in=tiers):
        if step.tier != approval.tier:
            change(step, Step.Status.SKIPPED, error=f"{_TOO_LATE} It takes two people.")
        elif step.key not in reversible:
            change(step, Step.Status.SKIPPED, error=f"{_TOO_LATE} It can't be undone.")
    left = set(_steps(plan, _WAITING).values_list("tier", flat=True))
    if approval.tier in left:
        _grant_by_rule(approval)
    _withdraw_needless(plan, left)
    _free_steps(plan)


def _withdraw_needless(plan: Plan, left: set[str]) -> None:
    """End the approvals that no step of the tiers `left` waits for any more."""
    needed = {tier for step_tier in left for tier in REQUIRED_APPROVALS[step_tier]}
    for pending in plan.approvals.filter(decision=Approval.Decision.PENDING):
        if (pending.stands_in_for or pending.tier) not in needed:
            _end(pending, "Nothing waits for it any more.")


def _grant_by_rule(approval: Approval) -> None:
    plan, now = approval.plan, timezone.now()
    comment = "Nobody answered in time: the rules of engagement let what can be undone go on."
    Approval.objects.create(
        tenant_id=plan.tenant_id,
        plan=plan,
        tier=Tier.AUTOMATIC,
        stands_in_for=approval.tier,
        decision=Approval.Decision.APPROVED,
        requested_at=now,
        expires_at=now,
        decided_at=now,
        decided_by="engine",
        decided_sha256=plan.sha256,
        comment=comment,
    )
    ledger.append(
        "approval.approved",
        actor="engine",
        case_id=plan.case_id,
        subject=f"the reversible part of plan {plan.sha256[:12]}",
        body={"plan": plan.sha256, "stands_in_for": approval.tier, "comment": comment},
    )


def locked(approval_id: uuid.UUID) -> Approval:
    """Return the approval, with its plan locked first: decisions on one plan follow each other."""
    plan_id = Approval.objects.get(id=approval_id).plan_id
    Plan.objects.select_for_update().get(id=plan_id)
    return Approval.objects.select_related("plan__case").get(id=approval_id)


def withdraw(plan: Plan, reason: str) -> None:
    """End the approvals of a plan that nobody has to decide any more."""
    for pending in plan.approvals.filter(decision=Approval.Decision.PENDING):
        _end(pending, reason)


def ask_no_more(plan: Plan) -> None:
    """End the approvals that no step of a plan waits for any more, and let the rest go on."""
    _withdraw_needless(plan, set(_steps(plan, _WAITING).values_list("tier", flat=True)))
    _resume(plan)


def _end(approval: Approval, reason: str) -> None:
    approval.decision = Approval.Decision.EXPIRED
    approval.decided_at = timezone.now()
    approval.comment = reason
    approval.save(update_fields=["decision", "decided_at", "comment"])


def _check(approval: Approval, approve: bool, actor: str, sha256: str, comment: str) -> None:
    plan = approval.plan
    if approval.decision != Approval.Decision.PENDING:
        raise ApprovalError(_decided_already(approval))
    if approval.expires_at <= timezone.now():
        raise ApprovalError("This approval has expired. Ask for the plan to be made again.")
    if sha256 != plan.sha256 or plan_sha256(plan.document) != plan.sha256:
        raise ApprovalError("The plan is not the one you saw. Open the case again and read it.")
    if approve and (why_not := why_not_approve(approval, actor)):
        raise ApprovalError(why_not)
    if approve and approval.tier == Tier.CLIENT and not comment.strip():
        raise ApprovalError("Say who at the client agreed, when and how, in the comment.")


def why_not_approve(approval: Approval, actor: str) -> str:
    """Say why this person may not approve, whoever else may; empty where they may."""
    plan = approval.plan
    if approval.tier == Tier.SECOND_TECHNICIAN:
        first = plan.approvals.filter(
            tier=Tier.TECHNICIAN, stands_in_for="", decision=Approval.Decision.APPROVED
        )
        if not first.exists():
            return "The first approver has to approve before the second."
        if first.filter(decided_by=actor).exists():
            return "You approved as the first approver: a second person must."
    if actor == plan.requested_by and not _one_is_enough(approval):
        return "You asked for this plan: somebody else has to approve it."
    return ""


def _one_is_enough(approval: Approval) -> bool:
    """Whether a technician who had the engine's shadow plan carried out may allow it as well."""
    plan = approval.plan
    return (
        plan.root.mode == PlaybookMode.SHADOW
        and (approval.tier, approval.stands_in_for) == (Tier.TECHNICIAN, "")
        and not plan.approvals.filter(tier=Tier.SECOND_TECHNICIAN).exists()
    )


def _decided_already(approval: Approval) -> str:
    if approval.decision == Approval.Decision.SUPERSEDED:
        return (
            "This plan was made again, because what is known has changed. "
            "Open the case and read the new one."
        )
    by = f" by {named(approval.decided_by)}" if approval.decided_by else ""
    return f"This was already {approval.decision}{by}."


def _free_steps(plan: Plan) -> bool:
    """Let the steps go on that have every approval they need; return whether there were any."""
    granted = tiers_granted(plan)
    tiers = [tier for tier, needed in REQUIRED_APPROVALS.items() if granted.issuperset(needed)]
    freed = _to_change(plan, _WAITING, tier__in=tiers)
    for step in freed:
        change(step, Step.Status.PENDING, kind="step.approved")
    if freed:
        agreement.undone(plan)
    _resume(plan)
    return bool(freed)


def _reject(approval: Approval, reason: str) -> None:
    """Do what somebody's no means.

    The client's ends what still waits; a technician's also what others have freed and has not
    begun, since the MSP does nothing that one of its own people objects to.
    """
    plan = approval.plan
    if (approval.stands_in_for or approval.tier) != Tier.CLIENT:
        allowed = [tier for tier, needed in REQUIRED_APPROVALS.items() if needed]
        for step in _to_change(plan, Step.Status.PENDING, tier__in=allowed):
            change(step, Step.Status.SKIPPED, error=reason)
    _drop_steps(plan, reason)


def _drop_steps(plan: Plan, reason: str) -> None:
    for step in _to_change(plan, _WAITING):
        change(step, Step.Status.SKIPPED, error=reason)
    withdraw(plan, reason)
    _resume(plan)


def _steps(plan: Plan, status: str) -> models.QuerySet[Step]:
    return Step.objects.filter(run__plan=plan, status=status)


def _to_change(plan: Plan, status: str, **wanted: Any) -> list[Step]:
    """Return the plan's steps that are in this state, locked: a worker may begin one now."""
    steps = _steps(plan, status).filter(**wanted).select_related("run__plan")
    return list(steps.select_for_update(of=("self",)).order_by("position"))


def _nobody_is_asked(case_id: uuid.UUID) -> None:
    """Take back that somebody has to decide; what else a technician has to do stays."""
    case = Case.objects.select_for_update().get(id=case_id)
    if case.status == Case.Status.AWAITING_APPROVAL:
        case.status = Case.Status.RESPONDING
        case.needs = needs.without_call(needs.besides_deciding(case.needs))
    elif case.status == Case.Status.NEEDS_TECHNICIAN:
        case.needs = needs.besides_deciding(case.needs)
    case.save(update_fields=["status", "needs"])


def _resume(plan: Plan) -> None:
    """Let the run look again, now that something was decided."""
    if not plan.approvals.filter(decision=Approval.Decision.PENDING).exists():
        Plan.objects.filter(id=plan.id, status=Plan.Status.AWAITING_APPROVAL).update(
            status=Plan.Status.RUNNING
        )
    waiting = Approval.objects.filter(
        plan__case=plan.case, decision=Approval.Decision.PENDING
    ).exists()
    if not waiting:
        _nobody_is_asked(plan.case_id)
    work.schedule("run", plan.run.id)
