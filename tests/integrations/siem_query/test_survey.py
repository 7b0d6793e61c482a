"""A SIEM that is described by data: what is read of it, and what is refused."""

import datetime as dt
from collections.abc import Iterator

import pytest

from integrations.connectors.siem_query.client import at
from integrations.connectors.siem_query.products import connect
from integrations.connectors.siem_query.survey import entered, run, survey
from integrations.errors import (
    ConnectionMisconfigured,
    PermissionMissing,
    Throttled,
    Unauthorised,
    Unavailable,
    VendorError,
)
from integrations.siem.audit import audit
from integrations.siem.queries.converting import converted
from tests.integrations.conformance.subject import Simulated
from tests.integrations.siem_query.subject import described

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)


@pytest.fixture
def vendor(tmp_path) -> Iterator[Simulated]:
    with described(tmp_path) as started:
        yield started


@pytest.mark.parametrize("method", ["POST", "GET", ""])
def test_the_audit_finds_what_the_siem_has(vendor, method) -> None:
    client = vendor.connect(method=method)
    found = survey(client, (), 30)
    client.close()
    told = [(str(gap.kind), gap.subject) for gap in audit(found, entered(vendor.settings))]
    assert told == [
        ("missing", "proxy"), ("silent", "windows"), ("blind", "New service"), ("disabled", "Test"),
    ]  # fmt: skip
    assert {line["method"] for line in vendor.requests(path="/api/search")} == {method or "POST"}


def test_without_a_query_for_rules_that_is_told(vendor) -> None:
    client = vendor.connect(rules_query="")
    [unread] = survey(client, (), 30).unread
    client.close()
    assert "Enter a query" in unread.fix


def test_one_of_our_rules_runs_there(vendor) -> None:
    query = converted(
        {"title": "LSASS", "logsource": {"product": "wazuh", "service": "alerts"},
         "detection": {"s": {"rule.description|contains": "LSASS"}, "condition": "s"}},
        "opensearch",
    )  # fmt: skip
    client = vendor.connect()
    hits = run(client, query, NOW - dt.timedelta(days=1), NOW)
    client.close()
    assert hits.ids == ("e-1", "e-3")
    assert hits.count == 2


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [("throttle", {"retry_after": 1}, Throttled), ("refuse", {"status": 403}, PermissionMissing),
     ("refuse", {"status": 401}, Unauthorised), ("server_error", {"status": 500}, Unavailable),
     ("broken_json", {}, Unavailable),
     ("redirect", {"location": "http://127.0.0.1:1/"}, VendorError)],
)  # fmt: skip
def test_what_goes_wrong_is_an_error_of_ours_without_the_key(vendor, kind, options, error) -> None:
    client = vendor.connect()
    vendor.fault(kind, path="/api/search", **options)
    with pytest.raises(error) as met:
        survey(client, (), 30)
    client.close()
    assert vendor.secrets["key"] not in f"{met.value!r} {client!r}"


def test_an_answer_without_rows_is_said(vendor) -> None:
    client = vendor.connect(rows="data.nowhere")
    with pytest.raises(Unavailable, match="setting rows"):
        survey(client, (), 30)
    client.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("body", "no json"), ("body", '{"search": "all"}'), ("body", '["{query}"]'), ("body", ""),
     ("method", "DELETE"), ("language", "sql"), ("sources_fields", "name=x"), ("header", "a b"),
     ("header", "X\r\nY"), ("key", ""), ("sources_query", "")],
)  # fmt: skip
def test_settings_that_can_not_work_are_refused(vendor, name, value) -> None:
    settings = {**vendor.settings, **({name: value} if name != "key" else {})}
    secrets = {"key": value} if name == "key" else vendor.secrets
    with pytest.raises(ConnectionMisconfigured, match=name):
        connect(settings, secrets, allow_private=True)


def test_paths_lead_through_objects_and_lists() -> None:
    assert at({"a": [{"b": 1}]}, "a.0.b") == 1
    assert at({"a": [1]}, "a.7") is None
    assert at("text", "a") is None
    assert at([1], "") == [1]


def test_what_should_arrive_is_read_as_far_as_it_makes_sense() -> None:
    told = entered({"expected": "a=3, pan:x=y=12,, b, c=x, d=0, =4"})
    assert [(one.names[0], one.late_after.total_seconds() / 3600) for one in told] == [
        ("a", 3), ("pan:x=y", 12),
    ]  # fmt: skip
