"""Undoing: once, as far as it may, again when it was refused, and never over another case."""

import threading

import pytest
from django.db import connections as database

from playbooks import approvals, rollback, rules
from playbooks.errors import PlaybookError
from playbooks.models import Approval, Plan, Run
from tenants import scope
from tenants.models import Account, Case
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


def _undo(plan: Plan, step_key: str = "") -> Plan:
    with scope.tenant(plan.tenant_id):
        return rollback.request(plan.id, actor=ANN, step_key=step_key)


def _decide(plan: Plan, approve: bool = True) -> None:
    with scope.tenant(plan.tenant_id):
        approval = plan.approvals.get()
        approvals.decide(approval.id, approve=approve, actor=BOB, sha256=plan.sha256)


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
