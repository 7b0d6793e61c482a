"""Undoing a part of a plan: the owner gets back what is theirs, the intruder nothing by mistake."""

import pytest

from playbooks import approvals, library, planner, rollback
from playbooks.errors import PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.models import Agreement, Plan, Step
from playbooks.running import undo_choices
from tenants import scope
from tenants.models import Account, Case, LedgerEntry
from tests.pipeline import drain
from tests.playbooks.cases import make_plan
from tests.playbooks.samples import policy
from tests.playbooks.test_runner import (  # noqa: F401
    adopt,
    both,
    case,
    cloud,
    reread,
    steps_of,
)

pytestmark = pytest.mark.django_db
ANN, BOB = "technician:ann", "technician:bob"
EVERY_METHOD = """\
  - id: methods
    uses: identity.remove_auth_method
    for_each: evidence.methods.methods
    at_most: 10
    target: {external_id: "${ item.external_id }", name: "${ item.name }"}
"""
FORWARDING = """\
  - id: forwarding
    uses: mailbox.remove_forwarding
    target: mailbox
"""
RESTORE, ENABLE = "identity.restore_auth_method", "identity.enable_sign_in"


@pytest.fixture
def contained(case, cloud) -> Plan:  # noqa: F811
    """The account is blocked, and the phone that the intruder had registered is removed."""
    with scope.tenant(case.tenant_id):
        plan = make_plan(reread(case), policy(default="automatic"))
    drain(["run", "close"])
    return reread(plan)


def _actions(plan: Plan) -> list[str]:
    return _actions_of(plan.document)


def _actions_of(document: dict) -> list[str]:
    return [step["action"] for step in document["steps"]]


def _approve(plan: Plan) -> None:
    with scope.tenant(plan.tenant_id):
        approvals.decide(plan.approvals.get().id, approve=True, actor=BOB, sha256=plan.sha256)
    drain(["run", "close"])


def _request(plan: Plan, **told: object) -> Plan:
    with scope.tenant(plan.tenant_id):
        return rollback.request(plan.id, actor=ANN, **told)


def _all_of(plan: Plan) -> set[str]:
    with scope.tenant(plan.tenant_id):
        return undo_choices.everything(plan)


def test_what_the_intruder_made_is_not_ticked(contained) -> None:
    with scope.tenant(contained.tenant_id):
        told = {one.title: one for one in undo_choices.of_plan(contained)}
    assert told["Enable sign-in"].is_ticked
    phone = told["Register a removed sign-in method again"]
    assert not phone.is_ticked
    assert "restores what the intruder made: only if the verdict was wrong" in phone.warning


def test_where_nobody_chooses_the_intruder_gets_nothing_back(contained, cloud) -> None:  # noqa: F811
    undoing = _request(contained)
    assert _actions(undoing) == [ENABLE]
    [left] = [one for one in undoing.document["skipped"] if "Left as it is" in one["why"]]
    assert left["title"].startswith("Remove a registered sign-in method: ")
    assert "restores what the intruder made" in left["why"]
    _approve(undoing)
    done = [action for action, _ in cloud.calls]
    assert ENABLE in done
    assert RESTORE not in done
    with scope.tenant(contained.tenant_id):
        entry = LedgerEntry.objects.get(kind="plan.undo_chosen")
    assert entry.actor == ANN
    assert entry.body["left"] == [left["step"]]


def test_what_was_left_can_be_undone_later(contained, cloud) -> None:  # noqa: F811
    _approve(_request(contained))
    with scope.tenant(contained.tenant_id):
        [left] = undo_choices.of_plan(contained)
    undoing = _request(contained, chosen={left.key})
    assert _actions(undoing) == [RESTORE]
    [step] = undoing.document["steps"]
    assert "only if the verdict was wrong" in step["why"]["words"]
    _approve(undoing)
    assert cloud.calls[-1][0] == RESTORE


def test_all_of_it_goes_back_in_reverse_order_where_the_verdict_was_wrong(contained) -> None:
    undoing = _request(contained, chosen=_all_of(contained))
    assert _actions(undoing) == [RESTORE, ENABLE]
    phone, account = undoing.document["steps"]
    assert account["needs"] == [phone["id"]]


def test_the_choice_is_part_of_what_is_approved(contained) -> None:
    """Two choices are two plans with two hashes; the same choice is the same one."""
    one = _request(contained)
    assert _request(contained).id == one.id
    keys = _all_of(contained)
    assert _request(contained, chosen=keys).sha256 != one.sha256


@pytest.mark.parametrize("chosen", [set(), {"no such step"}])
def test_a_choice_of_nothing_is_none(contained, chosen) -> None:
    with pytest.raises(PlaybookError, match="Choose on the plan's page"):
        _request(contained, chosen=chosen)


def test_nothing_was_made_by_an_intruder_where_there_was_none(contained) -> None:
    with scope.tenant(contained.tenant_id):
        Case.objects.update(verdict="false_positive")
        assert all(one.is_ticked for one in undo_choices.of_plan(Plan.objects.get(id=contained.id)))


def test_a_method_that_was_the_owners_before_is_given_back(case, cloud) -> None:  # noqa: F811
    """All are removed: the evidence takes only the new one as a part of the attack."""
    plan = adopt(case, EVERY_METHOD)
    drain(["run", "close"])
    with scope.tenant(case.tenant_id):
        ticked = {
            one.target: one.is_ticked for one in undo_choices.of_plan(Plan.objects.get(id=plan.id))
        }
    assert ticked == {"iPhone": True, "+234 …": False}


def test_the_account_is_opened_again_for_its_owner(case, contained, cloud) -> None:  # noqa: F811
    """It is no judgement of the plan; the attack was one, and the case may be closed as that."""
    before = reread(case).contained_at
    with scope.tenant(contained.tenant_id):
        undoing = rollback.open_again(contained.id, actor=ANN)
    assert _actions(undoing) == [ENABLE]
    assert undoing.document["playbook"]["title"] == "Open the account again"
    _approve(undoing)
    assert [action for action, _ in cloud.calls].count(RESTORE) == 0
    now = reread(case)
    assert now.contained_at == before is not None
    assert "opened again for priya.shah@acme.example: close the case" in now.needs
    with scope.tenant(contained.tenant_id):
        assert not Agreement.objects.filter(kind="overridden").exists()
        with pytest.raises(PlaybookError, match="has blocked no account"):
            rollback.open_again(contained.id, actor=ANN)


def test_what_was_read_back_is_planned_on_at_once(case, contained) -> None:  # noqa: F811
    """The directory was read while the account was blocked."""
    with scope.tenant(case.tenant_id):
        Account.objects.update(is_enabled=False)
        undoing = rollback.open_again(contained.id, actor=ANN)
    _approve(undoing)
    with scope.tenant(case.tenant_id):
        assert Account.objects.get().is_enabled is True
        told = case_facts.of_case(Case.objects.get(id=case.id))
        document = planner.plan(library.get("contain-cloud-account"), told, policy())
    assert "identity.disable_sign_in" in _actions_of(document)


def test_it_was_contained_when_the_account_was(case, contained) -> None:  # noqa: F811
    """Cleaning up the mailbox later moves nothing."""
    before = reread(case).contained_at
    with scope.tenant(case.tenant_id):
        blocked = Step.objects.filter(run__plan=contained, target_kind="account")
        assert before == max(blocked.values_list("verified_at", flat=True))
    adopt(case, FORWARDING)
    drain(["run", "close"])
    assert reread(case).contained_at == before
    with scope.tenant(case.tenant_id):
        assert Step.objects.get(action="mailbox.remove_forwarding").status == "verified"
