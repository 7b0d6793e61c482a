"""How cases went, measured one way for the console, the reports and the API.

A case counts once: what was merged into it counts as its part. Times run from the first alert
(where there is none, from the case's opening) to: somebody or something looking at it; the verdict;
the last containment step read back; the closing of an attack. Waiting for people is the time in
which an approval was asked for and not answered, or a technician was needed and had done nothing
yet; times without waiting leave it out. What was not measured is None. Pure: `measuring` reads.
"""

import datetime as dt
import math
import statistics
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from playbooks.quality import opinions
from playbooks.quality.opinions import Opinions

STAGES = ("acknowledge", "investigate", "contain", "remediate")
Interval = tuple[dt.datetime, dt.datetime]


@dataclass(frozen=True, slots=True)
class Took:
    """How long a stage took in seconds, and how much of it was not waiting for people."""

    seconds: float
    without_waiting: float


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    part: int
    of: int

    @property
    def percent(self) -> int | None:
        """Return the share, rounded down; None where there is nothing to have a share of."""
        return 100 * self.part // self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Saved:
    """Work that a playbook did so many times, which takes `minutes` by hand as declared."""

    playbook: str
    times: int
    minutes: int

    @property
    def together(self) -> int:
        """Return the minutes of all times."""
        return self.times * self.minutes


@dataclass(frozen=True, slots=True)
class CaseMeasures:
    """One case. `times` has the stages that it reached; a routine has none.

    `is_escalated`: whether a technician was needed, to look or to approve; None while it is open
    and none was.
    `verdicts`: whether the technician who closed it kept the engine's verdict; of none where there
    was none, or nobody closed it by hand. `plans` are those that technicians let be, of those that
    they judged; `opinions` the verdicts with which it closed, each with that of a second
    technician; `evidence` the questions answered, of those asked. `done` are the playbooks that
    were carried out, as often as they were.
    """

    case_id: uuid.UUID
    tenant_id: uuid.UUID
    is_incident: bool
    is_closed: bool
    is_escalated: bool | None
    verdict: str
    times: Mapping[str, Took]
    verdicts: Share
    plans: Share
    opinions: tuple[tuple[str, str], ...]
    evidence: Share
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Of how many cases, and their median and 90th percentile (nearest rank) in seconds."""

    cases: int
    median: float | None
    p90: float | None
    median_without_waiting: float | None
    p90_without_waiting: float | None


@dataclass(frozen=True, slots=True)
class Measures:
    """Many cases. Only `saved` counts routines, too; what saves most comes first."""

    cases: int
    closed: int
    by_verdict: Mapping[str, int]
    times: Mapping[str, Spread]
    without_escalation: Share
    verdicts: Share
    plans: Share
    opinions: Opinions
    evidence: Share
    saved: tuple[Saved, ...]

    @property
    def minutes_saved(self) -> int | None:
        """Return the declared minutes of all that was done; None where nothing that has any was."""
        return sum(one.together for one in self.saved) if self.saved else None


def summarise(cases: Iterable[CaseMeasures], minutes: Mapping[str, int]) -> Measures:
    """Return what holds of the cases together; `minutes` are the baselines, by playbook."""
    rows = list(cases)
    incidents = [row for row in rows if row.is_incident]
    closed = [row for row in incidents if row.is_closed]
    return Measures(
        cases=len(incidents),
        closed=len(closed),
        by_verdict=Counter(row.verdict for row in incidents),
        times={
            stage: _spread([row.times[stage] for row in incidents if stage in row.times])
            for stage in STAGES
        },
        without_escalation=Share(sum(not row.is_escalated for row in closed), len(closed)),
        verdicts=_sum(row.verdicts for row in incidents),
        plans=_sum(row.plans for row in incidents),
        opinions=opinions.compared(pair for row in incidents for pair in row.opinions),
        evidence=_sum(row.evidence for row in incidents),
        saved=_saved((name for row in rows for name in row.done), minutes),
    )


def waited(spans: Iterable[Interval], start: dt.datetime, end: dt.datetime) -> dt.timedelta:
    """Return how much of the time from start to end the spans cover together. Pure."""
    total, reached = dt.timedelta(), start
    for begins, ends in sorted((max(begins, start), min(ends, end)) for begins, ends in spans):
        total += max(ends - max(begins, reached), dt.timedelta())
        reached = max(reached, ends)
    return total


def _saved(done: Iterable[str], minutes: Mapping[str, int]) -> tuple[Saved, ...]:
    """Return what has a declared baseline."""
    counted = Counter(name for name in done if name in minutes)
    found = [Saved(name, times, minutes[name]) for name, times in counted.items()]
    return tuple(sorted(found, key=lambda one: (-one.together, one.playbook)))


def _sum(shares: Iterable[Share]) -> Share:
    rows = list(shares)
    return Share(sum(row.part for row in rows), sum(row.of for row in rows))


def _spread(took: Sequence[Took]) -> Spread:
    if not took:
        return Spread(0, None, None, None, None)
    whole = [one.seconds for one in took]
    without = [one.without_waiting for one in took]
    return Spread(
        len(took), statistics.median(whole), _p90(whole), statistics.median(without), _p90(without)
    )


def _p90(values: Sequence[float]) -> float:
    return sorted(values)[math.ceil(0.9 * len(values)) - 1]
