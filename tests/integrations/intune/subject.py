"""Intune under the conformance suite: the simulated clinic's managed devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.intune.manifest import MANIFEST
from integrations.contract import Target
from tests.contracts.published import INTUNE
from tests.integrations.conformance.subject import (
    ActionCase,
    Recorded,
    Simulated,
    Subject,
    deleting,
)
from tests.integrations.simulators.fixtures import running_simulator

ENDPOINTS = ("login_endpoint", "graph_endpoint")
_DOCS = "microsoft-graph-docs/deviceManagement"
_REAL = "microsoft-graph/recorded-http/microsoft-365"
_WRITE = {"no_content": (1, "The answer of a write, without content.")}
_WRITES = (
    "", "_bypassActivationLock", "_disableLostMode", "_locateDevice", "_rebootNow", "_remoteLock",
    "_resetPasscode", "_retire", "_shutDown", "_syncDevice", "_windowsDefenderScan",
    "_windowsDefenderUpdateSignatures", "_wipe",
)  # fmt: skip


def device(vendor: Simulated) -> Target:
    """A device that Intune manages."""
    found = next(iter(vendor.records("managedDevices").values()))
    return Target("device", "row", found["id"], found["deviceName"])


def _was_told(verb: str) -> Any:
    """How often it was told to, which leaves only a later time behind."""

    def observe(vendor: Simulated, target: Target) -> int:
        return len(vendor.served.control.effects(f"device.{verb}", target.external_id))

    return observe


def _is_managed(vendor: Simulated, target: Target) -> bool:
    return target.external_id in vendor.records("managedDevices")


def _post(verb: str) -> dict[str, str]:
    return {"method": "POST", "path": f"/{verb}$"}


RECORDS = (
    Recorded("compliance", "microsoft-intune"),
    Recorded("apps", f"{_DOCS}_detectedApps"),
    Recorded("compliance", f"{_DOCS}_deviceCompliancePolicies"),
    Recorded("compliance", f"{_DOCS}_deviceCompliancePolicies_deviceStatuses"),
    Recorded("compliance", f"{_DOCS}_deviceConfigurations"),
    Recorded(
        "devices", _DOCS,
        {"other_resource": (1, "The root of the service, which holds no record.")},
    ),
    Recorded("devices", f"{_REAL}--iterateManagedDevicesNoAD.ndjson"),
    Recorded(
        "devices", f"{_REAL}--getStepStartStatesWithoutIntune.ndjson",
        {"error_answer": (1, "A tenant without Intune, which Graph refuses.")},
    ),
    *(Recorded("devices", f"{_DOCS}_managedDevices{verb}", _WRITE) for verb in _WRITES),
)  # fmt: skip


class IntuneSubject(Subject):
    """The clinic's devices, on small pages."""

    manifest = MANIFEST
    feed = "devices"
    pages = "^/v1.0/deviceManagement/managedDevices$"
    deletions = {
        "devices": deleting("managedDevices"),
        "compliance": deleting("compliancePolicies"),
        "apps": deleting("detectedApps"),
    }
    endpoints = ENDPOINTS
    contract = INTUNE
    records = RECORDS
    actions = (
        ActionCase("endpoint.sync", device, _was_told("syncDevice"), _post("syncDevice")),
        ActionCase("endpoint.lock", device, _was_told("remoteLock"), _post("remoteLock")),
        ActionCase("endpoint.reboot", device, _was_told("rebootNow"), _post("rebootNow")),
        ActionCase("endpoint.retire", device, _is_managed, _post("retire")),
    )

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        recording = folder / "exchanges.ndjson"
        with running_simulator(
            seed="endpoints", page_size=5, largest_page=5, record_exchanges=recording
        ) as served:
            tenant = served.control.tenants()[0]
            yield Simulated(
                MANIFEST,
                served,
                {"tenant_id": tenant["id"], "client_id": tenant["apps"][0]["client_id"]}
                | dict.fromkeys(ENDPOINTS, served.base_url),
                {"client_secret": tenant["apps"][0]["secret"]},
            )


SUBJECT = IntuneSubject()
