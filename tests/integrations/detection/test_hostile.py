"""Records made to hurt are looked at in bounded time and memory.

Time is compared with that of the same thing ten times smaller: what grows with the square of its
size would take a hundred times as long.
"""

import json
import time
from itertools import pairwise

import pytest
import yaml

from integrations.detection import engine as engine_module
from integrations.detection import fields, keys, loading, recognition
from integrations.detection.recognition import recognised
from tests.integrations.detection.rulebook import AUDIT, engine, rule

# Ten times the work, and as much again and again for what a busy machine adds.
_LINEAR = 40


def _seconds(ready, record) -> float:
    ready.detect(AUDIT)
    told = []
    for _ in range(3):
        began = time.process_time()
        ready.detect(record)
        told.append(time.process_time() - began)
    return max(min(told), 0.0001)


def _growth(rules, make, size: int) -> float:
    ready = engine(*rules)
    return _seconds(ready, make(10 * size)) / _seconds(ready, make(size))


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|a)*b", "(.*a){10}b", "(x+x+)+y"])
def test_a_pattern_that_explodes_elsewhere_runs_in_linear_time(pattern) -> None:
    rules = [rule({"s": {"f|re": pattern}, "condition": "s"})]
    for letter in "ax":
        assert _growth(rules, lambda n, x=letter: {**AUDIT, "f": x * n + "!"}, 20_000) < _LINEAR


def test_wildcards_run_in_linear_time() -> None:
    rules = [rule({"s": {"f": "*a" * 40 + "*b"}, "condition": "s"})]
    assert _growth(rules, lambda n: {**AUDIT, "f": "a" * n}, 20_000) < _LINEAR


def test_overlapping_literals_do_not_multiply() -> None:
    rules = [
        rule({"s": {"f|contains": "a" * length + "b"}, "condition": "s"})
        for length in range(2, 60, 3)
    ]
    assert _growth(rules, lambda n: {**AUDIT, "f": "a" * n}, 70_000) < _LINEAR


def test_ten_thousand_fields_are_looked_through() -> None:
    def record(count):
        return {**AUDIT, **{f"field_{n}": f"value {n}" for n in range(count)}, "f": "x"}

    rules = [
        rule({"s": {"f": "x", "G|exists": False}, "condition": "s"}),
        rule({"k": ["value 99"], "condition": "k"}),
        *(rule({"s": {f"nested.F{n}": "x"}, "condition": "s"}) for n in range(100)),
    ]
    assert len(engine(*rules).detect(record(10_000))) == 2
    assert _growth(rules, record, 1_000) < _LINEAR
    assert _growth(rules, lambda n: {**AUDIT, "nested": record(n)}, 1_000) < _LINEAR


def test_a_deep_record_is_looked_at() -> None:
    def record(depth):
        deep: dict = {"end": "x"}
        for _ in range(depth):
            deep = {"d": deep}
        return {**AUDIT, **deep}

    rules = [rule({"k": ["x"], "condition": "k"}), rule({"s": {"d.d.d": "x"}, "condition": "s"})]
    assert len(engine(*rules).detect(record(5_000))) == 1
    assert _growth(rules, record, 500) < _LINEAR


def test_a_field_of_many_values_is_bounded() -> None:
    rules = [rule({"s": {"f.g.h": "x"}, "condition": "s"})]

    def record(count):
        return {**AUDIT, "f": [[{"g": [{"h": "y"}] * count}] * count] * 5}

    # A hundred times the values.
    assert _growth(rules, record, 20) < _LINEAR


def test_what_is_remembered_of_records_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(keys, "_MOST_KINDS", 20)
    monkeypatch.setattr(fields, "_MOST_REMEMBERED", 20)
    # A kind takes some three thousand bytes: about ten of them fit.
    for module in (recognition, engine_module):
        monkeypatch.setattr(module, "_MOST_BYTES", 30_000)
    recogniser = recognition.Recogniser()
    monkeypatch.setattr(engine_module, "kind_of", recogniser.kind)
    ready = engine(rule({"s": {"f": "x", "part.g": "y"}, "condition": "s"}))
    kept, planned = [], []
    # What other tests have left is forgotten at the first that is too many.
    for n in range(100):
        part = {f"own_{n}": 1, "G": "y"}
        record = {"Operation": "o", "Workload": f"w{n}", "f": "x", f"only_{n}": n, "part": part}
        assert len(ready.detect(record)) == 1
        kept.append(recogniser.weight)
        planned.append(ready.weight)
    assert len(keys._known) <= 20
    assert len(fields.sorter("Workload").known) <= 20
    for weights in (kept, planned):
        # It grows, is forgotten, and grows again.
        assert 20_000 < max(weights) < 40_000
        assert sum(b < a for a, b in pairwise(weights)) > 3
    before = recogniser.weight
    assert len(ready.detect({**AUDIT, "f": "x", "part": {"g": "y"}, "k" * 1_000_000: 1})) == 1
    assert len(ready.detect({**AUDIT, "f": "x", "part": {"g": "y", "k" * 1_000_000: 1}})) == 1
    assert recogniser.weight < before + 10_000


def test_values_are_remembered_but_few_and_short() -> None:
    ready = engine(rule({"s": {"f": "x", "part.g": "y"}, "condition": "s"}))
    for n in range(3_000):
        ready.detect({**AUDIT, "f": f"{n}{'z' * (n % 200)}"})
    (index,) = ready._indexes.values()
    (field,) = (one for one in index.fields if one.name == "f")
    assert 0 < len(field.known) <= 1_024
    assert max(map(len, field.known)) <= 96


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", "1e308", "-0.0", "9" * 4_000, '"\\ud800"']
)
def test_numbers_that_are_none_and_half_characters_are_values_like_others(text) -> None:
    record = json.loads(f'{{"Operation": "o", "Workload": "w", "f": {text}, "g": "x"}}')
    rules = [
        rule({"s": {"g": "x"}, "condition": "s"}),
        rule({"s": {"f|cidr": "10.0.0.0/8"}, "condition": "s"}),
    ]
    assert len(engine(*rules).detect(record)) == 1


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


def test_a_beginning_that_is_repeated_without_end_breaks_nothing() -> None:
    named = "o365.audit." * 40 + "f"
    found = engine(
        rule({"s": {named: "x"}, "condition": "s"}), rule({"s": {"f": "x"}, "condition": "s"})
    ).detect({**AUDIT, "f": "x"})
    assert len(found) == 1
    much = yaml.safe_dump(rule({"s": {"o365.audit." * 2_000 + "f": "x"}, "condition": "s"}))
    pack = loading.loaded([("test.yml", much.encode())])
    assert "longer than 500 characters" in str(pack.not_run)
