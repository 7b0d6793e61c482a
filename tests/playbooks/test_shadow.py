"""What a playbook in shadow leaves behind, and what becomes of it."""

import pytest

from integrations.models import Connection
from playbooks import approvals, response
from playbooks.adoption import activation
from playbooks.errors import ApprovalError, PlaybookError
from playbooks.models import Agreement, Approval, Plan, Run
from playbooks.policy import rules
from playbooks.replanning import shadow
from tenants.models import Case, LedgerEntry
from tests.pipeline import drain
from tests.playbooks.cases import CONTAIN, give_evidence, make_account, make_case
from tests.playbooks.vendor import connect, vendors

pytestmark = pytest.mark.django_db
UNDO = "undo-mailbox-tampering"
ANN, BOB, EVE = "technician:ann", "technician:bob", "technician:eve"


@pytest.fixture
def case(in_tenant) -> Case:
    """A proven attack on somebody at a connected client."""
    Connection.objects.create(connector="microsoft365", name="Microsoft 365")
    made = make_case(make_account())
    give_evidence(made)
    return made


def _mode(mode: str, *playbook_ids: str) -> None:
    for playbook_id in playbook_ids or (CONTAIN, UNDO):
        activation.set_mode(playbook_id, mode, actor=ANN)


def _respond(case: Case) -> Case:
    response.respond(case.tenant_id, case.id)
    case.refresh_from_db()
    return case


def _plan(case: Case, playbook_id: str = CONTAIN) -> Plan:
    return Plan.objects.filter(case=case, playbook__playbook_id=playbook_id).latest("created_at")


def _decide(plan: Plan, actor: str, tier: str = "technician") -> Approval:
    approval = plan.approvals.get(tier=tier)
    return approvals.decide(
        approval.id, approve=True, actor=actor, sha256=plan.sha256, comment="By phone."
    )


def test_in_shadow_nothing_is_done_and_nobody_is_asked(case) -> None:
    _mode("shadow")
    assert _respond(case).status == "needs_technician"
    assert "is in shadow" in case.needs
    assert {plan.status for plan in Plan.objects.all()} == {"shadow"}
    assert not Run.objects.exists()
    assert not Approval.objects.exists()
    assert LedgerEntry.objects.filter(kind="plan.shadow").count() == 2


def test_a_new_client_begins_in_shadow(case) -> None:
    type(case.tenant).objects.filter(id=case.tenant_id).update(playbook_mode="shadow")
    _respond(case)
    assert _plan(case).status == "shadow"


def test_with_approval_a_technician_is_asked_whatever_the_rules_say(case) -> None:
    _mode("approve")
    assert _respond(case).status == "awaiting_approval"
    assert {step["tier"] for step in _plan(case).document["steps"]} == {"technician"}
    assert _plan(case).mode == "approve"


def test_a_shadow_plan_is_carried_out_as_planned_once_somebody_approved(case) -> None:
    _mode("shadow")
    planned = _plan(_respond(case))
    plan = shadow.carry_out(planned.id, actor=ANN)
    assert [step["id"] for step in plan.document["steps"]] == [
        step["id"] for step in planned.document["steps"]
    ]
    assert (plan.status, plan.replaces_id) == ("awaiting_approval", planned.id)
    assert {step["tier"] for step in plan.document["steps"]} == {"technician"}
    assert not Agreement.objects.exists()
    case.refresh_from_db()
    assert case.status == "awaiting_approval"
    _decide(plan, ANN)
    assert Agreement.objects.get(plan=planned).kind == "agreed"


def test_a_shadow_plan_is_carried_out_once(case) -> None:
    _mode("shadow")
    planned = _plan(_respond(case))
    shadow.carry_out(planned.id, actor=ANN)
    with pytest.raises(PlaybookError, match="not in shadow any more"):
        shadow.carry_out(planned.id, actor=ANN)


def test_who_has_it_carried_out_is_named_and_may_allow_it_where_one_is_enough(case) -> None:
    _mode("shadow")
    plan = shadow.carry_out(_plan(_respond(case)).id, actor=ANN)
    assert plan.requested_by == ANN
    assert _decide(plan, ANN).decision == "approved"


def test_who_has_it_carried_out_is_neither_of_the_two_people(case) -> None:
    rules.save({"version": 1, "default": "second_technician", "rules": []}, actor=ANN)
    _mode("shadow")
    plan = shadow.carry_out(_plan(_respond(case)).id, actor=BOB)
    with pytest.raises(ApprovalError, match="somebody else"):
        _decide(plan, BOB)
    _decide(plan, ANN)
    with pytest.raises(ApprovalError, match="somebody else"):
        _decide(plan, BOB, "second_technician")
    assert _decide(plan, EVE, "second_technician").decision == "approved"


def test_who_has_it_carried_out_does_not_speak_for_the_client(case) -> None:
    rules.save({"version": 1, "default": "client", "rules": []}, actor=ANN)
    _mode("shadow")
    plan = shadow.carry_out(_plan(_respond(case)).id, actor=ANN)
    with pytest.raises(ApprovalError, match="somebody else"):
        _decide(plan, ANN, "client")
    assert _decide(plan, BOB, "client").decision == "approved"


def test_beside_a_plan_that_runs_the_shadow_plan_is_left_to_a_technician(
    tenant, in_tenant, monkeypatch
) -> None:
    with vendors(monkeypatch, "microsoft365"):
        connect("microsoft365")
        made = make_case(make_account())
        give_evidence(made)
        _mode("shadow", UNDO)
        _respond(made)
        for approval in Approval.objects.select_related("plan"):
            sha256 = approval.plan.sha256
            approvals.decide(approval.id, approve=True, actor=ANN, sha256=sha256)
        drain()
        made.refresh_from_db()
    assert (_plan(made).status, _plan(made, UNDO).status) == ("done", "shadow")
    assert made.status == "needs_technician"
    assert "in shadow" in made.needs


def test_without_the_connection_nothing_is_begun(in_tenant) -> None:
    case = make_case(make_account())
    give_evidence(case)
    assert _respond(case).status == "needs_technician"
    assert "needs: a connection to Microsoft 365" in case.needs
    assert not Plan.objects.exists()
