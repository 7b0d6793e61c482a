"""People allow exactly the plan they saw, at the tier it needs; what nobody allows is told."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Connection
from playbooks import approvals, guardrails, planner, response
from playbooks.errors import ApprovalError
from playbooks.models import Approval, Plan, Step
from playbooks.replanning import replanning
from tenants import scope
from tenants.models import Case, Installation, LedgerEntry, Tenant, Work
from tests.pipeline import drain
from tests.playbooks.cases import give_evidence, make_account, make_case, make_plan
from tests.playbooks.samples import policy

ANN, BOB, EVE = "technician:ann", "technician:bob", "technician:eve"
A_MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def case(in_tenant) -> Case:
    return make_case(make_account())


def _plan(case: Case, tier: str = "technician", **adopted: Any) -> Plan:
    return make_plan(case, policy(default=tier), **adopted)


def _approval(plan: Plan, tier: str = "technician") -> Approval:
    return plan.approvals.get(tier=tier)


def _decide(plan: Plan, actor: str, tier: str = "technician", **told: Any) -> Approval:
    given = {"approve": True, "sha256": plan.sha256, **told}
    return approvals.decide(_approval(plan, tier).id, actor=actor, **given)


def _statuses(plan: Plan) -> set[str]:
    return set(Step.objects.filter(run__plan=plan).values_list("status", flat=True))


def _let_expire(approval: Approval) -> None:
    Approval.objects.filter(id=approval.id).update(expires_at=timezone.now() - A_MINUTE)


def _settle(case: Case) -> Case:
    """Do the work that is due, as the workers would, and look at the case again."""
    drain()
    case.refresh_from_db()
    return case


# Asking


def test_nobody_is_asked_for_automatic_steps(case) -> None:
    plan = _plan(case, "automatic")
    assert not plan.approvals.exists()
    assert (plan.status, _statuses(plan)) == ("running", {"pending"})


@pytest.mark.parametrize(
    ("tier", "asked"),
    [
        ("technician", {"technician"}),
        ("second_technician", {"technician", "second_technician"}),
        ("client", {"client"}),
    ],
)
def test_everybody_whom_a_step_needs_is_asked_once(case, tier, asked) -> None:
    plan = _plan(case, tier)
    assert {approval.tier for approval in plan.approvals.all()} == asked
    assert (plan.status, _statuses(plan)) == ("awaiting_approval", {"awaiting_approval"})
    assert Work.objects.filter(kind="expire").count() == len(asked)
    assert LedgerEntry.objects.filter(kind="approval.requested").count() == len(asked)


def test_nobody_is_asked_for_what_is_forbidden(case) -> None:
    plan = _plan(case, "forbidden")
    assert not plan.approvals.exists()
    assert _statuses(plan) == {"forbidden"}


def test_the_same_plan_is_adopted_once(case) -> None:
    assert _plan(case).id == _plan(case).id
    assert Plan.objects.count() == 1


# Deciding


def test_an_approval_frees_the_steps_and_stands_in_the_ledger(case) -> None:
    plan = _plan(case)
    approval = _decide(plan, ANN, comment="seen")
    assert (approval.decision, approval.decided_by, approval.comment) == ("approved", ANN, "seen")
    assert approval.decided_sha256 == plan.sha256
    assert _statuses(plan) == {"pending"}
    entry = LedgerEntry.objects.get(kind="approval.approved")
    assert (entry.actor, entry.case_id, entry.body["plan"]) == (ANN, case.id, plan.sha256)
    case.refresh_from_db()
    plan.refresh_from_db()
    assert (case.status, plan.status) == ("responding", "running")
    assert Work.objects.filter(kind="run", subject=plan.run.id).exists()


@pytest.mark.parametrize("sha256", ["", "0" * 64, None])
@pytest.mark.parametrize("approve", [True, False])
def test_a_decision_on_another_plan_is_refused(case, sha256, approve) -> None:
    plan = _plan(case)
    with pytest.raises(ApprovalError, match="not the one you saw"):
        _decide(plan, ANN, sha256=sha256, approve=approve)
    assert _approval(plan).decision == "pending"
    assert _statuses(plan) == {"awaiting_approval"}


def test_a_plan_that_was_tampered_with_is_refused(case) -> None:
    plan = _plan(case)
    plan.document["steps"][0]["target"]["external_id"] = "somebody-else"
    Plan.objects.filter(id=plan.id).update(document=plan.document)
    with pytest.raises(ApprovalError, match="not the one you saw"):
        _decide(plan, ANN)
    assert _statuses(plan) == {"awaiting_approval"}


def test_nothing_is_decided_twice(case) -> None:
    plan = _plan(case)
    _decide(plan, ANN)
    for approve in (True, False):
        with pytest.raises(ApprovalError, match="already approved by ann"):
            _decide(plan, BOB, approve=approve)


@pytest.mark.parametrize("approve", [True, False])
def test_what_has_expired_can_not_be_decided(case, approve) -> None:
    plan = _plan(case)
    _let_expire(_approval(plan))
    with pytest.raises(ApprovalError, match="expired"):
        _decide(plan, ANN, approve=approve)
    assert _statuses(plan) == {"awaiting_approval"}


def test_who_asked_for_a_plan_can_not_approve_it_but_may_take_it_back(case) -> None:
    plan = _plan(case, requested_by=ANN)
    with pytest.raises(ApprovalError, match="somebody else"):
        _decide(plan, ANN)
    assert _decide(plan, ANN, approve=False).decision == "rejected"


def test_somebody_else_may_approve_what_a_technician_asked_for(case) -> None:
    plan = _plan(case, requested_by=ANN)
    assert _decide(plan, BOB).decision == "approved"


def test_two_technicians_are_two_people_one_after_the_other(case) -> None:
    plan = _plan(case, "second_technician")
    with pytest.raises(ApprovalError, match="before the second"):
        _decide(plan, BOB, "second_technician")
    _decide(plan, ANN)
    assert _statuses(plan) == {"awaiting_approval"}
    with pytest.raises(ApprovalError, match="second person"):
        _decide(plan, ANN, "second_technician")
    _decide(plan, BOB, "second_technician")
    assert _statuses(plan) == {"pending"}


def test_the_second_technician_may_reject_without_the_first(case) -> None:
    plan = _plan(case, "second_technician")
    _decide(plan, BOB, "second_technician", approve=False)
    assert _statuses(plan) == {"skipped"}
    with pytest.raises(ApprovalError, match="already expired"):
        _decide(plan, ANN)


def test_the_second_technicians_no_ends_what_the_first_has_allowed(case) -> None:
    disable = {
        "id": "d", "title": "d", "actions": ["identity.disable_sign_in"], "tier": "technician",
    }  # fmt: skip
    revoke = {
        "id": "r", "title": "r", "actions": ["identity.revoke_sessions"], "tier": "automatic",
    }  # fmt: skip
    plan = make_plan(case, policy(disable, revoke, default="second_technician"))
    _decide(plan, ANN)
    assert _statuses(plan) == {"pending", "awaiting_approval"}
    _decide(plan, BOB, "second_technician", approve=False, comment="No!")
    left = Step.objects.filter(run__plan=plan).exclude(status="skipped")
    assert [step.action for step in left] == ["identity.revoke_sessions"]


@pytest.mark.parametrize("comment", ["", "  \n"])
def test_a_clients_consent_needs_to_be_named(case, comment) -> None:
    plan = _plan(case, "client")
    with pytest.raises(ApprovalError, match="who at the client agreed"):
        _decide(plan, ANN, "client", comment=comment)
    assert _statuses(plan) == {"awaiting_approval"}
    _decide(plan, ANN, "client", comment="Ms Lee by phone, 10:12")
    assert _statuses(plan) == {"pending"}


def test_each_approval_frees_its_own_steps_only(case) -> None:
    rules = [
        {"id": action, "title": action, "actions": [f"identity.{action}"], "tier": tier}
        for action, tier in {
            "disable_sign_in": "technician",
            "reset_password": "client",
            "remove_auth_method": "forbidden",
            "revoke_sessions": "automatic",
        }.items()
    ]
    plan = make_plan(case, policy(*rules))

    def told() -> dict[str, str]:
        rows = Step.objects.filter(run__plan=plan).values_list("action", "status")
        return {action.removeprefix("identity."): status for action, status in rows}

    assert told() == {
        "disable_sign_in": "awaiting_approval", "reset_password": "awaiting_approval",
        "remove_auth_method": "forbidden", "revoke_sessions": "pending",
    }  # fmt: skip
    _decide(plan, ANN)
    assert told()["disable_sign_in"] == "pending"
    assert told()["reset_password"] == "awaiting_approval"
    case.refresh_from_db()
    assert case.status == "awaiting_approval"
    _decide(plan, ANN, "client", approve=False, comment="They refuse.")
    assert told() == {
        "disable_sign_in": "pending", "reset_password": "skipped",
        "remove_auth_method": "forbidden", "revoke_sessions": "pending",
    }  # fmt: skip
    case.refresh_from_db()
    assert case.status == "responding"


# What nobody allows


def test_a_rejected_plan_comes_before_a_technician_with_the_reason(tenant, case) -> None:
    plan = _plan(case)
    _decide(plan, ANN, approve=False, comment="It is the owner's new phone.")
    assert _statuses(plan) == {"skipped"}
    case = _settle(case)
    plan.refresh_from_db()
    assert (case.status, plan.status) == ("needs_technician", "rejected")
    assert "Rejected by ann: It is the owner's new phone." in case.needs
    assert plan.run.steps.filter(calls__gt=0).count() == 0


def test_an_approval_that_nobody_gives_ends_and_the_case_says_so(tenant, case) -> None:
    plan = _plan(case, "second_technician")
    _decide(plan, ANN)
    approval = _approval(plan, "second_technician")
    _let_expire(approval)
    approvals.expire(tenant.id, approval.id)
    approval.refresh_from_db()
    assert approval.decision == "expired"
    assert LedgerEntry.objects.filter(kind="approval.expired", case_id=case.id).count() == 1
    case = _settle(case)
    plan.refresh_from_db()
    assert (case.status, plan.status) == ("needs_technician", "expired")
    assert "Nobody approved it in time." in case.needs


def test_an_approval_does_not_end_before_its_time(tenant, case) -> None:
    plan = _plan(case)
    Work.objects.filter(kind="expire").delete()
    approvals.expire(tenant.id, _approval(plan).id)
    assert _approval(plan).decision == "pending"
    [left] = Work.objects.filter(kind="expire", subject=_approval(plan).id)
    assert left.due_at > timezone.now() + dt.timedelta(hours=23)


def test_what_was_decided_does_not_expire(tenant, case) -> None:
    plan = _plan(case)
    _decide(plan, ANN)
    _let_expire(_approval(plan))
    approvals.expire(tenant.id, _approval(plan).id)
    assert _approval(plan).decision == "approved"
    assert _statuses(plan) == {"pending"}


def test_another_tenants_approval_is_out_of_reach(tenant, other_tenant, case) -> None:
    approval = _approval(_plan(case))
    with scope.tenant(other_tenant.id), pytest.raises(Approval.DoesNotExist):
        approvals.decide(approval.id, approve=True, actor=EVE, sha256=approval.plan.sha256)
    _let_expire(approval)
    approvals.expire(other_tenant.id, approval.id)
    approval.refresh_from_db()
    assert approval.decision == "pending"


# What was allowed and then changed is not done


def _first_step(plan: Plan) -> Step:
    return Step.objects.select_related("run__plan__case__account").get(run__plan=plan, position=0)


def test_an_approved_step_may_begin(case) -> None:
    plan = _plan(case)
    assert "not approved" in guardrails.obstacle(_first_step(plan)).reason
    _decide(plan, ANN)
    assert guardrails.obstacle(_first_step(plan)) is None


@pytest.mark.parametrize(
    "change", [{"target_external_id": "somebody-else"}, {"tier": "automatic"}, {"action": "x.y"}]
)
def test_a_step_that_was_changed_never_begins(case, change) -> None:
    plan = _plan(case)
    Step.objects.filter(run__plan=plan, position=0).update(**change)
    obstacle = guardrails.obstacle(_first_step(plan))
    assert obstacle is not None
    assert obstacle.is_final
    assert "changed" in obstacle.reason


@pytest.mark.parametrize("field", ["inputs", "target", "action"])
def test_a_plan_that_was_changed_after_its_approval_is_never_carried_out(case, field) -> None:
    plan = _plan(case)
    _decide(plan, ANN)
    plan.document["steps"][1][field] = {"external_id": "somebody-else"}
    Plan.objects.filter(id=plan.id).update(document=plan.document)
    obstacle = guardrails.obstacle(_first_step(plan))
    assert obstacle is not None
    assert obstacle.is_final
    assert "changed" in obstacle.reason


def test_an_account_protected_after_the_approval_is_not_touched(case) -> None:
    plan = _plan(case)
    _decide(plan, ANN)
    case.account.is_break_glass = True
    case.account.save()
    obstacle = guardrails.obstacle(_first_step(plan))
    assert obstacle is not None
    assert obstacle.is_final
    assert "protected" in obstacle.reason


@pytest.mark.parametrize("whose", ["tenant", "everyone"])
def test_the_kill_switch_holds_an_approved_step_and_lets_it_go_on(tenant, case, whose) -> None:
    plan = _plan(case)
    _decide(plan, ANN)
    switch = tenant if whose == "tenant" else Installation.objects.get_or_create(id=1)[0]
    switch.actions_stopped = True
    switch.save()
    obstacle = guardrails.obstacle(_first_step(plan))
    assert obstacle is not None
    assert not obstacle.is_final
    assert "kill switch" in obstacle.reason
    switch.actions_stopped = False
    switch.save()
    assert guardrails.obstacle(_first_step(plan)) is None


def test_the_hourly_limit_holds_the_next_step(case) -> None:
    plan = _plan(case)
    _decide(plan, ANN)
    step = _first_step(plan)
    for number in range(10):
        Step.objects.create(
            run=plan.run, position=100 + number, key=f"earlier {number}", action=step.action,
            target_kind="account", target_external_id=str(number), target_name="x",
            tier="automatic", status="verified", intended_at=timezone.now() - 30 * A_MINUTE,
        )  # fmt: skip
    obstacle = guardrails.obstacle(step)
    assert obstacle is not None
    assert not obstacle.is_final
    assert "limit of 10 times" in obstacle.reason
    Step.objects.filter(key="earlier 0").update(intended_at=timezone.now() - 61 * A_MINUTE)
    assert guardrails.obstacle(step) is None


# The same verdict again


def _respond(tenant: Tenant, case: Case) -> Case:
    case.status = Case.Status.INVESTIGATING
    case.save()
    response.respond(tenant.id, case.id)
    case.refresh_from_db()
    return case


@pytest.fixture
def answered(in_tenant) -> Case:
    """A case about an administrator, so that its plans wait for a technician."""
    Connection.objects.create(connector="microsoft365", name="Microsoft 365")
    case = make_case(make_account(is_privileged=True, roles=["Global Administrator"]))
    give_evidence(case)
    return case


def test_a_verdict_becomes_plans_that_wait_for_people(tenant, answered) -> None:
    case = _respond(tenant, answered)
    assert case.status == "awaiting_approval"
    assert case.needs == "Approve or reject 2 plans."
    assert Plan.objects.filter(case=case, status="awaiting_approval").count() == 2


def test_the_same_verdict_after_a_rejection_is_not_silence(tenant, answered) -> None:
    case = _respond(tenant, answered)
    for plan in Plan.objects.filter(case=case):
        _decide(plan, ANN, approve=False, comment="No.")
    assert _settle(case).status == "needs_technician"
    _respond(tenant, case)
    case = _settle(case)
    assert case.status == "needs_technician"
    assert "Rejected by" in case.needs


def test_a_rejection_stands_too_for_what_was_asked_for_again(tenant, answered) -> None:
    """The engine asks no third time by itself for what a person asked for again in vain."""
    case = _respond(tenant, answered)
    for _ in range(2):
        for plan in Plan.objects.filter(case=case, status="awaiting_approval"):
            _decide(plan, ANN, approve=False, comment="No.")
        assert _settle(case).status == "needs_technician"
        for plan in Plan.objects.filter(case=case, status="rejected", replaced_by=None):
            replanning.ask_again(plan.id, actor=BOB)
        case.refresh_from_db()
    for plan in Plan.objects.filter(case=case, status="awaiting_approval"):
        _decide(plan, ANN, approve=False, comment="No.")
    _settle(case)
    made = Plan.objects.filter(case=case).count()
    case = _settle(_respond(tenant, case))
    assert case.status == "needs_technician"
    assert Plan.objects.filter(case=case).count() == made == 6


def test_a_response_that_can_not_be_planned_is_not_silence(tenant, in_tenant) -> None:
    """No evidence was gathered, and the playbooks ask for it."""
    case = _respond(tenant, make_case(make_account()))
    assert case.status == "needs_technician"
    assert "could not be planned" in case.needs
    assert "evidence" in case.needs


def test_the_hash_is_that_of_the_document(case) -> None:
    plan = _plan(case)
    plan.refresh_from_db()
    assert plan.sha256 == planner.plan_sha256(plan.document)
