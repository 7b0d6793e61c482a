"""NinjaOne under the conformance suite: its simulator, and a target for each action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.ninjaone.manifest import MANIFEST
from integrations.contract import Target
from integrations.simulators.base.simulator import Options
from integrations.simulators.ninjaone.seeds import ORGANISATION, SCRIPT
from integrations.simulators.ninjaone.simulator import Ninjaone
from tests.contracts.published import NINJAONE
from tests.integrations.conformance.subject import ActionCase, Simulated, Subject, deleting
from tests.integrations.simulators.serving import serving


def device_of(vendor: Simulated, name: str = "PC-001") -> Target:
    """A computer."""
    found = next(d for d in vendor.records("devices").values() if d["systemName"] == name)
    return Target("device", "row", str(found["id"]), name)


def _count(kind: str) -> Any:
    """How often something really happened to the target."""
    return lambda vendor, target: len(vendor.served.control.effects(kind, target.external_id))


class NinjaoneSubject(Subject):
    """The simulated account, on small pages."""

    manifest = MANIFEST
    feed = "devices"
    pages = "^/v2/devices-detailed$"
    deletions = {"patches": deleting("patches"), "devices": deleting("devices")}
    contract = NINJAONE
    unrecorded = (
        "NinjaOne publishes its contract, against which everything is tried, but no recorded "
        "answers, and its software runs nowhere else."
    )
    actions = (
        ActionCase(
            "endpoint.reboot", device_of, _count("device.reboot"),
            {"method": "POST", "path": "/reboot/NORMAL$"},
        ),
        ActionCase(
            "patch.install", device_of, _count("patch.install"),
            {"method": "POST", "path": "/patch/os/apply$"},
            inputs=lambda vendor, target: {"patches": ["KB5050001"]},
        ),
        ActionCase(
            "endpoint.run_script", device_of, _count("script.run"),
            {"method": "POST", "path": "/script/run$"},
            inputs=lambda vendor, target: {"script": SCRIPT},
        ),
    )  # fmt: skip

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        options = Options(largest_page=10, record_exchanges=folder / "exchanges.ndjson")
        with serving(Ninjaone(options), seed="demo") as served:
            app = served.control.tenants()[0]["apps"][0]
            yield Simulated(
                MANIFEST,
                served,
                {
                    "client_id": app["client_id"], "endpoint": served.base_url,
                    "organization_id": str(ORGANISATION), "scripts": f"{SCRIPT}; Other",
                },
                {"client_secret": app["secret"]},
            )  # fmt: skip


SUBJECT = NinjaoneSubject()
