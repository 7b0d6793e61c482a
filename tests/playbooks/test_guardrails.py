"""What no rule of engagement can lift, tried with rules that allow everything."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Connection
from playbooks import language, planner, response
from playbooks.adoption.versions import remember
from playbooks.investigating import facts as case_facts
from playbooks.models import Plan, Run, Step
from playbooks.policy import rules
from tenants import evidence, scope
from tenants.models import Account, Case, Installation, LedgerEntry, Tenant
from tests.pipeline import drain, make_due
from tests.playbooks.cases import give_evidence, make_account, make_case
from tests.playbooks.samples import response_text
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db

# As much as anybody could allow: each rule, the default, and both together.
LIFTING: list[dict[str, Any]] = [
    {"default": "automatic"},
    {"default": "forbidden", "rules": [{"id": "all", "title": "All", "tier": "automatic"}]},
    {
        "default": "automatic", "budgets": {"*": 100_000}, "canary_above": 0,
        "rules": [
            {"id": "guardrail.protected", "title": "Lift it", "tier": "automatic"},
            {"id": "b", "title": "B", "tier": "automatic", "when": "target.is_privileged"},
        ],
    },
    {"extends": "msp", "default": "automatic", "without": [
        "servers", "wide", "not-proven", "synced-from-active-directory", "privileged-or-important",
    ]},
]  # fmt: skip
ACTIONS = """\
  - id: disable
    uses: identity.disable_sign_in
    target: account
    on_failure: continue
  - id: sessions
    uses: identity.revoke_sessions
    target: account
    on_failure: continue
  - id: forwarding
    uses: mailbox.remove_forwarding
    target: mailbox
    on_failure: continue
  - id: rules
    uses: mailbox.disable_inbox_rule
    for_each: evidence.inbox_rules.rules
    target: {external_id: "${ item.external_id }", name: "${ item.name }"}
    on_failure: continue
  - id: on_premises
    uses: identity.disable_sign_in
    target: on_premises
    on_failure: continue
"""
ONE = "  - id: disable\n    uses: identity.disable_sign_in\n    target: account\n"
TWO = ONE + "  - id: sessions\n    uses: identity.revoke_sessions\n    needs: [disable]\n"


@pytest.fixture
def both(monkeypatch) -> Iterator[dict[str, Vendor]]:
    with vendors(monkeypatch, "microsoft365", "active_directory") as made:
        yield made


def open_case(tenant: Tenant, policy: dict[str, Any], **account: Any) -> Case:
    """Open a proven case about an account with a twin in Active Directory."""
    with scope.tenant(tenant.id):
        for name in ("microsoft365", "active_directory"):
            connect(name)
        case = make_case(make_account(on_premises_sid="S-1-5-21-7", **account))
        Account.objects.create(
            provider="active_directory", external_id="guid", username="ACME\\priya",
            on_premises_sid="S-1-5-21-7", is_enabled=True,
        )  # fmt: skip
        give_evidence(case)
        rules.save(policy, actor="technician:ann")
    return case


def adopt(case: Case, steps: str) -> Plan:
    """Plan these steps under the client's rules, and adopt the plan."""
    with scope.tenant(case.tenant_id):
        case = Case.objects.get(id=case.id)
        playbook = language.load(response_text(steps), "sample.yaml")
        facts = case_facts.of_case(case)
        document = planner.plan(playbook, facts, rules.in_force())
        plan = response.adopt(case, document, facts, remember(playbook).sha256, 1)
        response.set_status(case)
        return plan


def statuses(plan: Plan) -> dict[str, str]:
    with scope.tenant(plan.tenant_id):
        steps = Step.objects.filter(run__plan=plan)
        return {step.key.partition("[")[0]: step.status for step in steps}


def calls(both: dict[str, Vendor]) -> list[tuple[str, str]]:
    return [call for vendor in both.values() for call in vendor.calls]


def protect(case: Case, **fields: Any) -> None:
    with scope.tenant(case.tenant_id):
        Account.objects.filter(**fields.pop("which", {"provider": "microsoft365"})).update(**fields)


@pytest.mark.parametrize("policy", LIFTING, ids=["default", "rules", "by name", "overrides"])
@pytest.mark.parametrize("why", ["is_break_glass", "is_excluded"])
def test_a_protected_account_is_never_touched_in_any_way(tenant, both, why, policy) -> None:
    case = open_case(tenant, policy, **{why: True})
    plan = adopt(case, ACTIONS)
    assert {step["tier"] for step in plan.document["steps"]} == {"forbidden"}
    assert {step["tier_rule"]["id"] for step in plan.document["steps"]} == {"guardrail.protected"}
    drain(["run"])
    assert calls(both) == []
    assert set(statuses(plan).values()) == {"forbidden"}


@pytest.mark.parametrize("policy", LIFTING, ids=["default", "rules", "by name", "overrides"])
@pytest.mark.parametrize("why", ["is_break_glass", "is_excluded"])
@pytest.mark.parametrize("provider", ["microsoft365", "active_directory"])
def test_an_account_protected_after_the_plan_is_not_touched_either(
    tenant, both, why, policy, provider
) -> None:
    """Nor where only the same person's account in Active Directory was protected."""
    case = open_case(tenant, policy)
    plan = adopt(case, TWO)
    assert {step["tier"] for step in plan.document["steps"]} == {"automatic"}
    protect(case, which={"provider": provider}, **{why: True})
    drain(["run", "close"])
    assert calls(both) == []
    with scope.tenant(tenant.id):
        newest = Plan.objects.filter(case=case).latest("created_at")
    assert set(statuses(newest).values()) <= {"forbidden", "failed", "skipped"}


COPIES = """\
  - id: copies
    uses: email.quarantine_message
    for_each: evidence["email.find_copies"].copies
    target: {external_id: "${ item.external_id }", name: "${ item.name }"}
    on_failure: continue
"""
# The sender's domain is in the message's own id.
HELD = {who: f"id-of-{who}@acme.example/<7@msp.example>" for who in ("omar", "ines")}


def open_case_with_copies(tenant: Tenant, policy: dict[str, Any], **ines: Any) -> Case:
    """Open a proven case whose message is in the mailboxes of Omar and of Ines."""
    case = open_case(tenant, policy)
    with scope.tenant(tenant.id):
        make_account("omar@acme.example")
        make_account("ines@acme.example", **ines)
        found = [{"external_id": one, "name": "Invoice"} for one in HELD.values()]
        evidence.record(
            case, gatherer="email.find_copies", question="x", asked_of="x", is_available=True,
            asked_at=timezone.now(),
            answer={"step": "email.find_copies", "facts": {"copies": found, "count": 2},
                    "provider": "microsoft365"},
        )  # fmt: skip
    return case


@pytest.mark.parametrize("policy", LIFTING, ids=["default", "rules", "by name", "overrides"])
@pytest.mark.parametrize("why", ["is_break_glass", "is_excluded"])
@pytest.mark.parametrize("when", ["before the plan", "after the plan"])
def test_nothing_is_taken_out_of_a_protected_mailbox(tenant, both, when, why, policy) -> None:
    at_first = {why: True} if when == "before the plan" else {}
    plan = adopt(open_case_with_copies(tenant, policy, **at_first), COPIES)
    if not at_first:
        with scope.tenant(tenant.id):
            Account.objects.filter(username="ines@acme.example").update(**{why: True})
    drain(["run"])
    assert calls(both) == [("email.quarantine_message", HELD["omar"])]
    with scope.tenant(tenant.id):
        newest = Plan.objects.latest("created_at")
        ended = dict(newest.run.steps.values_list("target_external_id", "status"))
    assert ended[HELD["ines"]] in ("forbidden", "failed"), plan


@pytest.mark.parametrize("own", ["Ines@acme.example", "id-of-ines@acme.example", "appliance"])
def test_nothing_is_taken_out_of_the_msps_or_the_appliances_own_mailbox(tenant, both, own) -> None:
    case = open_case_with_copies(tenant, {"default": "automatic"})
    if own == "appliance":
        with scope.tenant(tenant.id):
            row = Connection.objects.get(connector="microsoft365")
            row.settings = {**row.settings, "admin": "ines@acme.example"}
            row.save()
    else:
        # That the MSP's own domain sent the message makes no mailbox its own.
        Installation.objects.update_or_create(
            id=1, defaults={"own_identities": [own.lower(), "@msp.example"]}
        )
    plan = adopt(case, COPIES)
    drain(["run"])
    assert calls(both) == [("email.quarantine_message", HELD["omar"])]
    with scope.tenant(tenant.id):
        error = plan.run.steps.get(target_external_id=HELD["ines"]).error
    assert "own identities" in error or "itself signs in" in error


@pytest.mark.parametrize("policy", LIFTING, ids=["default", "rules", "by name", "overrides"])
@pytest.mark.parametrize(
    "own",
    ["PRIYA.shah@acme.example", "@acme.example", "id-of-priya.shah@acme.example", "appliance"],
)
def test_the_msps_and_the_appliances_own_identities_are_never_touched(
    tenant, both, own, policy
) -> None:
    case = open_case(tenant, policy)
    if own == "appliance":
        protect(case, external_id="app-of-microsoft365")
    else:
        Installation.objects.update_or_create(id=1, defaults={"own_identities": [own]})
    plan = adopt(case, ACTIONS)
    drain(["run"])
    assert calls(both) == []
    assert set(statuses(plan).values()) == {"failed"}
    with scope.tenant(tenant.id):
        errors = set(Step.objects.filter(run__plan=plan).values_list("error", flat=True))
    assert all("own identities" in error or "itself signs in" in error for error in errors)


@pytest.mark.parametrize("whose", ["tenant", "everyone"])
def test_the_kill_switch_is_seen_at_the_next_step(tenant, both, whose) -> None:
    """Pulled while the first step is with the vendor: it is settled, and the next waits."""
    case = open_case(tenant, {"default": "automatic"})
    plan = adopt(case, TWO)
    both["microsoft365"].hides = {"identity.disable_sign_in"}
    drain(["run"])
    assert statuses(plan) == {"disable": "called", "sessions": "pending"}
    _switch(tenant, whose, is_stopped=True)
    both["microsoft365"].hides = set()
    make_due("run")
    drain(["run"])
    assert statuses(plan) == {"disable": "verified", "sessions": "pending"}
    assert len(calls(both)) == 1
    with scope.tenant(tenant.id):
        assert "kill switch" in Run.objects.get(plan=plan).note
    _switch(tenant, whose, is_stopped=False)
    make_due("run")
    drain(["run"])
    assert statuses(plan) == {"disable": "verified", "sessions": "verified"}


def _switch(tenant: Tenant, whose: str, *, is_stopped: bool) -> None:
    if whose == "tenant":
        Tenant.objects.filter(id=tenant.id).update(actions_stopped=is_stopped)
    else:
        Installation.objects.update_or_create(id=1, defaults={"actions_stopped": is_stopped})


def test_another_clients_kill_switch_is_not_this_ones(tenant, other_tenant, both) -> None:
    _switch(other_tenant, "tenant", is_stopped=True)
    plan = adopt(open_case(tenant, {"default": "automatic"}), TWO)
    drain(["run"])
    assert set(statuses(plan).values()) == {"verified"}


def test_a_budget_counts_each_action_of_each_client_by_itself_and_for_an_hour(
    tenant, other_tenant, both
) -> None:
    policy = {"default": "automatic", "budgets": {"identity.disable_sign_in": 1}}
    first = adopt(open_case(tenant, policy), TWO)
    drain(["run"])
    assert set(statuses(first).values()) == {"verified"}
    elsewhere = adopt(open_case(other_tenant, policy), TWO)
    drain(["run"])
    assert set(statuses(elsewhere).values()) == {"verified"}, "another client's budget"
    with scope.tenant(tenant.id):
        case = make_case(make_account("omar@acme.example"))
        give_evidence(case)
    second = adopt(case, ONE + "  - id: sessions\n    uses: identity.revoke_sessions\n")
    drain(["run"])
    assert statuses(second) == {"disable": "pending", "sessions": "verified"}
    with scope.tenant(tenant.id):
        assert "limit of 1 times" in Run.objects.get(plan=second).note
        spent = Step.objects.filter(run__plan=first, key="disable")
        spent.update(intended_at=timezone.now() - dt.timedelta(minutes=61))
    make_due("run")
    drain(["run"])
    assert set(statuses(second).values()) == {"verified"}


def test_what_every_action_may_do_without_a_budget_is_bounded_too(tenant, both) -> None:
    """The catalog's own limit holds where the rules name none."""
    case = open_case(tenant, {"default": "automatic"})
    plan = adopt(case, ONE)
    with scope.tenant(tenant.id):
        step = Step.objects.get(run__plan=plan)
        for number in range(10):
            Step.objects.create(
                run=step.run, position=100 + number, key=f"earlier {number}", action=step.action,
                target_kind="account", target_external_id=str(number), target_name="x",
                status="verified", tier="automatic", intended_at=timezone.now(),
            )  # fmt: skip
    drain(["run"])
    assert calls(both) == []


def test_the_ledger_says_which_guardrail_stopped_a_step(tenant, both) -> None:
    case = open_case(tenant, {"default": "automatic"})
    adopt(case, ONE)
    Installation.objects.update_or_create(id=1, defaults={"own_identities": ["@acme.example"]})
    drain(["run"])
    with scope.tenant(tenant.id):
        [entry] = LedgerEntry.objects.filter(kind="step.failed")
        assert "own identities" in entry.body["error"]
