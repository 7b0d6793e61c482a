"""Undoing: once, as far as it may, again when it was refused, and never over another case."""

import threading

import pytest
from django.db import connections as database
from django.utils import timezone

from playbooks import approvals, rollback
from playbooks.errors import PlaybookError
from playbooks.models import Agreement, Approval, Plan, Run, Step
from playbooks.policy import rules
from playbooks.running import undo_choices
from tenants import evidence, scope
from tenants.models import Account, Case, Person
from tests.conftest import new_tenant
from tests.pipeline import drain, make_due
from tests.playbooks.cases import give_evidence, make_account, make_case
from tests.playbooks.test_runner import (  # noqa: F401
    TWO,
    adopt,
    both,
    case,
    cloud,
    reread,
    set_rules,
    steps_of,
)
from tests.playbooks.vendor import connect, vendors

ANN, BOB = "technician:ann", "technician:bob"
PLAIN = TWO.format(first="", second="")
THREE = (
    PLAIN
    + """\
  - id: forwarding
    uses: mailbox.remove_forwarding
    target: mailbox
"""
)


ONE = """\
  - id: disable
    uses: identity.disable_sign_in
    target: account
"""
EACH_RULE = """\
  - id: rules
    uses: mailbox.disable_inbox_rule
    for_each: evidence.inbox_rules.rules
    at_most: 50
    target: {external_id: "${ item.external_id }", name: "${ item.name }"}
"""


def give_rules(case: Case, number: int) -> None:  # noqa: F811
    """Let the case's evidence name so many inbox rules."""
    rules_found = [{"external_id": f"r{n:02}", "name": f"rule {n}"} for n in range(number)]
    with scope.tenant(case.tenant_id):
        evidence.record(
            reread(case), gatherer="mailbox.list_inbox_rules", question="q", asked_of="t",
            asked_at=timezone.now(), is_available=True, summary="",
            answer={"step": "inbox_rules", "facts": {"rules": rules_found}, "reason": ""},
        )  # fmt: skip


def approve_as(case: Case, *people: str) -> None:  # noqa: F811
    """Let each of these people give what he may of what is asked for."""
    with scope.tenant(case.tenant_id):
        for who in people:
            for row in Approval.objects.filter(decision="pending").order_by("-tier"):
                if not approvals.why_not_approve(row, who):
                    approvals.decide(row.id, approve=True, actor=who, sha256=row.plan.sha256)


def _undo(plan: Plan, step_key: str = "") -> Plan:
    with scope.tenant(plan.tenant_id):
        chosen = {step_key} if step_key else undo_choices.everything(plan)
        return rollback.request(plan.id, actor=ANN, chosen=chosen)


def _decide(plan: Plan, approve: bool = True) -> None:
    with scope.tenant(plan.tenant_id):
        approval = plan.approvals.get()
        approvals.decide(approval.id, approve=approve, actor=BOB, sha256=plan.sha256)


@pytest.mark.django_db
def test_an_undoing_counts_against_the_plan_when_it_is_allowed(case, cloud) -> None:  # noqa: F811
    """Who asks for it is not who decides: a colleague may say no."""
    plan = adopt(case, PLAIN)
    drain(["run", "close"])
    _decide(_undo(plan), approve=False)
    with scope.tenant(case.tenant_id):
        assert not Agreement.objects.exists()
    drain(["run", "close"])
    _decide(_undo(plan))
    with scope.tenant(case.tenant_id):
        said = Agreement.objects.get(plan=plan)
    assert (said.kind, said.actor) == ("overridden", ANN)


@pytest.mark.django_db
def test_it_can_be_asked_for_again_after_it_was_rejected(case, cloud) -> None:  # noqa: F811
    plan = adopt(case, PLAIN)
    drain(["run", "close"])
    _decide(_undo(plan), approve=False)
    drain(["run", "close"])
    assert reread(case).status == Case.Status.NEEDS_TECHNICIAN
    again = _undo(plan)
    with scope.tenant(case.tenant_id):
        assert Approval.objects.get(decision="pending").plan_id == again.id
    _decide(again)
    drain(["run", "close"])
    assert steps_of(plan)["disable"].status == "rolled_back"


@pytest.mark.django_db
def test_what_is_left_of_a_plan_does_not_begin_any_more(case, cloud) -> None:  # noqa: F811
    plan = adopt(case, THREE)
    cloud.hides = {"identity.revoke_sessions"}
    set_rules(case.tenant_id, budgets={"mailbox.remove_forwarding": 0})
    drain(["run"])
    undoing = _undo(plan)
    assert steps_of(plan)["forwarding"].status == "skipped"
    _decide(undoing)
    drain(["run"])
    set_rules(case.tenant_id)
    cloud.hides = set()
    make_due("run")
    drain(["run", "close"])
    found = {key: step.status for key, step in steps_of(plan).items()}
    assert found == {"disable": "rolled_back", "sessions": "verified", "forwarding": "skipped"}
    with scope.tenant(case.tenant_id):
        assert Run.objects.get(plan=plan).status == Run.Status.ROLLED_BACK


@pytest.mark.django_db
def test_a_step_is_undone_once_however_often_it_is_asked_for(case, cloud) -> None:  # noqa: F811
    plan = adopt(case, THREE)
    drain(["run", "close"])
    one, rest = _undo(plan, "disable"), _undo(plan)
    assert [step["id"] for step in rest.document["steps"]] == ["undo forwarding"]
    assert _undo(plan, "disable").id == one.id
    _decide(one)
    _decide(rest)
    drain(["run", "close"])
    undone = [action for action, _ in cloud.calls if action == "identity.enable_sign_in"]
    assert len(undone) == 1


@pytest.mark.parametrize(
    ("calls", "answer", "undone"),
    [
        (1, {"was_gone": True}, ["undo forwarding"]),
        (1, {"was_there": True}, ["undo forwarding"]),
        (1, {"was_gone": False}, ["undo forwarding", "undo disable"]),
        # The first of two calls may have done it, and its answer was lost.
        (2, {"was_gone": True}, ["undo forwarding", "undo disable"]),
    ],
)
@pytest.mark.django_db
def test_what_a_step_found_done_is_not_undone(case, cloud, calls, answer, undone) -> None:  # noqa: F811
    plan = adopt(case, THREE)
    drain(["run", "close"])
    with scope.tenant(case.tenant_id):
        Step.objects.filter(run__plan=plan, key="disable").update(calls=calls, answer=answer)
    assert [step["id"] for step in _undo(plan).document["steps"]] == undone


@pytest.mark.django_db
def test_what_another_case_relies_on_is_not_undone(case, cloud) -> None:  # noqa: F811
    """The same account in two cases: the second one found it blocked."""
    first = adopt(case, PLAIN)
    drain(["run", "close"])
    with scope.tenant(case.tenant_id):
        other = make_case(Account.objects.get())
        give_evidence(other)
    adopt(other, PLAIN)
    drain(["run", "close"])
    with pytest.raises(PlaybookError, match=f"Case #{other.number} relies on it"):
        _undo(first)


@pytest.mark.django_db
def test_an_attack_whose_containment_was_undone_does_not_close_by_itself(
    case,  # noqa: F811
    cloud,  # noqa: F811
) -> None:
    plan = adopt(case, PLAIN)
    drain(["run", "close"])
    _decide(_undo(plan))
    drain(["run", "close"])
    now = reread(case)
    assert now.status == Case.Status.NEEDS_TECHNICIAN
    assert "was undone" in now.needs
    assert now.contained_at is None


@pytest.mark.usefixtures("committed_database")
def test_two_who_ask_at_the_same_moment_get_the_same_undoing(monkeypatch) -> None:
    tenant = new_tenant("acme")
    with vendors(monkeypatch, "microsoft365"):
        with scope.tenant(tenant.id):
            connect("microsoft365")
            its_case = make_case(make_account())
            give_evidence(its_case)
            rules.save({"version": 1, "default": "automatic", "rules": []}, actor="test")
        plan = adopt(its_case, PLAIN)
        drain(["run", "close"])
        found: list[Plan | Exception] = []

        def undo() -> None:
            try:
                found.append(_undo(plan))
            except Exception as error:
                found.append(error)
            finally:
                database.close_all()

        threads = [threading.Thread(target=undo) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [type(one) for one in found] == [Plan, Plan], found
    assert len({one.id for one in found}) == 1


@pytest.mark.django_db
def test_what_a_later_plan_of_the_same_case_relies_on_is_not_undone(
    case,  # noqa: F811
    cloud,  # noqa: F811
) -> None:
    first = adopt(case, PLAIN)
    drain(["run"])
    second = adopt(case, PLAIN)
    drain(["run"])
    with pytest.raises(PlaybookError, match="which came later, relies on it"):
        _undo(first)
    assert _undo(second).document["reverses"] == second.sha256


@pytest.mark.django_db
def test_a_wide_plan_is_undone_under_the_rule_for_wide_ones(case, cloud) -> None:  # noqa: F811
    """Twelve steps are judged as twelve, by the plan as by the guardrail before each."""
    wide = {"id": "wide", "title": "Many", "when": "objects > 10", "tier": "second_technician"}
    set_rules(case.tenant_id, budgets={"*": 1000}, rules=[wide])
    give_rules(case, 12)
    plan = adopt(case, EACH_RULE)
    approve_as(case, ANN, BOB)
    drain(["run", "close"])
    undoing = _undo(plan)
    assert {step["tier"] for step in undoing.document["steps"]} == {"second_technician"}
    approve_as(case, "technician:cleo", BOB)
    make_due("run")
    drain(["run", "close"])
    assert {step.status for step in steps_of(undoing).values()} == {"verified"}


@pytest.mark.django_db
def test_the_undoing_is_tiered_by_what_is_known_now(case, cloud) -> None:  # noqa: F811
    with scope.tenant(case.tenant_id):
        Account.objects.update(person=Person.objects.create(display_name="Priya Shah"))
    vip = {"id": "vip", "title": "VIP", "when": "target.is_vip", "tier": "second_technician"}
    set_rules(case.tenant_id, rules=[vip])
    plan = adopt(case, ONE)
    drain(["run", "close"])
    with scope.tenant(case.tenant_id):
        Person.objects.update(is_vip=True)
    undoing = _undo(plan)
    assert undoing.tier == "second_technician"
    approve_as(case, "technician:cleo", BOB)
    make_due("run")
    drain(["run", "close"])
    assert {step.status for step in steps_of(undoing).values()} == {"verified"}


@pytest.mark.django_db
def test_what_was_with_the_vendor_is_undone_when_it_is_settled(case, cloud) -> None:  # noqa: F811
    cloud.hides = {"identity.disable_sign_in"}
    plan = adopt(case, THREE)
    drain(["run"])
    undoing = _undo(plan)
    [later] = [one for one in undoing.document["skipped"] if one["step"] == "disable"]
    assert "with the vendor now" in later["why"]
    _decide(undoing)
    drain(["run"])
    assert steps_of(plan)["disable"].status == "called"
    cloud.hides = set()
    make_due("run")
    drain(["run", "close"])
    approve_as(case, BOB)
    drain(["run", "close"])
    assert steps_of(plan)["disable"].status == "rolled_back"


@pytest.mark.django_db
def test_a_plan_that_waits_can_be_stopped(case, cloud) -> None:  # noqa: F811
    """An automatic one that is held back asks nobody, so there is nothing to reject."""
    set_rules(case.tenant_id, budgets={"*": 0})
    plan = adopt(case, ONE)
    drain(["run"])
    with scope.tenant(case.tenant_id):
        rollback.stop(plan.id, actor=ANN)
    set_rules(case.tenant_id)
    make_due("run")
    drain(["run", "close"])
    assert cloud.calls == []
    assert reread(plan).status == Plan.Status.REJECTED
    assert "ann stopped the plan" in reread(case).needs
    with scope.tenant(case.tenant_id), pytest.raises(PlaybookError, match="ended already"):
        rollback.stop(plan.id, actor=ANN)


def test_what_else_a_case_needs_stays_when_an_undoing_is_asked_for(case, cloud) -> None:  # noqa: F811
    plan = adopt(case, PLAIN)
    drain(["run"])
    with scope.tenant(case.tenant_id):
        Case.objects.filter(id=case.id).update(needs="Ann's laptop, by hand: it is not connected.")
        rollback.request(plan.id, actor=ANN, chosen={"disable"})
        assert reread(case).needs == (
            "Approve or reject the undoing. Ann's laptop, by hand: it is not connected."
        )
