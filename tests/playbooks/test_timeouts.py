"""Who does not answer is reminded, the next one is asked, and rules say what silence means."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from playbooks import approvals, guardrails
from playbooks.errors import ApprovalError
from playbooks.ladder import client_links, reminders
from playbooks.models import Approval, ClientLink, Plan, Step
from playbooks.policy import rules
from tenants.models import Case, Contact, LedgerEntry, Mailbox, Tenant, Work
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import policy

ANN, BOB = "technician:ann", "technician:bob"


@pytest.fixture
def case(in_tenant) -> Case:
    for position, name in enumerate(("first", "second", "third"), start=1):
        Contact.objects.create(name=name, email=f"{name}@acme.example", position=position)
    return make_case(make_account())


def _rules(tier: str, **waits: Any) -> None:
    rules.save({"version": 1, "default": tier, "rules": [], "approvals": {tier: waits}}, actor=ANN)


def _asked(case: Case, tier: str = "client", **waits: Any) -> Approval:
    _rules(tier, **waits)
    plan = make_plan(case, policy(default=tier))
    return plan.approvals.get(tier=tier)


def _later(approval: Approval, hours: float) -> Approval:
    """Let `hours` pass for the approval, and do what is due then."""
    past = dt.timedelta(hours=hours)
    row = Approval.objects.get(id=approval.id)
    for name in ("requested_at", "reminded_at", "escalated_at", "expires_at"):
        at = getattr(row, name)
        setattr(row, name, at - past if at else None)
    row.save()
    reminders.remind(row.tenant_id, row.id)
    approvals.expire(row.tenant_id, row.id)
    return Approval.objects.get(id=approval.id)


def _recipients(approval: Approval) -> list[str]:
    return list(approval.links.values_list("recipient", flat=True))


def _statuses(plan: Plan) -> dict[str, str]:
    rows = Step.objects.filter(run__plan=plan).values_list("action", "status")
    return {action.partition(".")[2]: status for action, status in rows}


def _kinds(case: Case) -> list[str]:
    rows = LedgerEntry.objects.filter(case_id=case.id, kind__startswith="approval.")
    return list(rows.order_by("id").values_list("kind", flat=True))


def test_the_first_contact_is_invited_at_once_and_only_once(case) -> None:
    approval = _asked(case)
    [work] = Work.objects.filter(kind="remind", subject=approval.id)
    assert work.due_at <= timezone.now()
    for _ in range(2):
        reminders.remind(approval.tenant_id, approval.id)
    assert _recipients(approval) == ["first@acme.example"]
    assert Work.objects.filter(kind="notify", subject=approval.links.get().id).count() == 1


def test_silence_is_reminded_once_by_the_same_link(case) -> None:
    approval = _later(_asked(case, remind_after_hours=4, escalate_after_hours=8), 0)
    ClientLink.objects.update(sent_at=timezone.now())
    assert _later(approval, 3).reminded_at is None
    approval = _later(approval, 1.1)
    assert approval.reminded_at is not None
    assert approval.links.get().sent_at is None
    first = approval.reminded_at
    reminders.remind(approval.tenant_id, approval.id)
    assert Approval.objects.get(id=approval.id).reminded_at == first
    # Nothing has gone out yet, and the ledger says no more than that.
    assert "approval.reminded" not in _kinds(case)


def test_then_the_next_contact_is_asked_until_none_is_left(case) -> None:
    Contact.objects.filter(name="second").update(can_approve=False)
    approval = _later(_asked(case, escalate_after_hours=8), 0)
    assert _recipients(_later(approval, 7)) == ["first@acme.example"]
    assert _recipients(_later(approval, 1.1)) == ["first@acme.example", "third@acme.example"]
    assert _recipients(_later(approval, 9)) == ["first@acme.example", "third@acme.example"]


def test_where_nobody_may_be_asked_it_is_told_once_until_somebody_may(in_tenant) -> None:
    case = make_case(make_account())
    approval = _later(_asked(case, remind_after_hours=1, escalate_after_hours=2), 0)
    assert approval.send_error == reminders.NOBODY_TO_ASK
    approval = _later(_later(approval, 1.1), 1.1)
    assert _kinds(case).count("approval.not_reminded") == 1
    Contact.objects.create(name="first", email="first@acme.example")
    assert _later(approval, 0).send_error == ""
    assert _recipients(approval) == ["first@acme.example"]


@pytest.mark.parametrize("change", [{"is_active": False}, {"can_approve": False}])
def test_who_may_not_approve_any_more_is_not_reminded_and_the_next_is_asked(case, change) -> None:
    approval = _later(_asked(case, remind_after_hours=4, escalate_after_hours=0), 0)
    Contact.objects.filter(name="first").update(**change)
    Work.objects.all().delete()
    approval = _later(approval, 4.1)
    _, second = approval.links.order_by("created_at")
    assert second.recipient == "second@acme.example"
    assert [one.subject for one in Work.objects.filter(kind="notify")] == [second.id]


@pytest.mark.parametrize(
    "whose",
    [
        {"email": "Priya.Shah@acme.example"},
        {"email": "p.shah@acme.example"},
        {"email": "shared@acme.example"},
        {"email": "admin-priya@acme.example"},
        {"email": "priya@home.example", "name": "Priya Shah"},
        {"email": "named.too@acme.example"},
    ],
)
def test_whom_the_case_is_about_is_not_asked(in_tenant, whose) -> None:
    """An intruder reads their mail, and nobody judges their own case."""
    account = make_account(email="p.shah@acme.example")
    account.person.display_name = "Priya Shah"
    account.person.save()
    Mailbox.objects.create(
        account=account, provider="microsoft365", external_id="m", address="shared@acme.example"
    )
    admin = make_account("admin-priya@acme.example")
    admin.person = account.person
    admin.save()
    Contact.objects.create(**{"name": "x", "position": 1, **whose})
    Contact.objects.create(name="Sam", email="sam@acme.example", position=2)
    case = make_case(account, entities=["account:named.too@acme.example", "file:x"])
    approval = _later(_asked(case), 0)
    assert _recipients(approval) == ["sam@acme.example"]
    with pytest.raises(ApprovalError, match="The case is about"):
        client_links.create(approval.id, Contact.objects.get(position=1), actor=ANN, send=False)


def test_the_twin_in_active_directory_is_the_same_person(in_tenant) -> None:
    account = make_account(on_premises_sid="S-1-5-21-7")
    make_account("pshah@corp.acme.example", on_premises_sid="S-1-5-21-7")
    Contact.objects.create(name="x", email="pshah@corp.acme.example")
    approval = _later(_asked(make_case(account)), 0)
    assert _recipients(approval) == []


def test_nobody_is_reminded_of_what_is_decided(case) -> None:
    approval = _later(_asked(case, remind_after_hours=1, escalate_after_hours=2), 0)
    sha256 = approval.plan.sha256
    approvals.decide(approval.id, approve=True, actor=ANN, sha256=sha256, comment="By phone.")
    approval = _later(approval, 5)
    assert (approval.reminded_at, _recipients(approval)) == (None, ["first@acme.example"])


def test_technicians_are_reminded_too(case) -> None:
    approval = _asked(case, "technician", remind_after_hours=2, escalate_after_hours=4)
    assert Work.objects.get(kind="remind").due_at > timezone.now() + dt.timedelta(hours=1)
    approval = _later(approval, 2.1)
    assert approval.reminded_at is not None
    assert approval.escalated_at is None
    assert _later(approval, 2).escalated_at is not None
    assert Work.objects.filter(kind="notify", subject=approval.id).count() == 1


def test_a_silent_client_is_stood_in_for_by_a_technician(tenant: Tenant, case) -> None:
    approval = _later(_asked(case, hours=4, on_timeout="technician"), 4.1)
    plan = approval.plan
    assert approval.decision == "expired"
    assert set(_statuses(plan).values()) == {"awaiting_approval"}
    stand_in = plan.approvals.get(tier="technician")
    assert (stand_in.stands_in_for, stand_in.decision) == ("client", "pending")
    approvals.decide(stand_in.id, approve=True, actor=ANN, sha256=plan.sha256)
    assert set(_statuses(plan).values()) == {"pending"}
    step = Step.objects.select_related("run__plan__case").get(run__plan=plan, position=0)
    assert guardrails.obstacle(step) is None


def test_a_silent_stand_in_ends_the_plan(case) -> None:
    approval = _later(_asked(case, hours=4, on_timeout="technician"), 4.1)
    stand_in = approval.plan.approvals.get(tier="technician")
    assert _later(stand_in, 25).decision == "expired"
    assert set(_statuses(approval.plan).values()) == {"skipped"}
    assert approval.plan.approvals.count() == 2


def test_a_plan_too_old_to_be_carried_out_asks_nobody_else(case) -> None:
    approval = _asked(case, on_timeout="technician")
    old = timezone.now() - dt.timedelta(hours=70.5)
    Plan.objects.filter(id=approval.plan_id).update(created_at=old)
    approval = _later(approval, 49)
    assert approval.plan.approvals.count() == 1
    assert set(_statuses(approval.plan).values()) == {"skipped"}


def test_who_asked_for_the_plan_does_not_stand_in_for_the_client(case) -> None:
    _rules("client", hours=4, on_timeout="technician")
    plan = make_plan(case, policy(default="client"), requested_by=ANN)
    _later(plan.approvals.get(), 4.1)
    stand_in = plan.approvals.get(tier="technician")
    with pytest.raises(ApprovalError, match="somebody else"):
        approvals.decide(stand_in.id, approve=True, actor=ANN, sha256=plan.sha256)
    approvals.decide(stand_in.id, approve=True, actor=BOB, sha256=plan.sha256)


@pytest.mark.parametrize("tier", ["client", "technician"])
def test_the_reversible_part_is_done_and_the_rest_is_dropped_with_the_reason(case, tier) -> None:
    approval = _later(_asked(case, tier, hours=4, on_timeout="reversible_part"), 4.1)
    plan = approval.plan
    told = {step["action"].partition(".")[2]: step for step in plan.document["steps"]}
    statuses = _statuses(plan)
    assert {"pending", "skipped"} == set(statuses.values())
    for action, status in statuses.items():
        assert (status == "pending") == bool(told[action]["reversal"]["action"]), action
    dropped = Step.objects.filter(run__plan=plan, status="skipped").first()
    assert dropped.error == "Nobody approved it in time. It can't be undone."
    step = Step.objects.select_related("run__plan__case").filter(run__plan=plan, status="pending")
    assert guardrails.obstacle(step.first()) is None
    assert approval.decision == "expired"


def _mixed(case: Case) -> Plan:
    """Make a plan that a technician has to allow, and the client one step of it."""
    _rules("client", hours=4, on_timeout="technician")
    reset = {
        "id": "c", "title": "c", "actions": ["identity.reset_password"], "tier": "client",
    }  # fmt: skip
    return make_plan(case, policy(reset, default="technician"))


def _allow(approval: Approval, actor: str, *, approve: bool = True) -> None:
    sha256 = approval.plan.sha256
    approvals.decide(approval.id, approve=approve, actor=actor, sha256=sha256, comment="x")


def test_who_stands_in_for_the_client_answers_for_the_client_only(case) -> None:
    plan = _mixed(case)
    _later(plan.approvals.get(tier="client"), 4.1)
    _allow(plan.approvals.get(stands_in_for="client"), ANN)
    statuses = _statuses(plan)
    assert statuses.pop("reset_password") == "pending"
    assert set(statuses.values()) == {"awaiting_approval"}
    assert guardrails.tiers_granted(plan) == {"client"}


def test_a_technicians_no_ends_what_others_have_allowed_and_has_not_begun(case) -> None:
    plan = _mixed(case)
    _later(plan.approvals.get(tier="client"), 4.1)
    _allow(plan.approvals.get(stands_in_for="client"), ANN)
    _allow(plan.approvals.get(tier="technician", stands_in_for=""), BOB, approve=False)
    assert set(_statuses(plan).values()) == {"skipped"}


def test_a_no_in_the_clients_place_leaves_what_technicians_allowed(case) -> None:
    plan = _mixed(case)
    _later(plan.approvals.get(tier="client"), 4.1)
    _allow(plan.approvals.get(tier="technician", stands_in_for=""), ANN)
    _allow(plan.approvals.get(stands_in_for="client"), BOB, approve=False)
    statuses = _statuses(plan)
    assert statuses.pop("reset_password") == "skipped"
    assert set(statuses.values()) == {"pending"}


def test_the_rules_are_no_first_person_where_two_are_demanded(case) -> None:
    _rules("technician", hours=1, on_timeout="reversible_part")
    plan = make_plan(case, policy(default="second_technician"))
    _later(plan.approvals.get(tier="technician"), 1.1)
    assert set(_statuses(plan).values()) == {"skipped"}
    dropped = Step.objects.filter(run__plan=plan).first()
    assert dropped is not None
    assert dropped.error == "Nobody approved it in time. It takes two people."
    with pytest.raises(ApprovalError, match="already expired"):
        _allow(plan.approvals.get(tier="second_technician"), BOB)


def test_beside_them_the_rules_let_go_on_what_one_person_may_allow(case) -> None:
    _rules("technician", hours=1, on_timeout="reversible_part")
    disable = {
        "id": "d", "title": "d", "actions": ["identity.disable_sign_in"], "tier": "technician",
    }  # fmt: skip
    plan = make_plan(case, policy(disable, default="second_technician"))
    _later(plan.approvals.get(tier="technician"), 1.1)
    statuses = _statuses(plan)
    assert statuses.pop("disable_sign_in") == "pending"
    assert set(statuses.values()) == {"skipped"}
    assert not plan.approvals.filter(decision="pending").exists()


def test_a_second_persons_yes_beside_the_rules_grants_nothing(case) -> None:
    """Whatever the rows may come to say: two people are two people."""
    _rules("technician", hours=1, on_timeout="reversible_part")
    plan = make_plan(case, policy(default="technician"))
    _later(plan.approvals.get(tier="technician"), 1.1)
    now = timezone.now()
    Approval.objects.create(
        plan=plan, tier="second_technician", decision="approved", decided_sha256=plan.sha256,
        requested_at=now, expires_at=now,
    )  # fmt: skip
    assert guardrails.tiers_granted(plan) == {"technician"}


def test_the_plain_end_drops_all_steps(case) -> None:
    approval = _later(_asked(case, hours=4, on_timeout="end"), 4.1)
    assert set(_statuses(approval.plan).values()) == {"skipped"}


def test_a_decision_on_a_plan_made_again_says_so(case) -> None:
    approval = _asked(case)
    Approval.objects.filter(id=approval.id).update(decision="superseded")
    with pytest.raises(ApprovalError, match="made again, because what is known has changed"):
        approvals.decide(
            approval.id, approve=True, actor=BOB, sha256=approval.plan.sha256, comment="x"
        )
