"""Records made to hurt are looked at in bounded time."""

import time

import pytest

from integrations.detection.recognition import recognised
from tests.integrations.detection.rulebook import AUDIT, engine, rule


def _seconds(rules, record) -> float:
    ready = engine(*rules)
    ready.detect(AUDIT)
    began = time.process_time()
    ready.detect(record)
    return time.process_time() - began


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|a)*b", "(.*a){10}b", "(x+x+)+y"])
def test_a_pattern_that_explodes_elsewhere_runs_in_linear_time(pattern) -> None:
    rules = [rule({"s": {"f|re": pattern}, "condition": "s"})]
    assert _seconds(rules, {**AUDIT, "f": "a" * 500_000 + "!"}) < 2
    assert _seconds(rules, {**AUDIT, "f": "x" * 500_000 + "!"}) < 2


def test_wildcards_run_in_linear_time() -> None:
    rules = [rule({"s": {"f": "*a" * 40 + "*b"}, "condition": "s"})]
    assert _seconds(rules, {**AUDIT, "f": "a" * 500_000}) < 2


def test_overlapping_literals_do_not_multiply() -> None:
    rules = [
        rule({"s": {"f|contains": "a" * length + "b"}, "condition": "s"}) for length in range(2, 60)
    ]
    assert _seconds(rules, {**AUDIT, "f": "a" * 500_000}) < 2


def test_ten_thousand_fields_are_looked_through() -> None:
    record = {**AUDIT, **{f"field_{n}": f"value {n}" for n in range(10_000)}, "f": "x"}
    rules = [
        rule({"s": {"f": "x", "G|exists": False}, "condition": "s"}),
        rule({"k": ["value 9999"], "condition": "k"}),
    ]
    assert len(engine(*rules).detect(record)) == 2
    assert _seconds(rules, record) < 1


def test_a_deep_record_is_looked_at() -> None:
    deep: dict = {"end": "x"}
    for _ in range(5_000):
        deep = {"d": deep}
    rules = [rule({"k": ["x"], "condition": "k"}), rule({"s": {"d.d.d": "x"}, "condition": "s"})]
    assert _seconds(rules, {**AUDIT, **deep}) < 1


def test_a_field_of_many_values_is_bounded() -> None:
    lists = [[{"g": [{"h": "y"}] * 200}] * 200] * 5
    rules = [rule({"s": {"f.g.h": "x"}, "condition": "s"})]
    assert _seconds(rules, {**AUDIT, "f": lists}) < 2


@pytest.mark.parametrize("record", [{}, {"a": 1}, {"category": None}, {"events": "[[[["}])
def test_what_is_of_no_known_shape_matches_nothing(record) -> None:
    assert recognised(record) is None
    assert engine(rule({"s": {"a": 1}, "condition": "s"})).detect(record) == []


def test_half_a_character_is_no_error() -> None:
    rules = [
        rule({"s": {"f|re": "x"}, "condition": "s"}),
        rule({"s": {"f|contains": "xy"}, "condition": "s"}),
        rule({"s": {"f": "*x?z*q"}, "condition": "s"}),
    ]
    assert len(engine(*rules).detect({**AUDIT, "f": "\ud800xyz\udfff"})) == 2
