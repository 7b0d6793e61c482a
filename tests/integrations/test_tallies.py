"""A feed's records a day against its own past: what is silence, and what is a quiet weekend."""

import datetime as dt
import random
import zoneinfo

import pytest
from django.utils import timezone

from integrations import tallies
from integrations.models import Connection, FeedDay, FeedState
from tenants import scope

# A Wednesday, noon.
NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
TODAY = NOW.date()
LONG_AGO = NOW - dt.timedelta(hours=30)


def _past(workday: int, weekend: int, days: int = 21) -> dict[dt.date, int]:
    counted = {}
    for back in range(2, days + 2):
        day = TODAY - dt.timedelta(days=back)
        records = weekend if day.weekday() >= 5 else workday
        if records:
            counted[day] = records
    return counted


def test_a_busy_feed_that_brings_nothing_for_a_day_is_silent() -> None:
    told = tallies.volume(_past(200, 40), LONG_AGO, NOW, dt.UTC)
    assert told.baseline == 200
    assert told.today == 0
    assert told.silent_since == LONG_AGO


def test_a_record_of_the_last_day_is_no_silence() -> None:
    told = tallies.volume(_past(200, 40), NOW - dt.timedelta(hours=23), NOW, dt.UTC)
    assert told.silent_since is None


@pytest.mark.parametrize(
    ("counted", "why"),
    [
        (_past(9, 9), "it never brought much"),
        (_past(200, 40, days=3), "too little is known of it"),
        ({}, "nothing is known of it"),
    ],
)
def test_silence_is_not_told_where_it_may_be_usual(counted, why) -> None:
    assert tallies.volume(counted, LONG_AGO, NOW, dt.UTC).silent_since is None, why


@pytest.mark.parametrize(
    ("a_day", "every", "silent_after"), [(8, 1, 2), (1, 1, 10), (2, 3, 15), (1, 7, 66)]
)
def test_a_feed_that_brings_little_is_silent_when_it_is_so_for_much_longer_than_ever(
    a_day, every, silent_after
) -> None:
    """Of 8 alerts a day one misses two days, of one a week nine weeks."""
    counted = {TODAY - dt.timedelta(days=back): a_day for back in range(0, 85, every)}
    told = [
        tallies.volume(counted, NOW, NOW + dt.timedelta(days=days), dt.UTC).silent_since
        for days in range(silent_after + 3)
    ]
    # A day that has begun counts as a day; the gap and the rate say how many.
    first = next(days for days, since in enumerate(told) if since is not None)
    assert abs(first - silent_after) <= 1
    assert set(told[first:]) == {NOW}


def test_a_new_feed_that_brought_little_is_not_judged() -> None:
    counted = {TODAY - dt.timedelta(days=back): 3 for back in range(10)}
    later = NOW + dt.timedelta(days=60)
    assert tallies.volume(counted, NOW, later, dt.UTC).silent_since is None


def test_a_quiet_weekend_is_no_silence_and_the_tuesday_after_it_is() -> None:
    friday = dt.datetime(2026, 11, 20, 18, tzinfo=dt.UTC)
    counted = {day: n for day, n in _past(200, 0).items() if day <= friday.date()}
    sunday, monday, tuesday = (friday + dt.timedelta(days=days) for days in (2, 3, 4))
    for at, silent in ((sunday, None), (monday, None), (tuesday, friday)):
        assert tallies.volume(counted, friday, at, dt.UTC).silent_since == silent, at


def test_days_without_any_record_count_in_the_usual_day() -> None:
    counted = {TODAY - dt.timedelta(days=back): 300 for back in (15, 8)}
    assert tallies.baseline(counted, TODAY) == 0


def test_the_usual_day_is_never_above_the_busiest_nor_below_the_quietest() -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    draw = random.Random(seed)
    for _ in range(200):
        counted = {
            TODAY - dt.timedelta(days=back): draw.randrange(1, 1000) for back in range(1, 29)
        }
        usual = tallies.baseline(counted, TODAY)
        assert usual is not None
        assert min(counted.values()) <= usual <= max(counted.values())


def test_days_are_those_of_the_clients_own_zone(in_tenant) -> None:
    connection = Connection.objects.create(connector="microsoft365", name="M")
    state = FeedState.objects.create(connection=connection, feed="alerts")
    auckland = zoneinfo.ZoneInfo("Pacific/Auckland")
    tallies.note(state.id, 3, auckland)
    tallies.note(state.id, 4, auckland)
    tallies.note(state.id, 0, auckland)
    [row] = FeedDay.objects.all()
    assert (row.day, row.records) == (timezone.now().astimezone(auckland).date(), 7)


def test_counts_are_the_tenants_own(tenant, other_tenant) -> None:
    with scope.tenant(other_tenant.id):
        connection = Connection.objects.create(connector="microsoft365", name="M")
        state = FeedState.objects.create(connection=connection, feed="alerts")
        tallies.note(state.id, 5, dt.UTC)
    with scope.tenant(tenant.id):
        assert tallies.by_feed([state]) == {state.id: {}}


def test_a_time_zone_that_is_none_counts_as_utc() -> None:
    assert tallies.zone_of("Nowhere/Land") is dt.UTC
