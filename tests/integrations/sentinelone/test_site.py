"""One console holds many clients: nothing of another client's site is read or touched."""

import pytest

from integrations import registry
from integrations.connectors.sentinelone import feeds
from integrations.connectors.sentinelone.client import canary, connect, place
from integrations.connectors.sentinelone.manifest import MANIFEST
from integrations.contract import Target
from integrations.errors import ConnectionMisconfigured, NotFound
from integrations.simulators.sentinelone.seeds import ACCOUNT, OTHER_ACCOUNT, OTHER_SITE, SITE
from tests.integrations.conformance.driving import intention, sweep
from tests.integrations.sentinelone.subject import agent_of, threat_of


def names(fetch, client) -> set[str]:
    return {r.body["computerName"] for page in fetch(client, {}) for r in page.records}


def test_only_the_clients_own_computers_are_read(vendor, client) -> None:
    own = names(feeds.agents, client)
    assert "PC-001" in own
    assert "PC-900" not in own
    other = vendor.connect(site_id=OTHER_SITE)
    assert names(feeds.agents, other) == {"PC-900"}
    other.close()


def test_a_computer_that_left_is_read_as_gone(vendor, client) -> None:
    found = [
        registry.connector("sentinelone").feed("agents").normalise(record)
        for page in feeds.agents(client, {})
        for record in page.records
    ]
    assert [item.name for item in found if item.is_deleted] == ["PC-901"]


def test_another_clients_computer_is_not_cut_off(vendor, client) -> None:
    target = agent_of(vendor, "PC-900")
    with pytest.raises(NotFound):
        intention(vendor, client, "endpoint.isolate", target, {})
    assert client.act("/agents/actions/disconnect", "any", target.external_id) == 0
    assert vendor.records("agents")[target.external_id]["networkStatus"] == "connected"


@pytest.mark.parametrize(
    ("settings", "secrets", "named"),
    [({}, {"api_token": "t"}, "endpoint"), ({"endpoint": "https://8.8.8.8"}, {}, "api_token"),
     ({"endpoint": "https://8.8.8.8", "site_id": "Default site"}, {"api_token": "t"}, "site_id")],
)  # fmt: skip
def test_settings_that_can_not_work_are_named(settings, secrets, named) -> None:
    with pytest.raises(ConnectionMisconfigured, match=named):
        connect(settings, secrets)


def test_the_consoles_address_may_be_given_with_the_apis_path(vendor) -> None:
    longer = vendor.connect(endpoint=vendor.settings["endpoint"] + "/web/api/v2.1/")
    assert longer.page("/agents", "x", limit=1).items[0]["siteId"] == SITE
    longer.close()


def test_a_computer_that_has_not_obeyed_yet_is_not_called_isolated(vendor, client) -> None:
    target = agent_of(vendor)
    agent = vendor.records("agents")[target.external_id]
    vendor.act("put", collection="agents", record={**agent, "networkStatus": "disconnecting"})
    asked = intention(vendor, client, "endpoint.isolate", target, {})
    action = registry.action("sentinelone", "endpoint.isolate")
    action.call(client, asked)
    assert vendor.requests("POST") == []
    assert not action.read_back(client, asked).holds


def test_a_scan_that_runs_already_is_the_same_scan_and_counts_when_it_ends(vendor, client) -> None:
    target = agent_of(vendor)
    agent = vendor.records("agents")[target.external_id]
    running = {**agent, "scanStatus": "started", "scanStartedAt": "2026-01-02T03:04:05Z"}
    vendor.act("put", collection="agents", record=running)
    asked = intention(vendor, client, "endpoint.scan", target, {})
    action = registry.action("sentinelone", "endpoint.scan")
    action.call(client, asked)
    assert vendor.requests("POST") == []
    assert not action.read_back(client, asked).holds
    ended = {**running, "scanStatus": "aborted", "scanAbortedAt": "2026-01-02T04:00:00Z"}
    vendor.act("put", collection="agents", record=ended)
    assert not action.read_back(client, asked).holds
    ended = {**running, "scanStatus": "finished", "scanFinishedAt": "2026-01-02T04:00:00Z"}
    vendor.act("put", collection="agents", record=ended)
    assert action.read_back(client, asked).holds


def test_a_threat_that_is_gone_is_told(vendor, client) -> None:
    gone = Target("file", "", "1", "gone.exe")
    with pytest.raises(NotFound, match="no threat 1"):
        intention(vendor, client, "endpoint.quarantine_file", gone, {})
    assert threat_of(vendor).name == "update2.exe"


def test_an_account_is_read_and_touched_by_itself(vendor, client) -> None:
    own = vendor.connect(site_id="", account_id=ACCOUNT)
    other = vendor.connect(site_id="", account_id=OTHER_ACCOUNT)
    assert canary(other).endswith("which shows 1 endpoints.")
    for feed in ("agents", "threats", "activities"):
        found, _ = sweep(MANIFEST, own, feed)
        assert found
        assert all(OTHER_ACCOUNT not in str(item) for item in found)
    theirs = other.page("/agents", "x", limit=1).items[0]["id"]
    with pytest.raises(NotFound):
        own.one("/agents", "x", theirs, "endpoint")
    assert own.act("/agents/actions/disconnect", "x", theirs) == 0
    assert (place(own), place(other)) == (ACCOUNT, OTHER_ACCOUNT)
    # A token that sees both tells of no single one.
    everything = vendor.connect(site_id="")
    assert place(everything) == ""
    for one in (own, other, everything):
        one.close()
