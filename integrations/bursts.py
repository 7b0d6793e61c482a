"""How much somebody did at once, beside what is usual for them. Pure.

What is looked at may be days ago, and go over many days: an attack is an hour or a night of them,
which the ordinary days around it must not thin out.
"""

import datetime as dt
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from integrations.contract import Json
from integrations.values import Fields

# So many times what is usual is unusual.
_TIMES = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: the busiest `span` of the time from `since` until `now`."""

    since: dt.datetime
    span: dt.timedelta
    now: dt.datetime

    def usual(self, before: int, length: dt.timedelta) -> int:
        """Return what a span usually brings where the time of `length` before brought so much."""
        return round(before * (self.span / length))


def asked(inputs: Json, default: int, longest: dt.timedelta) -> Asked:
    """Return what `inputs` ask for: the last `hours` (`default`), or any so long since `since`.

    Never further back than `longest`.
    """
    now = dt.datetime.now(dt.UTC)
    told = inputs.get("hours")
    hours = told if isinstance(told, int) and not isinstance(told, bool) else default
    span = min(max(dt.timedelta(hours=hours), dt.timedelta(hours=1)), longest)
    since = Fields(inputs).time("since") or now
    return Asked(max(min(since, now - span), now - longest), span, now)


def most(told: Iterable[tuple[dt.datetime, int]], span: dt.timedelta) -> int:
    """Return the largest sum of amounts within any `span`, each with its time."""
    inside: deque[tuple[dt.datetime, int]] = deque()
    now = largest = 0
    for time, amount in sorted(told):
        inside.append((time, amount))
        now += amount
        while inside[0][0] <= time - span:
            now -= inside.popleft()[1]
        largest = max(largest, now)
    return largest


def most_different(told: Iterable[tuple[dt.datetime, str]], span: dt.timedelta) -> int:
    """Return how many different names there are at most within any `span`, each with its time."""
    inside: deque[tuple[dt.datetime, str]] = deque()
    seen: Counter[str] = Counter()
    largest = 0
    for time, name in sorted(told):
        inside.append((time, name))
        seen[name] += 1
        while inside[0][0] <= time - span:
            gone = inside.popleft()[1]
            seen[gone] -= 1
            if not seen[gone]:
                del seen[gone]
        largest = max(largest, len(seen))
    return largest


def is_unusual(number: int, usual: int, *, least: int) -> bool:
    """Whether a number is `least` or more, and at least five times what is usual."""
    return number >= least and number >= _TIMES * max(usual, 1)
