"""The responses and routines of the library: sound, complete, and in the right order."""

import copy

import pytest

from integrations import catalog
from playbooks import engagement, library, planner
from playbooks.adoption import golden
from playbooks.expressions.given import merged
from playbooks.language import Playbook
from tenants.canonical import canonical_json

ACTING = [one for one in library.playbooks().values() if one.kind != "investigation"]
RESPONSES = {
    "contain-cloud-account", "contain-hybrid-account", "undo-mailbox-tampering",
    "undo-mailbox-access", "revoke-oauth-grants", "revoke-granted-role", "reset-sign-in-methods",
    "remove-message-everywhere", "block-sender", "isolate-endpoint", "release-endpoint",
    "scan-endpoint", "block-indicator", "disable-leaver",
}  # fmt: skip
ROUTINES = {
    "offboard-leaver", "emergency-patch", "patch-ring", "break-glass-test", "access-review",
    "correct-posture-drift",
}  # fmt: skip


def _changing(playbook: Playbook) -> list[catalog.CatalogAction]:
    actions = [catalog.get(step.uses) for step in playbook.steps]
    return [action for action in actions if not action.is_read_only]


def _planned(playbook_id: str, **change):
    playbook = library.get(playbook_id)
    facts = merged(copy.deepcopy(dict(playbook.example)), change)
    return planner.plan(playbook, facts, engagement.default())


def _order(plan) -> list[str]:
    """Return the ids of the steps as they can be carried out: each after all that it needs."""
    done: list[str] = []
    waiting = list(plan["steps"])
    while waiting:
        ready = next(step for step in waiting if set(step["needs"]) <= set(done))
        done.append(ready["id"])
        waiting.remove(ready)
    return done


def _needs(plan, step_id: str) -> set[str]:
    """Return everything that has to come before a step, near and far."""
    direct = {step["id"]: set(step["needs"]) for step in plan["steps"]}
    found = set(direct[step_id])
    while more := {far for near in found for far in direct[near]} - found:
        found |= more
    return found


def test_the_library_has_what_was_promised() -> None:
    by_kind = {kind: {p.id for p in ACTING if p.kind == kind} for kind in ("response", "routine")}
    assert by_kind["response"] >= RESPONSES
    assert by_kind["routine"] >= ROUTINES


@pytest.mark.parametrize("playbook", ACTING, ids=lambda one: one.id)
def test_golden_cases_hold(playbook: Playbook) -> None:
    outcomes = golden.run(playbook)
    assert len(outcomes) >= 3
    assert [outcome for outcome in outcomes if outcome.difference] == []


@pytest.mark.parametrize("playbook", ACTING, ids=lambda one: one.id)
def test_techniques_are_those_of_the_actions(playbook: Playbook) -> None:
    changing = _changing(playbook)
    expected = {action.d3fend for action in changing if action.d3fend}
    # What only asks, watches.
    assert set(playbook.d3fend) == (expected if changing else {"D3-DAM"})
    assert len(playbook.d3fend) == len(set(playbook.d3fend))
    assert playbook.attack


@pytest.mark.parametrize("playbook", ACTING, ids=lambda one: one.id)
def test_practice_is_cited_and_every_change_is_explained(playbook: Playbook) -> None:
    assert playbook.sources
    assert all(source.startswith("https://") for source in playbook.sources)
    silent = [
        step.id
        for step in playbook.steps
        if not catalog.get(step.uses).is_read_only and not step.why
    ]
    assert silent == []


@pytest.mark.parametrize("playbook", ACTING, ids=lambda one: one.id)
def test_a_protected_account_is_never_touched(playbook: Playbook) -> None:
    twin = {"on_premises": {"is_protected": True}} if "on_premises" in playbook.example else {}
    plan = _planned(playbook.id, account={"is_protected": True}, **twin)
    of_accounts = [
        step["id"]
        for step in plan["steps"]
        if step["target"]["kind"] in ("account", "mailbox", "auth_method", "role_assignment")
        and step["tier"] != "forbidden"
    ]
    assert of_accounts == []


def test_active_directory_comes_before_the_cloud() -> None:
    plan = _planned("contain-hybrid-account")
    assert _needs(plan, "disable_in_cloud") == {"disable_on_premises", "reset_on_premises"}
    assert {"reset_on_premises", "disable_in_cloud"} <= _needs(plan, "revoke_sessions")
    assert _order(plan)[:3] == ["disable_on_premises", "reset_on_premises", "disable_in_cloud"]
    providers = {step["id"]: step["target"]["provider"] for step in plan["steps"]}
    assert providers["disable_on_premises"] == "active_directory"
    assert providers["disable_in_cloud"] == "microsoft365"


def test_a_licence_goes_only_after_the_mailbox_is_shared() -> None:
    plan = _planned("offboard-leaver")
    assert {"convert_mailbox", "disable_sign_in"} <= _needs(plan, "free_licences[l-1]")
    failures = {step["id"]: step["on_failure"] for step in plan["steps"]}
    assert failures["convert_mailbox"] == "stop"


def test_more_copies_than_a_hundred_are_left_to_a_person() -> None:
    copies = [{"external_id": f"u-{n:03}/m", "name": f"{n}", "mailbox": "x"} for n in range(103)]
    known = library.get("remove-message-everywhere").example["directory"]["messages"]["u-2/m"]
    plan = _planned(
        "remove-message-everywhere",
        evidence={"copies": {"copies": copies}},
        directory={"messages": {one["external_id"]: known for one in copies}},
    )
    assert len(plan["steps"]) == 100
    assert len(plan["skipped"]) == 4  # three copies, and the step for when none is known
    assert plan["tier"] == "second_technician"


def test_a_review_of_many_accounts_can_be_planned() -> None:
    """CEL ends after 10,000 rounds through lists: a client with many idle accounts has to fit."""
    idle = [
        {"external_id": f"u-{n}", "name": f"u-{n}", "last_sign_in_days": 99} for n in range(900)
    ]
    known = library.get("access-review").example["directory"]["accounts"]["u-1"]
    plan = _planned(
        "access-review",
        evidence={"inactive": {"accounts": idle}},
        directory={"accounts": {one["external_id"]: known for one in idle}},
    )
    assert sum(step["action"] == "identity.disable_sign_in" for step in plan["steps"]) == 50
    assert sum(one.get("by_hand", False) for one in plan["skipped"]) == 850
    # Each step says why, but not by repeating all that was asked.
    assert all(len(canonical_json(step)) < 4000 for step in plan["steps"])
