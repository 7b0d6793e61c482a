"""A thousand clients with five feeds each, polled once a minute: how late is a poll?

Every client is an organisation of one simulated Microsoft 365, with a connection of its own. The
product's own workers and scheduler poll it; a poll's lag is from when it was due until it began.
The first round of polls, which takes the inventory in and finds all feeds due at once, is reported
by itself. `--slow` lets that many clients' vendor answer only after seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from datetime import datetime
from uuid import UUID

from django.conf import settings

from bench.figures import at
from bench.installation import Processes, Simulator, connect
from bench.polling_worker import EVERY, FEEDS
from integrations.models import FeedState
from tenants import scope
from tenants.models import Tenant, Work

_LOOK_SECONDS = 2.0
_FIRST_ROUND_SECONDS = 1800.0
_PEOPLE = 5
_MODULE = "bench.polling_worker"


def main(arguments: list[str]) -> int:
    """Measure and print a line of JSON; return 1 where a feed was never read."""
    parser = argparse.ArgumentParser(prog="python -m bench polling", description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=180.0, help="after the first round")
    parser.add_argument("--slow", type=int, default=0, help="clients whose vendor is slow")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args(arguments)
    # Of the threads some stay free for responses, as in production.
    os.environ["HOLDFAST_POLLS_AT_ONCE"] = str(options.workers * options.threads * 3 // 4)
    os.environ["HOLDFAST_WORK_LEASE_SECONDS"] = "30"
    processes = Processes(settings.VAR_DIR / "log")
    try:
        slow = _clients(Simulator(processes), options.tenants, options.slow)
        began = time.monotonic()
        workers = processes.workers(options.workers, options.threads, _MODULE)
        processes.start("scheduler", "manage.py", "scheduler")
        first = _first_round(processes, began)
        spent = processes.cpu_seconds(workers)
        lags, lags_of_slow = _watched(options.seconds, slow)
        spent = processes.cpu_seconds(workers) - spent
    finally:
        processes.close()
    told = {
        "tenants": options.tenants,
        "feeds_of_each": len(FEEDS),
        "first_round_seconds": round(first, 1),
        "polls_due_per_second": round(options.tenants * len(FEEDS) / EVERY, 1),
        "polls_per_second": round((len(lags) + len(lags_of_slow)) / options.seconds, 1),
        "cpu_ms_per_poll": round(1000 * spent / max(1, len(lags) + len(lags_of_slow)), 1),
        "lag_seconds_p50": round(at(lags, 0.5), 2),
        "lag_seconds_p95": round(at(lags, 0.95), 2),
        "lag_seconds_most": round(at(lags, 1), 2),
        "slow_tenants": options.slow,
        "lag_seconds_p95_of_slow": round(at(lags_of_slow, 0.95), 2),
        "largest_process_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
        "never_read": _never_read(),
    }
    print(json.dumps(told, indent=2))
    return 0 if told["never_read"] == 0 else 1


def _clients(simulator: Simulator, tenants: int, slow: int) -> frozenset[UUID]:
    """Register and connect the clients; return those whose vendor answers slowly."""
    found = set()
    for number in range(1, tenants + 1):
        domain = f"client-{number:04}.example"
        told = simulator.post("/organisation", domain=domain, name=domain, people=_PEOPLE)
        tenant = Tenant.objects.create(slug=f"client-{number:04}", name=domain, time_zone="UTC")
        with scope.tenant(tenant.id):
            connect(told, simulator)
            others = FeedState.objects.exclude(feed__in=FEEDS)
            Work.objects.filter(subject__in=others.values("id")).delete()
            others.delete()
        if number <= slow:
            simulator.post("/faults", kind="slow", tenant=told["id"], seconds=8)
            found.add(tenant.id)
    return frozenset(found)


def _first_round(processes: Processes, began: float) -> float:
    while _never_read():
        if time.monotonic() - began > _FIRST_ROUND_SECONDS:
            raise TimeoutError(f"Feeds were never read; logs: {processes.logs}")
        time.sleep(_LOOK_SECONDS)
    return time.monotonic() - began


def _never_read() -> int:
    with scope.reading(scope.ALL):
        return FeedState.objects.filter(last_success_at=None).count()


def _watched(seconds: float, slow: frozenset[UUID]) -> tuple[list[float], list[float]]:
    """Look at the polls that begin from now on; return the lags of all, and of the slow ones."""
    seen: dict[tuple[UUID, datetime], float] = {}
    of_slow: dict[tuple[UUID, datetime], float] = {}
    # What began before is not counted, nor how long it had waited.
    began = {key for key, _, _ in _polls()}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
        for key, tenant_id, waited in _polls():
            if key not in began:
                (of_slow if tenant_id in slow else seen)[key] = waited
    return sorted(seen.values()), sorted(of_slow.values())


def _polls() -> list[tuple[tuple[UUID, datetime], UUID, float]]:
    """Return the last poll of each feed: which and when it began, whose, how long it waited."""
    rows = Work.objects.filter(kind="poll").exclude(began_at=None)
    return [
        ((row, began_at), tenant, waited or 0.0)
        for row, began_at, tenant, waited in rows.values_list(
            "id", "began_at", "tenant", "waited_seconds"
        )
        if began_at is not None
    ]
