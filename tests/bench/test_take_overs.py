"""How long a dead worker's work waits is measured from its death, and kills beside it are seen."""

import datetime as dt
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from bench.take_overs import TakeOver, TakeOvers, problems
from tenants import scope, work
from tenants.models import Tenant, Work
from tenants.models.base import new_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """A clock that stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr("bench.take_overs.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a group of its own."""
    process = subprocess.Popen(["sleep", "60"], process_group=0)
    yield process
    process.kill()
    process.wait()


def hold(tenant: Tenant, name: str) -> None:
    """Let the tenant's only work be held under this name."""
    with scope.tenant(tenant.id):
        if not Work.objects.exists():
            work.schedule("run", new_id())
    now = dt.datetime.now(dt.UTC)
    Work.objects.update(leased_by=name, leased_until=now, due_at=now)


def die(process: subprocess.Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("killed", ["nothing", "itself", "database", "another", "before noticed"])
def test_only_a_kill_of_something_else_disturbs(tenant, clock, worker, killed) -> None:
    watch = TakeOvers()
    hold(tenant, f"here:{worker.pid}:1")
    watch.look()
    clock[0] = 101.0
    die(worker)
    if killed == "before noticed":
        watch.disturb()
    clock[0] = 102.0
    watch.look()
    assert watch.are_waiting
    clock[0] = 105.0
    if killed not in ("nothing", "before noticed"):
        watch.disturb({"itself": worker.pid, "database": None, "another": 1}[killed])
    clock[0] = 108.0
    hold(tenant, f"here:{os.getpid()}:1")
    watch.look()
    # It was there at the first look: the time of the death itself is not known better.
    [seen] = watch.seen
    assert seen.since_death == 8.0
    expected = {"database": 3.0, "another": 3.0, "before noticed": 7.0}
    assert seen.since_last_kill == expected.get(killed)
    assert not watch.are_waiting


def test_nothing_is_taken_over_from_a_worker_that_lives(tenant, worker) -> None:
    watch = TakeOvers()
    hold(tenant, f"here:{worker.pid}:1")
    watch.look()
    watch.look()
    assert (watch.are_waiting, watch.seen) == (False, [])


def test_what_takes_too_long_is_told() -> None:
    seen = [
        TakeOver(12.0),
        TakeOver(12.1),
        # More kills: long since its worker's death, but not since the last of them.
        TakeOver(60.0, 12.0),
        TakeOver(60.0, 13.0),
    ]
    assert problems(seen, 12.0, are_many=True) == [
        "a take-over took 12.1 s from the worker's death (at most 12)",
        "a take-over took 13.0 s from the last of more kills (at most 12)",
    ]


def test_many_runs_in_which_none_was_measured_alone_do_not_hold() -> None:
    assert problems([TakeOver(1.0, 0.5)], 12.0, are_many=False) == []
    [told] = problems([TakeOver(1.0, 0.5)], 12.0, are_many=True)
    assert "no take-over was measured" in told
