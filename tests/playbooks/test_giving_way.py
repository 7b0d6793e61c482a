"""A case that is planned again while an older plan of it is open: one acts at a time."""

import pytest

from playbooks import approvals, response, rollback
from playbooks.models import Approval, Plan
from tenants import scope
from tenants.models import Case, LedgerEntry
from tests.pipeline import drain, make_due
from tests.playbooks.cases import give_evidence, make_case
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

pytestmark = pytest.mark.django_db
BLOCK = "identity.disable_sign_in"
ORDERED = TWO.format(first="", second="needs: [disable]")
PARALLEL = TWO.format(first="", second="")


def _entries(case: Case, kind: str) -> list[LedgerEntry]:  # noqa: F811
    with scope.tenant(case.tenant_id):
        return list(LedgerEntry.objects.filter(case_id=case.id, kind=kind))


def test_an_older_plan_that_waits_gives_way_to_the_newer_one(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    older = adopt(case, ORDERED)
    newer = adopt(case, PARALLEL)
    assert reread(older).status == Plan.Status.SUPERSEDED
    assert {step.status for step in steps_of(older).values()} == {"skipped"}
    assert all("planned again" in step.error for step in steps_of(older).values())
    assert (newer.replaces_id, newer.status) == (older.id, Plan.Status.AWAITING_APPROVAL)
    with scope.tenant(case.tenant_id):
        assert [row.decision for row in older.approvals.all()] == ["superseded"]
        assert Approval.objects.filter(decision="pending").count() == 1
    assert [entry.body["withdrawn"] for entry in _entries(case, "plan.superseded")] == [
        ["disable", "sessions"]
    ]


def test_what_was_planned_on_a_suspicion_asks_nobody_once_the_case_is_harmless(
    case,  # noqa: F811
    cloud,  # noqa: F811
) -> None:
    set_rules(case.tenant_id, default="technician")
    plan = adopt(case, ORDERED)
    with scope.tenant(case.tenant_id):
        Case.objects.filter(id=case.id).update(
            status=Case.Status.INVESTIGATING, verdict="benign",
            verdict_detail={"playbook": "investigate-account-takeover"},
        )  # fmt: skip
    response.respond(case.tenant_id, case.id)
    assert reread(plan).status == Plan.Status.SUPERSEDED
    assert [entry.body["why"] for entry in _entries(case, "plan.superseded")] == [
        "the verdict is benign now"
    ]
    drain(["close"])
    with scope.tenant(case.tenant_id):
        assert not Approval.objects.filter(decision="pending").exists()
        assert Case.objects.get(id=case.id).status == Case.Status.CLOSED


def test_what_the_older_plan_has_called_is_proven_and_not_done_at_once_by_both(
    case,  # noqa: F811
    cloud,  # noqa: F811
) -> None:
    cloud.hides = {BLOCK}
    older = adopt(case, ORDERED)
    drain(["run"])
    newer = adopt(case, PARALLEL)
    drain(["run"])
    assert {key: step.status for key, step in steps_of(older).items()} == {
        "disable": "called", "sessions": "skipped",
    }  # fmt: skip
    assert {key: step.status for key, step in steps_of(newer).items()} == {
        "disable": "pending", "sessions": "verified",
    }  # fmt: skip
    assert "Another plan of this case" in steps_of(newer)["disable"].held_why
    assert [action for action, _ in cloud.calls].count(BLOCK) == 1
    cloud.hides = set()
    # The older is looked at first, and then what waited for it.
    for _ in range(3):
        make_due("run")
        drain(["run", "close"])
    assert reread(older).status == Plan.Status.DONE
    assert reread(newer).status == Plan.Status.DONE
    assert len(_entries(case, "plan.gave_way")) == 1
    # What the older plan never began is not missing.
    assert reread(case).status == Case.Status.CLOSED


def test_what_gave_way_is_not_taken_up_again_as_it_was(case, cloud) -> None:  # noqa: F811
    """What is known changes, and changes back, while the first plan's call is with the vendor."""
    cloud.hides = {BLOCK}
    older = adopt(case, ORDERED)
    drain(["run"])
    adopt(case, PARALLEL)
    again = adopt(case, ORDERED)
    assert again.id != older.id
    cloud.hides = set()
    for _ in range(3):
        make_due("run")
        drain(["run", "close"])
    assert {step.status for step in steps_of(again).values()} == {"verified"}


def test_the_undoing_of_a_plan_gives_way_to_none(case, cloud) -> None:  # noqa: F811
    older = adopt(case, ORDERED)
    drain(["run"])
    with scope.tenant(case.tenant_id):
        undoing = rollback.request(older.id, actor="technician:ann")
    adopt(case, PARALLEL)
    with scope.tenant(case.tenant_id):
        assert reread(undoing).status == Plan.Status.AWAITING_APPROVAL
        pending = Approval.objects.get(decision="pending")
        approvals.decide(
            pending.id, approve=True, actor="technician:kim", sha256=pending.plan.sha256
        )
    assert reread(undoing).status == Plan.Status.RUNNING


def test_a_plan_of_another_case_stays(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    older = adopt(case, ORDERED)
    with scope.tenant(case.tenant_id):
        other = Case.objects.get(id=case.id)
        other = make_case(other.account)
        give_evidence(other)
    adopt(other, PARALLEL)
    assert reread(older).status == Plan.Status.AWAITING_APPROVAL
