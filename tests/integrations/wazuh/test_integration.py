"""Wazuh's own integration: our script, as the manager calls it, through the door to a finding."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

from integrations import connections, inbound, polling, signing
from integrations.connectors.wazuh import feeds
from integrations.models import Connection, FeedState
from integrations.simulators.wazuh import seeds
from tenants import scope
from tenants.models import Event, Finding
from tests.integrations.webhook.door import Door

SCRIPT = Path(__file__).parents[3] / "integrations/connectors/wazuh/custom-holdfast"
ALERT = seeds.alert(0, 1, dt.datetime.now(dt.UTC))["_source"]


def call(alert: Path, key: str, url: str) -> subprocess.CompletedProcess[str]:
    """As wazuh-integratord: the alert's file, the api_key, the hook_url, and options."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(alert), key, url, "", "10", "3"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def alert(tmp_path) -> Path:
    """The file that Wazuh writes for an integration."""
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(ALERT))
    return path


def test_the_script_signs_as_the_door_expects(alert) -> None:
    key = signing.new_key()
    with Door(key) as door:
        assert call(alert, key, door.url).returncode == 0
        assert [one["status"] for one in door.requests] == [200]
        refused = call(alert, signing.new_key(), door.url)
        assert (refused.returncode, refused.stderr.strip()) == (
            1, "custom-holdfast: Holdfast answered 401",
        )  # fmt: skip
    assert call(alert, key, "not an address").returncode == 2


@pytest.mark.django_db
def test_an_alert_by_the_door_is_the_same_as_by_the_indexer(tenant) -> None:
    with scope.tenant(tenant.id):
        connection = connections.create(
            connector="wazuh", name="wazuh", actor="test",
            settings={"endpoint": "https://8.8.8.8", "username": "u", "alert_from": "12"},
            secrets={"password": "p"},
        )  # fmt: skip
        key = inbound.key_of(Connection.in_scope().select_related("secret").get(id=connection.id))
    low = seeds.alert(1, 3, dt.datetime.now(dt.UTC))["_source"]
    for number, alert in enumerate((ALERT, low, ALERT)):
        body = json.dumps(alert).encode()
        now = int(dt.datetime.now(dt.UTC).timestamp())
        headers = signing.headers(key, f"msg_{number}", now, body)
        taken = inbound.take(inbound.Address(tenant.id, connection.id), headers, body)
        assert taken.outcome.records == 1
    assert taken.outcome.duplicates == 1
    with scope.tenant(tenant.id):
        assert (Finding.objects.count(), Event.objects.count()) == (1, 1)
        assert set(Finding.objects.get().techniques) == {"T1003.001"}


@pytest.mark.django_db
@pytest.mark.parametrize(("alert_from", "findings", "events"), [("5", 25, 0), ("", 5, 20)])
def test_the_connections_level_counts_for_what_is_polled(
    vendor, tenant, settings, alert_from, findings, events
) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    with scope.tenant(tenant.id):
        connection = connections.create(
            connector="wazuh", name="wazuh", actor="test", secrets=vendor.secrets,
            settings={**vendor.settings, "alert_from": alert_from},
        )  # fmt: skip
        state = FeedState.objects.get(connection=connection, feed="alerts")
    polling.poll(tenant.id, state.id)
    with scope.tenant(tenant.id):
        assert (Finding.objects.count(), Event.objects.count()) == (findings, events)


def test_what_filebeat_adds_is_left_out(vendor, client) -> None:
    records = [record for page in feeds.alerts(client, {}) for record in page.records]
    assert not any({"@timestamp", "input"} & record.body.keys() for record in records)
    assert all(record.context == {} for record in records)
