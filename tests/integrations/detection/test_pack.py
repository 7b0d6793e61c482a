"""Each of our rules fires on its own positive records, and is silent on its negative ones."""

import json
from functools import cache
from pathlib import Path

from integrations.detection import loading
from integrations.detection.engine import Engine
from integrations.detection.rules import Pack, Rule

LEVELS = {"informational", "low", "medium", "high", "critical"}


def _cases(rule: Rule) -> dict[str, list[dict]]:
    file = loading.OUR_RULES / Path(rule.file).with_suffix(".cases.json")
    return json.loads(file.read_text(encoding="utf-8"))


@cache
def _pack() -> Pack:
    return loading.load(loading.OUR_RULES)


@cache
def _engine() -> Engine:
    return Engine(_pack())


def _fires(rule: Rule, record: dict) -> bool:
    return rule.id in {match.rule.id for match in _engine().detect(record)}


def test_the_whole_pack_is_run() -> None:
    assert _pack().not_run == ()
    assert _engine().blind() == []


def test_each_rule_does_what_it_says() -> None:
    for rule in _pack().rules:
        cases = _cases(rule)
        assert cases["positive"], rule.file
        assert cases["negative"], rule.file
        for record in cases["positive"]:
            assert _fires(rule, record), (rule.file, record)
        for record in cases["negative"]:
            assert not _fires(rule, record), (rule.file, record)


def test_each_rule_says_what_a_technician_needs() -> None:
    for rule in _pack().rules:
        assert rule.level in LEVELS, rule.file
        assert rule.techniques, rule.file
        assert rule.false_positives, rule.file
        assert len(rule.description) > 20, rule.file
        assert rule.author == "Holdfast", rule.file


def test_no_two_rules_have_the_same_title() -> None:
    titles = [rule.title for rule in _pack().rules]
    assert len(titles) == len(set(titles))


def test_nothing_is_left_beside_the_rules() -> None:
    known = {Path(rule.file).with_suffix("") for rule in _pack().rules}
    for file in loading.OUR_RULES.rglob("*.cases.json"):
        assert file.relative_to(loading.OUR_RULES).with_suffix("").with_suffix("") in known
