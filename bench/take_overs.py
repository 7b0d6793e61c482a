"""How long a dead worker's work waits for another one."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tenants import scope
from tenants.models import Work


@dataclass
class _Orphan:
    worker: str
    died_at: float
    disturbed_at: float
    """The last kill of any process since: it may have taken the message with it."""


@dataclass
class TakeOvers:
    """Watches the leases of dead workers until others hold the work."""

    seconds: list[float] = field(default_factory=list)
    """From the last kill of any process to another worker's claim; a look too long at most."""
    with_more_kills: list[float] = field(default_factory=list)
    """The same from the holder's death, whatever else was killed until the claim."""
    _orphans: dict[uuid.UUID, _Orphan] = field(default_factory=dict)

    @property
    def are_waiting(self) -> bool:
        """Whether a dead worker's work has not been taken over yet."""
        return bool(self._orphans)

    def disturb(self) -> None:
        """Something was killed: what waits may have lost its message."""
        for orphan in self._orphans.values():
            orphan.disturbed_at = time.monotonic()

    def look(self) -> None:
        """Find work whose worker has died, and what was taken over since the last look."""
        now = time.monotonic()
        with scope.reading(scope.ALL):
            # What is not due yet waits for its time, not for another worker.
            due = Work.objects.filter(due_at__lte=dt.datetime.now(dt.UTC))
            held = dict(due.exclude(leased_by="").values_list("id", "leased_by"))
        for work_id, orphan in list(self._orphans.items()):
            # Gone: claimed and finished since the last look.
            if held.get(work_id) != orphan.worker:
                self.seconds.append(now - orphan.disturbed_at)
                self.with_more_kills.append(now - orphan.died_at)
                del self._orphans[work_id]
        for work_id, worker in held.items():
            if work_id not in self._orphans and not _lives(worker):
                self._orphans[work_id] = _Orphan(worker, now, now)


def _lives(worker: str) -> bool:
    """Whether the process of a worker's name (host, process, thread) is there."""
    try:
        told = Path(f"/proc/{worker.split(':')[1]}/stat").read_text()
    except FileNotFoundError:
        return False
    # The state stands behind the name; a zombie works no more.
    return told.rpartition(")")[2].split()[0] not in "ZX"
