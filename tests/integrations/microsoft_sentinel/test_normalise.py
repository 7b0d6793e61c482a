"""Alerts of Sentinel's rules, and what a reader sees in them."""

import datetime as dt
from types import SimpleNamespace
from typing import Any, cast

import pytest

from integrations.connectors.microsoft_sentinel.normalise import alert
from integrations.simulators.microsoft_sentinel import seeds
from tenants.errors import Quarantine
from tenants.records import SourceRecord

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)


def row(**changed: Any) -> dict[str, Any]:
    return seeds.alert(cast(Any, SimpleNamespace(id="t")), 0, NOW) | changed


def test_who_what_and_how_bad() -> None:
    made = alert(SourceRecord(row()))
    assert (made.title, made.severity_id, made.techniques) == (seeds.SPRAY, 3, ("T1110",))
    assert (made.actor, made.target) == ("user0@example.example", "PC-000")
    assert made.entities == ("account:user0@example.example", "device:pc-000", "ip:203.0.113.0")
    assert made.time == NOW - dt.timedelta(minutes=1)


@pytest.mark.parametrize("told", ["", "no json", "{}", None, "[1, null]"])
def test_entities_that_can_not_be_read_are_none(told) -> None:
    made = alert(SourceRecord(row(Entities=told, Techniques=told)))
    assert made.entities == ()
    assert made.actor == ""


@pytest.mark.parametrize("body", [{}, {"Id": "1"}, {"SystemAlertId": "", "TimeGenerated": "x"}])
def test_what_is_no_alert_is_quarantined(body) -> None:
    with pytest.raises(Quarantine):
        alert(SourceRecord(body))
