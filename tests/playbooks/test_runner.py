"""Carrying plans out: in parallel, on two sides, through lost answers and changed facts."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from integrations.errors import OutcomeUnknown, Throttled, Unauthorised
from integrations.models import Connection
from playbooks import approvals, language, planner, response, rollback
from playbooks.adoption.versions import remember
from playbooks.errors import PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.models import Agreement, Approval, Plan, PlaybookVersion, Run, Step
from playbooks.policy import rules
from tenants import ledger, scope
from tenants.models import Account, Case, Installation, Person, Tenant, Work
from tests.pipeline import drain, make_due
from tests.playbooks.cases import give_evidence, make_account, make_case
from tests.playbooks.samples import response_text
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db

HISTORIES = Path(__file__).parent / "histories"
_FREE = {"version": 1, "default": "automatic", "rules": []}
TWO = """\
  - id: disable
    uses: identity.disable_sign_in
    target: account
    {first}
  - id: sessions
    uses: identity.revoke_sessions
    target: account
    {second}
"""


@pytest.fixture
def both(monkeypatch) -> Iterator[dict[str, Vendor]]:
    with vendors(monkeypatch, "microsoft365", "active_directory") as made:
        yield made


@pytest.fixture
def cloud(both) -> Vendor:
    return both["microsoft365"]


@pytest.fixture
def case(tenant: Tenant, both) -> Case:
    with scope.tenant(tenant.id):
        for name in both:
            connect(name)
        made = make_case(make_account(on_premises_sid="S-1-5-21-7"))
        give_evidence(made)
        rules.save(_FREE, actor="test")
    return made


def adopt(case: Case, steps: str, **more: Any) -> Plan:
    """Plan these steps for the case under its client's rules, and adopt the plan."""
    with scope.tenant(case.tenant_id):
        playbook = language.load(response_text(steps), "sample.yaml")
        facts = case_facts.of_case(Case.objects.get(id=case.id))
        document = planner.plan(playbook, facts, rules.in_force())
        plan = response.adopt(case, document, facts, remember(playbook).sha256, 1, **more)
        Case.objects.filter(id=case.id).update(status=Case.Status.RESPONDING)
        return plan


def steps_of(plan: Plan) -> dict[str, Step]:
    """Return the plan's steps by key."""
    with scope.tenant(plan.tenant_id):
        return {step.key: step for step in Step.objects.filter(run__plan=plan)}


def reread(row: Any) -> Any:
    with scope.tenant(row.tenant_id):
        return type(row).objects.get(id=row.id)


def set_rules(tenant_id, **policy: Any) -> None:
    with scope.tenant(tenant_id):
        rules.save({**_FREE, **policy}, actor="test")


def test_independent_steps_are_asked_for_at_the_same_time(case, cloud) -> None:
    together = threading.Barrier(2, timeout=20)
    cloud.on_call = lambda action, target: together.wait() and None
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    assert {step.status for step in steps_of(plan).values()} == {"verified"}


def test_what_needs_another_step_waits_until_it_is_proven(case, cloud) -> None:
    def disabled_first(action: str, target: str) -> None:
        if action == "identity.revoke_sessions":
            assert ("identity.disable_sign_in", target) in cloud.done

    cloud.on_call = disabled_first
    plan = adopt(case, TWO.format(first="", second="needs: [disable]"))
    drain(["run"])
    assert [action for action, _ in cloud.calls] == [
        "identity.disable_sign_in", "identity.revoke_sessions",
    ]  # fmt: skip
    assert reread(plan).status == Plan.Status.DONE


def test_a_lost_answer_is_settled_by_reading_back(case, cloud) -> None:
    """The effect was had, only its answer was lost: it is not done again."""

    def lose(action: str, target: str) -> None:
        raise OutcomeUnknown("the line was cut")

    cloud.after_call = lose
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    assert {step.status for step in steps_of(plan).values()} == {"intended"}
    make_due("run")
    drain(["run"])
    assert {step.status for step in steps_of(plan).values()} == {"verified"}
    assert len(cloud.calls) == 2


def test_what_can_not_be_settled_is_for_a_person(case, cloud, settings) -> None:
    """Three calls without an answer and without an effect: nobody knows, and nobody guesses."""
    settings.SETTLE_SECONDS = 0.001

    def lose(action: str, target: str) -> None:
        raise OutcomeUnknown("the line was cut")

    cloud.on_call = lose
    plan = adopt(case, TWO.format(first="on_failure: continue", second=""))
    for _ in range(8):
        make_due("run")
        drain(["run", "close"])
    assert {step.status for step in steps_of(plan).values()} == {"unknown"}
    assert len(cloud.calls) == 6
    assert reread(plan).status == Plan.Status.FAILED
    assert "not known" in reread(case).needs


def test_a_throttled_call_waits_without_a_worker_and_goes_on(case, cloud) -> None:
    def throttle(action: str, target: str) -> None:
        raise Throttled("slow down", retry_after=77)

    cloud.on_call = throttle
    plan = adopt(case, TWO.format(first="", second="needs: [disable]"))
    drain(["run"])
    due = Work.objects.get(kind="run", tenant_id=case.tenant_id).due_at - timezone.now()
    assert 70 < due.total_seconds() <= 77
    assert steps_of(plan)["disable"].status == "pending"
    cloud.on_call = None
    make_due("run")
    drain(["run"])
    assert reread(plan).status == Plan.Status.DONE
    assert len(cloud.done) == 2


def test_a_dead_connection_parks_the_run_says_so_and_goes_on_by_itself(case, cloud) -> None:
    def refuse(action: str, target: str) -> None:
        raise Unauthorised("the secret has expired")

    cloud.on_read = refuse
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    with scope.tenant(case.tenant_id):
        run = Run.objects.get(plan=plan)
        assert "the secret has expired" in run.note
        assert Connection.objects.get(connector="microsoft365").state == "broken"
    cloud.on_read = None
    make_due("run")
    drain(["run", "check"])
    assert reread(plan).status == Plan.Status.DONE
    with scope.tenant(case.tenant_id):
        assert Connection.objects.get(connector="microsoft365").state == "active"


def test_one_waiting_step_does_not_hold_up_the_others(case, cloud) -> None:
    def throttle_one(action: str, target: str) -> None:
        if action == "identity.disable_sign_in":
            raise Throttled("slow down", retry_after=60)

    cloud.on_call = throttle_one
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    assert {key: step.status for key, step in steps_of(plan).items()} == {
        "disable": "pending", "sessions": "verified",
    }  # fmt: skip


HYBRID = """\
  - id: in_ad
    uses: identity.disable_sign_in
    target: on_premises
  - id: in_cloud
    uses: identity.disable_sign_in
    target: account
    needs: [in_ad]
"""


def test_a_hybrid_account_is_blocked_on_both_sides_in_the_right_order(case, both) -> None:
    with scope.tenant(case.tenant_id):
        Account.objects.update(source_of_authority="active_directory")
        Account.objects.create(
            provider="active_directory",
            external_id="guid-of-priya",
            username="priya",
            on_premises_sid="S-1-5-21-7",
            is_enabled=True,
        )
    order: list[str] = []
    for vendor in both.values():
        vendor.on_call = lambda action, target, name=vendor.name: order.append(name)
    plan = adopt(case, HYBRID)
    drain(["run", "close"])
    assert reread(plan).status == Plan.Status.DONE
    assert order == ["active_directory", "microsoft365"]
    assert both["active_directory"].done == [("identity.disable_sign_in", "guid-of-priya")]
    assert reread(case).status == Case.Status.CLOSED, reread(case).needs


def test_a_failure_that_says_so_plans_the_undoing_of_what_was_done(case, cloud) -> None:
    steps = TWO.format(first="", second="needs: [disable]\n    on_failure: roll_back")
    cloud.hides = {"identity.revoke_sessions"}
    plan = adopt(case, steps)
    drain(["run"])
    with scope.tenant(case.tenant_id):
        Step.objects.filter(key="sessions").update(called_at=timezone.now() - dt.timedelta(hours=2))
    make_due("run")
    drain(["run"])
    assert reread(plan).status == Plan.Status.FAILED
    with scope.tenant(case.tenant_id):
        undoing = Plan.objects.get(document__reverses=plan.sha256)
        approval = Approval.objects.get(plan=undoing)
        assert [s["action"] for s in undoing.document["steps"]] == ["identity.enable_sign_in"]
        assert not Agreement.objects.exists(), "the playbook itself asked for it, and no person"
        approvals.decide(approval.id, approve=True, actor="technician:ann", sha256=undoing.sha256)
    drain(["run"])
    assert steps_of(plan)["disable"].status == "rolled_back"
    with scope.tenant(case.tenant_id):
        assert Run.objects.get(plan=plan).status == Run.Status.ROLLED_BACK
    assert ("identity.enable_sign_in", steps_of(plan)["disable"].target_external_id) in cloud.done


def test_one_step_of_a_plan_can_be_undone_alone(case, cloud) -> None:
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    with scope.tenant(case.tenant_id):
        with pytest.raises(PlaybookError, match="session can't be restored"):
            rollback.request(plan.id, actor="technician:ann", chosen={"sessions"})
        undoing = rollback.request(plan.id, actor="technician:ann", chosen={"disable"})
    assert [step["id"] for step in undoing.document["steps"]] == ["undo disable"]
    assert undoing.tier == "technician"
    with scope.tenant(case.tenant_id):
        assert not Agreement.objects.exists(), "nobody has allowed it yet"
        approval = Approval.objects.get(plan=undoing)
        approvals.decide(approval.id, approve=True, actor="technician:bob", sha256=undoing.sha256)
        assert Agreement.objects.get().kind == "overridden"


def test_a_freeze_holds_a_step_back_until_it_ends(case, cloud) -> None:
    today = timezone.now()
    freeze = {
        "title": "Year-end closing",
        "from": (today - dt.timedelta(days=1)).date().isoformat(),
        "to": (today + dt.timedelta(days=2)).date().isoformat(),
    }
    set_rules(case.tenant_id, freezes=[freeze])
    plan = adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    assert cloud.calls == []
    with scope.tenant(case.tenant_id):
        assert "Year-end closing" in Run.objects.get(plan=plan).note
    set_rules(case.tenant_id)
    make_due("run")
    drain(["run"])
    assert reread(plan).status == Plan.Status.DONE


def test_a_budget_of_the_rules_holds_the_next_step_back(case, cloud) -> None:
    set_rules(case.tenant_id, budgets={"identity.disable_sign_in": 1})
    adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    other = make_other(case)
    plan = adopt(other, TWO.format(first="", second=""))
    drain(["run"])
    assert {key: step.status for key, step in steps_of(plan).items()} == {
        "disable": "pending", "sessions": "verified",
    }  # fmt: skip


def make_other(case: Case) -> Case:
    """Open another client's-own case about another account."""
    with scope.tenant(case.tenant_id):
        other = make_case(make_account("omar@acme.example"))
        give_evidence(other)
    return other


@pytest.mark.parametrize("own", ["priya.shah@acme.example", "@acme.example", "app-of-microsoft365"])
def test_own_identities_are_never_touched(case, cloud, own) -> None:
    if own.startswith("app"):
        with scope.tenant(case.tenant_id):
            Account.objects.update(external_id=own)
    else:
        Installation.objects.update_or_create(id=1, defaults={"own_identities": [own]})
    plan = adopt(reread(case), TWO.format(first="on_failure: continue", second=""))
    drain(["run"])
    assert cloud.calls == []
    assert {step.status for step in steps_of(plan).values()} == {"failed"}


def test_a_plan_whose_facts_changed_is_planned_again_and_asked_again(case, cloud) -> None:
    """Since it was made, the person became one of the important ones."""
    strict = {
        "id": "vips", "title": "Important people", "tier": "second_technician",
        "when": "target.is_vip",
    }  # fmt: skip
    technician = {"id": "all", "title": "Everything", "tier": "technician"}
    set_rules(case.tenant_id, rules=[technician, strict])
    plan = adopt(case, TWO.format(first="", second=""))
    with scope.tenant(case.tenant_id):
        Person.objects.update(is_vip=True)
        approval = Approval.objects.get(plan=plan)
        approvals.decide(approval.id, approve=True, actor="technician:ann", sha256=plan.sha256)
    drain(["run"])
    assert cloud.calls == []
    with scope.tenant(case.tenant_id):
        fresh = Plan.objects.get(replaces=plan)
        assert reread(plan).status == Plan.Status.SUPERSEDED
        assert fresh.tier == "second_technician"
        asked = set(fresh.approvals.filter(decision="pending").values_list("tier", flat=True))
        assert asked == {"technician", "second_technician"}
        assert Case.objects.get(id=case.id).status == Case.Status.AWAITING_APPROVAL


def test_a_rule_that_became_stricter_in_mid_run_stops_the_steps_left(case, cloud) -> None:
    forbid = {"id": "no", "title": "Sessions stay", "actions": ["identity.revoke_sessions"],
              "tier": "forbidden"}  # fmt: skip
    cloud.after_call = lambda action, target: set_rules_elsewhere.append(action)
    set_rules_elsewhere: list[str] = []
    plan = adopt(case, TWO.format(first="", second="needs: [disable]"))
    cloud.hides = {"identity.disable_sign_in"}
    drain(["run"])
    set_rules(case.tenant_id, rules=[forbid])
    cloud.hides = set()
    make_due("run")
    drain(["run"])
    found = steps_of(plan)
    assert (found["disable"].status, found["sessions"].status) == ("verified", "failed")
    assert "Sessions stay" in found["sessions"].error
    assert set_rules_elsewhere == ["identity.disable_sign_in"]


WIDE = """\
  - id: methods
    uses: identity.remove_auth_method
    for_each: evidence.methods.methods
    at_most: 10
    target: {external_id: "${ item.external_id }", name: "${ item.name }"}
    on_failure: continue
"""


def test_the_first_target_of_a_wide_action_goes_alone(case, cloud) -> None:
    set_rules(case.tenant_id, canary_above=1)
    cloud.hides = {"identity.remove_auth_method"}
    plan = adopt(case, WIDE)
    drain(["run"])
    assert len(cloud.calls) == 1
    canary = next(step for step in steps_of(plan).values() if step.status == "called")
    with scope.tenant(case.tenant_id):
        Step.objects.filter(id=canary.id).update(called_at=timezone.now() - dt.timedelta(hours=2))
    make_due("run")
    drain(["run"])
    assert len(cloud.calls) == 1, "the others must not follow a canary that died"
    assert sorted(step.status for step in steps_of(plan).values()) == ["failed", "skipped"]


def test_a_timeout_of_the_playbook_ends_the_waiting(case, cloud) -> None:
    cloud.hides = {"identity.disable_sign_in"}
    plan = adopt(case, TWO.format(first="timeout: 2m", second=""))
    drain(["run"])
    with scope.tenant(case.tenant_id):
        Step.objects.filter(key="disable").update(
            called_at=timezone.now() - dt.timedelta(seconds=121)
        )
    make_due("run")
    drain(["run"])
    assert steps_of(plan)["disable"].status == "failed"


@pytest.mark.parametrize(
    "path", sorted(HISTORIES.glob("format-*.json")), ids=lambda path: path.stem
)
def test_plans_of_every_release_are_carried_out_as_they_say(case, cloud, path) -> None:
    """An upgrade changes neither the hash nor the meaning of a plan that is being carried out."""
    for told in json.loads(path.read_text())["plans"]:
        document = told["document"]
        assert planner.plan_sha256(document) == told["sha256"]
        with scope.tenant(case.tenant_id):
            version, _ = PlaybookVersion.objects.get_or_create(
                sha256=document["playbook"]["sha256"],
                defaults={"playbook_id": told["playbook"], "version": "1", "kind": "response"},
            )
            plan = response.adopt(case, document, told["facts"], version.sha256, 1)
            # It was being carried out when Holdfast was upgraded.
            first = plan.run.steps.order_by("position").first()
            Step.objects.filter(id=first.id).update(status="intended", intended_at=timezone.now())
            cloud.done.append((first.action, first.target_external_id))
        drain(["run"])
        expected = {(step["action"], step["target"]["external_id"]) for step in document["steps"]}
        assert set(cloud.done) >= expected
        assert len(cloud.done) == len(set(cloud.done)), "an effect was had twice"
        assert reread(plan).status == Plan.Status.DONE
        cloud.done.clear()


def test_everything_stands_in_the_ledger(case, cloud) -> None:
    adopt(case, TWO.format(first="", second=""))
    drain(["run"])
    with scope.tenant(case.tenant_id):
        ledger.seal()
        assert ledger.verify().is_ok
