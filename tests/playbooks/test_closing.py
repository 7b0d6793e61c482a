"""A case closes only over what holds, and not over an alert that is just coming in."""

import threading

import pytest
from django.db import connections as database

from playbooks import approvals, closing, response, rollback, triage
from playbooks.models import Approval, Step
from playbooks.plans import proof
from playbooks.running import recheck as rechecking
from playbooks.running import stuck
from tenants import scope
from tenants.models import Account, Case, Device, Work
from tests.conftest import new_tenant
from tests.pipeline import drain
from tests.playbooks.test_rollback import ANN, BOB, THREE
from tests.playbooks.test_runner import (  # noqa: F401
    adopt,
    both,
    case,
    cloud,
    reread,
    set_rules,
    steps_of,
)
from tests.playbooks.test_triage import NOON, _alert, _arrive

BLOCK = "identity.disable_sign_in"


@pytest.mark.django_db
def test_a_lost_effect_is_not_closed_over_by_an_undoing(case, cloud) -> None:  # noqa: F811
    plan = adopt(case, THREE)
    drain(["run", "close"])
    assert reread(case).status == Case.Status.CLOSED
    disable = steps_of(plan)["disable"]
    cloud.done.remove((BLOCK, disable.target_external_id))
    rechecking.recheck(case.tenant_id, disable.id)
    assert reread(case).status == Case.Status.NEEDS_TECHNICIAN
    with scope.tenant(case.tenant_id):
        undoing = rollback.request(plan.id, actor=ANN, chosen={"forwarding"})
        approval = undoing.approvals.get()
        approvals.decide(approval.id, approve=True, actor=BOB, sha256=undoing.sha256)
    drain(["run", "close"])
    now = reread(case)
    assert now.status == Case.Status.NEEDS_TECHNICIAN
    assert "no longer holds" in now.needs
    assert now.contained_at is None


@pytest.mark.django_db
def test_a_lost_effect_is_not_closed_over_by_a_new_alert(case, cloud) -> None:  # noqa: F811
    """The directory was read before the effect was lost, so the new plan does not block again."""
    response.respond(case.tenant_id, case.id)
    drain(["run", "close"])
    with scope.tenant(case.tenant_id):
        disable = Step.objects.get(action=BLOCK, status="verified")
        Account.objects.update(is_enabled=False)
    cloud.done.remove((BLOCK, disable.target_external_id))
    rechecking.recheck(case.tenant_id, disable.id)
    with scope.tenant(case.tenant_id):
        Case.objects.filter(id=case.id).update(status=Case.Status.INVESTIGATING)
    response.respond(case.tenant_id, case.id)
    drain(["run", "close"])
    with scope.tenant(case.tenant_id):
        for row in Approval.objects.filter(decision="pending").select_related("plan"):
            approvals.decide(row.id, approve=True, actor=ANN, sha256=row.plan.sha256)
    drain(["run", "close"])
    assert reread(case).status == Case.Status.NEEDS_TECHNICIAN


@pytest.mark.django_db
def test_what_is_looked_into_is_not_closed(case, cloud) -> None:  # noqa: F811
    with scope.tenant(case.tenant_id):
        Case.objects.update(status=Case.Status.INVESTIGATING, verdict="benign")
    closing.close(case.tenant_id, case.id)
    assert reread(case).status == Case.Status.INVESTIGATING


@pytest.mark.django_db
def test_an_attack_that_names_another_device_is_for_a_person(case, cloud) -> None:  # noqa: F811
    with scope.tenant(case.tenant_id):
        for name in ("pc-1", "pc-2"):
            Device.objects.create(provider="edr", external_id=name, hostname=name)
        Case.objects.update(entities=["device:pc-1", "device:pc-2"])
    adopt(case, THREE)
    drain(["run", "close"])
    now = reread(case)
    assert now.status == Case.Status.NEEDS_TECHNICIAN
    assert "also name pc-2" in now.needs


@pytest.mark.usefixtures("committed_database")
def test_an_alert_that_comes_while_the_case_closes_is_looked_into(monkeypatch) -> None:
    tenant = new_tenant("acme")
    with scope.tenant(tenant.id):
        _arrive(_alert("a"))
        Work.objects.all().delete()
        its_case = Case.objects.get()
        Case.objects.update(
            status=Case.Status.RESPONDING, verdict="benign", decided_at=NOON,
            verdict_detail={"playbook": "x"},
        )  # fmt: skip
    real, closers = triage.assess, []

    def close() -> None:
        try:
            closing.close(tenant.id, its_case.id)
        finally:
            database.close_all()

    def assess(cases):
        closers.append(threading.Thread(target=close))
        closers[0].start()
        # It waits for the case's row, which this transaction holds.
        closers[0].join(1)
        real(cases)

    monkeypatch.setattr(triage, "assess", assess)
    with scope.tenant(tenant.id):
        _arrive(_alert("b", 2, severity=5))
    closers[0].join(60)
    with scope.tenant(tenant.id):
        now = Case.objects.get()
        assert now.findings.count() == 2
        is_looked_into = Work.objects.filter(kind="investigate").exists()
    assert now.status != Case.Status.CLOSED or is_looked_into


SESSIONS = "  - id: sessions\n    uses: identity.revoke_sessions\n    target: account\n"


@pytest.mark.django_db
@pytest.mark.parametrize("is_tried_again", [False, True])
def test_another_plan_takes_away_only_what_it_settles(case, cloud, is_tried_again) -> None:  # noqa: F811
    """What came to light of a proven step is told until the step is tried again."""
    first = adopt(case, THREE)
    drain(["run", "close"])
    said = proof.late(steps_of(first)["disable"])
    with scope.tenant(case.tenant_id):
        stuck.also_needs(reread(case), said)
    set_rules(case.tenant_id, default="technician")
    second = adopt(case, THREE if is_tried_again else SESSIONS)
    with scope.tenant(case.tenant_id):
        Case.objects.filter(id=case.id).update(needs=f"Decide. {said}", status="needs_technician")
        response.set_status(reread(case), settled=["Decide."])
    now = reread(case)
    assert now.status == Case.Status.AWAITING_APPROVAL
    left = "" if is_tried_again else f" {said}"
    assert now.needs == f"Approve or reject 1 plan.{left}"
    with scope.tenant(case.tenant_id):
        approval = second.approvals.get()
        approvals.decide(approval.id, approve=True, actor=ANN, sha256=second.sha256)
    assert reread(case).needs == left.strip()
    drain(["run", "close"])
    ended = reread(case)
    closed = (Case.Status.CLOSED, "")
    assert (ended.status, ended.needs) == (
        closed if is_tried_again else (Case.Status.NEEDS_TECHNICIAN, said)
    )
