"""The same facts give the same plan, byte for byte, on every machine."""

import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import catalog
from playbooks import engagement, library, planner, verdicts
from playbooks.errors import PlaybookError
from tenants.canonical import canonical_json
from tests.playbooks.samples import DISABLE, facts, policy, response

ROOT = Path(__file__).resolve().parents[2]
RESPONSES = sorted(p.id for p in library.playbooks().values() if p.kind == "response")


def _shuffled(value: Any, chance: random.Random) -> Any:
    """Return the same content with the keys in another order."""
    if isinstance(value, dict):
        keys = chance.sample(sorted(value), len(value))
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(item, chance) for item in value] if isinstance(value, list) else value


@given(playbook_id=st.sampled_from(RESPONSES), seed=st.integers(0, 10_000))
@settings(deadline=None)
def test_the_order_of_keys_does_not_count(playbook_id, seed) -> None:
    playbook, chance = library.get(playbook_id), random.Random(seed)
    plans = [
        planner.plan(playbook, given_facts, engagement.default())
        for given_facts in (playbook.example, _shuffled(dict(playbook.example), chance))
    ]
    assert canonical_json(plans[0]) == canonical_json(plans[1])


@given(order=st.permutations(range(5)))
def test_the_order_of_targets_does_not_count(order) -> None:
    rules = [
        {"external_id": f"r{n}", "name": f"n{n}", "is_suspicious": True, "is_enabled": True}
        for n in order
    ]
    document = planner.plan(
        library.get("undo-mailbox-tampering"), _with_rules(rules), engagement.default()
    )
    assert [s["target"]["external_id"] for s in document["steps"]] == [f"r{n}" for n in range(5)]


def _with_rules(rules: list[dict[str, Any]]) -> dict[str, Any]:
    told = facts()
    told["evidence"]["inbox_rules"] = {"available": True, "rules": rules}
    return told


def _facts_file(playbook_id: str, tmp_path: Path) -> Path:
    out = io.StringIO()
    call_command("playbook", "facts", playbook_id, stdout=out)
    path = tmp_path / "facts.json"
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


@pytest.mark.parametrize("playbook_id", sorted(library.playbooks()))
def test_the_facts_that_a_playbook_prints_are_the_facts_it_takes(playbook_id, tmp_path) -> None:
    out, path = io.StringIO(), _facts_file(playbook_id, tmp_path)
    call_command("playbook", "plan", playbook_id, "--facts", str(path), "--json", stdout=out)
    told, playbook = json.loads(out.getvalue()), library.get(playbook_id)
    if playbook.kind == "investigation":
        assert told["verdict"] == verdicts.decide(playbook, playbook.example).as_json()
    else:
        expected = planner.plan(playbook, playbook.example, engagement.default())
        assert told == {"plan": expected, "sha256": planner.plan_sha256(expected)}
        acts = any(not catalog.get(step.uses).is_read_only for step in playbook.steps)
        assert bool(told["plan"]["steps"]) == acts


ELSEWHERE = [
    {"PYTHONHASHSEED": "1"},
    {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "LANG": "tr_TR.UTF-8"},
    {"PYTHONHASHSEED": "7", "TZ": "Pacific/Apia", "LC_ALL": "", "LANG": "de_DE.ISO-8859-1"},
]
COMMAND = ("playbook", "plan", "contain-cloud-account", "--json", "--facts")
ASCII_ONLY = {
    "PYTHONHASHSEED": "9", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
}  # fmt: skip


def _planned_elsewhere(path: Path, environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "manage.py", *COMMAND, str(path)],
        cwd=ROOT, env=os.environ | environment, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return json.loads(done.stdout)


@pytest.mark.process
@pytest.mark.parametrize("environment", ELSEWHERE)
def test_another_process_zone_and_language_give_the_same_hash(environment, tmp_path) -> None:
    _same_hash(environment, tmp_path)


@pytest.mark.process
def test_a_machine_without_unicode_gives_the_same_hash(tmp_path) -> None:
    _same_hash(ASCII_ONLY, tmp_path)


def _same_hash(environment: dict[str, str], tmp_path: Path) -> None:
    path = _facts_file("contain-cloud-account", tmp_path)
    told = json.loads(path.read_text(encoding="utf-8"))
    told["account"]["display_name"] = "Žaneta Ørsted 😀"
    path.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    here = planner.plan(library.get("contain-cloud-account"), told, engagement.default())
    assert _planned_elsewhere(path, environment) == {
        "plan": here, "sha256": planner.plan_sha256(here),
    }  # fmt: skip


@pytest.mark.parametrize("playbook_id", RESPONSES)
def test_what_a_step_needs_is_in_the_plan(playbook_id) -> None:
    playbook = library.get(playbook_id)
    for change in ({}, {"is_enabled": False}, {"is_privileged": True}):
        told = {**playbook.example, "account": {**playbook.example["account"], **change}}
        steps = planner.plan(playbook, told, engagement.default())["steps"]
        places = {step["id"]: place for place, step in enumerate(steps)}
        assert len(places) == len(steps)
        for step in steps:
            assert all(places[needed] < places[step["id"]] for needed in step["needs"])


def test_a_step_whose_condition_does_not_hold_is_named_with_the_reason() -> None:
    document = planner.plan(
        library.get("contain-cloud-account"),
        facts(account={"is_enabled": False}),
        engagement.default(),
    )
    assert document["skipped"] == [
        {
            "step": "disable_sign_in",
            "why": "the condition does not hold: account.is_enabled != false",
        }
    ]
    assert all("disable_sign_in" not in step["needs"] for step in document["steps"])


FOR_EACH = """\
  - id: rules
    uses: mailbox.disable_inbox_rule
    for_each: evidence.inbox_rules.rules
    at_most: 3
    target: {external_id: "${ item.external_id }", name: "${ item.name }"}
"""


def _plan_for(*rules: dict[str, Any]) -> dict[str, Any]:
    return planner.plan(response(FOR_EACH), _with_rules(list(rules)), policy(default="automatic"))


def test_a_step_shows_every_condition_it_stood_under_and_what_each_read() -> None:
    told = _with_rules([{"external_id": f"r{n}", "name": "x"} for n in range(2)])
    playbook = response(FOR_EACH + "    when: account.is_enabled\n")
    [why, _] = [step["why"] for step in planner.plan(playbook, told, policy())["steps"]]
    assert why["condition"] == "account.is_enabled; for each of evidence.inbox_rules.rules"
    assert why["facts"] == {
        "account.is_enabled": True,
        "evidence.inbox_rules.rules": told["evidence"]["inbox_rules"]["rules"],
    }
    [why] = [step["why"] for step in planner.plan(response(DISABLE), facts(), policy())["steps"]]
    assert (why["condition"], why["facts"]) == ("always", {})


def test_a_plan_does_not_carry_a_long_list_along_with_each_target() -> None:
    """A hundred targets of a list of two thousand: the plan says how long it was."""
    many = FOR_EACH.replace("at_most: 3", "at_most: 100")
    told = [{"external_id": f"r{n:04}", "name": "x"} for n in range(2000)]
    steps = planner.plan(response(many), _with_rules(told), policy())["steps"]
    assert len(steps) == 100
    assert {step["why"]["facts"]["evidence.inbox_rules.rules"] for step in steps} == {"2000 items"}


def test_too_many_targets_are_left_to_a_technician_by_name() -> None:
    told = [{"external_id": f"r{n}", "name": f"rule {n}"} for n in range(5)]
    within, beyond = _plan_for(*told[:3]), _plan_for(*told)
    assert [step["tier"] for step in within["steps"]] == ["automatic"] * 3
    assert [step["tier"] for step in beyond["steps"]] == ["technician"] * 3
    assert [s["why"].split(": ")[1] for s in beyond["skipped"]] == ["rule 3 (r3)", "rule 4 (r4)"]


def test_a_target_listed_twice_is_one_target() -> None:
    rule = {"external_id": "r1", "name": "a"}
    assert len(_plan_for(rule, {**rule, "name": "b"}, rule)["steps"]) == 1


@pytest.mark.parametrize("external_id", ["", None])
def test_a_target_without_an_id_is_never_a_step(external_id) -> None:
    _is_no_target(external_id)


@pytest.mark.parametrize("external_id", [5, ["r"], {"a": 1}])
def test_a_target_with_an_id_that_is_no_text_is_never_a_step(external_id) -> None:
    _is_no_target(external_id)


def _is_no_target(external_id: object) -> None:
    good = {"external_id": "r1", "name": "a"}
    document = _plan_for(good, {"external_id": external_id, "name": "b"})
    assert [step["target"]["external_id"] for step in document["steps"]] == ["r1"]
    assert len(document["skipped"]) == 1


def test_the_number_of_targets_of_an_action_decides_the_tier_of_each() -> None:
    rules = policy(
        {"id": "wide", "title": "Wide", "when": "objects > 2", "tier": "client"},
        default="automatic",
    )
    told = [{"external_id": f"r{n}", "name": "x"} for n in range(3)]
    assert planner.plan(response(FOR_EACH), _with_rules(told), rules)["tier"] == "client"
    assert planner.plan(response(FOR_EACH), _with_rules(told[:2]), rules)["tier"] == "automatic"


def test_a_forbidden_step_is_shown_and_the_others_keep_their_tier() -> None:
    rules = policy(
        {"id": "never", "title": "Never", "actions": ["*.reset_password"], "tier": "forbidden"},
        default="automatic",
    )
    document = planner.plan(library.get("contain-cloud-account"), facts(), rules)
    tiers = {step["action"]: step["tier"] for step in document["steps"]}
    assert tiers["identity.reset_password"] == "forbidden"
    assert tiers["identity.revoke_sessions"] == "automatic"
    assert document["tier"] == "automatic"


@pytest.mark.parametrize("tier", engagement.TIERS)
def test_no_step_is_below_what_the_plan_is_asked_for(tier) -> None:
    document = planner.plan(response(DISABLE), facts(), policy(default="automatic"), tier)
    assert document["steps"][0]["tier"] == tier


def test_a_change_of_the_playbook_or_the_rules_changes_the_hash() -> None:
    plans = [
        planner.plan(response(DISABLE), facts(), policy()),
        planner.plan(response(DISABLE + "    why: Because.\n"), facts(), policy()),
        planner.plan(response(DISABLE), facts(), policy(default="client")),
        planner.plan(response(DISABLE), facts(account={"username": "x@y.example"}), policy()),
    ]
    assert len({planner.plan_sha256(plan) for plan in plans}) == 4


@pytest.mark.parametrize(
    "change",
    [{"account": {}}, {"account": None}, {"account": "text"}, {"account": {"external_id": ""}}],
)
def test_facts_that_lack_the_target_are_refused(change) -> None:
    with pytest.raises(PlaybookError, match="account"):
        planner.plan(response(DISABLE), {**facts(), **change}, policy())


@pytest.mark.parametrize("name", ["case", "tenant", "account", "mailbox", "evidence", "verdict"])
@pytest.mark.parametrize("value", [None, 5, "text", [1]])
def test_facts_of_the_wrong_type_are_refused_by_name(name, value) -> None:
    with pytest.raises(PlaybookError, match=name):
        planner.plan(response(DISABLE), {**facts(), name: value}, policy())


def test_all_missing_facts_are_named_at_once() -> None:
    steps = DISABLE + "    when: account.a\n" + DISABLE.replace("id: disable", "id: b")
    with pytest.raises(PlaybookError) as caught:
        planner.plan(response(steps + "    when: mailbox.b\n"), facts(), policy())
    assert len(caught.value.problems) == 2


def test_the_tier_is_told_with_what_demands_it() -> None:
    """Where a rule would have let it go by itself, that rule is not what it is told by."""
    rule = {"id": "at-once", "title": "Contained at once", "tier": "automatic"}
    by_itself, asked = (
        planner.plan(response(), facts(), policy(rule, default="automatic"), tier)["steps"][0]
        for tier in ("automatic", "technician")
    )
    assert (by_itself["tier"], by_itself["tier_rule"]["id"]) == ("automatic", "at-once")
    assert (asked["tier"], asked["tier_rule"]["id"]) == ("technician", "not-by-itself")


def test_two_targets_of_one_id_are_both_told() -> None:
    steps = """\
  - id: rules
    uses: mailbox.disable_inbox_rule
    for_each: evidence.inbox_rules.rules
    target:
      external_id: "${ item.external_id }"
      name: "${ item.name }"
      provider: "${ item.provider }"
"""
    told = facts()
    told["evidence"]["inbox_rules"]["rules"] = [
        {"external_id": "1", "name": "one", "provider": "microsoft365"},
        {"external_id": "1", "name": "one", "provider": "microsoft365"},
        {"external_id": "1", "name": "two", "provider": "google_workspace"},
    ]
    plan = planner.plan(response(steps), told, policy(default="automatic"))
    [step], [left] = plan["steps"], plan["skipped"]
    assert step["target"]["name"] == "one"
    assert "by hand: two" in left["why"]
    assert (step["tier"], step["tier_rule"]["id"]) == ("technician", "some-by-hand")
