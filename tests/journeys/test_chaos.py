"""A small storm: the same program as `make chaos`, with a state directory of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.longest, pytest.mark.process]


def test_a_small_storm_leaves_each_effect_had_once() -> None:
    var = ROOT / "var" / f"chaos-{os.getpid()}"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "chaos", "--runs", "4"],
        cwd=ROOT,
        env=os.environ | {"HOLDFAST_BENCH_VAR": str(var)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    told = done.stdout + done.stderr
    # The seed stands in what it prints.
    assert done.returncode == 0, told
    assert int(re.search(r"kill -9 +(\d+)", told)[1]) > 0, told
    shutil.rmtree(var)
