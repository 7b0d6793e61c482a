"""Tactical RMM under the conformance suite: its simulator, and a target for each action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connectors.tactical_rmm.manifest import MANIFEST
from integrations.contract import Target
from integrations.simulators.base.simulator import Options
from integrations.simulators.tactical_rmm.seeds import CLIENT, SCRIPT
from integrations.simulators.tactical_rmm.simulator import TacticalRmm
from tests.contracts.published import TACTICAL_RMM
from tests.integrations.conformance.subject import ActionCase, Simulated, Subject, deleting
from tests.integrations.simulators.serving import serving


def agent_of(vendor: Simulated, name: str = "WS-001") -> Target:
    """A computer."""
    found = next(a for a in vendor.records("agents").values() if a["hostname"] == name)
    return Target("device", "row", found["agent_id"], name)


def updates_of(vendor: Simulated, target: Target) -> dict[str, dict[str, Any]]:
    """What the server holds of a computer's updates, by KB number."""
    agent = vendor.records("agents")[target.external_id]
    number = int(agent["serial_number"].removeprefix("SN"))
    rows = vendor.records("updates").values()
    return {row["kb"]: row for row in rows if row["agent"] == number}


def _decisions(vendor: Simulated, target: Target) -> Any:
    return {kb: row["action"] for kb, row in updates_of(vendor, target).items()}


def _count(kind: str) -> Any:
    """How often something really happened to the target."""
    return lambda vendor, target: len(vendor.served.control.effects(kind, target.external_id))


def _undecided(vendor: Simulated, target: Target) -> dict[str, Any]:
    return {"patches": ["KB5050002", "KB5050003"]}


_DECIDE = {"method": "PUT", "path": r"^/winupdate/\d+/$"}


class TacticalRmmSubject(Subject):
    """The simulated server."""

    manifest = MANIFEST
    feed = "devices"
    pages = "^/agents/$"
    deletions = {"patches": deleting("updates"), "devices": deleting("agents")}
    contract = TACTICAL_RMM
    unrecorded = (
        "Its server publishes its addresses, against which everything is tried, but no "
        "recorded answers."
    )
    other_writes = ("patch.approve",)
    actions = (
        ActionCase(
            "endpoint.reboot", agent_of, _count("agent.reboot"),
            {"method": "POST", "path": "/reboot/$"},
        ),
        ActionCase(
            "patch.approve", agent_of, _decisions, _DECIDE, requests=2, inputs=_undecided
        ),
        ActionCase(
            "patch.withdraw_approval", agent_of, _decisions, _DECIDE, inputs=_undecided,
            undoes="patch.approve",
        ),
        ActionCase(
            "patch.install", agent_of, _count("update.install"),
            {"method": "POST", "path": "/install/$"},
            inputs=lambda vendor, target: {"patches": ["KB5050001"]},
        ),
        ActionCase(
            "endpoint.run_script", agent_of, _count("script.run"),
            {"method": "POST", "path": "/runscript/$"},
            inputs=lambda vendor, target: {"script": SCRIPT},
        ),
    )  # fmt: skip
    left_out = {
        "token_expiry": "An API key is entered by a person and can't be renewed by us; when it "
        "ends, the connection is marked broken and says so.",
        "duplicates": "Tactical RMM answers a list whole: no page begins with what ended the one "
        "before.",
    }
    excused = {
        "token_expiry": "a person renews the credentials",
        "duplicates": "a list comes whole",
    }

    @contextmanager
    def running(self, folder: Path) -> Iterator[Simulated]:
        """The simulator, with one connection's settings."""
        options = Options(record_exchanges=folder / "exchanges.ndjson")
        with serving(TacticalRmm(options), seed="demo") as served:
            app = served.control.tenants()[0]["apps"][0]
            yield Simulated(
                MANIFEST,
                served,
                {
                    "endpoint": served.base_url, "client_id": str(CLIENT),
                    "scripts": f"{SCRIPT}\nOther",
                },
                {"api_key": app["secret"]},
            )  # fmt: skip


SUBJECT = TacticalRmmSubject()
