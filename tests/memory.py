"""Temporary files of the tests lie in memory: none of them has to outlive the machine.

Databases that tests make would else wait for the disk with each thing that they keep.
"""

import os
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
# What the largest files of a run take several times over, beside what its processes need.
_ROOM = 6 * 2**30


def use() -> None:
    """Put them there, pytest's too; not where somebody has said where (TMPDIR), or it won't do."""
    if "TMPDIR" not in os.environ and _is_fit():
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


def short_place() -> str:
    """Where a folder can be made whose sockets have short names, as servers need them."""
    return str(_MEMORY) if os.environ.get("TMPDIR") == str(_MEMORY) else "/tmp"


def _is_fit() -> bool:
    """Whether there is room, and programs may be run from it: a container may give neither."""
    if not os.access(_MEMORY, os.W_OK | os.X_OK):
        return False
    told = os.statvfs(_MEMORY)
    free = told.f_bavail * told.f_frsize
    return min(free, _available()) >= _ROOM and not told.f_flag & os.ST_NOEXEC


def _available() -> int:
    for line in Path("/proc/meminfo").read_text("ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
