"""Other rules of engagement, replayed over the plans that were made."""

import datetime as dt

import pytest
from django.utils import timezone

from playbooks import language, planner, response, routines
from playbooks.adoption import activation, importing
from playbooks.adoption.versions import remember
from playbooks.errors import PlaybookError
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan, PlaybookVersion
from playbooks.policy import rules
from playbooks.replanning import what_if
from tenants import scope
from tenants.models import Account
from tests.pipeline import drain
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import policy, response_text
from tests.playbooks.test_routines import LOCK_OUT
from tests.playbooks.test_runner import both, case, cloud, set_rules  # noqa: F401

NEVER_PASSWORDS = {
    "id": "no-passwords",
    "title": "We never reset passwords",
    "actions": ["identity.reset_password"],
    "tier": "forbidden",
}


@pytest.fixture
def plan(in_tenant) -> Plan:
    """A plan whose every step was for a technician."""
    return make_plan(make_case(make_account()), policy(default="technician"))


def _made(plan: Plan, days_ago: int) -> None:
    Plan.objects.filter(id=plan.id).update(created_at=timezone.now() - dt.timedelta(days=days_ago))


def test_the_same_rules_would_have_changed_nothing(plan: Plan) -> None:
    found = what_if.replay(policy(default="technician"))
    assert (found.plans, found.steps) == (1, len(plan.document["steps"]))
    assert (found.changes, found.not_replayed, found.left_out) == ((), (), 0)


def test_each_step_that_would_have_another_tier_is_named_with_its_rule(plan: Plan) -> None:
    found = what_if.replay(policy(NEVER_PASSWORDS, default="technician"))
    [change] = found.changes
    assert (change.before, change.after, change.rule) == ("technician", "forbidden", "no-passwords")
    assert (change.case, change.case_id) == (plan.case.number, str(plan.case_id))
    assert change.target == "priya.shah@acme.example"
    assert found.counts == {("technician", "forbidden"): 1}
    assert found.as_json()["counts"] == [{"before": "technician", "after": "forbidden", "steps": 1}]


def test_a_plan_from_before_mailboxes_were_told_is_replayed_as_it_was_judged(in_tenant) -> None:
    opened = make_case(make_account())
    steps = (
        "  - id: copy\n    uses: email.quarantine_message\n"
        "    target: {external_id: u-2/m, name: Invoice}\n"
    )
    playbook = language.load(response_text(steps), "sample.yaml")
    told = case_facts.of_case(opened)
    free = {"messages": {"u-2/m": {"is_protected": False, "is_privileged": False}}}
    document = planner.plan(playbook, {**told, "directory": free}, policy())
    response.adopt(opened, document, told, remember(playbook).sha256, 1)
    found = what_if.replay(policy(default="client"))
    assert found.counts == {("technician", "client"): 1}


def test_nothing_is_written(plan: Plan) -> None:
    before = Plan.objects.values().get()
    what_if.replay(policy(default="client"))
    assert Plan.objects.values().get() == before


def test_what_was_not_proven_stays_for_a_technician_at_least(plan: Plan) -> None:
    facts = {**plan.facts, "verdict": {"value": "suspicious", "confidence": "high"}}
    Plan.objects.filter(id=plan.id).update(facts=facts)
    assert what_if.replay(policy(default="automatic")).changes == ()


@pytest.mark.parametrize(
    ("mode", "after"), [("approve", set()), ("shadow", {"automatic"}), ("automatic", {"automatic"})]
)
def test_a_playbook_that_asks_for_everything_stays_so(plan: Plan, mode, after) -> None:
    Plan.objects.filter(id=plan.id).update(mode=mode)
    found = what_if.replay(policy(default="automatic"))
    assert {change.after for change in found.changes} == after


def test_only_the_days_asked_for_count(plan: Plan) -> None:
    _made(plan, 91)
    assert what_if.replay(policy(default="client")).plans == 0
    assert what_if.replay(policy(default="client"), days=92).plans == 1


def test_more_plans_than_may_be_looked_at_are_counted_and_the_newest_kept(plan: Plan) -> None:
    _made(plan, 5)
    newest = make_plan(make_case(make_account("tom@acme.example")), policy(default="technician"))
    found = what_if.replay(policy(default="client"), most=1)
    assert (found.plans, found.left_out) == (1, 1)
    assert {change.case for change in found.changes} == {newest.case.number}


def test_what_was_replaced_by_another_plan_does_not_count(plan: Plan) -> None:
    Plan.objects.filter(id=plan.id).update(status=Plan.Status.SUPERSEDED)
    assert what_if.replay(policy(default="client")).plans == 0


@pytest.mark.parametrize(
    ("source", "told"), [("", "source was not kept"), ("id: [", "not YAML")], ids=["none", "broken"]
)
def test_a_plan_that_cant_be_replayed_is_named_with_the_reason(plan: Plan, source, told) -> None:
    broken = PlaybookVersion.objects.create(
        playbook_id="lost", version="1", sha256="4" * 64, kind="response", source=source
    )
    Plan.objects.filter(id=plan.id).update(playbook=broken)
    found = what_if.replay(policy(default="client"))
    assert (found.plans, found.changes) == (0, ())
    [left] = found.not_replayed
    assert (left.case, left.plan) == (plan.case.number, plan.sha256)
    assert told in left.why


def test_steps_that_the_plan_of_then_did_not_have_are_named(plan: Plan) -> None:
    kept = plan.document["steps"][1:]
    Plan.objects.filter(id=plan.id).update(document={**plan.document, "steps": kept})
    found = what_if.replay(policy(default="client"))
    assert len(found.changes) == len(kept)
    assert plan.document["steps"][0]["id"] in found.not_replayed[0].why


@pytest.mark.parametrize("days", [0, -1, 10**6])
def test_a_span_that_makes_no_sense_is_refused(in_tenant, days: int) -> None:
    with pytest.raises(PlaybookError, match="give a number"):
        what_if.replay(policy(), days=days)


def test_an_undoing_is_judged_again_and_never_goes_by_itself(plan: Plan) -> None:
    told = {**plan.document, "reverses": "0" * 64, "steps": plan.document["steps"][:1]}
    Plan.objects.filter(id=plan.id).update(document=told)
    assert what_if.replay(policy(default="automatic")).changes == ()
    [change] = what_if.replay(policy(default="client")).changes
    assert (change.before, change.after) == ("technician", "client")


def test_a_routine_that_asks_a_technician_is_replayed_as_that(case, cloud) -> None:  # noqa: F811
    set_rules(case.tenant_id)
    with scope.tenant(case.tenant_id):
        version = importing.keep(importing.check(LOCK_OUT, "lock-out.yaml"))
        activation.activate(version, "approve", actor="technician:ann")
        account = Account.objects.get(provider="microsoft365")
        routines.start("lock-out", actor="technician:ann", account=account, inputs={"ticket": "T1"})
    drain(["routine"])
    with scope.tenant(case.tenant_id):
        assert Plan.objects.get().tier == "technician"
        assert what_if.replay(rules.in_force()).changes == ()
