"""Wazuh under the conformance suite: its simulator, and a target for each action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.wazuh.manifest import MANIFEST
from integrations.contract import Target
from integrations.simulators.base.simulator import Options
from integrations.simulators.wazuh.seeds import EMPTY_GROUP, GROUP, INDEXER_USER, LAPTOPS, USER
from integrations.simulators.wazuh.simulator import Wazuh
from tests.contracts.published import WAZUH
from tests.integrations.conformance.subject import (
    ActionCase,
    Door,
    Recorded,
    Simulated,
    Subject,
    deleting,
)
from tests.integrations.simulators.serving import serving

ATTACKER = "203.0.113.66"


def computer(vendor: Simulated, number: int = 3) -> Target:
    """A computer."""
    return Target("device", "row", f"{number:03d}", f"PC-{number:03d}")


def _attacker(vendor: Simulated) -> Target:
    return Target("indicator", "row", ATTACKER, ATTACKER)


def _groups(vendor: Simulated, target: Target) -> Any:
    return sorted(vendor.records("agents")[target.external_id]["group"])


def _scans(vendor: Simulated, target: Target) -> Any:
    return vendor.records("agents")[target.external_id]["_scans"]


def _blocked(vendor: Simulated, target: Target) -> Any:
    return {one["id"]: one["_blocked"] for one in vendor.records("agents").values()}


def _watched(vendor: Simulated, target: Target) -> dict[str, str]:
    return {"group": EMPTY_GROUP}


_IDS = "The answer of a write lists ids or texts, no records."
_TOKEN = "The answer of the sign-in service is no record; its token is removed."
_OTHER = (
    "Settings, counters, new keys and tasks of an agent say nothing of a computer that the "
    "directory keeps."
)
_MANAGER = "It is about the manager itself, its rules or its knowledge, not about a computer."
_NO_FEED = "Checks of settings and watched files come as alerts; their lists are in no feed."
_NO_AGENT = "The example doesn't say on which computer it was found."
_NO_TIME = "The example doesn't say when it was found."


def _examples(folder: str, **quarantined: tuple[int, str]) -> Recorded:
    """The published examples of one part of the API; what they are shows in each record."""
    feed = "inventory" if "sys" in folder or "experimental" in folder else "agents"
    return Recorded(feed, f"wazuh/{folder}", quarantined)


class WazuhSubject(Subject):
    """The simulated manager and indexer, on small pages."""

    manifest = MANIFEST
    feed = "alerts"
    pages = r"^/wazuh-alerts-\*/_search$"
    other_doors = (
        Door("agents", "^/agents$"),
        Door("inventory", "^/syscollector/", tries=3),
    )
    deletions = {
        "inventory": deleting("packages", "hotfixes"),
        "vulnerabilities": deleting("vulnerabilities"),
        "agents": deleting("agents"),
    }
    endpoints = ("endpoint", "indexer")
    contract = WAZUH
    records = (
        Recorded("alerts", "wazuh/integration-alerts"),
        _examples("recorded-http", not_recognised=(1, _TOKEN)),
        _examples("spec-examples-active-response", not_an_object=(2, _IDS)),
        _examples("spec-examples-agents", not_an_object=(6, _IDS), not_recognised=(9, _OTHER)),
        _examples("spec-examples-cluster", not_recognised=(4, _MANAGER)),
        _examples("spec-examples-decoders", not_recognised=(2, _MANAGER)),
        _examples("spec-examples-events", not_an_object=(2, _IDS)),
        _examples("spec-examples-experimental", no_agent=(2, _NO_AGENT),
                  missing_time=(3, _NO_TIME)),
        _examples("spec-examples-groups", not_an_object=(2, _IDS), not_recognised=(2, _MANAGER)),
        _examples("spec-examples-manager", not_recognised=(16, _MANAGER)),
        _examples("spec-examples-mitre", not_recognised=(5, _MANAGER)),
        _examples("spec-examples-rootcheck", not_an_object=(4, _IDS)),
        _examples("spec-examples-sca", not_recognised=(1, _NO_FEED)),
        _examples("spec-examples-security", not_recognised=(1, _TOKEN)),
        _examples("spec-examples-syscheck", not_an_object=(1, _IDS), not_recognised=(2, _NO_FEED)),
        _examples("spec-examples-syscollector", no_agent=(1, _NO_AGENT),
                  missing_time=(1, _NO_TIME)),
    )  # fmt: skip
    other_writes = ("indicator.block",)
    actions = (
        ActionCase(
            "endpoint.add_to_group", computer, _groups,
            {"method": "PUT", "path": r"^/agents/\d+/group/"}, inputs=_watched,
        ),
        ActionCase(
            "endpoint.remove_from_group", computer, _groups,
            {"method": "DELETE", "path": r"^/agents/\d+/group/"},
            inputs=lambda vendor, target: {"group": LAPTOPS},
        ),
        ActionCase(
            "endpoint.scan", computer, _scans, {"method": "PUT", "path": "^/rootcheck$"},
        ),
        ActionCase(
            "indicator.block", _attacker, _blocked,
            {"method": "PUT", "path": "^/active-response$"}, requests=2,
            inputs=lambda vendor, target: {"kind": "ip"},
            no_reversal="Wazuh's API only starts an active response; no request of it ends one.",
        ),
    )  # fmt: skip

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        options = Options(largest_page=10, record_exchanges=folder / "exchanges.ndjson")
        with serving(Wazuh(options), seed="demo") as served:
            apps = {app["client_id"]: app["secret"] for app in served.control.tenants()[0]["apps"]}
            settings = {
                "endpoint": served.base_url, "username": USER, "indexer": served.base_url,
                "indexer_username": INDEXER_USER, "group": GROUP,
            }  # fmt: skip
            secrets = {"password": apps[USER], "indexer_password": apps[INDEXER_USER]}
            yield Simulated(MANIFEST, served, settings, secrets)


SUBJECT = WazuhSubject()
