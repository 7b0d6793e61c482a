"""The ladder: who is asked to allow a plan, and what their answer does.

People approve a plan by its hash. Nobody is asked for an automatic step. An approval that nobody
gives expires, and the case then says that it needs a technician: never silence.
"""

import datetime as dt
import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from playbooks.errors import ApprovalError
from playbooks.guardrails import REQUIRED_APPROVALS
from playbooks.models import Approval, Plan, Step, Tier
from playbooks.planner import plan_sha256
from playbooks.steps import change
from tenants import ledger, scope, work
from tenants.models import Case


def request(plan: Plan) -> list[Approval]:
    """Ask whomever the plan's steps need, and schedule the expiry."""
    tiers = {
        required
        for step in plan.document["steps"]
        for required in REQUIRED_APPROVALS.get(step["tier"], ())
    }
    now = timezone.now()
    approvals = []
    for tier in sorted(tiers):
        hours = settings.APPROVAL_HOURS[tier]
        approval = Approval.objects.create(
            tenant_id=scope.require_tenant_id(),
            plan=plan,
            tier=tier,
            requested_at=now,
            expires_at=now + dt.timedelta(hours=hours),
        )
        work.schedule("expire", approval.id, delay=hours * 3600)
        ledger.append(
            "approval.requested",
            actor="engine",
            case_id=plan.case_id,
            subject=f"{Tier(tier).label} for plan {plan.sha256[:12]}",
            body={"plan": plan.sha256, "tier": tier, "expires_at": approval.expires_at},
        )
        approvals.append(approval)
    return approvals


def decide(
    approval_id: uuid.UUID, *, approve: bool, actor: str, sha256: str, comment: str = ""
) -> Approval:
    """Record one person's decision on exactly the plan with this hash.

    Raises ApprovalError where the plan is another than the person saw, the approval was decided
    or has expired, a second person is demanded, or the client's consent is not named.
    """
    approval = _locked(approval_id)
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
        _free_steps(approval.plan)
    else:
        _drop_steps(approval.plan, f"Rejected by {actor}" + (f": {comment}" if comment else "."))
    return approval


def expire(tenant_id: uuid.UUID, approval_id: uuid.UUID) -> None:
    """End an approval that nobody gave in time. Handler of work `expire`."""
    with scope.tenant(tenant_id):
        if not Approval.objects.filter(id=approval_id).exists():
            return
        approval = _locked(approval_id)
        if approval.decision != Approval.Decision.PENDING:
            return
        if approval.expires_at > timezone.now():
            left = approval.expires_at - timezone.now()
            work.schedule("expire", approval_id, delay=left.total_seconds())
            return
        approval.decision = Approval.Decision.EXPIRED
        approval.decided_at = timezone.now()
        approval.save()
        ledger.append(
            "approval.expired",
            actor="engine",
            case_id=approval.plan.case_id,
            subject=f"{Tier(approval.tier).label} for plan {approval.plan.sha256[:12]}",
            body={"plan": approval.plan.sha256, "tier": approval.tier},
        )
        _drop_steps(approval.plan, "Nobody approved it in time.")


def _locked(approval_id: uuid.UUID) -> Approval:
    """Return the approval, with its plan locked first: decisions on one plan follow each other."""
    plan_id = Approval.objects.get(id=approval_id).plan_id
    Plan.objects.select_for_update().get(id=plan_id)
    return Approval.objects.select_related("plan__case").get(id=approval_id)


def withdraw(plan: Plan, reason: str) -> None:
    """End the approvals of a plan that nobody has to decide any more."""
    Approval.objects.filter(plan=plan, decision=Approval.Decision.PENDING).update(
        decision=Approval.Decision.EXPIRED, decided_at=timezone.now(), comment=reason
    )


def _check(approval: Approval, approve: bool, actor: str, sha256: str, comment: str) -> None:
    plan = approval.plan
    if approval.decision != Approval.Decision.PENDING:
        raise ApprovalError(f"This was already {approval.decision} by {approval.decided_by}.")
    if approval.expires_at <= timezone.now():
        raise ApprovalError("This approval has expired. Ask for the plan to be made again.")
    if sha256 != plan.sha256 or plan_sha256(plan.document) != plan.sha256:
        raise ApprovalError("The plan is not the one you saw. Open the case again and read it.")
    if approve and approval.tier == Tier.SECOND_TECHNICIAN:
        first = plan.approvals.filter(tier=Tier.TECHNICIAN).first()
        if first is None or first.decision != Approval.Decision.APPROVED:
            raise ApprovalError("The first technician has to approve before the second.")
        if actor == first.decided_by:
            raise ApprovalError("You approved as the first technician: a second person must.")
    if approve and actor == plan.requested_by:
        raise ApprovalError("You asked for this plan: somebody else has to approve it.")
    if approve and approval.tier == Tier.CLIENT and not comment.strip():
        raise ApprovalError("Say who at the client agreed, when and how, in the comment.")


def _free_steps(plan: Plan) -> None:
    granted = set(
        plan.approvals.filter(decision=Approval.Decision.APPROVED).values_list("tier", flat=True)
    )
    tiers = [tier for tier, needed in REQUIRED_APPROVALS.items() if granted.issuperset(needed)]
    for step in _waiting_steps(plan).filter(tier__in=tiers):
        change(step, Step.Status.PENDING, kind="step.approved")
    _resume(plan)


def _drop_steps(plan: Plan, reason: str) -> None:
    for step in _waiting_steps(plan):
        change(step, Step.Status.SKIPPED, error=reason)
    withdraw(plan, reason)
    _resume(plan)


def _waiting_steps(plan: Plan) -> models.QuerySet[Step]:
    return Step.objects.select_related("run__plan").filter(
        run__plan=plan, status=Step.Status.AWAITING_APPROVAL
    )


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
        Case.objects.filter(id=plan.case_id, status=Case.Status.AWAITING_APPROVAL).update(
            status=Case.Status.RESPONDING, needs=""
        )
    work.schedule("run", plan.run.id)
