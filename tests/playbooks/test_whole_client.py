"""Routines about a whole client, really carried out: each target is judged as what it is."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from playbooks import approvals, routines
from playbooks.engagement import TIERS
from playbooks.models import Approval, Plan, Step
from playbooks.policy import rules
from tenants import scope
from tenants.models import Account, Case, Installation, Person, Tenant
from tests.pipeline import drain
from tests.playbooks.cases import make_account
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db

BLOCK = "identity.disable_sign_in"
EMERGENCY = "identity.get_break_glass_state"
INACTIVE = "identity.list_inactive_accounts"
PRIVILEGED = "identity.list_privileged_accounts"


@pytest.fixture
def both(monkeypatch) -> Iterator[dict[str, Vendor]]:
    with vendors(monkeypatch, "microsoft365", "active_directory") as made:
        yield made


@pytest.fixture
def cloud(both) -> Vendor:
    vendor = both["microsoft365"]
    vendor.answers = {EMERGENCY: {"accounts": []}, PRIVILEGED: {"accounts": []}}
    return vendor


@pytest.fixture
def client(tenant: Tenant, both, cloud) -> Tenant:
    with scope.tenant(tenant.id):
        for name in both:
            connect(name)
    return tenant


def idle(*names: str) -> dict[str, Any]:
    """Answer who has not signed in for long, as the vendor would."""
    accounts = [{"external_id": f"id-of-{n}", "name": n, "last_sign_in_days": 200} for n in names]
    return {"accounts": accounts}


def directory(client: Tenant, *names: str, **fields: Any) -> None:
    """Put accounts of these names into the client's directory."""
    with scope.tenant(client.id):
        for name in names:
            make_account(name, **fields)


def start(client: Tenant, playbook: str, **inputs: Any) -> None:
    with scope.tenant(client.id):
        routines.start(playbook, actor="operator:test", inputs=inputs)
    drain()


def approve(client: Tenant, *people: str) -> None:
    """Let each technician in turn give the approval that comes first."""
    for name in people:
        with scope.tenant(client.id):
            waiting = Approval.objects.filter(decision="pending")
            first = min(waiting, key=lambda row: TIERS.index(row.tier))
            told = {"actor": f"technician:{name}", "sha256": first.plan.sha256}
            approvals.decide(first.id, approve=True, **told)
        drain()


def the_case(client: Tenant) -> Case:
    with scope.tenant(client.id):
        return Case.objects.get()


def the_steps(client: Tenant) -> dict[str, Step]:
    with scope.tenant(client.id):
        return {step.target_name: step for step in Step.objects.all()}


def test_each_account_is_judged_by_what_the_directory_knows_of_it(client, cloud) -> None:
    directory(client, "temp@acme.example")
    directory(client, "boss@acme.example", is_privileged=True)
    directory(client, "safe@acme.example", is_excluded=True)
    cloud.answers[INACTIVE] = idle(
        "temp@acme.example", "boss@acme.example", "safe@acme.example", "ghost@acme.example"
    )
    with scope.tenant(client.id):
        rules.save(
            {
                "extends": "msp",
                "rules": [
                    {"id": "admins", "title": "Administrators", "when": "target.is_privileged",
                     "tier": "second_technician"},
                ],
            },
            actor="test",
        )  # fmt: skip
    start(client, "access-review")
    with scope.tenant(client.id):
        tiers = {
            step["target"]["name"]: (step["tier"], step["tier_rule"]["id"])
            for step in Plan.objects.get().document["steps"]
        }
    assert tiers == {
        "temp@acme.example": ("technician", "default"),
        "boss@acme.example": ("second_technician", "admins"),
        "ghost@acme.example": ("forbidden", "guardrail.unknown"),
    }
    approve(client, "ann", "ben")
    assert sorted(cloud.done) == [
        (BLOCK, "id-of-boss@acme.example"),
        (BLOCK, "id-of-temp@acme.example"),
    ]
    case = the_case(client)
    assert case.status == "needs_technician"
    assert "ghost@acme.example" in case.needs
    assert "Not in the client's directory" in case.needs
    assert ("safe@acme.example is kept for emergencies or protected, and was left alone.") in [
        line["says"] for line in case.verdict_detail["results"]
    ]


def test_it_closes_with_its_proof_where_nothing_is_left(client, cloud) -> None:
    directory(client, "temp@acme.example")
    cloud.answers[INACTIVE] = idle("temp@acme.example")
    start(client, "access-review", inactive_days=30)
    assert (INACTIVE, {"days": 30}) in cloud.asked
    approve(client, "ann")
    case = the_case(client)
    assert (case.status, case.closed_with_proof) == ("closed", True)
    assert case.closing_note == (
        "Accounts with administrator's rights: 0. Accounts that nobody has used for 30 days: 1. "
        "1 actions done and read back."
    )


def test_what_became_protected_after_the_plan_is_not_touched(client, cloud) -> None:
    directory(client, "temp@acme.example", "other@acme.example")
    cloud.answers[INACTIVE] = idle("temp@acme.example", "other@acme.example")
    start(client, "access-review")
    with scope.tenant(client.id):
        Account.objects.filter(username="other@acme.example").update(is_excluded=True)
    approve(client, "ann", "ben")
    assert cloud.done == [(BLOCK, "id-of-temp@acme.example")]


def test_an_important_person_is_asked_about_though_it_came_after_the_plan(client, cloud) -> None:
    directory(client, "temp@acme.example", "other@acme.example")
    cloud.answers[INACTIVE] = idle("temp@acme.example", "other@acme.example")
    rule = {"id": "vip", "title": "Important people", "when": "target.is_vip", "tier": "client"}
    with scope.tenant(client.id):
        rules.save({"extends": "msp", "rules": [rule]}, actor="test")
    start(client, "access-review")
    with scope.tenant(client.id):
        Person.objects.filter(primary_email="temp@acme.example").update(is_vip=True)
    approve(client, "ann")
    with scope.tenant(client.id):
        newest = Plan.objects.exclude(status=Plan.Status.SUPERSEDED).get()
        tiers = {step["target"]["name"]: step["tier"] for step in newest.document["steps"]}
    assert tiers == {"temp@acme.example": "client", "other@acme.example": "technician"}
    assert cloud.done == []


def test_an_account_that_left_the_directory_is_not_touched_any_more(client, cloud) -> None:
    directory(client, "temp@acme.example", "other@acme.example")
    cloud.answers[INACTIVE] = idle("temp@acme.example", "other@acme.example")
    start(client, "access-review")
    with scope.tenant(client.id):
        Account.objects.filter(username="temp@acme.example").update(
            deleted_upstream_at=timezone.now()
        )
    approve(client, "ann")
    approve(client, "ann")
    assert cloud.done == [(BLOCK, "id-of-other@acme.example")]
    assert the_steps(client)["temp@acme.example"].status in ("forbidden", "skipped")


def test_the_msps_own_account_is_known_by_its_name_in_the_directory(client, cloud) -> None:
    """The vendor tells an id and a display name; that it is the MSP's own, the directory knows."""
    directory(client, "support@msp.example", "temp@acme.example")
    told = idle("support@msp.example", "temp@acme.example")
    told["accounts"][0]["name"] = "Support"
    cloud.answers[INACTIVE] = told
    Installation.objects.update_or_create(id=1, defaults={"own_identities": ["@msp.example"]})
    start(client, "access-review")
    approve(client, "ann")
    assert cloud.done == [(BLOCK, "id-of-temp@acme.example")]
    assert "MSP's own" in the_steps(client)["Support"].error


def test_where_active_directory_governs_both_sides_are_blocked_in_order(
    client, both, cloud
) -> None:
    directory(
        client, "temp@acme.example", source_of_authority="active_directory", on_premises_sid="S-1-7"
    )
    with scope.tenant(client.id):
        Account.objects.create(
            provider="active_directory", external_id="S-1-7", username="ACME\\temp",
            on_premises_sid="S-1-7", is_enabled=True, source_of_authority="active_directory",
        )  # fmt: skip
    cloud.answers[INACTIVE] = idle("temp@acme.example")
    order = []
    for name, vendor in both.items():
        vendor.on_call = lambda action, target, name=name: order.append(name)
    start(client, "access-review")
    approve(client, "ann")
    assert order == ["active_directory", "microsoft365"]
    assert the_case(client).status == "closed"


def test_blocked_in_the_cloud_only_is_said(client, cloud) -> None:
    directory(client, "temp@acme.example", source_of_authority="active_directory")
    cloud.answers[INACTIVE] = idle("temp@acme.example")
    start(client, "access-review")
    approve(client, "ann")
    case = the_case(client)
    assert case.status == "needs_technician"
    assert case.needs.startswith("temp@acme.example: governed by Active Directory.")


def emergency(name: str, **change: Any) -> dict[str, Any]:
    """Tell of an emergency account as it should be, but for `change`."""
    told = {
        "external_id": name, "name": name, "is_enabled": True, "is_excluded_from_policies": True,
        "last_tested_days": 12, "unexpected_sign_ins": 0,
    }  # fmt: skip
    return {**told, **change}


def test_the_test_of_emergency_accounts_closes_with_what_it_saw(client, cloud) -> None:
    cloud.answers[EMERGENCY] = {"accounts": [emergency("bg-1"), emergency("bg-2")]}
    start(client, "break-glass-test")
    case = the_case(client)
    assert (case.status, case.closed_with_proof, case.needs) == ("closed", True, "")
    assert case.closing_note == (
        "bg-1 is switched on, free of the sign-in policies, was tried 12 days ago, and nobody else"
        " has used it. bg-2 is switched on, free of the sign-in policies, was tried 12 days ago,"
        " and nobody else has used it. Nothing had to be done."
    )


def test_an_emergency_account_that_nobody_tried_is_for_a_technician(client, cloud) -> None:
    cloud.answers[EMERGENCY] = {
        "accounts": [emergency("bg-1", last_tested_days=200), emergency("bg-2")]
    }
    start(client, "break-glass-test")
    case = the_case(client)
    assert case.status == "needs_technician"
    assert case.needs == (
        "Nobody has tried bg-1 for 200 days. Take its password and key out of the safe and sign in "
        "with it in a private window. See that it may administer the tenant, sign out, put them "
        "back, and start this test again: it confirms the sign-in."
    )
    assert cloud.calls == []


def test_what_could_not_be_looked_at_is_not_called_done(client, cloud) -> None:
    del cloud.answers[EMERGENCY]
    start(client, "break-glass-test")
    case = the_case(client)
    assert case.status == "needs_technician"
    assert case.needs == (
        "“State of the emergency accounts” got no answer: microsoft365 can't tell. Look it up by "
        "hand, or mend the connection and start this again."
    )
