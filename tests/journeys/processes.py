"""Real workers and a real scheduler on the test's database."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from msp.appliance import postgres
from tests.servers.forks import Forked, forker
from tests.servers.once import once

LEASE_SECONDS = "2"


class Processes:
    """Starts and kills the product's own processes; `close` ends what is left."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Forked] = []

    def worker(self) -> Forked:
        """Start one worker process with one thread."""
        return self._start(
            "worker",
            "-m", "dramatiq", "msp.worker", "--processes", "1", "--threads", "1",
        )  # fmt: skip

    def scheduler(self) -> Forked:
        """Start the scheduler."""
        return self._start("scheduler", "manage.py", "scheduler")

    def poller(self, tenant_id: str, state_id: str) -> Forked:
        """Start a process that reads one feed, and ends."""
        return self._start(
            "poller", "-m", "tests.integrations.conformance.poller", tenant_id, state_id
        )

    def run_to_the_end(self, name: str, *arguments: object) -> None:
        """Run one of the modules beside this one, and wait until it has ended, however it does."""
        process = self._start(name, "-m", f"tests.journeys.{name}", *map(str, arguments))
        process.wait()
        self._running.remove(process)

    def web(self, port: int, *options: str) -> Forked:
        """Start the web side on a port of this machine, with uvicorn's own ways of logging."""
        return self._start(
            "web",
            "-m", "uvicorn", "msp.asgi:application", "--port", str(port), "--lifespan", "off",
            *options,
        )  # fmt: skip

    def _start(self, name: str, *arguments: str) -> Forked:
        log = self._logs / f"{name}.log"
        log.touch()
        process = once(forker).start(arguments, log, os.environ | self._environment())
        self._running.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        cluster = postgres.embedded()
        name = settings.DATABASES["default"]["NAME"]
        return {
            "HOLDFAST_APP_DATABASE_URL": cluster.app_url(name),
            "HOLDFAST_OWNER_DATABASE_URL": cluster.owner_url(name),
            "HOLDFAST_ALLOW_PRIVATE_ENDPOINTS": "1",
            "HOLDFAST_WORK_LEASE_SECONDS": LEASE_SECONDS,
            "HOLDFAST_SETTLE_SECONDS": "1",
        }

    def kill(self, process: Forked) -> None:
        """Kill -9 the process and everything that it started."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._running.remove(process)

    def close(self) -> None:
        """End everything that still runs."""
        for process in list(self._running):
            self.kill(process)

    def log(self, name: str) -> str:
        """Return what a process wrote."""
        path = self._logs / f"{name}.log"
        return path.read_text() if path.exists() else ""


def wait_until(condition: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    """Wait on a condition; AssertionError says how things stood when time ran out."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
