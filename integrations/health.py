"""What is wrong with a connection, judged from what is kept of it.

Healthy means that a canary has lately read through the whole path: credentials from the vault, the
vendor's door, a question, an answer that could be read. That a port answers means nothing.
"""

import datetime as dt
import enum
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings as installation

from integrations import problems, registry
from integrations.alarms import Wrong
from integrations.alerting import failing
from integrations.contract import Feed, Manifest
from integrations.errors import UnknownConnector, UnknownFeed
from integrations.models import Connection, FeedState, HealthAlarm, Problem, Subscription
from integrations.tallies import Volume

CHECKED_EVERY: Final = dt.timedelta(minutes=15)
# A canary that came through longer ago than this says nothing about now.
FRESH: Final = 3 * CHECKED_EVERY
_PATIENCE: Final = dt.timedelta(minutes=30)
_EXPIRY_WARNING: Final = dt.timedelta(days=30)
_LATE_AFTER_ROUNDS: Final = 3
_NAMED: Final = 4
_RUNS: Final = "Look whether Holdfast's workers and scheduler run."


class Status(enum.Enum):
    """How a connection does."""

    HEALTHY = "healthy"
    ATTENTION = "attention"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Judged:
    """A connection's status, what is wrong in plain words, and what to do about it."""

    status: Status
    words: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """A permission that is missing: what needs it, and how it is granted."""

    permission: str
    needed_by: tuple[str, ...]
    grant: str
    documentation: str


def manifest_of(connection: Connection) -> Manifest | None:
    """Return the connection's manifest; None where this version has no such connector."""
    try:
        return registry.connector(connection.connector)
    except UnknownConnector:
        return None


def feed_of(manifest: Manifest | None, name: str) -> Feed | None:
    """Return a feed of the manifest; None where this version has none of that name."""
    try:
        return manifest.feed(name) if manifest else None
    except UnknownFeed:
        return None


def judge(connection: Connection, alarms: Sequence[HealthAlarm], now: dt.datetime) -> Judged:
    """Return how a connection does; `alarms` are those of it that are not over."""
    if connection.state == Connection.State.PAUSED:
        return Judged(Status.PAUSED, "Paused: nothing is read and nothing is done.")
    if connection.problem:
        told = problems.told(connection.problem)
        # Where only our own address is not known, what is sent is taken all the same.
        lasts = (
            connection.state == Connection.State.BROKEN and connection.problem != Problem.ADDRESS
        )
        return Judged(Status.BROKEN if lasts else Status.ATTENTION, told.words, told.fix)
    if connection.checked_at is None:
        if now - connection.created_at < FRESH:
            return Judged(Status.UNKNOWN, "Not checked yet.")
        return Judged(Status.UNKNOWN, "It was never checked.", _RUNS)
    if now - connection.checked_at > FRESH:
        return Judged(
            Status.UNKNOWN, f"Not checked for {span(now - connection.checked_at)}.", _RUNS
        )
    asking = [alarm for alarm in alarms if not alarm.accepted_by]
    if asking:
        more = f" And {len(asking) - 1} more." if len(asking) > 1 else ""
        return Judged(Status.ATTENTION, asking[0].words + more, asking[0].fix)
    return Judged(Status.HEALTHY, connection.seen or "A canary read through the whole path.")


def wrong_with(
    connection: Connection,
    states: Iterable[FeedState],
    volumes: Mapping[uuid.UUID, Volume],
    now: dt.datetime,
) -> list[Wrong]:
    """Return what is wrong with a connection now. `volumes` are by the id of the feed's state."""
    manifest = manifest_of(connection)
    found = _canary(connection)
    if not found:
        found = [
            one
            for state in states
            if (feed := feed_of(manifest, state.feed)) is not None
            for one in _feed(connection, state, feed, volumes.get(state.id), now)
        ]
    return found + _permissions(connection) + _expiry(connection, now) + _rules(connection)


def _rules(connection: Connection) -> list[Wrong]:
    fails = failing.at_connector(connection.connector)
    if fails is None:
        return []
    words = f"Detection rules fail on its events. {fails.words}"
    fix = "Open Detections and look at what needs somebody: it names the rules, and what to do."
    return [Wrong(HealthAlarm.Kind.RULES, words, fix)]


def missing(connection: Connection, states: Iterable[FeedState]) -> list[Missing]:
    """Return the permissions that are missing, as the vendor told.

    Where it doesn't tell, those of feeds that it refused for want of one, as far as no other feed
    is read with it.
    """
    manifest = manifest_of(connection)
    if manifest is None:
        return []
    needed = problems.needed(manifest)
    if connection.granted is not None:
        lacking = set(needed) - set(connection.granted)
    else:
        refused, read = _tried(manifest, states)
        lacking = refused - read
    pages = {one.name: one.documentation for one in manifest.permissions}
    return [
        Missing(name, tuple(by), problems.grant_of(manifest, name), pages.get(name, ""))
        for name, by in sorted(needed.items())
        if name in lacking
    ]


def untried(connection: Connection, states: Iterable[FeedState]) -> list[str]:
    """Return the permissions of which only their first use will show whether they are granted."""
    manifest = manifest_of(connection)
    if manifest is None or connection.granted is not None or connection.checked_at is None:
        return []
    refused, read = _tried(manifest, states)
    return sorted(set(problems.needed(manifest)) - refused - read)


def _tried(manifest: Manifest, states: Iterable[FeedState]) -> tuple[set[str], set[str]]:
    """Return the permissions of feeds that were refused one, and of feeds that were read."""
    refused: set[str] = set()
    read: set[str] = set()
    for state in states:
        feed = feed_of(manifest, state.feed)
        if feed is None or feed.fetch is None:
            continue
        if state.problem == Problem.PERMISSION:
            refused.update(problems.named(feed.permissions, state.error))
        elif state.last_success_at is not None:
            read.update(feed.permissions)
    return refused, read


def read_to_end(connection: Connection, state: FeedState) -> dt.datetime:
    """Return up to when a feed is read: what came to the vendor before it is with us.

    Where nothing was noted of that yet, the last success counts.
    """
    return state.caught_up_at or state.last_success_at or connection.created_at


def lateness(feed: Feed) -> dt.timedelta:
    """Return how far behind a feed may be before it is late."""
    return max(_PATIENCE, _LATE_AFTER_ROUNDS * dt.timedelta(seconds=feed.interval_seconds))


def _canary(connection: Connection) -> list[Wrong]:
    if not connection.problem:
        return []
    if connection.state != Connection.State.BROKEN:
        # It may pass by itself.
        return []
    told = problems.told(connection.problem)
    return [Wrong(HealthAlarm.Kind.CANARY, told.words, told.fix)]


def _feed(
    connection: Connection,
    state: FeedState,
    feed: Feed,
    volume: Volume | None,
    now: dt.datetime,
) -> list[Wrong]:
    kinds = HealthAlarm.Kind
    if state.problem == Problem.PERMISSION:
        lacking = {one.permission for one in missing(connection, ())}
        if lacking & set(feed.permissions):
            return []
        words = f"{feed.title}: the vendor does not let us read this."
        return [Wrong(kinds.PERMISSION, words, _permission_fix(connection, feed), feed.name)]
    behind = now - read_to_end(connection, state)
    if feed.fetch is not None and behind > lateness(feed):
        told = problems.told(state.problem)
        words = f"{feed.title}: not read to the end for {span(behind)}. {told.words}".strip()
        return [Wrong(kinds.LATE, words, told.fix or _RUNS, feed.name)]
    if volume is not None and volume.silent_since is not None:
        words = f"{feed.title}: silent for {span(now - volume.silent_since)}; it is read, but the "
        words += "vendor brings nothing. On a day like this it brought more before."
        fix = "Look at the vendor's console whether there is anything. If there is, look at its "
        fix += "settings for logging, and at the licence."
        return [Wrong(kinds.SILENT, words, fix, feed.name)]
    return _notices(state, feed, now)


def _notices(state: FeedState, feed: Feed, now: dt.datetime) -> list[Wrong]:
    """Say where the vendor does not tell of news: the feed is read all the same, but later."""
    held: Subscription | None = getattr(state, "subscription", None)
    if held is None or not held.error:
        return []
    may_pass = held.problem not in problems.FOR_A_PERSON
    if may_pass and held.external_id and held.expires_at > now:
        # What was agreed on before still holds.
        return []
    every = span(dt.timedelta(seconds=feed.interval_seconds))
    words = (
        f"{feed.title}: the vendor does not say when there is something new, so it is only "
        f"looked for every {every}. It answered: {held.error}"
    )
    return [Wrong(HealthAlarm.Kind.NOTICES, words, _notices_fix(held, feed), feed.name)]


def _notices_fix(held: Subscription, feed: Feed) -> str:
    if held.problem == Problem.REFUSED:
        return (
            "The vendor tries the address of this installation before it agrees "
            f"({installation.PUBLIC_URL}). Let it be reached from the internet by that name, with "
            "a certificate that everybody trusts and no sign-in before it, then check the "
            "connection."
        )
    if held.problem == Problem.PERMISSION and feed.permissions:
        return f"Grant {feed.permissions[0]} at the vendor, then check the connection."
    return problems.told(held.problem).fix


def _permission_fix(connection: Connection, feed: Feed) -> str:
    manifest = manifest_of(connection)
    if manifest is None or not feed.permissions:
        return problems.told(Problem.PERMISSION).fix
    if connection.granted is not None and set(feed.permissions) <= set(connection.granted):
        return (
            "The permission is granted, so the licence probably lacks this: look at what the "
            "client has bought, and accept the alarm where that is as it should be."
        )
    return problems.grant_of(manifest, feed.permissions[0])


def _permissions(connection: Connection) -> list[Wrong]:
    # Where only a feed shows it, the feed's own alarm tells.
    lacking = missing(connection, ())
    if not lacking:
        return []
    names = ", ".join(one.permission for one in lacking[:_NAMED])
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    number = "A permission is" if len(lacking) == 1 else f"{len(lacking)} permissions are"
    words = f"{number} missing: {names}{more}."
    return [Wrong(HealthAlarm.Kind.PERMISSION, words, lacking[0].grant)]


def _expiry(connection: Connection, now: dt.datetime) -> list[Wrong]:
    at = connection.expires_at
    if at is None or at - now > _EXPIRY_WARNING:
        return []
    day = f"{at.day} {at:%B %Y}"
    words = (
        f"The credentials run out on {day}, in {span(at - now)}."
        if at > now
        else f"The credentials ran out on {day}."
    )
    fix = "Make new credentials at the vendor now and enter them on the connection's page."
    return [Wrong(HealthAlarm.Kind.EXPIRY, words, fix)]


def span(length: dt.timedelta) -> str:
    """Return a length of time in words: ``5 minutes``, ``3 hours``, ``2 days``."""
    minutes = max(0, int(length.total_seconds() // 60))
    number, unit = minutes, "minute"
    if minutes >= 2 * 24 * 60:
        number, unit = minutes // (24 * 60), "day"
    elif minutes >= 2 * 60:
        number, unit = minutes // 60, "hour"
    return f"{number} {unit}{'' if number == 1 else 's'}"
