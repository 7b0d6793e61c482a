"""What practice says about a playbook, what it may then do, and that it loses it again."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from integrations.models import Connection
from playbooks import approvals, response
from playbooks.adoption import activation, agreement
from playbooks.errors import PlaybookError
from playbooks.models import Agreement, Approval, Plan, Step
from playbooks.policy import rules
from playbooks.replanning import comparing, replanning, shadow
from tenants import scope
from tenants.models import Account, Case, LedgerEntry
from tests.pipeline import drain
from tests.playbooks.cases import CONTAIN, give_evidence, make_account, make_case, make_plan
from tests.playbooks.samples import policy
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db
ANN, BOB = "technician:ann", "technician:bob"


def _decide(plan: Plan, *, approve: bool) -> None:
    approval = plan.approvals.get()
    approvals.decide(approval.id, approve=approve, actor=ANN, sha256=plan.sha256)


def _practice(agreed: int, overridden: int = 0) -> None:
    """Plans in the past, each approved or rejected; it says nothing about the mode yet."""
    for number in range(agreed + overridden):
        plan = make_plan(make_case(make_account(f"p{number}@acme.example")))
        _decide(plan, approve=number < agreed)


def _measured() -> agreement.Measured:
    return agreement.measure(activation.in_force(CONTAIN).version_sha256)


def _counts() -> tuple[int, int, int]:
    measured = _measured()
    return measured.runs, measured.agreed, measured.overridden


def _mode() -> str:
    return activation.in_force(CONTAIN).mode


@pytest.fixture
def shadowed(in_tenant) -> None:
    """The playbook is in shadow."""
    activation.set_mode(CONTAIN, "shadow", actor=ANN)


def test_decisions_are_counted(shadowed) -> None:
    _practice(agreed=2, overridden=1)
    assert _counts() == (3, 2, 1)
    assert _measured().percent == 66


def test_the_first_of_two_people_says_nothing_yet(shadowed) -> None:
    plan = make_plan(make_case(make_account()), policy(default="second_technician"))
    for tier, actor, agreed in (("technician", ANN, 0), ("second_technician", BOB, 1)):
        approval = plan.approvals.get(tier=tier)
        approvals.decide(approval.id, approve=True, actor=actor, sha256=plan.sha256)
        assert _counts() == (agreed, agreed, 0)


def test_a_promotion_needs_its_minimum(shadowed) -> None:
    _practice(agreed=4)
    with pytest.raises(PlaybookError, match="5 runs in 90 days; there are 4"):
        agreement.promote(CONTAIN, actor=ANN)
    assert _mode() == "shadow"


def test_too_little_agreement_is_no_promotion(shadowed) -> None:
    _practice(agreed=5, overridden=2)
    with pytest.raises(PlaybookError, match="80 % agreement; it is 71 %"):
        agreement.promote(CONTAIN, actor=ANN)


def test_enough_agreement_promotes_step_by_step(shadowed) -> None:
    _practice(agreed=5)
    agreement.promote(CONTAIN, actor=ANN)
    assert _mode() == "approve"
    with pytest.raises(PlaybookError, match="10 runs"):
        agreement.promote(CONTAIN, actor=ANN)


def test_practice_of_long_ago_does_not_count(monkeypatch, shadowed) -> None:
    _practice(agreed=5)
    later = timezone.now() + dt.timedelta(days=91)
    monkeypatch.setattr(timezone, "now", lambda: later)
    with pytest.raises(PlaybookError, match="there are 0"):
        agreement.promote(CONTAIN, actor=ANN)


def test_an_override_below_the_minimum_lowers_by_one_step(in_tenant) -> None:
    activation.set_mode(CONTAIN, "automatic", actor=ANN)
    _practice(agreed=0, overridden=1)
    assert _mode() == "approve"
    entry = LedgerEntry.objects.filter(kind="playbook.activated").latest("id")
    assert entry.actor == "engine"
    assert "was overridden" in entry.body["reason"]


def test_an_override_within_the_minimum_changes_nothing(in_tenant) -> None:
    activation.set_mode(CONTAIN, "automatic", actor=ANN)
    _practice(agreed=9)
    _decide(make_plan(make_case(make_account("q@acme.example"))), approve=False)
    assert _mode() == "automatic"


def test_a_reopened_case_lowers(in_tenant) -> None:
    activation.set_mode(CONTAIN, "automatic", actor=ANN)
    _practice(agreed=10)
    agreement.reopened(Plan.objects.earliest("created_at"), words="Sign-in is enabled again.")
    assert _mode() == "approve"


@pytest.mark.parametrize(
    ("reopened", "also_overridden", "told"),
    [
        (1, 0, ""),
        (2, 0, "90 % agreement; it is 83 % (12 runs: 0 overridden, 2 reopened)"),
        # Both at once speak against it once.
        (2, 1, "90 % agreement; it is 83 % (12 runs: 1 overridden, 2 reopened)"),
    ],
)
def test_a_reopened_case_still_counts_against_it_when_the_month_is_over(
    in_tenant, monkeypatch, reopened, also_overridden, told
) -> None:
    _practice(agreed=12)
    plans = list(Plan.objects.order_by("created_at")[:reopened])
    for plan in plans:
        agreement.reopened(plan, words="Sign-in is enabled again.")
    for plan in plans[:also_overridden]:
        agreement.rolled_back(plan, actor=ANN)
    later = timezone.now() + dt.timedelta(days=31)
    monkeypatch.setattr(timezone, "now", lambda: later)
    activation.set_mode(CONTAIN, "approve", actor=ANN)
    if told:
        with pytest.raises(PlaybookError, match=re.escape(told)):
            agreement.promote(CONTAIN, actor=ANN)
    else:
        agreement.promote(CONTAIN, actor=ANN)
    assert _mode() == ("approve" if told else "automatic")


def test_a_case_that_came_back_counts_though_its_approval_is_of_long_ago(
    in_tenant, monkeypatch
) -> None:
    _practice(agreed=1)
    later = timezone.now() + dt.timedelta(days=91)
    monkeypatch.setattr(timezone, "now", lambda: later)
    agreement.reopened(Plan.objects.get(), words="Sign-in is enabled again.")
    assert (_measured().runs, _measured().percent) == (1, 0)


def test_another_clients_practice_is_not_this_ones(shadowed, other_tenant) -> None:
    with scope.tenant(other_tenant.id):
        _practice(agreed=5)
    with pytest.raises(PlaybookError, match="there are 0"):
        agreement.promote(CONTAIN, actor=ANN)


@pytest.fixture
def connected(shadowed) -> None:
    """The client has what a plan needs."""
    Connection.objects.create(connector="microsoft365", name="Microsoft 365")


def _shadow_plan() -> Plan:
    case = make_case(make_account())
    give_evidence(case)
    response.respond(case.tenant_id, case.id)
    return Plan.objects.get(case=case, playbook__playbook_id=CONTAIN)


def test_closing_as_harmless_overrides_a_shadow_plan(connected) -> None:
    plan = _shadow_plan()
    agreement.case_closed(Case.objects.get(id=plan.case_id), verdict="benign", actor=ANN)
    assert Agreement.objects.get(plan=plan).kind == "overridden"


def _plan_again(plan: Plan) -> Plan:
    """Let what the plan was made on change before any of its steps has begun."""
    Account.objects.update(is_enabled=False)
    fresh = replanning.replace_if_changed(Plan.objects.get(id=plan.id))
    assert fresh is not None
    assert fresh.id != plan.id
    return fresh


def test_what_nobody_approved_in_time_is_no_agreement(connected) -> None:
    plan = shadow.carry_out(_shadow_plan().id, actor=ANN)
    approval = plan.approvals.get()
    past = timezone.now() - dt.timedelta(hours=1)
    Approval.objects.filter(id=approval.id).update(expires_at=past)
    approvals.expire(plan.tenant_id, approval.id)
    approval.refresh_from_db()
    assert approval.decision == "expired"
    assert _counts() == (0, 0, 0)


@pytest.mark.parametrize(("approve", "counts"), [(True, (1, 1, 0)), (False, (1, 0, 1))])
def test_a_carried_out_plan_that_is_planned_again_counts_once(connected, approve, counts) -> None:
    planned = _shadow_plan()
    fresh = _plan_again(shadow.carry_out(planned.id, actor=ANN))
    _decide(fresh, approve=approve)
    assert _counts() == counts
    assert {row.plan_id for row in Agreement.objects.all()} == {planned.id}


def test_a_plan_that_is_planned_again_and_runs_by_itself_counts_once(in_tenant) -> None:
    activation.set_mode(CONTAIN, "automatic", actor=ANN)
    rules.save({"version": 1, "default": "automatic", "rules": []}, actor=ANN)
    fresh = _plan_again(make_plan(make_case(make_account()), policy(default="automatic")))
    Step.objects.filter(run__plan=fresh).update(status="verified")
    Plan.objects.filter(id=fresh.id).update(status="done", finished_at=timezone.now())
    assert _counts() == (1, 0, 0)
    agreement.rolled_back(fresh, actor=ANN)
    assert _counts() == (1, 0, 1)


@pytest.mark.parametrize("mode", ["shadow", "automatic"])
def test_a_plan_of_forbidden_steps_says_nothing(connected, mode) -> None:
    activation.set_mode(CONTAIN, mode, actor=ANN)
    rules.save({"version": 1, "default": "forbidden", "rules": []}, actor=ANN)
    plan = _shadow_plan()
    assert {step["tier"] for step in plan.document["steps"]} == {"forbidden"}
    comparing.compare(plan.tenant_id, plan.id)
    agreement.case_closed(Case.objects.get(id=plan.case_id), verdict="benign", actor=ANN)
    drain(["run", "close"])
    assert _counts() == (0, 0, 0)
    assert not Agreement.objects.exists()


@pytest.mark.parametrize(("by_hand", "kind"), [(99, "agreed"), (1, "overridden")])
def test_what_was_done_by_hand_is_read_back(monkeypatch, shadowed, by_hand, kind) -> None:
    with vendors(monkeypatch, "microsoft365") as made:
        connect("microsoft365")
        plan = _shadow_plan()
        _do(made["microsoft365"], plan, by_hand)
        comparing.compare(plan.tenant_id, plan.id)
    row = Agreement.objects.get(plan=plan)
    assert row.kind == kind
    assert len(row.detail["steps"]) == len(plan.document["steps"])
    assert made["microsoft365"].calls == []


def _do(vendor: Vendor, plan: Plan, most: int) -> None:
    for step in plan.document["steps"][:most]:
        vendor.done.append((step["action"], step["target"]["external_id"]))
