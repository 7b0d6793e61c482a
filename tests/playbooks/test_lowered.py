"""A playbook that is lowered while a plan of it acts by itself: nothing is left half done."""

import datetime as dt

import pytest
from django.utils import timezone

from playbooks import approvals, response
from playbooks.adoption import activation, agreement
from playbooks.models import Agreement, Approval, Plan
from playbooks.people import ENGINE
from tenants import scope
from tenants.models import Case, LedgerEntry, PlaybookMode, Tenant
from tests.pipeline import drain, make_due
from tests.playbooks.cases import make_plan
from tests.playbooks.samples import policy
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
ANN = "technician:ann"
PLAYBOOK = "contain-cloud-account"
FREE = policy(default="automatic")


def _lower(case: Case, actor: str, mode: str = PlaybookMode.APPROVE) -> None:  # noqa: F811
    with scope.tenant(case.tenant_id):
        activation.set_mode(PLAYBOOK, mode, actor=actor)


def _begin(case: Case, cloud) -> Plan:  # noqa: F811
    """Let a plan act by itself until its first steps are called and not yet seen to work."""
    with scope.tenant(case.tenant_id):
        case.tenant.playbook_mode = PlaybookMode.AUTOMATIC
        case.tenant.save()
        plan = make_plan(case, FREE)
    cloud.hides = {step["action"] for step in plan.document["steps"]}
    drain(["run"])
    begun = {step.status for step in steps_of(plan).values()}
    assert begun == {"called", "pending"}
    return plan


def _go_on(cloud) -> None:  # noqa: F811
    cloud.hides = set()
    for _ in range(3):
        make_due("run")
        drain(["run", "close"])


def _approve_all(tenant_id) -> None:
    with scope.tenant(tenant_id):
        for row in Approval.objects.filter(decision="pending").select_related("plan"):
            approvals.decide(row.id, approve=True, actor=ANN, sha256=row.plan.sha256)


def test_what_has_begun_goes_on_where_agreement_lowered_the_playbook(case, cloud) -> None:  # noqa: F811
    plan = _begin(case, cloud)
    _lower(case, ENGINE)
    _go_on(cloud)
    assert {step.status for step in steps_of(plan).values()} == {"verified"}
    assert reread(plan).status == Plan.Status.DONE
    assert reread(case).status == Case.Status.CLOSED


@pytest.mark.parametrize("mode", [PlaybookMode.APPROVE, PlaybookMode.SHADOW])
@pytest.mark.parametrize("then", ["", ENGINE])
def test_the_rest_asks_a_technician_where_a_person_lowered_it(case, cloud, mode, then) -> None:  # noqa: F811
    plan = _begin(case, cloud)
    begun = {key for key, step in steps_of(plan).items() if step.calls}
    _lower(case, ANN, mode)
    if then:
        _lower(case, then, PlaybookMode.SHADOW)
    calls = len(cloud.calls)
    _go_on(cloud)
    assert len(cloud.calls) == calls
    steps = steps_of(plan)
    assert {steps[key].status for key in begun} == {"verified"}
    assert {step.status for key, step in steps.items() if key not in begun} == {"skipped"}
    with scope.tenant(case.tenant_id):
        rest = Plan.objects.get(replaces=plan.id)
        assert LedgerEntry.objects.filter(kind="plan.gave_way").count() == 1
    assert {step["id"] for step in rest.document["steps"]} == steps.keys() - begun
    assert {step["tier"] for step in rest.document["steps"]} == {"technician"}
    assert reread(plan).status == Plan.Status.DONE
    now = reread(case)
    assert (now.status, now.needs) == (
        Case.Status.AWAITING_APPROVAL, "Approve or reject 1 plan.",
    )  # fmt: skip
    _approve_all(case.tenant_id)
    drain(["run", "close"])
    assert {step.status for step in steps_of(rest).values()} == {"verified"}
    assert len(cloud.calls) == len(steps)
    assert reread(case).status == Case.Status.CLOSED


@pytest.mark.parametrize("actor", [ANN, ENGINE])
def test_what_has_not_begun_is_planned_again_for_a_technician(case, cloud, actor) -> None:  # noqa: F811
    set_rules(case.tenant_id, budgets={"*": 0})
    response.respond(case.tenant_id, case.id)
    drain(["run"])
    with scope.tenant(case.tenant_id):
        before = Plan.objects.get(playbook__playbook_id=PLAYBOOK)
    _lower(case, actor)
    set_rules(case.tenant_id)
    make_due("run")
    drain(["run", "close"])
    assert reread(before).status == Plan.Status.SUPERSEDED
    with scope.tenant(case.tenant_id):
        now = Plan.objects.get(replaces=before.id)
        assert now.approvals.get().decision == "pending"
    assert {step.status for step in steps_of(now).values()} == {"awaiting_approval"}
    assert "Approve or reject 1 plan." in reread(case).needs


@pytest.mark.parametrize(("on_failure", "rest"), [("stop", []), ("continue", [["sessions"]])])
def test_what_must_not_come_after_a_failure_is_not_asked_for(case, cloud, on_failure, rest) -> None:  # noqa: F811
    cloud.hides = {"identity.disable_sign_in"}
    plan = adopt(case, TWO.format(first=f"on_failure: {on_failure}", second="needs: [disable]"))
    drain(["run"])
    with scope.tenant(case.tenant_id):
        Tenant.objects.filter(id=case.tenant_id).update(playbook_mode=PlaybookMode.APPROVE)
        # What was called is never seen to work.
        long_ago = timezone.now() - dt.timedelta(days=1)
        plan.run.steps.filter(status="called").update(called_at=long_ago)
    for _ in range(3):
        make_due("run")
        drain(["run", "close"])
    assert {key: step.status for key, step in steps_of(plan).items()} == {
        "disable": "failed", "sessions": "skipped",
    }  # fmt: skip
    assert reread(plan).status == Plan.Status.FAILED
    with scope.tenant(case.tenant_id):
        planned = [one.document["steps"] for one in Plan.objects.filter(replaces=plan.id)]
    assert [[step["id"] for step in steps] for steps in planned] == rest


def test_an_override_elsewhere_lets_what_has_begun_go_on(case, cloud) -> None:  # noqa: F811
    """As in practice: another plan of the playbook is overridden, which lowers it."""
    plan = _begin(case, cloud)
    with scope.tenant(case.tenant_id):
        activation.set_mode(PLAYBOOK, PlaybookMode.AUTOMATIC, actor=ANN)
        agreement.record(plan, Agreement.Kind.OVERRIDDEN, actor=ANN, detail={"words": "No."})
        assert activation.mode_in_force(PLAYBOOK) != PlaybookMode.AUTOMATIC
    _go_on(cloud)
    assert reread(plan).status == Plan.Status.DONE
