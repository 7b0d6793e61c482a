"""Facts that change, and change back: no plan is lost, and nothing is closed over."""

import datetime as dt
import threading

import pytest
from django.db import connections as database
from django.utils import timezone

from integrations.models import Connection
from playbooks import approvals, response
from playbooks.models import Approval, Plan, Run
from playbooks.plans import giving_way
from playbooks.replanning import replanning
from tenants import directory, protection, scope, work
from tenants.models import Account, Case, Work
from tenants.records import DirectoryItem
from tests.conftest import new_tenant
from tests.pipeline import drain, make_due
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import policy
from tests.playbooks.test_runner import (  # noqa: F401
    adopt,
    both,
    case,
    cloud,
    reread,
    set_rules,
    steps_of,
)

ANN = "technician:ann"
BLOCK = "identity.disable_sign_in"
UNLESS_ON_HOLIDAY = """\
  - id: sessions
    uses: identity.revoke_sessions
    target: account
  - id: disable
    uses: identity.disable_sign_in
    target: account
    when: account.display_name != "on holiday"
"""
IF_ENABLED = """\
  - id: disable
    uses: identity.disable_sign_in
    target: account
    when: account.is_enabled != false
  - id: sessions
    uses: identity.revoke_sessions
    target: account
"""


def _set_enabled(tenant_id, is_enabled: bool) -> None:
    with scope.tenant(tenant_id):
        Account.objects.update(is_enabled=is_enabled)


def _approve_all(tenant_id) -> None:
    with scope.tenant(tenant_id):
        for row in Approval.objects.filter(decision="pending").select_related("plan"):
            approvals.decide(row.id, approve=True, actor=ANN, sha256=row.plan.sha256)


def _look_again(tenant_id) -> None:
    with scope.tenant(tenant_id):
        run = Run.objects.get(plan__status__in=["awaiting_approval", "running"])
        work.schedule("run", run.id)
    drain(["run", "close"])


@pytest.mark.django_db
def test_facts_that_change_back_make_the_first_plan_anew(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    first = adopt(case, IF_ENABLED)
    for is_enabled in (False, True):
        _set_enabled(case.tenant_id, is_enabled)
        _look_again(case.tenant_id)
    with scope.tenant(case.tenant_id):
        waiting = Plan.objects.get(status="awaiting_approval")
    assert waiting.id != first.id
    assert [step["id"] for step in waiting.document["steps"]] == ["disable", "sessions"]
    _approve_all(case.tenant_id)
    drain(["run"])
    assert reread(waiting).status == Plan.Status.DONE


@pytest.mark.django_db
def test_a_case_does_not_close_over_a_plan_that_was_replaced(case, cloud) -> None:  # noqa: F811
    """Somebody blocked the account while the plan waited, and let it in again afterwards."""
    set_rules(case.tenant_id, default="technician")
    response.respond(case.tenant_id, case.id)
    drain(["run"])
    _set_enabled(case.tenant_id, False)
    _approve_all(case.tenant_id)
    drain(["run"])
    _approve_all(case.tenant_id)
    drain(["run"])
    _set_enabled(case.tenant_id, True)
    with scope.tenant(case.tenant_id):
        Case.objects.filter(id=case.id).update(status=Case.Status.INVESTIGATING)
        Work.objects.filter(kind="close").update(due_at=timezone.now() + dt.timedelta(hours=1))
    response.respond(case.tenant_id, case.id)
    _approve_all(case.tenant_id)
    make_due("close")
    drain(["run", "close"])
    assert ("identity.disable_sign_in", "id-of-priya.shah@acme.example") in cloud.done


@pytest.mark.django_db
@pytest.mark.parametrize("is_approved_first", [True, False])
def test_what_would_not_be_planned_now_is_not_done_after_the_first_step(
    case,  # noqa: F811
    cloud,  # noqa: F811
    is_approved_first,
) -> None:
    set_rules(
        case.tenant_id,
        rules=[{"id": "r", "title": "Block", "actions": [BLOCK], "tier": "technician"}],
    )
    plan = adopt(case, UNLESS_ON_HOLIDAY)
    drain(["run"])
    if is_approved_first:
        _approve_all(case.tenant_id)
    with scope.tenant(case.tenant_id):
        Account.objects.update(display_name="on holiday")
    if not is_approved_first:
        make_due("run")
        _approve_all(case.tenant_id)
    drain(["run", "close"])
    assert {key: step.status for key, step in steps_of(plan).items()} == {
        "sessions": "verified", "disable": "skipped",
    }  # fmt: skip
    assert BLOCK not in [action for action, _ in cloud.calls]
    now = reread(case)
    assert now.status == Case.Status.NEEDS_TECHNICIAN
    assert "would not be planned" in now.needs


@pytest.mark.usefixtures("committed_database")
def test_deciding_while_the_plan_is_made_again_is_no_deadlock(monkeypatch) -> None:
    tenant = new_tenant("acme")
    with scope.tenant(tenant.id):
        Connection.objects.create(connector="microsoft365", name="M")
        plan = make_plan(make_case(make_account()), policy(default="technician"))
        Account.objects.update(is_enabled=False)
        approval = plan.approvals.get()
    began, errors = threading.Event(), []
    real_change = giving_way.change

    def change(step, *args, **more) -> None:
        real_change(step, *args, **more)
        began.set()

    def do(what) -> None:
        try:
            with scope.tenant(tenant.id):
                what()
        except Exception as error:
            errors.append(error)
        finally:
            database.close_all()

    def replan() -> None:
        replanning.replace_if_changed(Plan.objects.select_related("case").get(id=plan.id))

    def decide() -> None:
        assert began.wait(30), "the plan was made again without a step that gives way"
        approvals.decide(approval.id, approve=True, actor=ANN, sha256=plan.sha256)

    monkeypatch.setattr(giving_way, "change", change)
    threads = [threading.Thread(target=do, args=[what]) for what in (replan, decide)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ["made again" in str(error) for error in errors] == [True], errors


def _stricter(tenant_id) -> None:
    set_rules(tenant_id, default="client")


def _disabled_at_the_vendor(tenant_id) -> None:
    with scope.tenant(tenant_id):
        row = Account.objects.get(username="priya.shah@acme.example")
        told = DirectoryItem("account", row.external_id, attributes={"is_enabled": False})
        directory.apply(row.provider, [(told, "changed")])


def _protected(tenant_id) -> None:
    with scope.tenant(tenant_id):
        for account in protection.find("priya.shah@acme.example"):
            protection.change(
                account, is_break_glass=True, is_excluded=False, actor=ANN, reason="Emergency."
            )


@pytest.mark.django_db
@pytest.mark.parametrize("change", [_stricter, _disabled_at_the_vendor, _protected])
def test_a_plan_that_waits_follows_what_changes_meanwhile(case, cloud, change) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="technician")
    first = adopt(case, IF_ENABLED)
    drain(["run", "replan"])
    assert reread(first).status == Plan.Status.AWAITING_APPROVAL
    change(case.tenant_id)
    make_due("replan")
    drain(["replan"])
    assert reread(first).status == Plan.Status.SUPERSEDED
    with scope.tenant(case.tenant_id):
        assert Plan.objects.get(replaces=first.id).sha256 != first.sha256
