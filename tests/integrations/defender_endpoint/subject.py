"""Defender for Endpoint under the conformance suite: the simulated clinic's computers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.defender_endpoint.manifest import MANIFEST
from integrations.contract import Json, Target
from tests.contracts.published import DEFENDER_ENDPOINT
from tests.integrations.conformance.subject import (
    ActionCase,
    Recorded,
    Simulated,
    Subject,
    deleting,
)
from tests.integrations.simulators.fixtures import running_simulator

ENDPOINTS = ("login_endpoint", "api_endpoint")
ADDRESS = "198.51.100.77"


def machine(vendor: Simulated) -> Target:
    """A computer that is neither cut off nor restricted."""
    found = next(iter(vendor.records("machines").values()))
    return Target("device", "row", found["id"], found["computerDnsName"])


def file(vendor: Simulated) -> Target:
    """A harmful file on a computer."""
    for alert in vendor.records("machineAlerts").values():
        for item in alert["evidence"]:
            if item["entityType"] == "File":
                file_id = f"{alert['machineId']}/{item['sha1']}"
                return Target("file", "row", file_id, item["fileName"])
    raise AssertionError("the clinic has no alert about a file")


def _locked_away(vendor: Simulated, target: Target) -> Any:
    machine_id, sha1 = target.external_id.split("/")
    return sha1 in vendor.records("machineStates").get(machine_id, {}).get("files", [])


def _indicator(vendor: Simulated) -> Target:
    return Target("indicator", "row", ADDRESS, ADDRESS)


def _kind(vendor: Simulated, target: Target) -> Json:
    return {"kind": "ip"}


def _state(name: str) -> Any:
    """How the computer really is switched."""

    def observe(vendor: Simulated, target: Target) -> Any:
        return vendor.records("machineStates").get(target.external_id, {}).get(name) or None

    return observe


def _times(kind: str) -> Any:
    """How often it was had done, which leaves nothing else behind."""

    def observe(vendor: Simulated, target: Target) -> int:
        actions = vendor.records("machineActions").values()
        return sum(1 for a in actions if (a["machineId"], a["type"]) == (target.external_id, kind))

    return observe


def _indicators(vendor: Simulated, target: Target) -> Any:
    found = vendor.records("indicators").values()
    return sorted((i["indicatorType"], i["indicatorValue"], i["action"]) for i in found)


def _block(vendor: Simulated, target: Target) -> None:
    record = {
        "id": "900", "indicatorValue": ADDRESS, "indicatorType": "IpAddress", "action": "Block",
        "title": "Blocked", "description": "By a technician.", "expirationTime": None,
        "createdBy": "somebody", "rbacGroupNames": [],
    }  # fmt: skip
    vendor.act("put", collection="indicators", record=record)


def _post(verb: str) -> dict[str, str]:
    return {"method": "POST", "path": f"/{verb}$"}


RECORDS = (
    Recorded(
        "machines", "microsoft-defender-endpoint/recorded-http",
        {"token_answer": (2, "The recorded answer is of the sign-in service."),
         "other_service": (1, "Graph's organisation, which the Microsoft 365 connector reads.")},
    ),
    Recorded("alerts", "microsoft-defender/m365-defender-alerts-events"),
)  # fmt: skip


class DefenderEndpointSubject(Subject):
    """The clinic's computers, with three pages of alerts."""

    manifest = MANIFEST
    feed = "alerts"
    pages = "^/api/alerts$"
    deletions = {"machines": deleting("machines"), "software": deleting("software")}
    endpoints = ENDPOINTS
    records = RECORDS
    contract = DEFENDER_ENDPOINT
    other_writes = ("endpoint.quarantine_file", "indicator.block")
    actions = (
        ActionCase("endpoint.isolate", machine, _state("isolation"), _post("isolate")),
        ActionCase(
            "endpoint.release", machine, _state("isolation"), _post("unisolate"),
            undoes="endpoint.isolate",
        ),
        ActionCase(
            "endpoint.restrict_apps", machine, _state("restricted"), _post("restrictCodeExecution")
        ),
        ActionCase(
            "endpoint.unrestrict_apps", machine, _state("restricted"),
            _post("unrestrictCodeExecution"), undoes="endpoint.restrict_apps",
        ),
        ActionCase(
            "endpoint.scan", machine, _times("RunAntiVirusScan"), _post("runAntiVirusScan")
        ),
        ActionCase(
            "endpoint.collect_package", machine, _times("CollectInvestigationPackage"),
            _post("collectInvestigationPackage"),
        ),
        ActionCase(
            "endpoint.quarantine_file", file, _locked_away, _post("StopAndQuarantineFile"),
            no_reversal="Defender's API can't put a file back: that is done on the computer.",
        ),
        ActionCase(
            "indicator.block", _indicator, _indicators, _post("indicators"), inputs=_kind
        ),
        ActionCase(
            "indicator.unblock", _indicator, _indicators,
            {"method": "DELETE", "path": "/indicators/"}, inputs=_kind, prepare=_block,
        ),
    )  # fmt: skip

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        recording = folder / "exchanges.ndjson"
        with running_simulator(seed="endpoints", record_exchanges=recording) as served:
            tenant = served.control.tenants()[0]
            yield Simulated(
                MANIFEST,
                served,
                {"tenant_id": tenant["id"], "client_id": tenant["apps"][0]["client_id"]}
                | dict.fromkeys(ENDPOINTS, served.base_url),
                {"client_secret": tenant["apps"][0]["secret"]},
            )


SUBJECT = DefenderEndpointSubject()
