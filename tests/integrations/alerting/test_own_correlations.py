"""Each of our correlations fires on its own positive series of records, and on no negative one."""

import datetime as dt
import json
from functools import cache
from typing import Any

import pytest

from integrations import registry
from integrations.alerting import rulebook
from integrations.alerting.rows import RuleHit
from integrations.alerting.rulebook import OWN, OWN_CORRELATIONS, Entry
from integrations.alerting.watching import RuleWatch
from tenants import intake, scope
from tenants.records import SourceRecord
from tests.conftest import new_tenant

FILES = sorted(OWN_CORRELATIONS.glob("*.yml"))
START = dt.datetime(2026, 11, 18, 9, 5, tzinfo=dt.UTC)


@cache
def _book() -> rulebook.Rulebook:
    return rulebook.made_of([(name, content, OWN, "") for name, content in rulebook.own_files()])


def _entry(file) -> Entry:
    found = [
        one for one in _book().entries.values()
        if one.file == f"correlations/{file.name}" and one.correlation
    ]  # fmt: skip
    assert len(found) == 1
    return found[0]


def _filled(value: Any, number: int, at: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(one, number, at) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, number, at) for one in value]
    if isinstance(value, str):
        return value.replace("{n}", str(number)).replace("{at}", at)
    return value


def _records(template: dict, series: list[dict]) -> list[SourceRecord]:
    found, at = [], START
    for part in series:
        for _ in range(part["times"]):
            when = at.strftime("%Y-%m-%dT%H:%M:%SZ")
            found.append(SourceRecord(_filled({**template, **part["set"]}, len(found), when)))
            at += dt.timedelta(seconds=part["every"])
    return found


def _fires(entry: Entry, cases: dict, series: list[dict], slug: str) -> bool:
    feed = registry.connector(cases["connector"]).feed(cases["feed"])
    with scope.tenant(new_tenant(slug).id):
        outcome = intake.take(
            connector=cases["connector"], feed=cases["feed"],
            records=_records(cases["record"], series),
            normalise=feed.normaliser(cases.get("settings", {})), watch=RuleWatch(),
        )  # fmt: skip
        assert outcome.events == sum(part["times"] for part in series), outcome.reasons
        return RuleHit.objects.filter(rule_id=entry.id).exists()


def test_every_correlation_is_run() -> None:
    assert _book().not_run == ()
    assert len(FILES) >= 8


@pytest.mark.django_db
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_correlation_does_what_it_says(file) -> None:
    cases = json.loads(file.with_suffix(".cases.json").read_text(encoding="utf-8"))
    entry = _entry(file)
    for kind, expected in (("positive", True), ("negative", False)):
        assert cases[kind]
        for number, series in enumerate(cases[kind]):
            assert _fires(entry, cases, series, f"{kind}-{number}") is expected, series


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_correlation_says_what_a_technician_needs(file) -> None:
    entry = _entry(file)
    assert entry.level in ("medium", "high", "critical")
    assert entry.techniques
    assert entry.tactics
    assert entry.false_positives
    assert len(entry.description) > 40
    assert entry.author == OWN
