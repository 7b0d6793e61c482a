"""Sigma correlations: which sightings of its rules fulfil one. Pure.

A moment fulfils a correlation when the window that ends with it does. For most, more sightings
never take that back, so they come to the same in whatever order they arrive. Moments of one episode
(an hour, or the timespan where that is longer, counted from 1970) are told of together.

What a later event may take back (an average, fewer than so many, one rule without another) is
worked out when nothing more is awaited: each timespan by itself, counted from 1970; one rule
without another by what stands within a timespan before and after it.
"""

import datetime as dt
import math
import re
import statistics
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LONGEST: Final = dt.timedelta(days=31)
# How the key of an episode begins, and what stands in it before a moment of it.
EPISODE: Final = "episode "
MOMENT: Final = " at "
NUMERIC: Final = ("value_sum", "value_avg", "value_median", "value_percentile")
_LEAST_EPISODE: Final = dt.timedelta(hours=1)
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,15})?")
_BOUNDS: Final[Mapping[str, tuple[str, Callable[[Fraction, Fraction], bool]]]] = {
    "gte": ("at least", lambda a, b: a >= b),
    "gt": ("more than", lambda a, b: a > b),
    "lte": ("at most", lambda a, b: a <= b),
    "lt": ("less than", lambda a, b: a < b),
    "eq": ("exactly", lambda a, b: a == b),
    "neq": ("anything but", lambda a, b: a != b),
}


@dataclass(frozen=True, slots=True)
class Bound:
    """How much there must be: `op` is gte, gt, lte, lt, eq or neq."""

    op: str
    number: Fraction

    @property
    def words(self) -> str:
        """The bound, in a few words."""
        number = self.number
        shown = str(number) if number.denominator == 1 else str(float(number))
        return f"{_BOUNDS[self.op][0]} {shown}"

    def holds(self, amount: Fraction) -> bool:
        """Whether so much is within it."""
        return _BOUNDS[self.op][1](amount, self.number)


@dataclass(frozen=True, slots=True)
class Joined:
    """Rules joined by words: `word` is and, or, not, or empty for the rule of the id."""

    word: str
    rule_id: str = ""
    parts: tuple["Joined", ...] = ()

    def holds(self, near: Set[str], around: Set[str], *, is_negated: bool = False) -> bool:
        """Whether it does: what must be seen is looked for near, what must not all around."""
        match self.word:
            case "and":
                return all(one.holds(near, around, is_negated=is_negated) for one in self.parts)
            case "or":
                return any(one.holds(near, around, is_negated=is_negated) for one in self.parts)
            case "not":
                return not self.parts[0].holds(near, around, is_negated=not is_negated)
        return self.rule_id in (around if is_negated else near)

    def wanted(self, *, is_negated: bool = False) -> frozenset[str]:
        """The rules that must be seen for it, not those that must not."""
        if not self.word:
            return frozenset() if is_negated else frozenset((self.rule_id,))
        is_inner = is_negated ^ (self.word == "not")
        return frozenset().union(*(one.wanted(is_negated=is_inner) for one in self.parts))

    @property
    def has_not(self) -> bool:
        """Whether a rule may have to be absent."""
        return self.word == "not" or any(one.has_not for one in self.parts)

    @property
    def least(self) -> int:
        """How many different rules there must be at the very least."""
        match self.word:
            case "and":
                return max(one.least for one in self.parts)
            case "or":
                return min(one.least for one in self.parts)
        return 0 if self.word else 1


@dataclass(frozen=True, slots=True)
class Correlation:
    """A Sigma correlation that can be run.

    `rules`: the ids of the rules and correlations it counts, in its order; `fields`: those whose
    values an episode shares; `counted`: those whose values are counted or reckoned with; `bounds`:
    how much there must be, all of which must hold; `least`: how many events, values or rules there
    must be for it to be worth a look; `joined`: how the rules are joined, where not by `and`;
    `generate`: whether those rules find things by themselves as well.
    """

    kind: str
    rules: tuple[str, ...]
    names: tuple[str, ...]
    aliases: Mapping[str, Mapping[str, str]]
    fields: tuple[str, ...]
    timespan: dt.timedelta
    least: int
    counted: tuple[str, ...] = ()
    bounds: tuple[Bound, ...] = ()
    percentile: int = 0
    joined: Joined | None = None
    generate: bool = False

    @property
    def field(self) -> str:
        """What is counted, for people to read."""
        return " with ".join(self.counted)

    @property
    def is_in_parts(self) -> bool:
        """Whether each timespan is worked out by itself, and not in a window that slides."""
        if self.joined is not None:
            return False
        return self.kind in NUMERIC[1:] or any(one.op not in ("gte", "gt") for one in self.bounds)

    @property
    def settles(self) -> bool:
        """Whether a later event may take back that it is fulfilled."""
        return self.is_in_parts or (self.joined is not None and self.joined.has_not)

    @property
    def episode(self) -> dt.timedelta:
        """How long an episode is at most."""
        return self.timespan if self.is_in_parts else max(self.timespan, _LEAST_EPISODE)

    def episode_of(self, time: dt.datetime) -> int:
        """Return the number of the episode that a moment belongs to."""
        return (time - EPOCH) // self.episode

    def is_over(self, time: dt.datetime, now: dt.datetime, grace: dt.timedelta) -> bool:
        """Whether nothing more is awaited that belongs to the episode of a moment."""
        end = EPOCH + (self.episode_of(time) + 1) * self.episode
        return end + (dt.timedelta() if self.is_in_parts else self.timespan) + grace <= now

    def field_in(self, rule_id: str, field: str) -> str:
        """Return how a rule's events name a field of the correlation."""
        return self.aliases.get(field, {}).get(rule_id, field)

    @property
    def words(self) -> str:
        """What has to happen, in a few words."""
        within = f"within {_span(self.timespan)}"
        if self.joined is not None:
            return f"rules seen together, or not, as its condition says, {within}"
        how = " and ".join(one.words for one in self.bounds) or f"at least {self.least}"
        match self.kind:
            case "event_count":
                return f"{how} events {within}"
            case "value_count":
                return f"{how} different {self.field} {within}"
            case "temporal":
                every = self.least == len(set(self.rules))
                many = "all" if every else f"at least {self.least}"
                return f"{many} of {len(self.rules)} rules {within}"
            case "temporal_ordered":
                return f"{len(self.rules)} rules one after another {within}"
            case "value_percentile":
                return f"{self.percentile}th percentile of {self.field} {how} {within}"
        name = {"value_sum": "sum", "value_avg": "average", "value_median": "median"}[self.kind]
        return f"{name} of {self.field} {how} {within}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A sighting: when which rule matched which event, with the values that are counted."""

    time: dt.datetime
    key: str
    rule_id: str
    values: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """What was seen: the event, or the episode, of which each moment is a sighting."""
        return self.key.partition(MOMENT)[0] if self.key.startswith(EPISODE) else self.key


@dataclass(frozen=True, slots=True)
class Episode:
    """What belongs to an episode, and the sightings that fulfilled it, in order of time."""

    members: list[Seen]
    moments: list[Seen]


def number_of(text: str) -> Fraction | None:
    """Return a value as a number; None where it is none."""
    return Fraction(text) if _NUMBER.fullmatch(text) else None


def episodes(correlation: Correlation, sightings: Sequence[Seen]) -> dict[int, Episode]:
    """Return what belongs to each episode in which the correlation is fulfilled.

    `sightings` are those of one group, in order of time and key.
    """
    if correlation.is_in_parts:
        return _parts(correlation, sightings)
    found: dict[int, list[tuple[int, int]]] = {}
    for first, last in _fulfilled(correlation, sightings):
        found.setdefault(correlation.episode_of(sightings[last].time), []).append((first, last))
    return {
        number: Episode(
            list(sightings[min(first for first, _ in windows) : windows[-1][1] + 1]),
            [sightings[last] for _, last in windows],
        )
        for number, windows in found.items()
    }


def _parts(correlation: Correlation, sightings: Sequence[Seen]) -> dict[int, Episode]:
    """Each timespan by itself; its last sighting stands for the moment."""
    parts: dict[int, list[Seen]] = {}
    for one in sightings:
        parts.setdefault(correlation.episode_of(one.time), []).append(one)
    return {
        number: Episode(members, members[-1:])
        for number, members in parts.items()
        if all(bound.holds(_amount(correlation, members)) for bound in correlation.bounds)
    }


def _amount(correlation: Correlation, members: Sequence[Seen]) -> Fraction:
    match correlation.kind:
        case "event_count":
            return Fraction(len({(one.rule_id, one.what) for one in members}))
        case "value_count":
            return Fraction(len({value for one in members for value in one.values}))
    numbers = sorted(number for one in members for number in _numbers(one))
    match correlation.kind:
        case "value_sum":
            return sum(numbers, Fraction())
        case "value_avg":
            return sum(numbers, Fraction()) / len(numbers)
        case "value_median":
            return Fraction(statistics.median(numbers))
    return numbers[max(0, math.ceil(len(numbers) * correlation.percentile / 100) - 1)]


def _numbers(one: Seen) -> list[Fraction]:
    found = map(number_of, one.values)
    return [number for number in found if number is not None]


def _fulfilled(correlation: Correlation, sightings: Sequence[Seen]) -> Iterator[tuple[int, int]]:
    """Yield the window (first and last place) that ends with each moment that fulfils it."""
    if correlation.kind == "temporal_ordered":
        yield from _in_order(correlation, sightings)
    elif correlation.joined is not None:
        yield from _joined(correlation, correlation.joined, sightings)
    elif correlation.kind == "value_sum":
        yield from _summed(correlation, sightings)
    else:
        yield from _counted(correlation, sightings)


def _counted(correlation: Correlation, sightings: Sequence[Seen]) -> Iterator[tuple[int, int]]:
    window: deque[Seen] = deque()
    counted: Counter[str] = Counter()
    for place, one in enumerate(sightings):
        window.append(one)
        counted.update(_counts(correlation, one))
        while window[0].time < one.time - correlation.timespan:
            for value in _counts(correlation, window.popleft()):
                counted[value] -= 1
                if not counted[value]:
                    del counted[value]
        if len(counted) >= correlation.least:
            yield place - len(window) + 1, place


def _summed(correlation: Correlation, sightings: Sequence[Seen]) -> Iterator[tuple[int, int]]:
    total, start = Fraction(), 0
    amounts = [sum(_numbers(one), Fraction()) for one in sightings]
    for place, one in enumerate(sightings):
        total += amounts[place]
        while sightings[start].time < one.time - correlation.timespan:
            total -= amounts[start]
            start += 1
        if all(bound.holds(total) for bound in correlation.bounds):
            yield start, place


def _joined(
    correlation: Correlation, joined: Joined, sightings: Sequence[Seen]
) -> Iterator[tuple[int, int]]:
    """What must be seen is so within the timespan that ends here; what must not, around it too."""
    wanted = joined.wanted()
    near: Counter[str] = Counter()
    around: Counter[str] = Counter()
    start = end = 0
    for place, one in enumerate(sightings):
        near[one.rule_id] += 1
        while end < len(sightings) and sightings[end].time <= one.time + correlation.timespan:
            around[sightings[end].rule_id] += 1
            end += 1
        while sightings[start].time < one.time - correlation.timespan:
            for counts in (near, around):
                counts[sightings[start].rule_id] -= 1
            start += 1
        if one.rule_id in wanted and joined.holds(_held(near), _held(around)):
            yield start, place


def _held(counts: Counter[str]) -> frozenset[str]:
    return frozenset(rule_id for rule_id, number in counts.items() if number > 0)


def _counts(correlation: Correlation, one: Seen) -> tuple[str, ...]:
    match correlation.kind:
        case "value_count":
            return one.values
        case "event_count":
            return (f"{one.rule_id} {one.what}",)
    return (one.rule_id,)


def _in_order(correlation: Correlation, sightings: Sequence[Seen]) -> Iterator[tuple[int, int]]:
    """The rules one after another: each as late as it can be before the next one."""
    times = [one.time for one in sightings]
    for place, one in enumerate(sightings):
        if one.rule_id != correlation.rules[-1]:
            continue
        # What happened in the same moment may have been in any order.
        end = place
        while end + 1 < len(times) and times[end + 1] == one.time:
            end += 1
        first = _chain(correlation, sightings, place, end)
        if first is not None:
            yield first, place


def _chain(correlation: Correlation, sightings: Sequence[Seen], place: int, end: int) -> int | None:
    used = {sightings[place].what}
    earliest = sightings[place].time - correlation.timespan
    before, first = sightings[place].time, place
    cursor = end
    for rule_id in reversed(correlation.rules[:-1]):
        while cursor >= 0 and sightings[cursor].time >= earliest:
            one = sightings[cursor]
            if one.rule_id == rule_id and one.what not in used and one.time <= before:
                break
            cursor -= 1
        else:
            return None
        used.add(sightings[cursor].what)
        before, first = sightings[cursor].time, min(first, cursor)
        # Others of the same moment may come before it.
        while cursor + 1 < len(sightings) and sightings[cursor + 1].time == before:
            cursor += 1
    return first


def _span(length: dt.timedelta) -> str:
    seconds = int(length.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            number = seconds // size
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{seconds} seconds"
