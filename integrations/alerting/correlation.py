"""Sigma correlations: reading one, and which sightings of its rules fulfil it. Pure.

A moment fulfils a correlation when the window that ends with it does. More sightings never take
that back, so it comes to the same in whatever order they arrive. Moments of one episode (an hour,
or the timespan where that is longer, counted from 1970) are told of together.
"""

import datetime as dt
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaExtendedCorrelationCondition,
)
from sigma.exceptions import SigmaError

from integrations.detection.errors import Broken, Unsupported

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LEAST_EPISODE: Final = dt.timedelta(hours=1)
LONGEST: Final = dt.timedelta(days=31)
_MOST_RULES: Final = 50
_KINDS: Final = {
    SigmaCorrelationType.EVENT_COUNT: "event_count",
    SigmaCorrelationType.VALUE_COUNT: "value_count",
    SigmaCorrelationType.TEMPORAL: "temporal",
    SigmaCorrelationType.TEMPORAL_ORDERED: "temporal_ordered",
}


@dataclass(frozen=True, slots=True)
class Correlation:
    """A Sigma correlation that can be run.

    `rules`: the ids of the rules it counts, in its order; `group_by`: for each rule the fields
    whose values an episode shares; `least`: how many events or values there must be; `field`: whose
    values are counted; `generate`: whether those rules find things by themselves as well.
    """

    kind: str
    rules: tuple[str, ...]
    names: tuple[str, ...]
    aliases: Mapping[str, Mapping[str, str]]
    fields: tuple[str, ...]
    timespan: dt.timedelta
    least: int
    field: str
    generate: bool

    @property
    def episode(self) -> dt.timedelta:
        """How long an episode is at most."""
        return max(self.timespan, _LEAST_EPISODE)

    def episode_of(self, time: dt.datetime) -> int:
        """Return the number of the episode that a moment belongs to."""
        return (time - EPOCH) // self.episode

    def field_in(self, rule_id: str, field: str) -> str:
        """Return how a rule's events name a field of the correlation."""
        return self.aliases.get(field, {}).get(rule_id, field)

    @property
    def words(self) -> str:
        """What has to happen, in a few words."""
        within = f"within {_span(self.timespan)}"
        match self.kind:
            case "event_count":
                return f"at least {self.least} events {within}"
            case "value_count":
                return f"at least {self.least} different {self.field} {within}"
            case "temporal":
                return f"all of {len(self.rules)} rules {within}"
        return f"{len(self.rules)} rules one after another {within}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A sighting: when which rule matched which event, with the values that are counted."""

    time: dt.datetime
    key: str
    rule_id: str
    values: tuple[str, ...] = ()


def parsed(document: Mapping[str, Any], ids: Mapping[str, str]) -> Correlation:
    """Read a Sigma document with a correlation; `ids` has each rule's id by its id and its name.

    Unsupported or Broken say why it can't be run.
    """
    try:
        told = SigmaCorrelationRule.from_dict(dict(document))
    except SigmaError as error:
        raise Broken(f"not a whole Sigma correlation: {str(error)[:300]}") from None
    except Exception as error:
        # pySigma trusts a document's types in places.
        raise Broken(
            f"not a whole Sigma correlation: {type(error).__name__}: {str(error)[:200]}"
        ) from None
    kind = _KINDS.get(told.type)
    if kind is None:
        raise Unsupported(f"correlations of type {told.type.name.lower()} are not run")
    names = tuple(str(one.reference) for one in told.rules or ()) or _all_named(told.condition)
    timespan = _timespan(told.timespan.seconds)
    _refuse(names, timespan)
    least, field = _condition(told, kind, len(names))
    return Correlation(
        kind=kind,
        rules=tuple(_found(name, ids) for name in names),
        names=names,
        aliases=_aliases(told, ids),
        fields=tuple(told.group_by or ()),
        timespan=timespan,
        least=least,
        field=field,
        generate=told.generate,
    )


def _timespan(seconds: int) -> dt.timedelta:
    try:
        return dt.timedelta(seconds=seconds)
    except OverflowError:
        return dt.timedelta.max


def _refuse(names: Sequence[str], timespan: dt.timedelta) -> None:
    if not names:
        raise Unsupported("its condition joins rules by or, not: only and is run")
    if len(names) > _MOST_RULES:
        raise Unsupported(f"it counts more than {_MOST_RULES} rules")
    if timespan > LONGEST:
        raise Unsupported(f"its timespan is longer than {LONGEST.days} days")


def _condition(told: SigmaCorrelationRule, kind: str, rules: int) -> tuple[int, str]:
    """Return how many there must be, of which field."""
    condition = told.condition
    if _all_named(condition):
        return rules, ""
    if not isinstance(condition, SigmaCorrelationCondition):
        raise Unsupported("its condition joins rules by or, not: only and is run")
    operators = SigmaCorrelationConditionOperator
    if kind.startswith("temporal"):
        if condition.op is not operators.GTE or condition.count not in (1, rules):
            raise Unsupported("it wants some of its rules only; each of them must be seen")
        return rules, ""
    if condition.op not in (operators.GTE, operators.GT):
        raise Unsupported(
            f"its condition ({condition.op.name.lower()}) can cease to hold when a late event "
            "comes: use gte or gt"
        )
    if not isinstance(condition.count, int):
        raise Unsupported("it counts in fractions")
    least = condition.count + (condition.op is operators.GT)
    if least < 1:
        raise Broken("it holds when nothing happens: let it count at least 1")
    field = condition.fieldref if kind == "value_count" else ""
    if isinstance(field, list):
        if len(field) != 1:
            raise Unsupported("it counts values of several fields together")
        field = field[0]
    return least, str(field or "")


def _all_named(condition: Any) -> tuple[str, ...]:
    """The rules of a condition that joins them by nothing but `and`; empty of another one."""
    if not isinstance(condition, SigmaExtendedCorrelationCondition):
        return ()
    words = condition.expression.replace("(", " ").replace(")", " ").split()
    names, joints = words[::2], {word.lower() for word in words[1::2]}
    return tuple(names) if joints <= {"and"} and "not" not in map(str.lower, names) else ()


def _found(name: str, ids: Mapping[str, str]) -> str:
    if name not in ids:
        raise Unsupported(f"no rule that can be run has the name or id {name[:100]!r}")
    return ids[name]


def _aliases(told: SigmaCorrelationRule, ids: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        alias.alias: {
            _found(str(rule.reference), ids): field for rule, field in alias.mapping.items()
        }
        for alias in told.aliases
    }


def episodes(correlation: Correlation, sightings: Sequence[Seen]) -> dict[int, list[Seen]]:
    """Return what belongs to each episode in which the correlation is fulfilled.

    `sightings` are those of one group, in order of time and key.
    """
    found: dict[int, tuple[int, int]] = {}
    for first, last in _fulfilled(correlation, sightings):
        number = correlation.episode_of(sightings[last].time)
        begun = found.get(number, (first, last))
        found[number] = (min(first, begun[0]), max(last, begun[1]))
    return {number: list(sightings[first : last + 1]) for number, (first, last) in found.items()}


def _fulfilled(correlation: Correlation, sightings: Sequence[Seen]) -> Iterator[tuple[int, int]]:
    """Yield the window (first and last place) that ends with each moment that fulfils it."""
    if correlation.kind == "temporal_ordered":
        yield from _in_order(correlation, sightings)
        return
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
        is_count = correlation.kind == "event_count"
        if (len(window) if is_count else len(counted)) >= correlation.least:
            yield place - len(window) + 1, place


def _counts(correlation: Correlation, one: Seen) -> tuple[str, ...]:
    return one.values if correlation.kind == "value_count" else (one.rule_id,)


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
    used = {sightings[place].key}
    earliest = sightings[place].time - correlation.timespan
    before, first = sightings[place].time, place
    cursor = end
    for rule_id in reversed(correlation.rules[:-1]):
        while cursor >= 0 and sightings[cursor].time >= earliest:
            one = sightings[cursor]
            if one.rule_id == rule_id and one.key not in used and one.time <= before:
                break
            cursor -= 1
        else:
            return None
        used.add(sightings[cursor].key)
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
