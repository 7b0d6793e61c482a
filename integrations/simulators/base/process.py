"""A simulator as a process of its own, on loopback: python -m integrations.simulators.<vendor>."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from .app import App
from .control import moment
from .simulator import Options, Simulator


def _arguments(simulator_class: type[Simulator]) -> argparse.Namespace:
    seeds = sorted(simulator_class.seeds)
    parser = argparse.ArgumentParser(
        prog=f"python -m {simulator_class.__module__.rpartition('.')[0]}",
        description=(simulator_class.__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, help="keep the state in this SQLite file")
    parser.add_argument("--log", type=Path, help="append one JSON line for each request")
    parser.add_argument("--record-exchanges", type=Path, help="append every exchange as NDJSON")
    parser.add_argument("--seed", choices=seeds, default="demo" if "demo" in seeds else seeds[0])
    parser.add_argument("--seed-number", type=int, default=1)
    parser.add_argument("--now", type=moment, help="the seed's present (default: the clock's)")
    parser.add_argument("--expires-in", type=int, default=3599, help="life of a token in seconds")
    parser.add_argument("--page-size", type=int, default=100)
    return parser.parse_args()


def run(simulator_class: type[Simulator]) -> None:
    """Serve until told to stop; a state file that has tenants is not seeded again."""
    given = _arguments(simulator_class)
    simulator = simulator_class(
        Options(
            state=given.state,
            log=given.log,
            record_exchanges=given.record_exchanges,
            expires_in=given.expires_in,
            page_size=given.page_size,
        )
    )
    if not simulator.store.tenants:
        simulator.seeds[given.seed](
            simulator.store, given.now or simulator.now(), given.seed_number
        )
        simulator.store.save()
    uvicorn.run(
        App(simulator),
        host=given.host,
        port=given.port,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
    )
