"""A connection's health as pages and commands show it. Reads in any scope."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from integrations import health, problems, tallies
from integrations.health import Judged, Missing, Status
from integrations.models import Connection, FeedState, HealthAlarm
from integrations.tallies import Volume

_WORST_FIRST = (
    Status.BROKEN, Status.ATTENTION, Status.UNKNOWN, Status.HEALTHY, Status.PAUSED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FeedReport:
    """One feed: `words` and `fix` say what is wrong, and are empty where nothing is.

    `read_to` is the moment up to which it is read, None for a feed that is sent to us; `is_late`
    whether that is too long ago.
    """

    state: FeedState
    title: str
    read_to: dt.datetime | None
    is_late: bool
    volume: Volume
    words: str
    fix: str
    error: str
    is_pushed: bool

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong with it."""
        return not (self.words or self.error)


@dataclass(frozen=True, slots=True)
class Report:
    """One connection with its feeds."""

    connection: Connection
    title: str
    judged: Judged
    alarms: Sequence[HealthAlarm]
    feeds: Sequence[FeedReport]
    missing: Sequence[Missing]
    # Only their first use will show whether these permissions are granted.
    untried: Sequence[str]

    @property
    def current(self) -> int:
        """How many feeds are well."""
        return sum(feed.is_well for feed in self.feeds)

    @property
    def is_well(self) -> bool:
        """Whether it needs nobody."""
        return self.judged.status in (Status.HEALTHY, Status.PAUSED)


def of_scope(tenant_id: uuid.UUID | None = None) -> list[Report]:
    """Return the reports of the scope's connections (of one tenant), the worst first."""
    rows = Connection.in_scope().select_related("tenant").prefetch_related("feeds")
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    return sorted(_read(rows), key=_worst_first)


def of_connection(connection: Connection) -> Report:
    """Return one connection's report."""
    return _read([connection])[0]


def _worst_first(report: Report) -> tuple[int, str, str]:
    place = _WORST_FIRST.index(report.judged.status)
    return place, report.connection.tenant.name, report.connection.name


def _read(connections: Sequence[Connection] | QuerySet[Connection]) -> list[Report]:
    rows, now = list(connections), timezone.now()
    alarms: dict[uuid.UUID, list[HealthAlarm]] = {row.id: [] for row in rows}
    running = HealthAlarm.in_scope().filter(connection_id__in=list(alarms), ended_at=None)
    for alarm in running.order_by("began_at"):
        alarms[alarm.connection_id].append(alarm)
    counted = tallies.by_feed([state for row in rows for state in row.feeds.all()])
    return [_of(row, alarms[row.id], counted, now) for row in rows]


def _of(
    row: Connection,
    alarms: list[HealthAlarm],
    counted: dict[uuid.UUID, dict[dt.date, int]],
    now: dt.datetime,
) -> Report:
    manifest = health.manifest_of(row)
    zone = tallies.zone_of(row.tenant.time_zone)
    by_feed = {alarm.feed: alarm for alarm in alarms if alarm.feed}
    feeds = []
    for state in row.feeds.all():
        volume = tallies.volume(counted[state.id], state.last_record_at, now, zone)
        feeds.append(_feed(row, state, volume, by_feed.get(state.feed), now))
    return Report(
        row, manifest.title if manifest else row.connector, health.judge(row, alarms, now), alarms,
        feeds, health.missing(row, row.feeds.all()), health.untried(row, row.feeds.all()),
    )  # fmt: skip


def _feed(
    row: Connection,
    state: FeedState,
    volume: Volume,
    alarm: HealthAlarm | None,
    now: dt.datetime,
) -> FeedReport:
    feed = health.feed_of(health.manifest_of(row), state.feed)
    told = problems.told(state.problem)
    polled = feed is not None and feed.fetch is not None
    read_to = state.caught_up_at if polled else None
    is_late = bool(feed and polled and now - health.read_to_end(row, state) > health.lateness(feed))
    return FeedReport(
        state=state,
        title=feed.title if feed else state.feed,
        read_to=read_to,
        is_late=is_late and row.state != Connection.State.PAUSED,
        volume=volume,
        words=alarm.words if alarm else told.words,
        fix=alarm.fix if alarm else told.fix,
        error=state.error,
        is_pushed=not polled,
    )


def as_json(report: Report) -> dict[str, Any]:
    """Return a report for machines; times are ISO 8601 in UTC, lag is in seconds."""
    row, now = report.connection, timezone.now()
    return {
        "client": row.tenant.slug,
        "connection": str(row.id),
        "name": row.name,
        "connector": row.connector,
        "status": report.judged.status.value,
        "words": report.judged.words,
        "fix": report.judged.fix,
        "error": row.error,
        "last_healthy_at": _iso(row.last_healthy_at),
        "checked_at": _iso(row.checked_at),
        "credentials_expire_at": _iso(row.expires_at),
        "permissions": {
            "told_by_vendor": row.granted is not None,
            "missing": [
                {"name": one.permission, "needed_by": list(one.needed_by), "grant": one.grant}
                for one in report.missing
            ],
            "untried": list(report.untried),
            "excessive": row.excessive,
        },
        "alarms": [
            {
                "kind": alarm.kind, "feed": alarm.feed or None, "words": alarm.words,
                "fix": alarm.fix, "since": _iso(alarm.began_at),
                "accepted_by": alarm.accepted_by or None,
            }
            for alarm in report.alarms
        ],
        "feeds": [_feed_json(feed, now) for feed in report.feeds],
    }  # fmt: skip


def _feed_json(feed: FeedReport, now: dt.datetime) -> dict[str, Any]:
    return {
        "feed": feed.state.feed,
        "title": feed.title,
        "last_success_at": _iso(feed.state.last_success_at),
        "read_to": _iso(feed.read_to),
        "lag_seconds": int((now - feed.read_to).total_seconds()) if feed.read_to else None,
        "is_late": feed.is_late,
        "records": feed.state.records,
        "last_record_at": _iso(feed.state.last_record_at),
        "records_today": feed.volume.today,
        "records_usual_day": feed.volume.baseline,
        "silent_since": _iso(feed.volume.silent_since),
        "problem": feed.state.problem or None,
        "words": feed.words,
        "fix": feed.fix,
        "error": feed.error,
    }


def _iso(at: dt.datetime | None) -> str | None:
    return at.astimezone(dt.UTC).isoformat(timespec="seconds") if at else None
