"""CrowdStrike Falcon under the conformance suite: its simulator, and a target for each action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.crowdstrike.manifest import MANIFEST
from integrations.contract import Target
from integrations.simulators.base.simulator import Options
from integrations.simulators.crowdstrike.simulator import Crowdstrike
from tests.contracts.published import CROWDSTRIKE
from tests.integrations.conformance.subject import (
    ActionCase,
    Door,
    Recorded,
    Simulated,
    Subject,
    deleting,
)
from tests.integrations.simulators.serving import serving

HASH = "ab" * 32


def host_of(vendor: Simulated) -> Target:
    """A workstation."""
    host = next(h for h in vendor.records("hosts").values() if h["hostname"] == "PC-001")
    return Target("device", "row", host["device_id"], host["hostname"])


def file_of(vendor: Simulated) -> Target:
    """A harmful file that somebody has let out of quarantine."""
    file = next(f for f in vendor.records("files").values() if f["state"] == "released")
    return Target("file", "row", file["id"], file["paths"][0]["filename"])


def indicator(vendor: Simulated) -> Target:
    """A file's hash."""
    return Target("indicator", "", HASH, HASH)


def _status(vendor: Simulated, target: Target) -> Any:
    return vendor.records("hosts")[target.external_id]["status"]


def _state(vendor: Simulated, target: Target) -> Any:
    return vendor.records("files")[target.external_id]["state"]


def _indicators(vendor: Simulated, target: Target) -> Any:
    kept = ("type", "value", "action", "applied_globally")
    return [{name: i[name] for name in kept} for i in vendor.records("indicators").values()]


def _scans(vendor: Simulated, target: Target) -> Any:
    return len([s for s in vendor.records("scans").values() if target.external_id in s["hosts"]])


_ACT = {"method": "POST", "path": "^/devices/entities/devices-actions/"}
_FILES = {"method": "PATCH", "path": "^/quarantine/entities/"}
RECORDS = (
    Recorded(
        "event_stream", "crowdstrike/fdr-and-event-streams",
        {"missing_time": (1, "A rule's counter-example, an event without any time.")},
    ),
    Recorded(
        "hosts", "crowdstrike/recorded-http",
        {"other_resource": (108, "Policies, applications and scores, which no feed brings."),
         "not_an_object": (105, "Lists of ids, which hold no record."),
         "no_content": (3, "A redirect to another cloud, without content."),
         "token_answer": (2, "The recorded answer is of the sign-in service.")},
    ),
)  # fmt: skip


class CrowdstrikeSubject(Subject):
    """The simulated organisation, on small pages."""

    manifest = MANIFEST
    feed = "alerts"
    pages = "^/alerts/queries/alerts"
    other_doors = (
        Door("event_stream", "^/sensors/entities/datafeed/v2$"),
        Door(
            "event_stream",
            "^/sensors/entities/datafeed/v1/",
            left_out={
                "broken_answers": "A stream that is cut off goes on from its last whole event; "
                "tried on its own in tests/integrations/crowdstrike/test_client.py.",
            },
        ),
    )
    deletions = {"hosts": deleting("hosts")}
    feeds_outside = {
        "event_stream": "How a stream is opened is judged; its lines are events, of which the "
        "vendor publishes no contract.",
    }
    contract = CROWDSTRIKE
    records = RECORDS
    other_writes = ("endpoint.scan", "endpoint.quarantine_file", "indicator.block")
    actions = (
        ActionCase("endpoint.isolate", host_of, _status, _ACT),
        ActionCase("endpoint.release", host_of, _status, _ACT, undoes="endpoint.isolate"),
        ActionCase(
            "endpoint.scan", host_of, _scans, {"method": "POST", "path": "^/ods/entities/scans"},
        ),
        ActionCase("endpoint.quarantine_file", file_of, _state, _FILES),
        ActionCase(
            "endpoint.restore_file", file_of, _state, _FILES, undoes="endpoint.quarantine_file"
        ),
        ActionCase(
            "indicator.block", indicator, _indicators,
            {"method": "POST", "path": "^/iocs/entities/indicators"},
            inputs=lambda vendor, target: {"kind": "file"},
        ),
        ActionCase(
            "indicator.unblock", indicator, _indicators,
            {"method": "DELETE", "path": "^/iocs/entities/indicators"}, undoes="indicator.block",
        ),
    )  # fmt: skip

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        options = Options(largest_page=10, record_exchanges=folder / "exchanges.ndjson")
        with serving(Crowdstrike(options), seed="demo") as served:
            app = served.control.tenants()[0]["apps"][0]
            yield Simulated(
                MANIFEST,
                served,
                {"client_id": app["client_id"], "endpoint": served.base_url},
                {"client_secret": app["secret"]},
            )


SUBJECT = CrowdstrikeSubject()
