"""Starting, watching and stopping the demo."""

import datetime as dt
import io
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from msp.appliance import demo_settings
from msp.appliance.postgres import revive_embedded_database
from msp.appliance.processes import ProcessSpec, Supervisor, only_one
from msp.demo import clients, summary
from msp.demo.news import News
from msp.licensing.actions import count_seats
from msp.reports.actions import make_outcome_report
from tenants.models import Tenant

_SETTLE_SECONDS = 300.0
_FIRST_PORT = 8000
Say = Callable[[str], None]


def run(*, once: bool, say: Say) -> int:
    """Run the demo; return the exit code. Without `once` it serves until Ctrl-C."""
    folder = settings.VAR_DIR / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    demo_settings.write(settings.VAR_DIR)
    with only_one(folder / "demo.lock"), _supervisor() as supervisor:
        say("Preparing the database …")
        call_command("setup", stdout=io.StringIO())
        simulator = _start_simulator(supervisor, folder, say)
        tenants = clients.connect_all(simulator)
        passwords = clients.technicians()
        address = _start_product(supervisor, say)
        if once:
            told = _work(supervisor, tenants, folder, say)
            return _judge(told, folder, say)
        _greet(address, passwords, say)
        _work(supervisor, tenants, folder, say)
        _show_around(address, say)
        supervisor.run()
    return 0


def _supervisor() -> Supervisor:
    return Supervisor(max_failures=5, each_second=revive_embedded_database)


def _start_simulator(supervisor: Supervisor, folder: Path, say: Say) -> str:
    say("Starting the simulated Microsoft 365 of three clients …")
    port = _free_port(_FIRST_PORT + 100)
    address = f"http://127.0.0.1:{port}"
    supervisor.start(
        ProcessSpec(
            "microsoft365-simulator",
            [
                sys.executable, "-m", "integrations.simulators.microsoft365",
                "--port", str(port),
                "--state", str(folder / "microsoft365.sqlite"),
                "--log", str(folder / "microsoft365.log"),
            ],
            ready=lambda: _answers(f"{address}/_simulator/health"),
        )
    )  # fmt: skip
    return address


def _start_product(supervisor: Supervisor, say: Say) -> str:
    say("Starting workers, scheduler and web …")
    # With a database of one's own the settings that are kept with the state are not read.
    env = demo_settings.DEMO if os.environ.get("DATABASE_URL") else None
    port = _free_port(_FIRST_PORT)
    address = f"http://127.0.0.1:{port}"
    supervisor.start(
        ProcessSpec(
            "workers",
            [sys.executable, "-m", "dramatiq", "msp.worker", "--processes", "1", "--threads", "4"],
            env=env,
        )
    )
    supervisor.start(ProcessSpec("scheduler", [sys.executable, "manage.py", "scheduler"], env=env))
    supervisor.start(
        ProcessSpec(
            "web",
            [
                sys.executable, "-m", "uvicorn", "msp.asgi:application",
                "--host", "127.0.0.1", "--port", str(port),
                "--log-level", "warning", "--lifespan", "off",
            ],
            env=env,
            ready=lambda: _answers(f"{address}/healthz"),
        )
    )  # fmt: skip
    return address


def _work(supervisor: Supervisor, tenants: list[Tenant], folder: Path, say: Say) -> dict[str, Any]:
    """Wait until everything that goes by itself has gone, then make the reports."""
    say("Reading the clients' Microsoft 365; watch what is found:")
    news = News({tenant.id: tenant.name for tenant in tenants})

    def settled() -> bool:
        clients.name_special_accounts(tenants)
        for line in news.lines():
            say(line)
        return summary.is_settled()

    in_time = supervisor.wait_until(settled, timeout=_SETTLE_SECONDS)
    if not in_time:
        say("Not everything was finished in time; the logs are in var/log/.")
    say("Counting protected people and writing the reports …")
    reports = [_report(tenant, folder) for tenant in tenants]
    supervisor.wait_until(summary.is_settled, timeout=30)
    told = summary.summary(reports)
    connections.close_all()
    return told


def _report(tenant: Tenant, folder: Path) -> Path:
    today = dt.datetime.now(dt.UTC).date()
    count_seats(tenant.id, today)
    report = make_outcome_report(tenant.id, today.strftime("%Y-%m"))
    path = folder / f"{tenant.slug}-{report.period}.pdf"
    path.write_bytes(bytes(report.pdf))
    return path


def _judge(told: dict[str, Any], folder: Path, say: Say) -> int:
    text = json.dumps(told, indent=2)
    (folder / "summary.json").write_text(text + "\n")
    say(text)
    wrong = summary.problems(told)
    for problem in wrong:
        say(f"Does not hold: {problem}.")
    return 1 if wrong else 0


def _greet(address: str, passwords: Mapping[str, str], say: Say) -> None:
    first, second = passwords
    say(
        f"\n  Open      {address}\n"
        f"  Sign in   {first} / {passwords[first]}\n"
        f"  Or as     {second} / {passwords[second]}\n"
        "            Who asks to undo something can't approve it: that is for the other one,\n"
        "            in another browser or a private window.\n"
        "  Stop      Ctrl-C\n"
    )


def _show_around(address: str, say: Say) -> None:
    say(
        f"\n  All is done that goes by itself. Look, at {address}, at\n"
        "    the work queue: the plans for Harbour Law wait for your Approve;\n"
        "    the closed case of Northwind Dental: what was found, done and read back, and there\n"
        "    “Undo”, which the second technician approves;\n"
        "    the owners' reports: var/demo/*.pdf\n"
    )


@cache
def _http() -> httpx.Client:
    """Return the one client: to make one reads all authorities, which takes a while each time."""
    return httpx.Client(timeout=2)


def _answers(url: str) -> bool:
    try:
        return _http().get(url).status_code == 200
    except httpx.HTTPError:
        return False


def _free_port(first: int) -> int:
    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise OSError(f"No free port from {first} to {first + 99}: stop what listens there.")
