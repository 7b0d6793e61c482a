"""Records a second that a rule pack is run on, beside plain evaluation of the same rules.

Plain: rule by rule, as a simple evaluator does; each rule of the record's log source is tried, with
no index before it, and looks its fields up anew. Both run on the same records in the same process,
and must tell the same matches. Times are the process's own.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench import sigma_rules, telemetry
from integrations.detection import loading
from integrations.detection.engine import Engine
from integrations.detection.recognition import recognised
from integrations.detection.rules import Pack
from integrations.detection.views import View

_RECORDS = 20_000
_PLAIN = 1_000
_ROUNDS = 3
_SEED = 20261126

Record = dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """What was measured: records a second, with and without an index."""

    rules: int
    records: int
    matches: int
    a_second: float
    plain_a_second: float

    def as_json(self) -> dict[str, Any]:
        """Return the figures and their ratio."""
        return {
            "rules": self.rules,
            "records": self.records,
            "matches": self.matches,
            "a_second": round(self.a_second),
            "plain_a_second": round(self.plain_a_second),
            "times_plain": round(self.a_second / self.plain_a_second, 1),
        }


def main(arguments: list[str]) -> int:
    """Measure each pack, and print a line of JSON; return 1 where the ways differ."""
    parser = argparse.ArgumentParser(prog="python -m bench detection", description=__doc__)
    parser.add_argument("--records", type=int, default=_RECORDS)
    parser.add_argument("--seed", type=int, default=_SEED)
    options = parser.parse_args(arguments)
    count, seed = options.records, options.seed
    ours = loading.load(loading.OUR_RULES)
    told = {
        "our_pack": measured(ours, telemetry.mixed(count, seed)),
        "close_calls": measured(ours, telemetry.close_calls(count, seed)),
        "cloud_rules": measured(sigma_rules.cloud(250, seed), telemetry.of_clouds(count, seed)),
        "process_rules": measured(
            sigma_rules.processes(300, seed), telemetry.of_processes(count, seed)
        ),
    }
    for name, figures in told.items():
        print(
            f"{name:14} {figures.rules:4} rules  {figures.a_second:10,.0f} records/s"
            f"  plain {figures.plain_a_second:8,.0f} records/s"
            f"  {figures.a_second / figures.plain_a_second:6.1f} times"
            f"  {figures.matches} matches in {figures.records}"
        )
    if not telemetry.PUBLIC.is_dir():
        print(f"Without public records: {telemetry.PUBLIC} is not there.")
    figures_told = {name: figures.as_json() for name, figures in told.items()}
    print(json.dumps({"detection": {"seed": seed, "cpu": platform.processor(), **figures_told}}))
    return 0


def measured(pack: Pack, records: list[Record]) -> Figures:
    """Run a pack on records, both ways; AssertionError where they tell different matches."""
    engine = Engine(pack)
    few = records[:_PLAIN]
    for record in few:
        if [match.rule.id for match in engine.detect(record)] != plain(engine, record):
            raise AssertionError(f"The ways differ on {json.dumps(record)}.")
    seconds = min(_seconds(engine.detect, records) for _ in range(_ROUNDS))
    plain_seconds = min(_seconds(lambda one: plain(engine, one), few) for _ in range(_ROUNDS))
    return Figures(
        len(pack.rules),
        len(records),
        sum(len(engine.detect(record)) for record in records),
        len(records) / seconds,
        len(few) / plain_seconds,
    )


def plain(engine: Engine, record: Record) -> list[str]:
    """Return the ids of the rules that match, each rule of the log source tried."""
    view = recognised(record)
    if view is None:
        return []
    return [
        rule.id for rule in engine.rules_for(record) if rule.node.test(View(view.raw, view.parts))
    ]


def _seconds(run: Callable[[Record], Any], records: list[Record]) -> float:
    began = time.process_time()
    for record in records:
        run(record)
    return time.process_time() - began
