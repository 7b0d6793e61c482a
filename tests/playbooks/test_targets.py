"""Whom or what a step acts on, and what of it rules of engagement get to see."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from playbooks import engagement, language, planner
from playbooks.investigating import directory_facts
from playbooks.investigating import facts as case_facts
from playbooks.targeting import targets
from tenants import evidence, scope
from tenants.models import Account, Case, Device, Person, Tenant
from tests.playbooks.cases import make_account, make_case
from tests.playbooks.samples import facts, policy, response_text

pytestmark = pytest.mark.django_db

OTHER = """\
  - id: block
    uses: {uses}
    target: {{external_id: "{id}", name: somebody{more}}}
"""
KNOWN = {
    "external_id": "u-1", "provider": "microsoft365", "username": "u@acme.example",
    "kind": "member", "is_protected": False, "is_privileged": False, "is_vip": False,
    "source_of_authority": "cloud",
}  # fmt: skip
FREE = policy(default="automatic")


def target(
    external_id: str = "u-1",
    known: dict[str, Any] | None = None,
    uses: str = "identity.disable_sign_in",
    more: str = "",
) -> dict[str, Any]:
    """Plan a step on somebody else than the case's account, and return its target and tier."""
    told = {**facts(), "directory": {"accounts": {"u-1": known} if known else {}, "devices": {}}}
    playbook = language.load(
        response_text(OTHER.format(uses=uses, id=external_id, more=more)), "sample.yaml"
    )
    [step] = planner.plan(playbook, told, FREE)["steps"]
    return {**step["target"], "tier": step["tier"], "rule": step["tier_rule"]["id"]}


def test_another_account_is_as_the_directory_knows_it() -> None:
    found = target(known={**KNOWN, "id": "row", "is_vip": True, "kind": "shared"})
    assert found["provider"] == "microsoft365"
    assert found["id"] == "row"
    traits = {name: found[name] for name in found if name.startswith("is_")}
    assert traits == {
        "is_protected": False, "is_privileged": False, "is_vip": True, "is_synced": False,
        "is_shared": True, "is_server": False,
    }  # fmt: skip
    assert found["tier"] == "automatic"


@pytest.mark.parametrize("change", [{"is_protected": True}, {"is_protected": None}])
def test_one_that_is_protected_or_not_known_to_be_free_is_not_touched(change) -> None:
    assert target(known={**KNOWN, **change})["tier"] == "forbidden"


@pytest.mark.parametrize("uses", ["identity.disable_sign_in", "mailbox.remove_forwarding"])
def test_one_that_the_directory_does_not_know_is_not_touched(uses) -> None:
    found = target(known=None, uses=uses)
    assert (found["tier"], found["rule"]) == ("forbidden", "guardrail.unknown")
    assert found["is_protected"] is None
    assert found["is_privileged"] is found["is_vip"] is True


def test_the_same_id_at_another_connector_is_another_account() -> None:
    assert target(known=KNOWN, more=", provider: google")["tier"] == "forbidden"
    assert target(known=KNOWN, more=", provider: microsoft365")["tier"] == "automatic"


def test_the_cases_own_account_is_as_the_case_says() -> None:
    found = target(facts()["account"]["external_id"])
    assert "is_protected" not in found
    assert found["tier"] == "automatic"


@pytest.mark.parametrize(
    ("devices", "is_server"),
    [
        ({"u-1": {"external_id": "u-1", "provider": "microsoft365", "is_server": False}}, False),
        ({"u-1": {"external_id": "u-1", "provider": "microsoft365", "is_server": True}}, True),
        ({"u-1": {"external_id": "u-1", "provider": "google", "is_server": False}}, False),
        ({}, True),
    ],
)
def test_a_device_that_nobody_knows_may_be_a_server(devices, is_server) -> None:
    told = {**facts(), "directory": {"accounts": {}, "devices": devices}}
    step = OTHER.format(uses="endpoint.isolate", id="u-1", more="")
    playbook = language.load(response_text(step), "sample.yaml")
    [planned] = planner.plan(playbook, told, FREE)["steps"]
    assert planned["target"]["is_server"] is is_server
    assert planned["tier"] == "automatic"


def test_what_was_planned_is_judged_again_by_what_is_known_then() -> None:
    planned = target(known=KNOWN)
    later = {**facts(), "directory": {"accounts": {"u-1": {**KNOWN, "is_vip": True}}}}
    assert targets.with_traits(planned, later)["is_vip"] is True
    assert targets.with_traits(planned, facts())["is_protected"] is None
    judged = engagement.judge(
        FREE, action="identity.disable_sign_in", objects=1, facts=facts(),
        target=targets.with_traits(planned, facts()),
    )  # fmt: skip
    assert judged.tier == "forbidden"


def test_a_rule_on_the_account_means_whom_is_touched_where_the_case_is_about_nobody() -> None:
    rule = {"id": "vip", "title": "x", "when": "account.is_vip", "tier": "client"}
    told = {"directory": {"accounts": {"u-1": {**KNOWN, "is_vip": True}}}}
    judged = engagement.judge(
        policy(rule, default="automatic"), action="identity.disable_sign_in", objects=1,
        target={"kind": "account", "external_id": "u-1", "is_protected": False}, facts=told,
    )  # fmt: skip
    assert judged.tier == "client"


# From the directory of a real tenant:


@pytest.fixture
def case(tenant: Tenant) -> Iterator[Case]:
    with scope.tenant(tenant.id):
        yield make_case(make_account())


def answered(case: Case, gatherer: str, provider: str = "microsoft365", **answer: Any) -> None:
    evidence.record(
        case,
        gatherer=gatherer,
        question=gatherer,
        asked_of="test",
        asked_at=timezone.now(),
        answer={"step": gatherer, "facts": answer, "reason": "", "provider": provider},
        is_available=True,
    )


def inactive(case: Case, *external_ids: str, provider: str = "microsoft365", **more: Any) -> None:
    accounts = [{"external_id": external_id, "name": "x", **more} for external_id in external_ids]
    answered(case, "identity.list_inactive_accounts", provider, accounts=accounts)


def test_what_evidence_names_is_read_from_the_directory(case) -> None:
    make_account("a@acme.example", is_break_glass=True)
    make_account("b@acme.example", deleted_upstream_at=timezone.now())
    Person.objects.filter(primary_email="a@acme.example").update(is_vip=True)
    inactive(case, "id-of-a@acme.example", "id-of-b@acme.example", "nobody")
    named = case_facts.of_case(case)["directory"]["accounts"]
    assert list(named) == ["id-of-a@acme.example"]
    known = named["id-of-a@acme.example"]
    assert (known["is_protected"], known["is_vip"], known["provider"]) == (
        True, True, "microsoft365",
    )  # fmt: skip


def test_an_ordinary_case_has_no_directory_in_its_facts(case) -> None:
    answered(case, "mailbox.list_inbox_rules", rules=[{"external_id": case.account.external_id}])
    assert "directory" not in case_facts.of_case(case)


def test_an_id_is_looked_up_at_the_connector_that_told_it(case) -> None:
    make_account("a@acme.example")
    inactive(case, "id-of-a@acme.example", provider="google")
    assert "directory" not in case_facts.of_case(case)
    Account.objects.create(
        provider="google", external_id="id-of-a@acme.example", username="a@acme.example"
    )
    [known] = case_facts.of_case(case)["directory"]["accounts"].values()
    assert known["provider"] == "google"


def test_an_id_that_two_connectors_know_is_nobodys(case) -> None:
    """Evidence of an earlier release doesn't say who told it."""
    make_account("a@acme.example")
    Account.objects.create(
        provider="google", external_id="id-of-a@acme.example", username="a@acme.example"
    )
    inactive(case, "id-of-a@acme.example", provider="")
    assert "directory" not in case_facts.of_case(case)


def test_what_the_vendor_says_of_roles_counts_as_well(case) -> None:
    make_account("a@acme.example")
    make_account("b@acme.example")
    inactive(case, "id-of-a@acme.example")
    answered(
        case,
        "identity.list_privileged_accounts",
        accounts=[{"external_id": "id-of-b@acme.example"}],
    )
    named = case_facts.of_case(case)["directory"]["accounts"]
    assert {one["username"]: one["is_privileged"] for one in named.values()} == {
        "a@acme.example": False, "b@acme.example": True,
    }  # fmt: skip


@pytest.mark.parametrize("protected", ["microsoft365", "active_directory"])
def test_both_sides_of_a_synchronised_account_are_protected_together(case, protected) -> None:
    make_account("a@acme.example", on_premises_sid="S-1", source_of_authority="active_directory")
    Account.objects.create(
        provider="active_directory", external_id="S-1", username="ACME\\a", on_premises_sid="S-1"
    )
    Account.objects.filter(provider=protected, on_premises_sid="S-1").update(is_excluded=True)
    inactive(case, "id-of-a@acme.example")
    named = case_facts.of_case(case)["directory"]["accounts"]
    assert {key: one["is_protected"] for key, one in named.items()} == {
        "id-of-a@acme.example": True, "S-1": True,
    }  # fmt: skip
    assert named["id-of-a@acme.example"]["on_premises"]["username"] == "ACME\\a"


def test_a_device_is_a_server_if_the_directory_or_the_vendor_says_so(case) -> None:
    for number, is_server in ((1, True), (2, False), (3, False)):
        Device.objects.create(
            provider="ninjaone", external_id=f"d-{number}", hostname=f"PC-{number}",
            is_server=is_server,
        )  # fmt: skip
    devices = [{"external_id": f"d-{n}", "is_server": n == 2} for n in (1, 2, 3, 4)]
    answered(case, "patch.list_exposed_devices", "ninjaone", devices=devices)
    named = case_facts.of_case(case)["directory"]["devices"]
    assert {key: one["is_server"] for key, one in named.items()} == {
        "d-1": True, "d-2": True, "d-3": False,
    }  # fmt: skip


@pytest.mark.parametrize("accounts", [None, "text", [5], [{"external_id": 7}], [{"name": "x"}]])
def test_an_odd_answer_names_nobody(case, accounts) -> None:
    answered(case, "identity.list_inactive_accounts", accounts=accounts)
    assert not any(directory_facts.directory(case.evidence.all()).values())


def test_evidence_says_who_told_it_and_why_there_is_none(case) -> None:
    inactive(case, "nobody")
    evidence.record(
        case, gatherer="patch.list_missing", question="x", asked_of="nobody",
        asked_at=timezone.now(), is_available=False,
        answer={"step": "missing", "facts": {}, "reason": "no connection", "provider": ""},
    )  # fmt: skip
    told = case_facts.of_case(case)["evidence"]
    assert told["identity.list_inactive_accounts"]["provider"] == "microsoft365"
    assert told["missing"] == {
        "available": False, "is_askable": True, "reason": "no connection",
    }  # fmt: skip


# Copies of a message, each in somebody's mailbox:


def copies(case: Case, *external_ids: str, provider: str = "microsoft365") -> dict[str, Any]:
    """Answer where copies are; return what the facts then know of them."""
    told = [{"external_id": one, "name": one, "mailbox": "x"} for one in external_ids]
    answered(case, "email.find_copies", provider, copies=told, count=len(told))
    return case_facts.of_case(case).get("directory", {}).get("messages", {})


def quarantine(case: Case, rules: engagement.Engagement = FREE) -> dict[str, tuple[str, str]]:
    """Plan the removal of a case's copies; return tier and rule of each."""
    steps = (
        "  - id: quarantine\n    uses: email.quarantine_message\n"
        '    for_each: evidence["email.find_copies"].copies\n'
        '    target: {external_id: "${ item.external_id }"}\n'
    )
    playbook = language.load(response_text(steps), "sample.yaml")
    planned = planner.plan(playbook, case_facts.of_case(case), rules)["steps"]
    return {s["target"]["external_id"]: (s["tier"], s["tier_rule"]["id"]) for s in planned}


def test_a_copy_is_judged_by_whose_mailbox_it_is_in_and_not_by_the_case(case) -> None:
    vip = {"id": "vip", "title": "VIP", "when": "target.is_vip", "tier": "client"}
    admin = {"id": "admin", "title": "x", "when": "target.is_privileged", "tier": "technician"}
    make_account("ordinary@acme.example")
    make_account("vip@acme.example")
    Person.objects.filter(primary_email="vip@acme.example").update(is_vip=True)
    make_account("admin@acme.example", is_privileged=True)
    make_account("excluded@acme.example", is_excluded=True)
    names = ("ordinary", "vip", "admin", "excluded", "unknown")
    copies(case, *(f"id-of-{name}@acme.example/<m/1@evil.example>" for name in names))
    found = quarantine(case, policy(vip, admin, default="automatic"))
    assert {key[6:].partition("@")[0]: told for key, told in found.items()} == {
        "ordinary": ("automatic", "default"),
        "vip": ("client", "vip"),
        "admin": ("technician", "admin"),
        "excluded": ("forbidden", "guardrail.protected"),
        "unknown": ("forbidden", "guardrail.unknown"),
    }


def test_a_rule_on_the_account_means_the_mailboxs_owner_where_the_case_is_about_nobody(
    case,
) -> None:
    make_account("vip@acme.example")
    Person.objects.filter(primary_email="vip@acme.example").update(is_vip=True)
    case.account = None
    case.save()
    copies(case, "id-of-vip@acme.example/m")
    rule = {"id": "vip", "title": "x", "when": "account.is_vip", "tier": "client"}
    assert set(quarantine(case, policy(rule, default="automatic")).values()) == {("client", "vip")}


def test_a_mail_servers_mailbox_is_whose_address_it_has_at_any_connector(case) -> None:
    make_account("a@acme.example", is_break_glass=True)
    make_account("b@acme.example", email="Sales@acme.example")
    told = copies(
        case, "A@acme.example/m", "sales@acme.example/m", "old@acme.example/m", provider="imap"
    )
    assert {key: (one["is_protected"], one["provider"]) for key, one in told.items()} == {
        "A@acme.example/m": (True, "imap"),
        "sales@acme.example/m": (False, "imap"),
        "old@acme.example/m": (False, "imap"),
    }
    # Whoever has the third, nobody has protected; but it may be anybody important.
    assert told["old@acme.example/m"]["is_vip"] is True
    tiers = [tier for tier, _ in quarantine(case).values()]
    assert tiers == ["forbidden", "automatic", "automatic"]


def test_a_mailbox_is_protected_with_its_owners_other_side(case) -> None:
    make_account("a@acme.example", on_premises_sid="S-1", source_of_authority="active_directory")
    Account.objects.create(
        provider="active_directory", external_id="S-1", username="ACME\\a", on_premises_sid="S-1",
        is_excluded=True,
    )  # fmt: skip
    [known] = copies(case, "id-of-a@acme.example/m").values()
    assert (known["is_protected"], known["source_of_authority"]) == (True, "active_directory")


def test_who_told_of_a_copy_is_asked_to_remove_it(case) -> None:
    make_account("a@acme.example")
    copies(case, "a@acme.example/m", provider="imap")
    playbook = language.load(
        response_text(
            OTHER.format(uses="email.quarantine_message", id="a@acme.example/m", more="")
        ),
        "sample.yaml",
    )
    [step] = planner.plan(playbook, case_facts.of_case(case), FREE)["steps"]
    assert (step["target"]["provider"], step["target"]["id"]) == ("imap", "")


@pytest.mark.parametrize("entity", ["message:id-of-a@acme.example/m", "message:m@evil.example"])
def test_the_cases_own_message_is_as_its_mailbox_where_it_names_one(case, entity) -> None:
    make_account("a@acme.example", is_break_glass=True)
    case.entities = [entity]
    case.save()
    steps = "  - id: one\n    uses: email.quarantine_message\n    target: message\n"
    playbook = language.load(response_text(steps), "sample.yaml")
    [step] = planner.plan(playbook, case_facts.of_case(case), FREE)["steps"]
    assert step["tier"] == ("forbidden" if "/" in entity else "automatic")


def test_an_alert_that_calls_an_accounts_id_a_message_does_not_make_it_the_cases_own(case) -> None:
    case.entities = ["message:u-1"]
    case.save()
    told = case_facts.of_case(case)
    playbook = language.load(
        response_text(OTHER.format(uses="identity.disable_sign_in", id="u-1", more="")), "s.yaml"
    )
    [step] = planner.plan(playbook, told, FREE)["steps"]
    assert step["tier_rule"]["id"] == "guardrail.unknown"
