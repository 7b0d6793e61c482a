"""What was verified is read back again later; what is gone, or can't be seen, is told."""

import datetime as dt
from collections.abc import Iterator

import pytest
from django.utils import timezone

from integrations.errors import NotFound, OutcomeUnknown, PermissionMissing, Unauthorised
from playbooks import approvals, rollback
from playbooks.models import Agreement, Approval, Plan, Step
from playbooks.policy import rules
from playbooks.running.recheck import recheck
from tenants import scope
from tenants.models import Case, LedgerEntry, Tenant, Work
from tests.pipeline import drain, make_due
from tests.playbooks.cases import give_evidence, make_account, make_case
from tests.playbooks.test_runner import TWO, adopt, steps_of
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db
ANN, BOB = "technician:ann", "technician:bob"
DISABLE, ENABLE = "identity.disable_sign_in", "identity.enable_sign_in"
ALL_SEEN = "2 actions done and read back."


@pytest.fixture
def cloud(monkeypatch) -> Iterator[Vendor]:
    with vendors(monkeypatch, "microsoft365") as made:
        yield made["microsoft365"]


@pytest.fixture
def plan(tenant: Tenant, cloud) -> Plan:
    """A plan that was carried out, and whose case is closed with proof."""
    with scope.tenant(tenant.id):
        connect("microsoft365")
        case = make_case(make_account())
        give_evidence(case)
        rules.save({"version": 1, "default": "automatic", "rules": []}, actor=ANN)
    made = adopt(case, TWO.format(first="", second=""))
    drain(["run", "close"])
    assert _case(made).status == Case.Status.CLOSED
    return made


def _case(plan: Plan) -> Case:
    with scope.tenant(plan.tenant_id):
        return Case.objects.get(id=plan.case_id)


def _recheck(plan: Plan, key: str = "disable") -> Step:
    recheck(plan.tenant_id, steps_of(plan)[key].id)
    return steps_of(plan)[key]


def _days_pass(plan: Plan, days: float) -> None:
    """Let the steps have been verified, and last seen, so many days earlier."""
    with scope.tenant(plan.tenant_id):
        for step in Step.objects.filter(run__plan=plan):
            step.verified_at -= dt.timedelta(days=days)
            seen = dt.datetime.fromisoformat(step.read_back["at"]) - dt.timedelta(days=days)
            step.read_back["at"] = seen.isoformat()
            step.save()


def _ledger(plan: Plan, kind: str) -> int:
    with scope.tenant(plan.tenant_id):
        return LedgerEntry.objects.filter(case_id=plan.case_id, kind=kind).count()


def _next(plan: Plan, key: str = "disable") -> dt.timedelta | None:
    """Return in how long a step is read back again; None for never."""
    with scope.tenant(plan.tenant_id):
        row = Work.objects.filter(kind="recheck", subject=steps_of(plan)[key].id).first()
        return row.due_at - timezone.now() if row else None


def _agreements(plan: Plan) -> list[str]:
    with scope.tenant(plan.tenant_id):
        return list(Agreement.objects.values_list("kind", flat=True))


def _undo(plan: Plan) -> Plan:
    with scope.tenant(plan.tenant_id):
        undoing = rollback.request(plan.id, actor=ANN, chosen={"disable"})
        approval = undoing.approvals.get()
        approvals.decide(approval.id, approve=True, actor=BOB, sha256=undoing.sha256)
    drain(["run"])
    return undoing


def _dead(action: str, target: str) -> None:
    raise Unauthorised("the secret has expired")


def _lose(cloud: Vendor, plan: Plan) -> None:
    cloud.done.remove((DISABLE, steps_of(plan)["disable"].target_external_id))


def test_an_effect_that_lasts_is_seen_again_after_a_day(plan) -> None:
    _days_pass(plan, 0.5)
    _recheck(plan)
    assert _case(plan).status == Case.Status.CLOSED
    assert _ledger(plan, "step.read_back_again") == 1


def test_an_effect_that_is_gone_reopens_the_case_and_counts(plan, cloud) -> None:
    _lose(cloud, plan)
    _recheck(plan)
    case = _case(plan)
    assert (case.status, case.reopened_count) == (Case.Status.NEEDS_TECHNICIAN, 1)
    assert "no longer holds" in case.needs
    assert _agreements(plan) == ["reopened"]


@pytest.mark.parametrize("state", ["called", "intended"])
def test_what_is_being_undone_is_not_missed(plan, cloud, state) -> None:
    """The undoing's effect may be there before the undoing itself was read back."""
    if state == "called":
        cloud.hides = {ENABLE}
    else:
        cloud.after_call = _no_answer
    undoing = _undo(plan)
    assert steps_of(undoing)["undo disable"].status == state
    assert "holds" in _recheck(plan).read_back
    case = _case(plan)
    assert (case.reopened_count, "no longer holds" in case.needs) == (0, False)
    assert "reopened" not in _agreements(plan)
    assert _next(plan) is not None
    cloud.hides, cloud.after_call = set(), None
    make_due("run")
    drain(["run"])
    assert _recheck(plan).status == "rolled_back"
    assert "reopened" not in _agreements(plan)


def _no_answer(action: str, target: str) -> None:
    raise OutcomeUnknown("the line was cut")


def test_an_undoing_that_failed_and_yet_worked_does_not_count_against_the_playbook(
    plan, cloud
) -> None:
    undoing = _undo(plan)
    with scope.tenant(plan.tenant_id):
        Step.objects.filter(run__plan=undoing).update(status="failed", reverses=None)
        Step.objects.filter(run__plan=plan).update(status="verified")
    _recheck(plan)
    assert "no longer holds" in _case(plan).needs
    assert "reopened" not in _agreements(plan)


def test_a_short_failure_of_the_connection_is_nobodys_business(plan, cloud) -> None:
    cloud.on_read = _dead
    _days_pass(plan, 0.5)
    assert _recheck(plan).error == ""
    assert _case(plan).status == Case.Status.CLOSED
    wait = _next(plan)
    assert wait is not None
    assert wait <= dt.timedelta(minutes=1)


def test_what_could_not_be_seen_for_a_day_is_told_once_and_everywhere(plan, cloud) -> None:
    cloud.on_read = _dead
    _days_pass(plan, 3)
    said = _recheck(plan).error
    since = timezone.now() - dt.timedelta(days=3)
    assert f"could not be read back again since {since:%d %B %Y}" in said
    assert "the secret has expired" in said
    _recheck(plan)
    assert _ledger(plan, "step.not_read_back_again") == 1
    case = _case(plan)
    assert (case.status, case.closed_with_proof) == (Case.Status.NEEDS_TECHNICIAN, False)
    assert said in case.needs
    assert case.reopened_count == 0
    assert _agreements(plan) == []


def test_what_can_be_seen_again_closes_its_case_by_itself(plan, cloud) -> None:
    cloud.on_read = _dead
    _days_pass(plan, 3)
    for key in ("disable", "sessions"):
        _recheck(plan, key)
    cloud.on_read = None
    assert _recheck(plan, "disable").error == ""
    drain(["close"])
    case = _case(plan)
    assert case.status == Case.Status.NEEDS_TECHNICIAN
    assert case.needs.count("could not be read back") == 1
    _recheck(plan, "sessions")
    drain(["close"])
    case = _case(plan)
    assert (case.status, case.closed_with_proof) == (Case.Status.CLOSED, True)
    assert case.closing_note == ALL_SEEN


def test_what_is_gone_when_it_can_be_seen_again_reopens(plan, cloud) -> None:
    cloud.on_read = _dead
    _days_pass(plan, 3)
    _recheck(plan)
    cloud.on_read = None
    _lose(cloud, plan)
    _recheck(plan)
    drain(["close"])
    case = _case(plan)
    assert (case.status, case.reopened_count) == (Case.Status.NEEDS_TECHNICIAN, 1)
    assert "no longer holds" in case.needs


def test_what_a_technician_works_on_stays_theirs(plan, cloud) -> None:
    cloud.on_read = _dead
    _days_pass(plan, 3)
    with scope.tenant(plan.tenant_id):
        Case.objects.update(status=Case.Status.NEEDS_TECHNICIAN, needs="Call the owner.")
    _recheck(plan)
    assert _case(plan).needs.startswith("Call the owner. “")
    cloud.on_read = None
    _recheck(plan)
    case = _case(plan)
    assert (case.status, case.needs) == (Case.Status.NEEDS_TECHNICIAN, "Call the owner.")


def test_after_a_week_it_is_tried_no_more(plan, cloud) -> None:
    cloud.on_read = _dead
    _days_pass(plan, 3)
    _recheck(plan)
    with scope.tenant(plan.tenant_id):
        Work.objects.all().delete()
    _recheck(plan)
    wait = _next(plan)
    assert wait is not None
    assert wait > dt.timedelta(minutes=50)
    _days_pass(plan, 5)
    with scope.tenant(plan.tenant_id):
        Work.objects.all().delete()
    _recheck(plan)
    assert _next(plan) is None


def _another_shape(action: str, target: str) -> None:
    raise KeyError("value")


def _not_allowed(action: str, target: str) -> None:
    raise PermissionMissing("the permission User.Read.All is missing")


@pytest.mark.parametrize(
    ("trouble", "words"), [(_another_shape, "KeyError"), (_not_allowed, "User.Read.All")]
)
def test_an_answer_that_tells_nothing_is_no_lost_effect(plan, cloud, trouble, words) -> None:
    cloud.on_read = trouble
    assert _recheck(plan).error == ""
    _days_pass(plan, 3)
    assert words in _recheck(plan).error
    assert _ledger(plan, "step.not_read_back_again") == 1
    assert (_case(plan).reopened_count, _agreements(plan)) == (0, [])


def test_what_was_deleted_at_the_vendor_is_gone(plan, cloud) -> None:
    def deleted(action: str, target: str) -> None:
        raise NotFound("There is no such account any more.")

    cloud.on_read = deleted
    step = _recheck(plan)
    assert not step.holds
    assert "no longer holds: There is no such account" in _case(plan).needs


def test_two_effects_that_are_gone_are_both_told(plan, cloud) -> None:
    for key in ("disable", "sessions"):
        step = steps_of(plan)[key]
        cloud.done.remove((step.action, step.target_external_id))
        recheck(plan.tenant_id, step.id)
    needs = _case(plan).needs
    assert needs.count("no longer holds") == 2
    assert "“Disable sign-in”" in needs
    assert "“Revoke all sign-in sessions”" in needs


def test_a_plan_that_waits_is_still_asked_for_when_an_effect_is_gone(plan, cloud) -> None:
    with scope.tenant(plan.tenant_id):
        undoing = rollback.request(plan.id, actor=ANN, chosen={"disable"})
    sessions = steps_of(plan)["sessions"]
    cloud.done.remove((sessions.action, sessions.target_external_id))
    recheck(plan.tenant_id, sessions.id)
    case = _case(plan)
    assert "Approve or reject the undoing." in case.needs
    assert "no longer holds" in case.needs
    with scope.tenant(plan.tenant_id):
        approval = Approval.objects.get(plan=undoing)
        approvals.decide(approval.id, approve=False, actor=BOB, sha256=undoing.sha256)
    needs = _case(plan).needs
    assert "Approve or reject" not in needs
    assert "no longer holds" in needs
