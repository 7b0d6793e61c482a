"""The benchmark of detection finds matches, and stops where the two ways tell different ones."""

import pytest

from bench import detection, sigma_rules, telemetry
from integrations.detection.engine import Engine

SEED = 20261126


def test_both_ways_are_run_on_the_same_records_and_find_something() -> None:
    figures = detection.measured(sigma_rules.cloud(40, SEED), telemetry.of_clouds(200, SEED))
    assert (figures.rules, figures.records) == (40, 200)
    assert figures.matches > 0
    assert figures.as_json()["times_plain"] > 0


def test_a_way_that_finds_nothing_is_told(monkeypatch) -> None:
    monkeypatch.setattr(Engine, "detect", lambda engine, record: [])
    with pytest.raises(AssertionError, match="The ways differ"):
        detection.measured(sigma_rules.cloud(40, SEED), telemetry.of_clouds(200, SEED))
