"""Elasticsearch, OpenSearch and Splunk: a product, an address and a key are enough for an audit."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.siem_query.manifest import MANIFEST
from integrations.connectors.siem_query.patterns import Places, stream, touch
from integrations.connectors.siem_query.products import SIEM, canary, connect
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
    places = Places(
        "logs-*,filebeat-*,-logs-secret*",
        {"o365.audit": [".ds-logs-o365.audit-default-2026.11.20-000001"],
         "system.auth": ["filebeat-8.1-2026.11.20"]},
    )  # fmt: skip
    assert places.read_by(["logs-o365*", "-logs-o365.test*"]) == ("o365.audit",)
    assert places.read_by([".ds-logs-o365*"]) == ("o365.audit",)
    assert places.read_by(["filebeat-8.1-2026.*", "logs-*"]) == ("o365.audit", "system.auth")
    assert places.read_by(["logs-x-*", "filebeat-y"]) == ("filebeat-y or logs-x-*",)
    assert places.read_by([]) == ()


@pytest.mark.parametrize(
    "patterns",
    [["packetbeat-*"], ["logs-x-*", "packetbeat-*"], ["*"], ["other:logs-*"], ["logs-secret-x"],
     ["log*"]],
)  # fmt: skip
def test_a_rule_that_reaches_beyond_what_was_searched_is_not_called_blind(patterns) -> None:
    searched = "logs-*,filebeat-*,-logs-secret*"
    assert Places(searched).read_by(patterns) == ()
    assert Places(searched, is_whole=False).read_by(["logs-x-*"]) == ()


def test_events_without_the_field_are_of_their_index(tmp_path) -> None:
    with running("elasticsearch", tmp_path) as vendor:
        for day in (1, 2):
            at = dt.datetime.now(dt.UTC) - dt.timedelta(days=day)
            told = {"@timestamp": at.isoformat(), "winlog": {"event_id": 1}}
            vendor.act(
                "put",
                collection="events",
                record={
                    "id": f"bare-{day}",
                    "_index": f"winlogbeat-8.1-{at:%Y.%m.%d}",
                    "_source": told,
                },
            )
        own = next(iter(vendor.records("rules").values()))
        for name, index in (("Windows", "winlogbeat-*"), ("Network", "packetbeat-*")):
            vendor.act(
                "put",
                collection="rules",
                record={**own, "id": name, "name": name, "index": [index]},
            )
        found = _survey(vendor)
        told = {one.title: one.sources for one in found.rules}
        assert told["Windows"] == ("winlogbeat-8.1",)
        assert told["Network"] == ()
        assert {one.name: one.rows for one in found.sources}["winlogbeat-8.1"] == 2
        gaps = _gaps(vendor, found)
        assert ("never_fired", "Windows") in gaps
        assert "could not be told" in gaps["never_fired", "Network"]


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [("logs-*", "logs-*-acme", True), ("logs-*-beta", "logs-*-acme", False),
     ("logs-x-acme", "logs-*-acme", True), ("logs-x-beta", "logs-*-acme", False),
     ("*", "acme", True), ("beta", "acme", False)],
)  # fmt: skip
def test_patterns_may_have_an_index_in_common(one: str, other: str, may: bool) -> None:
    assert touch([one], other) is may


def test_rules_of_others_on_a_shared_siem_are_not_told(tmp_path) -> None:
    seen = {}
    for product, index in (("elasticsearch", "logs-azure*"), ("splunk", "acme"),
                           ("opensearch", "logs-o365.audit-default")):  # fmt: skip
        with running(product, tmp_path) as vendor:
            if product == "splunk":
                own, saved = next(
                    (own, one) for own, one in vendor.records("saved").items()
                    if one["name"] == "Fires"
                )  # fmt: skip
                content = {**saved["content"], "search": 'index="acme" sourcetype=x'}
                vendor.act("put", collection="saved",
                           record={**saved, "id": own, "content": content})  # fmt: skip
            seen[product] = {rule.title for rule in _survey(vendor, index=index).rules}
    assert seen["elasticsearch"] == {"Fires", "Never fires", "Broken", "Off"}
    assert seen["splunk"] == {"Fires"}
    assert seen["opensearch"] == set()


def test_a_detector_that_finds_a_great_deal_is_not_read_to_its_end(tmp_path, monkeypatch) -> None:
    for name, value in (("_PAGE", 2), ("_MOST_FINDING_PAGES", 1)):
        monkeypatch.setattr(f"integrations.connectors.siem_query.opensearch.{name}", value)
    with running("opensearch", tmp_path, largest_page=2) as vendor:
        found = _survey(vendor)
        asked = [one for one in vendor.requests() if one["path"].endswith("/findings/_search")]
    assert len(asked) == 1
    told = {one.title: one.alerts for one in found.rules}
    assert told["Fires"] == 2
    assert told["Never fires"] is None
    assert "too many findings" in found.unread[0].words
