"""What one case leads to: the responses of an investigation fit together, and none is left out."""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from integrations import catalog
from playbooks import engagement, library, planner, verdicts
from playbooks.expressions.given import merged
from playbooks.language import Playbook

INVESTIGATIONS = [one for one in library.playbooks().values() if one.kind == "investigation"]
NAMING = [one for one in INVESTIGATIONS if one.responses]
CONTAINING = {"contain-cloud-account", "contain-hybrid-account", "disable-leaver"}
TWIN = {
    "external_id": "S-1-5-21-1-2-3-1104", "provider": "active_directory", "is_enabled": True,
    "username": "CONTOSO\\priya.shah", "is_protected": False,
}  # fmt: skip
# Whom a case can be about, as containment sees it.
ACCOUNTS: dict[str, dict[str, Any]] = {
    "governed by the cloud": {"account": {"source_of_authority": "cloud"}},
    "hybrid": {"account": {"source_of_authority": "active_directory"}, "on_premises": TWIN},
    "hybrid, its twin not known": {"account": {"source_of_authority": "active_directory"}},
    "of unknown authority": {"account": {"source_of_authority": "unknown"}},
}
TECHNIQUES = json.loads(Path(__file__).with_name("techniques.json").read_text(encoding="utf-8"))
EMPLOYMENTS = ("leaver", "active", "unknown")
# Each plan stands alone, whatever becomes of the others, so each ends the sessions itself: to end
# them again does no harm.
HARMLESS_TWICE = {"identity.revoke_sessions"}


def _decided(playbook: Playbook) -> Iterator[dict[str, Any]]:
    """Yield each golden case's facts with each kind of account, and the verdict on them."""
    for test, change in itertools.product(playbook.tests, ACCOUNTS.values()):
        told = merged(merged(playbook.example, test.get("change", {})), change)
        for facts in _employed(told):
            verdict = verdicts.decide(playbook, facts)
            yield {
                **facts,
                "verdict": {"value": verdict.verdict, "confidence": verdict.confidence},
            }


def _employed(facts: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if not facts["evidence"].get("employment", {}).get("available"):
        yield facts
        return
    for status in EMPLOYMENTS:
        yield merged(facts, {"evidence": {"employment": {"status": status}}})


@pytest.mark.parametrize("playbook", NAMING, ids=lambda one: one.id)
def test_one_response_and_no_other_contains_an_account(playbook: Playbook) -> None:
    for facts in _decided(playbook):
        named = set(playbook.responses.get(facts["verdict"]["value"], ())) & CONTAINING
        chosen = [one for one in library.responses_for(playbook.id, facts) if one in CONTAINING]
        assert len(chosen) == (1 if named else 0), (facts["verdict"], facts["account"], chosen)


def test_each_kind_of_account_has_its_own_containment() -> None:
    playbook = library.get("investigate-mass-download")
    chosen = {}
    for name, change in ACCOUNTS.items():
        for status in EMPLOYMENTS:
            told = merged(playbook.example, {"evidence": {"employment": {"status": status}}})
            facts = merged(told, {**change, "verdict": {"value": "true_positive"}})
            chosen[name, status == "leaver"] = library.responses_for(playbook.id, facts)
    assert chosen == {
        **{(name, True): ["disable-leaver"] for name in ACCOUNTS},
        ("governed by the cloud", False): ["contain-cloud-account"],
        ("hybrid", False): ["contain-hybrid-account"],
        ("hybrid, its twin not known", False): ["contain-cloud-account"],
        ("of unknown authority", False): ["contain-cloud-account"],
    }


@pytest.mark.parametrize("playbook", NAMING, ids=lambda one: one.id)
def test_nothing_is_planned_twice_for_one_case(playbook: Playbook) -> None:
    for facts in _decided(playbook):
        planned = [
            (step["action"], step["target"]["external_id"])
            for response_id in library.responses_for(playbook.id, facts)
            for step in planner.plan(library.get(response_id), facts, engagement.default())["steps"]
            if step["action"] not in HARMLESS_TWICE
        ]
        assert len(planned) == len(set(planned)), planned


@pytest.mark.parametrize("playbook", NAMING, ids=lambda one: one.id)
def test_every_response_that_is_named_can_follow(playbook: Playbook) -> None:
    named = {(verdict, one) for verdict, ids in playbook.responses.items() for one in ids}
    followed = {
        (facts["verdict"]["value"], one)
        for facts in _decided(playbook)
        for one in library.responses_for(playbook.id, facts)
    }
    assert named - followed == set()


def test_every_response_is_named_by_an_investigation_or_undoes_another() -> None:
    named = {one for playbook in NAMING for ids in playbook.responses.values() for one in ids}
    responses = {one.id for one in library.playbooks().values() if one.kind == "response"}
    # A computer is let back by a person, when it is clean.
    assert responses - named == {"release-endpoint"}


def test_where_nothing_follows_an_attack_no_action_may_touch_the_account() -> None:
    proving = [
        one for one in INVESTIGATIONS if "true_positive" in {r.verdict for r in one.verdicts}
    ]
    silent = [one for one in proving if not one.responses]
    assert [one.id for one in silent] == ["investigate-break-glass-use"]
    assert silent[0].example["account"]["is_protected"] is True


def test_every_technique_exists_at_mitre() -> None:
    """The ids were compared with MITRE's own lists; a new one is looked up there and added."""
    attack = {one for playbook in library.playbooks().values() for one in playbook.attack}
    assert attack - TECHNIQUES["attack"]["techniques"].keys() == set()
    d3fend = {one for playbook in library.playbooks().values() for one in playbook.d3fend}
    d3fend |= {action.d3fend for action in catalog.ACTIONS if action.d3fend}
    assert d3fend - TECHNIQUES["d3fend"]["techniques"].keys() == set()
