"""SentinelOne under the conformance suite: its simulator, and a target for each action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.sentinelone.manifest import MANIFEST
from integrations.contract import Target
from integrations.simulators.base.simulator import Options
from integrations.simulators.sentinelone.seeds import SITE
from integrations.simulators.sentinelone.simulator import Sentinelone
from tests.contracts.published import SENTINELONE
from tests.integrations.conformance.subject import (
    ActionCase,
    Recorded,
    Simulated,
    Subject,
    deleting,
)
from tests.integrations.simulators.serving import serving


def agent_of(vendor: Simulated, name: str = "PC-001") -> Target:
    """A computer."""
    agent = next(a for a in vendor.records("agents").values() if a["computerName"] == name)
    return Target("device", "row", agent["id"], name)


def threat_of(vendor: Simulated, kind: str = "process", number: int = 2) -> Target:
    """What a threat names."""
    name = f"update{number}.exe"
    threats = vendor.records("threats").values()
    threat = next(t for t in threats if t["threatInfo"]["threatName"] == name)
    return Target(kind, "row", threat["id"], name)


def _file(vendor: Simulated) -> Target:
    return threat_of(vendor, "file")


def _network(vendor: Simulated, target: Target) -> Any:
    return vendor.records("agents")[target.external_id]["networkStatus"]


def _scans(vendor: Simulated, target: Target) -> Any:
    return vendor.records("agents")[target.external_id].get("scans", 0)


def _killed(vendor: Simulated, target: Target) -> Any:
    return len(vendor.served.control.effects("threat.kill", target.external_id))


def _quarantined(vendor: Simulated, target: Target) -> Any:
    done = vendor.records("threats")[target.external_id]["mitigationStatus"]
    return [m["action"] for m in done if m["action"] == "quarantine"]


_QUARANTINE = {"method": "POST", "path": "/threats/mitigate/quarantine$"}
_LET_OUT = {"method": "POST", "path": "/threats/mitigate/un-quarantine$"}


class SentineloneSubject(Subject):
    """The simulated console, on small pages."""

    manifest = MANIFEST
    feed = "threats"
    pages = "^/web/api/v2.1/threats$"
    deletions = {"agents": deleting("agents")}
    contract = SENTINELONE
    records = (Recorded("activities", "sentinelone/activities-threats"),)
    other_writes = ("endpoint.quarantine_file",)
    actions = (
        ActionCase(
            "endpoint.isolate", agent_of, _network,
            {"method": "POST", "path": "/agents/actions/disconnect$"},
        ),
        ActionCase(
            "endpoint.release", agent_of, _network,
            {"method": "POST", "path": "/agents/actions/connect$"}, undoes="endpoint.isolate",
        ),
        ActionCase(
            "endpoint.scan", agent_of, _scans,
            {"method": "POST", "path": "/agents/actions/initiate-scan$"},
        ),
        ActionCase(
            "endpoint.kill_process", threat_of, _killed,
            {"method": "POST", "path": "/threats/mitigate/kill$"},
        ),
        ActionCase("endpoint.quarantine_file", _file, _quarantined, _QUARANTINE),
        ActionCase(
            "endpoint.restore_file", _file, _quarantined, _LET_OUT,
            undoes="endpoint.quarantine_file",
        ),
    )  # fmt: skip
    left_out = {
        "token_expiry": "An API token is entered by a person and can't be renewed by us; when it "
        "expires, the connection is marked broken and says so.",
    }
    excused = {"token_expiry": "a person renews the credentials"}

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        options = Options(largest_page=10, record_exchanges=folder / "exchanges.ndjson")
        with serving(Sentinelone(options), seed="demo") as served:
            app = served.control.tenants()[0]["apps"][0]
            yield Simulated(
                MANIFEST,
                served,
                {"endpoint": served.base_url, "site_id": SITE},
                {"api_token": app["secret"]},
            )


SUBJECT = SentineloneSubject()
