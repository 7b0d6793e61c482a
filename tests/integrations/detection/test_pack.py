"""Each of our rules fires on its own positive records, and is silent on its negative ones."""

import json
from functools import cache
from pathlib import Path

import pytest

from integrations.detection import loading
from integrations.detection.engine import Engine
from integrations.detection.rules import Rule

PACK = loading.load(loading.OUR_RULES)
LEVELS = {"informational", "low", "medium", "high", "critical"}


def _cases(rule: Rule) -> dict[str, list[dict]]:
    file = loading.OUR_RULES / Path(rule.file).with_suffix(".cases.json")
    return json.loads(file.read_text(encoding="utf-8"))


@cache
def _engine() -> Engine:
    return Engine(PACK)


def _fires(rule: Rule, record: dict) -> bool:
    return rule.id in {match.rule.id for match in _engine().detect(record)}


def test_the_whole_pack_is_run() -> None:
    assert PACK.not_run == ()
    assert _engine().blind() == []


@pytest.mark.parametrize("rule", PACK.rules, ids=lambda rule: rule.file)
def test_a_rule_does_what_it_says(rule) -> None:
    cases = _cases(rule)
    assert cases["positive"]
    assert cases["negative"]
    for record in cases["positive"]:
        assert _fires(rule, record), record
    for record in cases["negative"]:
        assert not _fires(rule, record), record


@pytest.mark.parametrize("rule", PACK.rules, ids=lambda rule: rule.file)
def test_a_rule_says_what_a_technician_needs(rule) -> None:
    assert rule.level in LEVELS
    assert rule.techniques
    assert rule.false_positives
    assert len(rule.description) > 20
    assert rule.author == "Holdfast"


def test_no_two_rules_have_the_same_title() -> None:
    titles = [rule.title for rule in PACK.rules]
    assert len(titles) == len(set(titles))


def test_nothing_is_left_beside_the_rules() -> None:
    known = {Path(rule.file).with_suffix("") for rule in PACK.rules}
    for file in loading.OUR_RULES.rglob("*.cases.json"):
        assert file.relative_to(loading.OUR_RULES).with_suffix("").with_suffix("") in known
