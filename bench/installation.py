"""The product's real processes, one after another killed and started again, and a simulator."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.db import connections as database

from integrations import connections
from integrations.models import Connection
from integrations.simulators.microsoft365.people import NAMES
from msp.appliance import engine, postgres
from playbooks import language, library
from playbooks.adoption import activation
from playbooks.adoption.versions import remember
from tenants import scope
from tenants.models import PlaybookMode, Tenant

ROOT = Path(__file__).resolve().parents[1]
KILL_POINTS = settings.VAR_DIR / "kill-points"
READY = settings.VAR_DIR / "ready"
_START_SECONDS = 30.0


class Simulator:
    """A simulated vendor in a process of its own."""

    def __init__(
        self, processes: Processes, vendor: str = "microsoft365", seed: str = "empty"
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        processes.start(
            vendor,
            "-m", f"integrations.simulators.{vendor}", "--port", str(port), "--seed", seed,
        )  # fmt: skip
        self._http = httpx.Client(base_url=f"{self.address}/_simulator", timeout=60)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                raise TimeoutError(f"The simulator did not start: {processes.logs}/{vendor}.log")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self._http.get("/health").status_code == 200
        except httpx.HTTPError:
            return False

    def post(self, path: str, /, **body: Any) -> Any:
        """Ask the control endpoint; httpx.HTTPStatusError where it refuses."""
        return self._http.post(path, json=body).raise_for_status().json()

    def records(self, organisation: str, collection: str) -> dict[str, dict[str, Any]]:
        """What an organisation has of a kind, by id."""
        given = {"tenant": organisation, "collection": collection}
        told = self._http.get("/state", params=given).raise_for_status().json()
        return dict(told)

    def members(self, domain: str) -> list[str]:
        """The ids of a Microsoft organisation's ordinary members."""
        told = self.records(domain, "users")
        names = {f"{name[0]} {name[1]}" for name in NAMES}
        return [key for key, user in told.items() if user["displayName"] in names]

    def effects(self) -> list[tuple[str, str]]:
        """Every change that Holdfast made: kind and target, in order."""
        lines = self._http.get("/log", params={"effects": 1}).raise_for_status().json()
        # A rule is switched off by either of two interfaces, which name it differently.
        same = {"rule.disable": "rule.update", "rule.enable": "rule.update"}
        return [
            (same.get(effect["kind"], effect["kind"]), effect["target"])
            for line in lines
            if line["path"] and not line["path"].startswith("/_simulator")
            for effect in line["effects"]
        ]


class Processes:
    """Starts and kills -9 the product's processes; `close` ends what is left."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._arguments: dict[str, tuple[str, ...]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def workers(self, count: int, threads: int, module: str = "msp.worker") -> list[str]:
        """Start worker processes; return their names."""
        names = [f"worker-{number}" for number in range(1, count + 1)]
        for name in names:
            self.start(
                name, "-m", "dramatiq", module, "--processes", "1", "--threads", str(threads)
            )
        return names

    def start(self, name: str, *arguments: str) -> None:
        """Start a Python process that leads a group of its own."""
        self._arguments[name] = arguments
        # With their parent they end, however it ends.
        command = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, *arguments]
        with (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                process_group=0,
            )  # fmt: skip

    def are_up(self, names: Iterable[str]) -> bool:
        """Whether all these processes, started as `bench.worker`, take messages."""
        return all(
            process.poll() is None and (READY / str(process.pid)).exists()
            for process in (self._running[name] for name in names)
        )

    def cpu_seconds(self, names: Iterable[str]) -> float:
        """What these processes, with the children that they lead, have used of the processors."""
        groups = {self._running[name].pid for name in names}
        return sum(map(_cpu_seconds, groups))

    def kill(self, name: str) -> int:
        """Kill -9 a process with all that it started; return its group."""
        process = self._running[name]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return process.pid

    def start_again(self, name: str) -> None:
        """Start it as it was started before."""
        self.start(name, *self._arguments[name])

    def revive(self) -> list[int]:
        """Start again what ended by itself; return the groups that ended."""
        ended = [name for name, process in self._running.items() if process.poll() is not None]
        groups = [self.kill(name) for name in ended]
        for name in ended:
            self.start_again(name)
        return groups

    def close(self) -> None:
        """End everything."""
        for name in self._running:
            self.kill(name)


def _cpu_seconds(group: int) -> float:
    """What the processes of a group have used, in user and in system; proc(5)."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def kill_database(seconds: float) -> None:
    """Kill -9 the PostgreSQL server, which is the queue as well; start it after `seconds`."""
    cluster = postgres.embedded()
    server = engine.postmaster_pid(cluster.data)
    if server is not None:
        os.kill(server, signal.SIGKILL)
    time.sleep(seconds)
    cluster.ensure_started()
    database["default"].close()
    database["default"].close_pool()


def attacked_client(
    simulator: Simulator, number: int, attacks: int, *, deletes_rules: bool = False
) -> Tenant:
    """Register and connect a client with so many (1 to 16) taken-over mailboxes.

    `deletes_rules`: its response to tampered mail deletes rules, which a technician approves,
    where the usual one switches them off.
    """
    domain = f"client-{number:04}.example"
    told = simulator.post("/organisation", domain=domain, name=f"Client {number}", people=attacks)
    for user in simulator.members(domain):
        simulator.post("/act", act="business_email_compromise", tenant=domain, user=user)
    tenant = Tenant.objects.create(
        slug=f"client-{number:04}",
        name=f"Client {number}",
        time_zone="UTC",
        playbook_mode=PlaybookMode.AUTOMATIC,
    )
    with scope.tenant(tenant.id):
        if deletes_rules:
            _delete_rules_here()
        connect(told, simulator)
        assert Connection.objects.count() == 1
    return tenant


def connect(told: Mapping[str, Any], simulator: Simulator) -> None:
    """Connect the scope's client to an organisation, as the simulator told of it."""
    endpoints = ("login_endpoint", "graph_endpoint", "exchange_endpoint", "activity_endpoint")
    app = told["apps"][0]
    connections.create(
        connector="microsoft365",
        name="Microsoft 365",
        settings={"tenant_id": told["id"], "client_id": app["client_id"]}
        | dict.fromkeys(endpoints, simulator.address),
        secrets={"client_secret": app["secret"]},
        actor="bench",
    )


def _delete_rules_here() -> None:
    """Let the response to tampered mail delete rules where it would switch them off."""
    usual = library.get("undo-mailbox-tampering")
    text = usual.source.replace("mailbox.disable_inbox_rule", "mailbox.delete_inbox_rule")
    version = remember(language.load(text, usual.id))
    activation.activate(version, PlaybookMode.AUTOMATIC, actor="bench")


def lease_seconds() -> float:
    """How long a dead worker's work stays its own."""
    return float(settings.WORK_LEASE_SECONDS)
