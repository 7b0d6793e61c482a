"""How long a dead worker's work waits for another one."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tenants import scope
from tenants.models import Work


@dataclass(frozen=True)
class TakeOver:
    """How long one dead worker's work waited, in seconds; a look too long at most.

    `since_death`: from its worker's death. `since_last_kill`: from the last kill of any other
    process until the claim, which may have taken the message or whoever would have claimed it;
    None where nothing else was killed.
    """

    since_death: float
    since_last_kill: float | None = None

    @property
    def is_alone(self) -> bool:
        """Whether nothing but the worker was killed."""
        return self.since_last_kill is None


def problems(seen: Iterable[TakeOver], limit: float, *, are_many: bool) -> list[str]:
    """Return what does not hold of take-overs, in words: those that took more than `limit` seconds.

    That is from the worker's death; where more was killed meanwhile, from the last of those kills.
    Where there should be many, some have to have been measured with nothing else killed.
    """
    take_overs = list(seen)
    found = []
    if are_many and not any(one.is_alone for one in take_overs):
        found.append("no take-over was measured from the worker's death alone")
    for one in take_overs:
        if one.since_last_kill is None:
            took, since = one.since_death, "the worker's death"
        else:
            took, since = one.since_last_kill, "the last of more kills"
        if took > limit:
            found.append(f"a take-over took {took:.1f} s from {since} (at most {limit:.0f})")
    return found


@dataclass
class _Orphan:
    worker: str
    group: int | None
    died_at: float
    disturbed_at: float | None


@dataclass
class TakeOvers:
    """Watches the leases of dead workers until others hold the work."""

    seen: list[TakeOver] = field(default_factory=list)
    _orphans: dict[uuid.UUID, _Orphan] = field(default_factory=dict)
    _groups: dict[str, int] = field(default_factory=dict)
    _looked_at: float = field(default_factory=time.monotonic)
    _kills: list[tuple[float, int | None]] = field(default_factory=list)

    @property
    def are_waiting(self) -> bool:
        """Whether a dead worker's work has not been taken over yet."""
        return bool(self._orphans)

    def disturb(self, group: int | None = None) -> None:
        """A process group was killed (None: the database): what waits for others may wait longer.

        The work of its own members waits from its death, whenever that is noticed.
        """
        now = time.monotonic()
        self._kills.append((now, group))
        for orphan in self._orphans.values():
            if group is None or orphan.group != group:
                orphan.disturbed_at = now

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
                self.seen.append(_taken_over(orphan, now))
                del self._orphans[work_id]
        for work_id, worker in held.items():
            group = _group_of(worker)
            if group is not None:
                self._groups[worker] = group
            elif work_id not in self._orphans:
                self._orphans[work_id] = self._orphan(worker)
        self._looked_at = now
        self._kills.clear()

    def _orphan(self, worker: str) -> _Orphan:
        """Note whose worker was there at the last look, and what else was killed since."""
        group = self._groups.get(worker)
        others = [at for at, killed in self._kills if killed is None or killed != group]
        return _Orphan(worker, group, self._looked_at, max(others, default=None))


def _taken_over(orphan: _Orphan, now: float) -> TakeOver:
    if orphan.disturbed_at is None:
        return TakeOver(now - orphan.died_at)
    return TakeOver(now - orphan.died_at, now - orphan.disturbed_at)


def _group_of(worker: str) -> int | None:
    """Return the process group of a worker's name (host, process, thread); None: it is dead."""
    try:
        told = Path(f"/proc/{worker.split(':')[1]}/stat").read_text()
    except FileNotFoundError:
        return None
    # State, parent and group stand behind the name; a zombie works no more.
    state, _, group = told.rpartition(")")[2].split()[:3]
    return None if state in "ZX" else int(group)
