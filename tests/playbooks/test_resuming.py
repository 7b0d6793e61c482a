"""Lost answers, postponed calls, unexpected ones: each effect is had once, nobody is silent."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.utils import timezone

from integrations.errors import (
    NotFound,
    OutcomeUnknown,
    PermissionMissing,
    Throttled,
    Unavailable,
)
from integrations.models import Connection
from playbooks import response, rollback, routines
from playbooks.adoption import activation
from playbooks.models import Plan, Run, Step
from playbooks.response import needs_technician
from tenants import scope, work
from tenants.models import Account, Case, LedgerEntry, Work
from tests.pipeline import drain, make_due
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
from tests.playbooks.vendor import Vendor

pytestmark = pytest.mark.django_db
PLAIN = TWO.format(first="", second="")
ONE = """\
  - id: disable
    uses: identity.disable_sign_in
    target: account
"""


def test_an_unexpected_answer_fails_one_step_and_is_told(case, cloud) -> None:  # noqa: F811
    def read(action: str, target: str) -> None:
        if action == "identity.revoke_sessions":
            raise KeyError("secret-value-of-the-vendor")

    cloud.on_read = read
    plan = adopt(case, TWO.format(first="", second="on_failure: continue"))
    drain(["run", "close"])
    found = steps_of(plan)
    assert (found["disable"].status, found["sessions"].status) == ("verified", "failed")
    needs = reread(case).needs
    assert "KeyError" in needs
    assert "secret-value" not in needs


def test_an_unexpected_answer_to_a_change_is_settled_by_reading_back(
    case,  # noqa: F811
    cloud,  # noqa: F811
) -> None:
    def odd(action: str, target: str) -> None:
        raise KeyError("id")

    cloud.after_call = odd
    plan = adopt(case, PLAIN)
    drain(["run"])
    make_due("run")
    drain(["run"])
    assert {step.status for step in steps_of(plan).values()} == {"verified"}
    assert len(cloud.calls) == 2


def test_the_prior_state_is_that_of_the_call_that_was_made(case, cloud) -> None:  # noqa: F811
    def throttle(action: str, target: str) -> None:
        raise Throttled("slow down", retry_after=77)

    cloud.on_call = throttle
    plan = adopt(case, PLAIN)
    drain(["run"])
    step = steps_of(plan)["disable"]
    assert (step.status, step.snapshot) == ("pending", {"was": False})
    # A person does it by hand meanwhile.
    cloud.done.append(("identity.disable_sign_in", step.target_external_id))
    cloud.on_call = None
    make_due("run")
    drain(["run"])
    assert steps_of(plan)["disable"].snapshot == {"was": True}


def test_a_paused_connection_is_left_alone(case, cloud) -> None:  # noqa: F811
    plan = adopt(case, PLAIN)
    with scope.tenant(case.tenant_id):
        Connection.objects.filter(connector="microsoft365").update(state="paused")
    drain(["run"])
    assert cloud.calls == []
    with scope.tenant(case.tenant_id):
        assert "is paused" in Run.objects.get(plan=plan).note


def test_a_throttled_second_call_does_not_hide_that_the_first_had_no_answer(
    case,  # noqa: F811
    cloud,  # noqa: F811
    settings,
) -> None:
    settings.SETTLE_SECONDS = 0.001
    turns: list[str] = []

    def on_call(action: str, target: str) -> None:
        if action != "identity.revoke_sessions":
            return
        turns.append(action)
        if len(turns) == 1:
            raise OutcomeUnknown("cut")
        # The first one is carried out in this moment; this one is throttled.
        cloud.done.append((action, target))
        raise Throttled("slow down", retry_after=60)

    cloud.on_call = on_call
    plan = adopt(case, PLAIN)
    for _ in range(6):
        make_due("run")
        drain(["run"])
    assert steps_of(plan)["sessions"].status == "verified"
    assert len(turns) == 2


def test_settling_begins_when_the_answer_is_missed(case, cloud) -> None:  # noqa: F811
    """The call was carried out after half a minute, just before its line was cut."""

    def lose(action: str, target: str) -> None:
        raise OutcomeUnknown("no answer within 30 s")

    cloud.after_call = lose
    plan = adopt(case, PLAIN)
    drain(["run"])
    with scope.tenant(case.tenant_id):
        Step.objects.update(intended_at=timezone.now() - dt.timedelta(seconds=31))
    cloud.hides = {"identity.disable_sign_in", "identity.revoke_sessions"}
    make_due("run")
    drain(["run"])
    assert len(cloud.calls) == 2
    assert {step.status for step in steps_of(plan).values()} == {"intended"}


def test_one_missing_permission_does_not_hold_up_the_rest(case, cloud) -> None:  # noqa: F811
    def call(action: str, target: str) -> None:
        if action == "identity.disable_sign_in":
            raise PermissionMissing("It needs User.EnableDisableAccount.All")

    cloud.on_call = call
    plan = adopt(case, TWO.format(first="on_failure: continue", second="needs: [disable]"))
    drain(["run", "close"])
    found = steps_of(plan)
    assert (found["disable"].status, found["sessions"].status) == ("failed", "verified")
    assert "User.EnableDisableAccount.All" in reread(case).needs
    with scope.tenant(case.tenant_id):
        assert Connection.objects.get(connector="microsoft365").state == "active"


def test_work_that_fails_again_and_again_is_told(case, cloud) -> None:  # noqa: F811
    adopt(case, PLAIN)
    _fail_again_and_again("run")
    now = reread(case)
    assert now.status == Case.Status.NEEDS_TECHNICIAN
    assert "could not carry out a plan" in now.needs
    with scope.tenant(case.tenant_id):
        assert LedgerEntry.objects.filter(kind="work.stuck").count() == 1


def _fail_again_and_again(kind: str) -> None:
    def broken(tenant_id, subject) -> None:
        raise ZeroDivisionError

    row = Work.objects.get(kind=kind)
    for _ in range(5):
        make_due(kind)
        with pytest.raises(ZeroDivisionError):
            work.perform(row.id, {kind: broken})


def test_a_plan_that_went_on_after_all_closes_its_case(case, cloud) -> None:  # noqa: F811
    adopt(case, PLAIN)
    _fail_again_and_again("run")
    make_due("run")
    drain(["run", "close"])
    now = reread(case)
    assert (now.status, now.needs) == (Case.Status.CLOSED, "")


def test_closing_goes_on_when_it_can(case, cloud) -> None:  # noqa: F811
    adopt(case, PLAIN)
    drain(["run"])
    _fail_again_and_again("close")
    assert "could not close this case" in reread(case).needs
    make_due("close")
    drain(["close"])
    assert reread(case).status == Case.Status.CLOSED


def test_what_a_person_has_to_do_outlasts_work_that_fails(case, cloud) -> None:  # noqa: F811
    with scope.tenant(case.tenant_id):
        needs_technician(Case.objects.get(id=case.id), "Decide whether it was the user.")
        work.schedule("close", case.id)
    _fail_again_and_again("close")
    assert reread(case).needs.endswith("It goes on trying. Decide whether it was the user.")
    make_due("close")
    drain(["close"])
    assert reread(case).status == Case.Status.NEEDS_TECHNICIAN


@pytest.mark.parametrize("kind", ["respond", "routine"])
def test_a_response_and_a_routine_go_on_when_they_can(case, cloud, kind) -> None:  # noqa: F811
    with scope.tenant(case.tenant_id):
        subject = case.id
        if kind == "respond":
            work.schedule("respond", case.id)
        else:
            account = Account.objects.get()
            subject = routines.start("offboard-leaver", actor="technician:ann", account=account).id
    _fail_again_and_again(kind)
    with scope.tenant(case.tenant_id):
        assert "It goes on trying." in Case.objects.get(id=subject).needs
    make_due(kind)
    drain([kind])
    with scope.tenant(case.tenant_id):
        assert Plan.objects.filter(case=subject).exists()
        assert "goes on trying" not in Case.objects.get(id=subject).needs


def test_a_second_call_that_is_refused_is_settled_by_reading_back(
    case,  # noqa: F811
    cloud,  # noqa: F811
    settings,
) -> None:
    """The lost call had its effect late, so the next one finds nothing to do."""
    settings.SETTLE_SECONDS = 1
    cloud.hides = {"identity.disable_sign_in"}
    cloud.after_call = _raising(OutcomeUnknown("the line was cut"))
    plan = adopt(case, ONE)
    for _ in range(2):
        make_due("run")
        drain(["run"])
    with scope.tenant(case.tenant_id):
        Step.objects.update(unanswered_at=timezone.now() - dt.timedelta(hours=1))

    def gone(action: str, target: str) -> None:
        cloud.hides = set()
        raise NotFound("there is no such thing any more")

    cloud.on_call = gone
    make_due("run")
    drain(["run"])
    assert steps_of(plan)["disable"].status == "verified"
    assert len(cloud.calls) == 2


def test_what_was_accepted_and_can_not_be_read_back_is_unknown(case, cloud) -> None:  # noqa: F811
    cloud.on_read = lambda action, target: _refuse_once_called(cloud)
    plan = adopt(case, ONE)
    drain(["run"])
    assert steps_of(plan)["disable"].status == "called"
    with scope.tenant(case.tenant_id):
        Step.objects.update(called_at=timezone.now() - dt.timedelta(hours=5))
    make_due("run")
    drain(["run", "close"])
    step = steps_of(plan)["disable"]
    assert (step.status, "not known" in step.error) == ("unknown", True)


def test_an_effect_that_comes_late_is_told_and_can_be_undone(case, cloud) -> None:  # noqa: F811
    """A computer that was off is cut off when it is switched on."""
    cloud.hides = {"identity.disable_sign_in"}
    plan = adopt(case, ONE)
    drain(["run"])
    with scope.tenant(case.tenant_id):
        Step.objects.update(called_at=timezone.now() - dt.timedelta(hours=5))
    make_due("run")
    drain(["run", "close"])
    assert steps_of(plan)["disable"].status == "failed"
    make_due("recheck")
    drain(["recheck"])
    assert steps_of(plan)["disable"].status == "failed"
    cloud.hides = set()
    make_due("recheck")
    drain(["recheck"])
    assert steps_of(plan)["disable"].status == "verified"
    assert "took effect after all" in reread(case).needs
    with scope.tenant(case.tenant_id):
        assert rollback.request(plan.id, actor="technician:ann")


def test_a_step_that_nobody_can_settle_for_hours_is_told(case, cloud) -> None:  # noqa: F811
    cloud.after_call = _raising(OutcomeUnknown("cut"))
    plan = adopt(case, ONE)
    drain(["run"])
    cloud.on_read = _raising(Unavailable("down"))
    make_due("run")
    drain(["run", "close"])
    assert reread(case).status == Case.Status.RESPONDING
    with scope.tenant(case.tenant_id):
        Step.objects.update(intended_at=timezone.now() - dt.timedelta(hours=7))
    make_due("run")
    drain(["run", "close"])
    assert reread(case).status == Case.Status.NEEDS_TECHNICIAN
    assert "not known yet" in reread(case).needs
    cloud.on_read = cloud.after_call = None
    make_due("run")
    drain(["run", "close"])
    assert steps_of(plan)["disable"].status == "verified"
    assert reread(case).status == Case.Status.CLOSED


def test_a_plan_is_not_done_where_nothing_was_allowed(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, default="forbidden")
    plan = adopt(case, PLAIN)
    drain(["run"])
    assert reread(plan).status == Plan.Status.REJECTED


def test_an_approval_that_is_not_needed_any_more_is_not_overdue(case, cloud) -> None:  # noqa: F811
    no = {"id": "r", "title": "r", "actions": ["identity.disable_sign_in"], "tier": "forbidden"}
    set_rules(case.tenant_id, default="technician", rules=[no])
    plan = adopt(case, TWO.format(first="", second="needs: [disable]"))
    drain(["run"])
    assert reread(plan).status == Plan.Status.REJECTED


def test_a_playbook_lowered_meanwhile_does_not_act_by_itself(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id, budgets={"*": 0})
    response.respond(case.tenant_id, case.id)
    drain(["run"])
    with scope.tenant(case.tenant_id):
        for row in Plan.objects.select_related("playbook"):
            activation.set_mode(row.playbook.playbook_id, "shadow", actor="technician:ann")
    set_rules(case.tenant_id)
    make_due("run")
    drain(["run", "close"])
    assert cloud.calls == []
    assert "Approve or reject" in reread(case).needs


def _raising(error: Exception) -> Callable[[str, str], None]:
    def raises(action: str, target: str) -> None:
        raise error

    return raises


def _refuse_once_called(cloud: Vendor) -> None:  # noqa: F811
    if cloud.calls:
        raise NotFound("not visible to this app")
