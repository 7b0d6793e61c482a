"""How feeds are read: by the service's link or by skipping, and only what changed."""

import datetime as dt

import pytest

from integrations.connectors.defender_endpoint import feeds
from integrations.connectors.defender_endpoint.manifest import MANIFEST
from integrations.simulators.microsoft365.defender import records
from tests.integrations.conformance.driving import sweep
from tests.integrations.conformance.subject import Simulated
from tests.integrations.simulators.fixtures import running_simulator

CHANGES = "SoftwareVulnerabilityChangesByMachine"
ALL = "SoftwareVulnerabilitiesByMachine"


def test_a_service_that_gives_fewer_than_asked_is_read_to_the_end(tmp_path) -> None:
    with running_simulator(seed="endpoints", largest_page=40) as served:
        tenant = served.control.tenants()[0]
        vendor = Simulated(
            MANIFEST, served,
            {"tenant_id": tenant["id"], "client_id": tenant["apps"][0]["client_id"],
             "login_endpoint": served.base_url, "api_endpoint": served.base_url},
            {"client_secret": tenant["apps"][0]["secret"]},
        )  # fmt: skip
        client = vendor.connect()
        found, _ = sweep(MANIFEST, client, "alerts")
        assert len(found) == len(vendor.records("machineAlerts"))
        assert len({f.uid for f in found}) == len(found)
        asked = vendor.requests("GET", "^/api/alerts$")
        assert len(asked) == -(-230 // 40)
        client.close()


def test_alerts_are_read_again_only_when_they_changed(vendor, client) -> None:
    _, cursor = sweep(MANIFEST, client, "alerts")
    again, cursor = sweep(MANIFEST, client, "alerts", cursor)
    newest = max(a["lastUpdateTime"] for a in vendor.records("machineAlerts").values())
    assert [f.ocsf["finding_info"]["modified_time"] for f in again]
    oldest = min(vendor.records("machineAlerts").values(), key=lambda a: a["lastUpdateTime"])
    assert oldest["id"] not in {f.uid for f in again}
    now = records.precise(dt.datetime.now(dt.UTC))
    vendor.act(
        "put",
        collection="machineAlerts",
        record={**oldest, "status": "Resolved", "lastUpdateTime": now},
    )
    changed, _ = sweep(MANIFEST, client, "alerts", cursor)
    assert now > newest
    assert [f.vendor_status for f in changed if f.uid == oldest["id"]] == ["Resolved"]


def test_after_the_first_time_only_changed_holes_are_read(vendor, client) -> None:
    first, cursor = sweep(MANIFEST, client, "vulnerabilities")
    rows = vendor.records("weaknesses").values()
    assert len(first) == sum(1 for row in rows if row["cveId"])
    closed = next(row for row in rows if row["cveId"] == "CVE-2026-21001")
    change = records.change(closed, "Fixed", dt.datetime.now(dt.UTC))
    vendor.act("put", collection="weaknessChanges", record=change)
    again, _ = sweep(MANIFEST, client, "vulnerabilities", cursor)
    assert len(vendor.requests("GET", ALL)) == 1
    assert [f.uid for f in again if f.ocsf["activity_name"] == "Close"] == [
        f.uid for f in first if f.uid.startswith(f"{closed['deviceId']}-_-CVE-2026-21001")
    ]


@pytest.mark.parametrize(("days", "path"), [(3, CHANGES), (20, ALL)])
def test_a_connection_that_slept_for_long_reads_all_again(vendor, client, days, path) -> None:
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    list(feeds.vulnerabilities(client, {"since": since.isoformat()}))
    asked = vendor.requests("GET", "SoftwareVulnerabilit")
    assert [line["path"].rsplit("/", 1)[-1] for line in asked] == [path]
