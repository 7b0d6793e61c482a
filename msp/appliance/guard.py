"""The last to leave: ends the process groups of a supervisor that was killed.

Started as a script of its own by `processes.Supervisor`. It reads `+PGID` and `-PGID` lines on
standard input; the end of the input means that the supervisor is gone, and every group still on
the list gets SIGTERM, then SIGKILL. A child's parent-death signal alone would miss grandchildren.
Standard library only, and no import of this project.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress


def main(grace: float) -> None:
    """Watch until the supervisor ends, then end what it left; `grace` in seconds."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        change = line.strip()
        if change.startswith("+"):
            groups.add(int(change[1:]))
        elif change.startswith("-"):
            groups.discard(int(change[1:]))
    _signal_all(groups, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and any(_lives(group) for group in groups):
        time.sleep(0.05)
    _signal_all(groups, signal.SIGKILL)


def _signal_all(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main(float(sys.argv[1]))
