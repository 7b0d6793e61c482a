"""How many records a feed brings a day, against its own past: a feed that falls silent shows.

Every record that the vendor brings counts, known ones too: a list that is read whole each time
brings all of it each time, and when it brings none, something is wrong.
"""

import datetime as dt
import itertools
import statistics
import uuid
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.utils import timezone

from integrations.models import FeedDay, FeedState
from tenants import scope
from tenants.models import new_id

DAYS_SHOWN: Final = 14
_DAYS_COMPARED: Final = 28
# Fewer days of a kind (workday, weekend) than this are no baseline yet.
_LEAST_DAYS: Final = 3
# Where fewer records than this were to be expected, that there are none may be chance.
_LEAST_RECORDS: Final = 10
# How far a feed that brings little is looked back at, and how much longer than its longest gap
# so far it is silent before that is told.
_DAYS_OF_LITTLE: Final = 90
_LEAST_DAYS_OF_LITTLE: Final = 14
_LONGEST_GAPS: Final = 2
_SILENCE: Final = dt.timedelta(hours=24)
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Volume:
    """A feed's records a day.

    `days`: the last days up to today with their records, in order; `baseline`: the median of the
    days of today's kind (workday or weekend) before today, None where there are too few;
    `silent_since`: since when it has brought nothing where it should have, None where it hasn't.
    """

    days: tuple[tuple[dt.date, int], ...]
    baseline: float | None
    silent_since: dt.datetime | None

    @property
    def today(self) -> int:
        """Records of today, so far."""
        return self.days[-1][1]


def zone_of(name: str) -> dt.tzinfo:
    """Return a client's time zone; UTC where its name is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return dt.UTC


def note(state_id: uuid.UUID, records: int, zone: dt.tzinfo) -> None:
    """Count records that a feed of the scope's tenant has just brought. Times are the clock's.

    When it last brought any, whoever keeps the feed's progress keeps with it.
    """
    if not records:
        return
    day = timezone.now().astimezone(zone).date()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO integrations_feedday (id, tenant_id, state_id, day, records)
            VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (tenant_id, state_id, day)
            DO UPDATE SET records = integrations_feedday.records + excluded.records
            """,
            [new_id(), scope.require_tenant_id(), state_id, day, records],
        )


def by_feed(states: Sequence[FeedState]) -> dict[uuid.UUID, dict[dt.date, int]]:
    """Return the records a day of some feeds, by the feed's id; one query."""
    since = timezone.now().date() - dt.timedelta(days=_DAYS_OF_LITTLE + 2)
    found: dict[uuid.UUID, dict[dt.date, int]] = {state.id: {} for state in states}
    rows = FeedDay.in_scope().filter(state_id__in=list(found), day__gte=since)
    for state_id, day, records in rows.values_list("state_id", "day", "records"):
        found[state_id][day] = records
    return found


def volume(
    counted: Mapping[dt.date, int],
    last_record_at: dt.datetime | None,
    now: dt.datetime,
    zone: dt.tzinfo,
) -> Volume:
    """Judge a feed's records a day. Pure.

    `counted` has no entry for a day without records; days before the first one are not known.
    """
    today = now.astimezone(zone).date()
    shown = [today - dt.timedelta(days=back) for back in reversed(range(DAYS_SHOWN))]
    silent_since = None
    if last_record_at is not None and now - last_record_at >= _SILENCE:
        # What the quietest of the days that passed since would have brought is the measure.
        touched = {today, (now - _SILENCE).astimezone(zone).date()}
        expected = [baseline(counted, day) for day in touched]
        is_much_missing = all(one is not None and one >= _LEAST_RECORDS for one in expected)
        if is_much_missing or _is_long(counted, last_record_at.astimezone(zone).date(), today):
            silent_since = last_record_at
    return Volume(
        tuple((day, counted.get(day, 0)) for day in shown), baseline(counted, today), silent_since
    )


def _is_long(counted: Mapping[dt.date, int], last: dt.date, today: dt.date) -> bool:
    """Whether even a feed that brings little has been silent for too long since `last`."""
    since = last - dt.timedelta(days=_DAYS_OF_LITTLE)
    days = sorted(day for day, records in counted.items() if records and since <= day <= last)
    if not days or (last - days[0]).days < _LEAST_DAYS_OF_LITTLE:
        return False
    longest_gap = max((b - a).days for a, b in itertools.pairwise([*days, last]))
    records_a_day = sum(counted[day] for day in days) / ((last - days[0]).days + 1)
    silent_days = (today - last).days
    return silent_days * records_a_day >= _LEAST_RECORDS and silent_days >= _LONGEST_GAPS * max(
        1, longest_gap
    )


def baseline(counted: Mapping[dt.date, int], day: dt.date) -> float | None:
    """Return the median records of the days of the same kind before `day`. Pure."""
    if not counted:
        return None
    first = max(min(counted), day - dt.timedelta(days=_DAYS_COMPARED))
    known = [
        counted.get(one, 0)
        for one in (first + dt.timedelta(days=number) for number in range((day - first).days))
        if _is_weekend(one) == _is_weekend(day)
    ]
    return float(statistics.median(known)) if len(known) >= _LEAST_DAYS else None


def _is_weekend(day: dt.date) -> bool:
    return day.weekday() >= _SATURDAY
