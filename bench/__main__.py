"""``python -m bench`` with one of the programs of `_PROGRAMS`.

All but ``detection`` have a state directory of their own. The embedded PostgreSQL of that directory
is started and stopped here; no other is touched.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path

import django
from django.core.management import call_command

from bench import detection
from msp.appliance.postgres import Cluster, embedded_database

ROOT = Path(__file__).resolve().parents[1]
_ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "msp.settings",
    "HOLDFAST_ALLOW_PRIVATE_ENDPOINTS": "1",
    "HOLDFAST_WORK_LEASE_SECONDS": "2",
    "HOLDFAST_SETTLE_SECONDS": "2",
    "HOLDFAST_LOG": "WARNING",
}
_PROGRAMS = ("chaos", "throughput", "intake", "doors", "flood", "polling", "detection")


def main(arguments: list[str]) -> int:
    """Run one program with a fresh state directory; return its exit code."""
    if not arguments or arguments[0] not in _PROGRAMS:
        print(f"usage: python -m bench {{{','.join(_PROGRAMS)}}} [options]", file=sys.stderr)
        return 2
    if arguments[0] == "detection":
        return detection.main(arguments[1:])
    var = Path(os.environ.get("HOLDFAST_BENCH_VAR", ROOT / "var" / arguments[0])).resolve()
    for name in [name for name in os.environ if name.startswith(("HOLDFAST_", "DATABASE_"))]:
        del os.environ[name]
    os.environ.update(_ENVIRONMENT, HOLDFAST_VAR=str(var))
    _empty(var)
    with embedded_database():
        django.setup()
        call_command("migrate", database="owner", interactive=False, verbosity=0)
        # It imports models, which Django has to know before.
        program = importlib.import_module(f"bench.{arguments[0]}")
        return int(program.main(arguments[1:]))


def _empty(var: Path) -> None:
    """Remove what the last time left; a directory of something else is not touched."""
    mark = var / "bench"
    if var.exists() and any(var.iterdir()) and not mark.exists():
        raise SystemExit(f"{var} holds something else; name another in HOLDFAST_BENCH_VAR.")
    if var.exists():
        Cluster(home=var / "postgres").stop()
        shutil.rmtree(var)
    var.mkdir(parents=True)
    mark.touch()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
