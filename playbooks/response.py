"""From a verdict to plans: which responses follow, at which tiers, and who is asked."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from integrations import connections
from integrations.models import Connection
from playbooks import approvals, library, planner, rules
from playbooks import facts as case_facts
from playbooks.engagement import Engagement
from playbooks.errors import ConditionError, PlaybookError
from playbooks.models import Plan, Run, Step, Tier
from playbooks.versions import remember
from tenants import ledger, scope, work
from tenants.models import Case, Verdict

OPEN_PLANS = (Plan.Status.PROPOSED, Plan.Status.AWAITING_APPROVAL, Plan.Status.RUNNING)
_NEEDS = {
    Verdict.SUSPICIOUS: "Suspicious, but not proven: decide whether it was the user.",
    Verdict.INSUFFICIENT_DATA: "The evidence was not enough to decide: see what was missing.",
}


def rules_in_force() -> Engagement:
    """Return the rules of engagement that hold for the scope's tenant."""
    return rules.in_force()


def respond(tenant_id: uuid.UUID, case_id: uuid.UUID) -> None:
    """Plan what follows from a case's verdict. Handler of work `respond`."""
    with scope.tenant(tenant_id):
        case = (
            Case.objects.select_for_update(of=("self",))
            .select_related("account__person", "tenant")
            .get(id=case_id)
        )
        if case.status != Case.Status.INVESTIGATING:
            return
        facts = case_facts.of_case(case)
        responses = library.responses_for(case.verdict_detail["playbook"], facts)
        try:
            planned = [_plan(case, playbook_id, facts) for playbook_id in responses]
        except (PlaybookError, ConditionError) as error:
            needs_technician(case, f"The response could not be planned: {error}")
            return
        plans = [plan for plan in planned if plan is not None]
        if plans:
            set_status(case)
            if not any(plan.status in OPEN_PLANS for plan in plans):
                # The same plans have ended before: closing says how, and what is left to do.
                work.schedule("close", case.id)
        elif case.verdict in (Verdict.BENIGN, Verdict.FALSE_POSITIVE):
            work.schedule("close", case.id)
        else:
            needs_technician(
                case, _NEEDS.get(Verdict(case.verdict), "Nothing was planned: look into it.")
            )


def needs_technician(case: Case, needs: str) -> None:
    """Put the case before a technician, with what is needed in one sentence."""
    case.status = Case.Status.NEEDS_TECHNICIAN
    case.needs = needs
    case.save(update_fields=["status", "needs"])
    ledger.append("case.needs_technician", actor="engine", case_id=case.id, subject=needs)


def _plan(case: Case, playbook_id: str, facts: dict[str, Any]) -> Plan | None:
    playbook = library.get(playbook_id)
    in_force = rules_in_force()
    # Without proof nothing happens by itself, whatever the rules say.
    at_least = "automatic" if case.verdict == Verdict.TRUE_POSITIVE else "technician"
    document = planner.plan(playbook, facts, in_force, at_least)
    if not document["steps"]:
        ledger.append(
            "plan.empty", actor="engine", case_id=case.id, subject=playbook.title,
            body={"playbook": playbook.id, "skipped": document["skipped"]},
        )  # fmt: skip
        return None
    return adopt(case, document, facts, remember(playbook).sha256, in_force.version)


def adopt(
    case: Case,
    document: dict[str, Any],
    facts: dict[str, Any],
    playbook_sha256: str,
    engagement_version: int,
    requested_by: str = "engine",
) -> Plan:
    """Make a plan a row with its run and steps, ask for its approvals, and start what may start.

    The same plan for the same case is adopted once, unless it was carried out and is needed again.
    """
    sha256 = planner.plan_sha256(document)
    existing = Plan.objects.filter(case=case, sha256=sha256).first()
    if existing is not None and existing.status not in (Plan.Status.DONE, Plan.Status.FAILED):
        return existing
    if existing is not None:
        # It was carried out or failed before, and is needed again: another try.
        tries = Plan.objects.filter(case=case, playbook_id=playbook_sha256).count()
        document = {**document, "attempt": tries + 1}
        sha256 = planner.plan_sha256(document)
    plan = Plan.objects.create(
        tenant_id=scope.require_tenant_id(),
        case=case,
        playbook_id=playbook_sha256,
        engagement_version=engagement_version,
        facts=facts,
        document=document,
        sha256=sha256,
        tier=document["tier"],
        requested_by=requested_by,
    )
    ledger.append(
        "plan.proposed", actor=requested_by, case_id=case.id, subject=f"plan {sha256[:12]}",
        body={"plan": sha256, "playbook": document["playbook"], "tier": document["tier"]},
    )  # fmt: skip
    run = Run.objects.create(tenant_id=plan.tenant_id, plan=plan, started_at=timezone.now())
    _make_steps(run, document)
    waiting = approvals.request(plan)
    plan.status = Plan.Status.AWAITING_APPROVAL if waiting else Plan.Status.RUNNING
    plan.save(update_fields=["status"])
    work.schedule("run", run.id)
    return plan


def _make_steps(run: Run, document: dict[str, Any]) -> None:
    for position, told in enumerate(document["steps"]):
        target = told["target"]
        connection = _connection(run.plan.case, told)
        Step.objects.create(
            tenant_id=run.tenant_id,
            run=run,
            position=position,
            key=told["id"],
            action=told["action"],
            target_kind=target["kind"],
            target_id=target["id"],
            target_external_id=target["external_id"],
            target_name=target["name"],
            connection_id=connection.id if connection else None,
            tier=told["tier"],
            status=_first_status(told["tier"]),
        )


def _connection(case: Case, told: Mapping[str, Any]) -> Connection | None:
    """Return the connection that knows the step's target; plans of old name no provider."""
    provider = told["target"].get("provider") or (case.account.provider if case.account else "")
    return connections.for_connector(provider) if provider else None


def _first_status(tier: str) -> Step.Status:
    if tier == Tier.AUTOMATIC:
        return Step.Status.PENDING
    return Step.Status.FORBIDDEN if tier == Tier.FORBIDDEN else Step.Status.AWAITING_APPROVAL


def set_status(case: Case) -> None:
    """Say on the case whether its plans wait for somebody or are being carried out."""
    waiting = [
        plan
        for plan in Plan.objects.filter(case=case)
        if plan.approvals.filter(decision="pending").exists()
    ]
    case.status = Case.Status.AWAITING_APPROVAL if waiting else Case.Status.RESPONDING
    case.needs = (
        f"Approve or reject {len(waiting)} plan{'s' if len(waiting) > 1 else ''}."
        if waiting
        else ""
    )
    case.save(update_fields=["status", "needs"])
