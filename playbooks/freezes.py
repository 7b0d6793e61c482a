"""Change freezes: when nothing is changed at a client, in the client's own time zone."""

import datetime as dt
import fnmatch
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations import catalog

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_KEYS = ("title", "from", "to", "weekdays", "hours", "except")
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Freeze:
    """One freeze: either from one moment to another, or weekly by days and hours.

    `excepted` are the patterns of actions that may go on. Moments without an offset, days and
    hours are those of the client's time zone. `hours` that end before they begin go past
    midnight and belong to the day on which they began.
    """

    title: str
    excepted: tuple[str, ...] = ()
    starts: dt.datetime | None = None
    ends: dt.datetime | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[dt.time, dt.time] | None = None

    def holds(self, now: dt.datetime, time_zone: str) -> str:
        """Return the freeze's title where it holds at `now` (aware), else ''."""
        zone = zone_of(time_zone)
        if self.starts is not None and self.ends is not None:
            frozen = _aware(self.starts, zone) <= now < _aware(self.ends, zone)
        else:
            frozen = self._holds_weekly(now.astimezone(zone))
        return self.title if frozen else ""

    def stops(self, action: str) -> bool:
        """Whether the freeze is about an action: not one of those that may go on."""
        return not any(fnmatch.fnmatchcase(action, pattern) for pattern in self.excepted)

    def _holds_weekly(self, local: dt.datetime) -> bool:
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        if self.hours is None:
            return today in self.weekdays
        start, end = self.hours
        if start < end:
            return today in self.weekdays and start <= local.time() < end
        begun = today in self.weekdays and local.time() >= start
        return begun or (yesterday in self.weekdays and local.time() < end)


def zone_of(time_zone: str) -> dt.tzinfo:
    """Return a time zone by its name; UTC where there is none of that name."""
    try:
        return zoneinfo.ZoneInfo(time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return dt.UTC


def _aware(moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def load_freeze(told: Any) -> Freeze:
    """Check and read one freeze of a policy; ValueError says what is wrong and what to do."""
    if not isinstance(told, Mapping):
        raise ValueError("a freeze is a mapping with `title:` and `from:`/`to:` or `weekdays:`")
    unknown = sorted(map(str, set(told) - set(_KEYS)))
    if unknown:
        raise ValueError(f"unknown keys {unknown}; known: {', '.join(_KEYS)}")
    if not isinstance(told.get("title"), str) or not told["title"].strip():
        raise ValueError("`title:` is missing: say what the freeze is for")
    is_weekly = "weekdays" in told or "hours" in told
    is_absolute = "from" in told or "to" in told
    if is_weekly == is_absolute:
        raise ValueError("give either `from:` and `to:`, or `weekdays:` and `hours:`")
    title, excepted = told["title"].strip(), patterns(told.get("except", []), "except")
    if is_weekly:
        return Freeze(title, excepted, weekdays=_weekdays(told), hours=_hours(told))
    starts, ends = _moment(told, "from", is_end=False), _moment(told, "to", is_end=True)
    if _aware(starts, dt.UTC) >= _aware(ends, dt.UTC):
        raise ValueError("`to:` is not after `from:`")
    return Freeze(title, excepted, starts, ends)


def patterns(told: Any, key: str) -> tuple[str, ...]:
    """Return action names or patterns; ValueError where one matches nothing in the catalog."""
    if isinstance(told, str):
        told = [told]
    if not isinstance(told, list) or not all(isinstance(pattern, str) for pattern in told):
        raise ValueError(f"`{key}:` is a list of action names or patterns")
    for pattern in told:
        if not fnmatch.filter([action.name for action in catalog.ACTIONS], pattern):
            raise ValueError(f"{pattern!r} is no action of the catalog, and matches none")
    return tuple(told)


def _weekdays(told: Mapping[str, Any]) -> tuple[int, ...]:
    names = told.get("weekdays", list(WEEKDAYS))
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not names:
        raise ValueError("`weekdays:` is a list of days, such as [friday, saturday]")
    wrong = [name for name in names if name not in WEEKDAYS]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no weekday; weekdays: {', '.join(WEEKDAYS)}")
    return tuple(sorted({WEEKDAYS.index(name) for name in names}))


def _hours(told: Mapping[str, Any]) -> tuple[dt.time, dt.time] | None:
    if "hours" not in told:
        return None
    found = _HOURS.fullmatch(told["hours"].strip()) if isinstance(told["hours"], str) else None
    if not found:
        raise ValueError(f"hours {told['hours']!r} are not written like 18:00-07:00")
    start, end = dt.time(int(found[1]), int(found[2])), dt.time(int(found[3]), int(found[4]))
    if start == end:
        raise ValueError("`hours:` begin and end at once; for whole days leave them out")
    return start, end


def _moment(told: Mapping[str, Any], key: str, is_end: bool) -> dt.datetime:
    """Return a moment; a date alone is the whole day, so it ends with the day."""
    text = told.get(key)
    try:
        if not isinstance(text, str):
            raise ValueError
        moment = dt.datetime.fromisoformat(text.strip())
        if len(text.strip()) <= len("2026-12-31") and is_end:
            moment += dt.timedelta(days=1)
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(
            f"`{key}:` {text!r} is no moment: write 2026-12-24 or 2026-12-24T18:00"
        ) from None
    return moment
