"""What practice says about a playbook, what it may then do, and that it loses it again."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations.models import Connection
from playbooks import activation, agreement, approvals, comparing, response
from playbooks.errors import PlaybookError
from playbooks.models import Agreement, Plan
from tenants import scope
from tenants.models import Case, LedgerEntry
from tests.playbooks.cases import CONTAIN, give_evidence, make_account, make_case, make_plan
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db
ANN = "technician:ann"


def _decide(plan: Plan, *, approve: bool) -> None:
    approval = plan.approvals.get()
    approvals.decide(approval.id, approve=approve, actor=ANN, sha256=plan.sha256)


def _practice(agreed: int, overridden: int = 0) -> None:
    """Plans in the past, each approved or rejected; it says nothing about the mode yet."""
    for number in range(agreed + overridden):
        plan = make_plan(make_case(make_account(f"p{number}@acme.example")))
        _decide(plan, approve=number < agreed)


def _mode() -> str:
    return activation.in_force(CONTAIN).mode


@pytest.fixture
def shadowed(in_tenant) -> None:
    """The playbook is in shadow."""
    activation.set_mode(CONTAIN, "shadow", actor=ANN)


def test_decisions_are_counted(shadowed) -> None:
    _practice(agreed=2, overridden=1)
    measured = agreement.measure(activation.in_force(CONTAIN).version_sha256)
    assert (measured.runs, measured.agreed, measured.overridden) == (3, 2, 1)
    assert measured.percent == 66


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


def test_another_clients_practice_is_not_this_ones(shadowed, other_tenant) -> None:
    with scope.tenant(other_tenant.id):
        _practice(agreed=5)
    with pytest.raises(PlaybookError, match="there are 0"):
        agreement.promote(CONTAIN, actor=ANN)


def _shadow_plan() -> Plan:
    case = make_case(make_account())
    give_evidence(case)
    response.respond(case.tenant_id, case.id)
    return Plan.objects.get(case=case, playbook__playbook_id=CONTAIN)


def test_closing_as_harmless_overrides_a_shadow_plan(shadowed) -> None:
    Connection.objects.create(connector="microsoft365", name="Microsoft 365")
    plan = _shadow_plan()
    agreement.case_closed(Case.objects.get(id=plan.case_id), verdict="benign", actor=ANN)
    assert Agreement.objects.get(plan=plan).kind == "overridden"


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
