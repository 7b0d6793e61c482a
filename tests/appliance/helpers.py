"""Other processes for the tests of the appliance: started for real, killed for real."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 20.0


def python(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start Python on `code`, in the checkout, with pipes on its input and output."""
    inherited = {k: v for k, v in os.environ.items() if "DATABASE" not in k}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**inherited, **environment},
    )


def read_line(process: subprocess.Popen[str]) -> str:
    """The next line that `process` prints; fails if it ended, or says nothing for too long."""
    assert process.stdout is not None
    impatience = threading.Timer(PATIENCE_SECONDS, process.kill)
    impatience.start()
    line = process.stdout.readline()
    impatience.cancel()
    assert line, f"ended with code {process.wait()}"
    return line.strip()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds; fails, naming `what` was awaited."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS:.0f} s for {what}"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether process `pid` runs; a dead one that nobody reaped doesn't."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
