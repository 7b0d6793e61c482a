"""Run the simulator as a process of its own, on loopback."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from .app import App
from .odata import timestamp
from .seeds import SEEDS
from .simulator import Options, Simulator


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m integrations.simulators.microsoft365", description=__doc__
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, help="keep the state in this SQLite file")
    parser.add_argument("--log", type=Path, help="append one JSON line for each request")
    parser.add_argument("--record-exchanges", type=Path, help="append every exchange as NDJSON")
    parser.add_argument("--seed", choices=sorted(SEEDS), default="demo")
    parser.add_argument("--seed-number", type=int, default=1)
    parser.add_argument("--now", type=timestamp, help="the seed's present (default: the clock's)")
    parser.add_argument("--expires-in", type=int, default=3599, help="life of a token in seconds")
    parser.add_argument("--page-size", type=int, default=100)
    return parser.parse_args()


def main() -> None:
    """Serve until told to stop; a state file that has tenants is not seeded again."""
    given = _arguments()
    simulator = Simulator(
        Options(
            state=given.state,
            log=given.log,
            record_exchanges=given.record_exchanges,
            expires_in=given.expires_in,
            page_size=given.page_size,
        )
    )
    if not simulator.store.tenants:
        SEEDS[given.seed](simulator.store, given.now or simulator.now(), given.seed_number)
        simulator.store.save()
    uvicorn.run(
        App(simulator),
        host=given.host,
        port=given.port,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
