"""How fast plans are carried out end to end, beside the commits that the bare database does.

Attacked clients are connected first, with no worker running; then the clock starts. A step is
called and read back at a simulated vendor, every transition of it a committed row with its ledger
entry. The yardstick is the same machine's PostgreSQL with nothing above it: three small
transactions a step, which is the least that intended, called and verified can cost.
"""

from __future__ import annotations

import argparse
import json
import math
import time

import psycopg
from django.conf import settings

from bench.figures import at
from bench.installation import Processes, Simulator, attacked_client
from msp.appliance import postgres
from playbooks.models import Run, Step
from tenants import scope, work
from tenants.models import Case

_WORKERS, _THREADS = 2, 4
# More would meet the budget of ten of a kind an hour.
_ATTACKS_AT_A_CLIENT = 8
_COMMITS_A_STEP = 3
_STEPS_A_PLAN = 3
_YARDSTICK_SECONDS = 3.0
_LIMIT_SECONDS = 600.0
_OPEN = (Case.Status.NEW, Case.Status.INVESTIGATING, Case.Status.RESPONDING)


def main(arguments: list[str]) -> int:
    """Measure, print a line of JSON and what it means; return 1 where a plan did not end well."""
    parser = argparse.ArgumentParser(prog="python -m bench throughput", description=__doc__)
    parser.add_argument("--runs", type=int, default=64)
    runs = parser.parse_args(arguments).runs
    commits = _commits_per_second()
    processes = Processes(settings.VAR_DIR / "log")
    try:
        seconds = _carry_out(processes, math.ceil(runs / 2))
    finally:
        processes.close()
    told = _told(seconds, commits)
    print(json.dumps(told, indent=2))
    print(
        "For comparison: DBOS does about 100 three-step workflows a second on such a machine, "
        "with steps that call nobody and prove nothing."
    )
    return 0 if told["steps_not_verified"] == 0 and told["plans"] else 1


def _carry_out(processes: Processes, attacks: int) -> float:
    """Have every attack dealt with; return the seconds from the workers' start to the last step."""
    simulator = Simulator(processes)
    client = 0
    left = attacks
    while left > 0:
        client += 1
        attacked_client(simulator, client, min(left, _ATTACKS_AT_A_CLIENT))
        left -= _ATTACKS_AT_A_CLIENT
    processes.workers(_WORKERS, _THREADS)
    processes.start("scheduler", "manage.py", "scheduler")
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not _is_over(attacks):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not over after {_LIMIT_SECONDS:.0f} s; logs: {processes.logs}")
        time.sleep(0.1)
    with scope.reading(scope.ALL):
        first = Run.objects.order_by("started_at").values_list("started_at", flat=True)[0]
        last = Run.objects.order_by("-finished_at").values_list("finished_at", flat=True)[0]
    assert last is not None
    return (last - first).total_seconds()


def _is_over(attacks: int) -> bool:
    with scope.reading(scope.ALL):
        return (
            Case.objects.count() >= attacks
            and not Case.objects.filter(status__in=_OPEN).exists()
            and not Run.objects.filter(finished_at=None).exists()
            and not work.waiting(["run", "respond", "investigate"])
        )


def _told(seconds: float, commits: float) -> dict[str, float | int]:
    with scope.reading(scope.ALL):
        plans = Run.objects.count()
        rows = list(
            Step.objects.exclude(verified_at=None).values_list("intended_at", "verified_at")
        )
        others = Step.objects.exclude(status=Step.Status.VERIFIED).count()
    took = sorted((end - begin).total_seconds() for begin, end in rows if begin and end)
    three_steps = len(rows) / seconds / _STEPS_A_PLAN
    bare = commits / _COMMITS_A_STEP / _STEPS_A_PLAN
    return {
        "plans": plans,
        "steps_verified": len(rows),
        "steps_not_verified": others,
        "seconds": round(seconds, 2),
        "three_step_plans_per_second": round(three_steps, 2),
        "step_seconds_p50": round(at(took, 0.5), 3),
        "step_seconds_p95": round(at(took, 0.95), 3),
        "bare_commits_per_second": round(commits),
        "bare_three_step_plans_per_second": round(bare, 1),
        "ratio_to_bare": round(three_steps / bare, 4),
    }


def _commits_per_second() -> float:
    """Commit one small row after another on one connection, each flushed to the disk."""
    with psycopg.connect(postgres.embedded().owner_url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE bench_yardstick (id bigserial PRIMARY KEY, body jsonb)")
        try:
            done, began = 0, time.monotonic()
            while (passed := time.monotonic() - began) < _YARDSTICK_SECONDS:
                connection.execute("INSERT INTO bench_yardstick (body) VALUES ('{\"step\": 1}')")
                done += 1
            return done / passed
        finally:
            connection.execute("DROP TABLE bench_yardstick")
