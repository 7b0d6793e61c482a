"""The demo's programs: the simulated vendors, and the product's own processes."""

import os
import socket
import sys
from functools import cache
from pathlib import Path

import httpx

from msp.appliance import demo_settings
from msp.appliance.processes import ProcessSpec, Supervisor

_FIRST_PORT = 8000


def start_simulator(
    supervisor: Supervisor, folder: Path, vendor: str, *, port: int, seed: str = "demo"
) -> str:
    """Start a simulated vendor, with its state in `folder`; return its address."""
    port = _free_port(_FIRST_PORT + port)
    address = f"http://127.0.0.1:{port}"
    supervisor.start(
        ProcessSpec(
            f"{vendor}-simulator",
            [
                sys.executable, "-m", f"integrations.simulators.{vendor}",
                "--port", str(port),
                "--seed", seed,
                "--state", str(folder / f"{vendor}.sqlite"),
                "--log", str(folder / f"{vendor}.log"),
            ],
            ready=lambda: _answers(f"{address}/_simulator/health"),
        )
    )  # fmt: skip
    return address


def start_product(supervisor: Supervisor, mail_port: int) -> str:
    """Start workers, scheduler and web, which mail to that port; return the web's address."""
    port = _free_port(_FIRST_PORT)
    address = f"http://127.0.0.1:{port}"
    # With a database of one's own the settings that are kept with the state are not read.
    env = demo_settings.DEMO if os.environ.get("DATABASE_URL") else {}
    env = {
        **env,
        "HOLDFAST_PUBLIC_URL": address,
        "HOLDFAST_SMTP_URL": f"smtp://127.0.0.1:{mail_port}",
        "HOLDFAST_MAIL_FROM": "help@lighthouse-it.example",
    }
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
