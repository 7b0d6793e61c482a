"""Elasticsearch, OpenSearch and Splunk: a product, an address and a key are enough for an audit."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.siem_query.elastic import sources_of
from integrations.connectors.siem_query.manifest import MANIFEST
from integrations.connectors.siem_query.products import SIEM, canary, connect
from integrations.connectors.siem_query.search import stream
from integrations.errors import (
    ConnectionMisconfigured,
    PermissionMissing,
    Rejected,
    Throttled,
    Unauthorised,
    Unavailable,
    VendorError,
)
from integrations.siem.audit import audit
from integrations.siem.expected import expected
from integrations.siem.queries.converting import converted
from integrations.siem.records import Survey
from integrations.simulators.base.rest import RestSimulator
from integrations.simulators.base.simulator import Options
from integrations.simulators.siem_query.elastic import ElasticCluster, OpenSearchCluster
from integrations.simulators.siem_query.splunk import SplunkHead
from tests.contracts.published import SIEM_PRODUCTS, assert_conforms
from tests.integrations.conformance.subject import Simulated
from tests.integrations.simulators.serving import serving

PRODUCTS: dict[str, type[RestSimulator]] = {
    "elasticsearch": ElasticCluster, "opensearch": OpenSearchCluster, "splunk": SplunkHead,
}  # fmt: skip
LEGACY = {
    "title": "Old protocols", "logsource": {"product": "azure", "service": "signinlogs"},
    "detection": {"s": {"ClientApp": ["imap4", "POP3"]}, "condition": "s"},
}  # fmt: skip
READS = {
    ("POST", "_search"), ("GET", "_find"), ("GET", "alerts"), ("GET", "_search"),
    ("POST", "jobs"), ("GET", "searches"),
}  # fmt: skip


@contextmanager
def running(product: str, folder: Path, **options: Any) -> Iterator[Simulated]:
    told = Options(record_exchanges=folder / "exchanges.ndjson", **options)
    with serving(PRODUCTS[product](told), seed="demo") as served:
        key = served.control.tenants()[0]["apps"][0]["secret"]
        if product == "opensearch":
            key = f"holdfast:{key}"
        settings = {"product": product, "endpoint": served.base_url}
        if product == "elasticsearch":
            settings["kibana"] = served.base_url
        yield Simulated(MANIFEST, served, settings, {"key": key})


@pytest.fixture(params=list(PRODUCTS))
def vendor(request, tmp_path) -> Iterator[Simulated]:
    with running(request.param, tmp_path) as started:
        yield started


def _survey(vendor: Simulated, **changed: str) -> Survey:
    client = vendor.connect(**changed)
    try:
        return SIEM.survey(client, (), 30)
    finally:
        client.close()


def _gaps(vendor: Simulated, found: Survey) -> dict[tuple[str, str], str]:
    should = expected(SIEM.expects(vendor.settings), ["microsoft365"])
    told = audit(found, [*should, *SIEM.entered(vendor.settings)])
    return {(str(gap.kind), gap.subject): gap.words for gap in told}


FOUND = {
    "elasticsearch": {
        ("failing", "Broken"), ("missing", "azure.auditlogs"), ("silent", "o365.audit"),
        ("stale", "Reads what is gone"), ("never_fired", "Never fires"), ("disabled", "Off"),
    },
    "opensearch": {
        ("failing", "Given"), ("never_fired", "Never fires"), ("disabled", "Nobody’s"),
        ("duplicate", "Fires"),
    },
    "splunk": {
        ("failing", "Skipped"), ("missing", "azure:aad:audit or azure:monitor:aad"),
        ("silent", "o365:management:activity"), ("never_fired", "Never fires"), ("disabled", "Off"),
    },
}  # fmt: skip


def test_an_address_and_a_key_are_enough_for_an_audit(vendor, tmp_path) -> None:
    product = vendor.settings["product"]
    found = _survey(vendor)
    gaps = _gaps(vendor, found)
    assert set(gaps) == FOUND[product]
    assert not found.unread
    fires = next(rule for rule in found.rules if rule.title == "Fires")
    assert fires.alerts == {"elasticsearch": 3, "opensearch": 4, "splunk": 5}[product]
    assert fires.techniques == ("T1078",)
    assert len(fires.sources) == 1
    assert not any(rule.title in ("A report", "Given, not used") for rule in found.rules)
    client = vendor.connect()
    assert "2 log sources" in canary(client) or "1 log sources" in canary(client)
    client.close()
    assert assert_conforms(tmp_path / "exchanges.ndjson", SIEM_PRODUCTS.contract()) >= 3


def test_only_reads_leave(vendor) -> None:
    found = _survey(vendor)
    client = vendor.connect()
    query = converted(LEGACY, SIEM.language(vendor.settings) or "ecs")
    SIEM.run(client, query, found.at - dt.timedelta(days=1), found.at)
    client.close()
    for line in vendor.requests():
        assert (line["method"], line["path"].rpartition("/")[2]) in READS
    assert not vendor.served.control.effects()


def test_one_of_our_rules_finds_there_what_it_finds_here(vendor) -> None:
    query = converted(LEGACY, SIEM.language({**vendor.settings, "language": "ecs"}))
    client, now = vendor.connect(), dt.datetime.now(dt.UTC)
    day = SIEM.run(client, query, now - dt.timedelta(days=1), now)
    assert (day.count, len(day.ids)) == (4, 4)
    # An event belongs to one window only: from its beginning, before its end.
    middle = now - dt.timedelta(hours=3, seconds=90)
    halves = [SIEM.run(client, query, now - dt.timedelta(days=1), middle),
              SIEM.run(client, query, middle, now)]  # fmt: skip
    client.close()
    assert sum(one.count for one in halves) == 4
    assert {own for one in halves for own in one.ids} == set(day.ids)


def test_pages_are_read_to_their_end(tmp_path, monkeypatch) -> None:
    for module in ("elastic", "opensearch", "splunk"):
        monkeypatch.setattr(f"integrations.connectors.siem_query.{module}._PAGE", 2)
    for product in PRODUCTS:
        with running(product, tmp_path, largest_page=2) as vendor:
            whole = {rule.title for rule in _survey(vendor).rules}
            assert {"Fires", "Never fires"} <= whole
            assert len(whole) >= 4
            vendor.fault("duplicate_records")
            ids = [rule.id for rule in _survey(vendor).rules]
            assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [("throttle", {"retry_after": 1}, Throttled), ("refuse", {"status": 403}, PermissionMissing),
     ("refuse", {"status": 401}, Unauthorised), ("server_error", {"status": 500}, Unavailable),
     ("refuse", {"status": 409}, Rejected), ("broken_json", {}, Unavailable),
     ("partial", {}, Unavailable), ("drop_before_effect", {}, Unavailable),
     ("redirect", {"location": "http://127.0.0.1:1/"}, VendorError)],
)  # fmt: skip
def test_what_goes_wrong_is_an_error_of_ours_without_the_key(vendor, kind, options, error) -> None:
    client = vendor.connect()
    vendor.fault(kind, **options)
    with pytest.raises(error) as met:
        SIEM.survey(client, (), 30)
    client.close()
    assert vendor.secrets["key"] not in f"{met.value!r} {client!r}"


def test_what_is_not_allowed_is_told_and_the_rest_is_read(vendor) -> None:
    vendor.grant(["search"])
    found = _survey(vendor)
    assert found.sources
    assert not found.rules
    assert any("nothing is said of them" in one.words and one.fix for one in found.unread)


def test_without_kibana_that_is_told(tmp_path) -> None:
    with running("elasticsearch", tmp_path) as vendor:
        [unread] = _survey(vendor, kibana="").unread
        assert "Kibana’s address" in unread.fix


def test_the_indices_of_this_client_only_are_searched(tmp_path) -> None:
    with running("elasticsearch", tmp_path) as vendor:
        found = _survey(vendor, index="logs-o365*")
        assert [one.name for one in found.sources] == ["o365.audit"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("product", "graylog"), ("index", "a/../_all"), ("index", "a b"), ("space", "a/b"),
     ("source_field", "x y"), ("key", ""), ("endpoint", "")],
)  # fmt: skip
def test_settings_that_can_not_work_are_refused(name: str, value: str) -> None:
    settings = {"product": "elasticsearch", "endpoint": "http://127.0.0.1:9", name: value}
    with pytest.raises(ConnectionMisconfigured, match=name):
        connect(settings, {"key": "" if name == "key" else "k"}, allow_private=True)


def test_splunk_searches_no_further_than_its_index() -> None:
    with pytest.raises(ConnectionMisconfigured, match="index"):
        connect(
            {"product": "splunk", "endpoint": "http://127.0.0.1:9", "index": "a | delete"},
            {"key": "k"}, allow_private=True,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("index", "name"),
    [(".ds-logs-o365.audit-default-2026.11.20-000001", "logs-o365.audit-default"),
     ("winlogbeat-8.17.0-2026.11.20", "winlogbeat-8.17.0"), ("alerts-000123", "alerts"),
     ("wazuh-alerts-4.x-2026.11", "wazuh-alerts-4.x"), ("plain", "plain")],
)  # fmt: skip
def test_the_indices_of_each_day_are_one_log_source(index: str, name: str) -> None:
    assert stream(index) == name


def test_a_rule_reads_what_fills_its_indices() -> None:
    places = {"o365.audit": ["logs-o365.audit-default"], "system.auth": ["filebeat-8.1"]}
    assert sources_of(["logs-o365*", "-logs-o365.test*"], places) == ("o365.audit",)
    assert sources_of(["filebeat-*", "logs-*"], places) == ("o365.audit", "system.auth")
    assert sources_of(["logs-x-*", "y*"], places) == ("logs-x-* or y*",)
    assert sources_of([], places) == ()
