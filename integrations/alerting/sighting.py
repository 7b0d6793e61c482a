"""What correlations have seen, kept in rows: right in whatever order and by whomever events come.

A sighting is unique by event. Each time some are new, the episodes that they touch are worked out
from the rows anew; that happens under the lock of the tenant's detections. What a later event may
take back waits until its time is over. That a correlation is fulfilled is a sighting itself, for
those that count it.
"""

import datetime as dt
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import connection
from django.db.models import Count, F, Func
from django.utils import timezone

from integrations.alerting import correlation, pacing
from integrations.alerting.correlation import Correlation, Episode, Seen
from integrations.alerting.finding import Hit
from integrations.alerting.pacing import Touched
from integrations.alerting.rows import CountedMatch
from integrations.alerting.rulebook import Entry
from integrations.detection.predicates import folded
from integrations.detection.recognition import recognised
from integrations.detection.views import View
from tenants import scope
from tenants.models import Event, new_id
from tenants.storable import bounded

# How much later than others an event may come and still be counted with them.
LATENESS: Final = dt.timedelta(days=7)
# What a late event could take back is told so much later than its time is over.
GRACE: Final = dt.timedelta(hours=1)
_FORGOTTEN_AT_ONCE: Final = 5_000
_MOST_VALUES: Final = 20
_MOST_NAMED: Final = 200
_MOST_ENTITIES: Final = 60
# Of an episode so many moments are sightings for those that count it, the first ones.
_MOST_MOMENTS: Final = 1_000
# Of one group and episode so many are read, the newest: with them it is fulfilled long since.
_MOST_READ: Final = 50_000
_EARLIEST: Final = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
_LATEST: Final = dt.datetime(9999, 12, 30, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Counted:
    """A rule's match that a correlation counts: the event, its key, and its record."""

    entry: Entry
    rule_id: str
    event: Event
    key: str
    view: View


@dataclass(frozen=True, slots=True)
class _Shared:
    """The fields of an episode: what its group shares, and else those of one of its events."""

    known: Mapping[str, str]
    view: View

    def values(self, field: str) -> tuple[str, ...]:
        """The field's values, as a record's view tells them."""
        return (self.known[field],) if field in self.known else self.view.values(field)


def keep(counted: Sequence[Counted]) -> list[Hit]:
    """Keep sightings of the scope's tenant; return the episodes that they belong to.

    An event that lacks a field that its group is made by can't be counted.
    """
    rows = [row for one in counted for row in _row(one, one.view)]
    entries = {one.entry.id: one.entry for one in counted}
    return _looked_at(entries, _insert(rows))


def keep_episodes(episodes: Sequence[tuple[Entry, Hit]]) -> list[Hit]:
    """Keep that episodes of correlations were seen, for those that count them.

    Each moment that fulfils one is a sighting, and all those of one episode count as one event. So
    a late event only ever adds to what was seen.
    """
    rows = [row for by, hit in episodes for row in _rows_of_episode(by, hit)]
    return _looked_at({by.id: by for by, _ in episodes}, _insert(rows))


def _looked_at(
    entries: Mapping[str, Entry], touched_at: Sequence[tuple[str, str, dt.datetime]]
) -> list[Hit]:
    times: dict[str, dict[str, list[dt.datetime]]] = {}
    for correlation_id, group, at in touched_at:
        times.setdefault(correlation_id, {}).setdefault(group, []).append(at)
    if times:
        _forget()
    touched = [
        Touched(correlation_id, group, min(groups[group]), max(groups[group]))
        for correlation_id, groups in sorted(times.items())
        for group in _worth_a_look(entries[correlation_id], groups)
    ]
    at_once: list[Touched] = []
    for one in touched:
        entry = entries[one.correlation_id]
        if _settles(entry):
            pacing.wait(one, _settled_at(entry, one.since))
        else:
            at_once.append(one)
    due = pacing.now_due(at_once)
    return [hit for one in due for hit in look(entries[one.correlation_id], one)]


def _settles(entry: Entry) -> bool:
    return entry.correlation is not None and entry.correlation.settles


def _settled_at(entry: Entry, since: dt.datetime) -> dt.datetime:
    """When nothing more is awaited for the episode of a moment, late events included."""
    assert entry.correlation is not None
    end = _moved(since, entry.correlation.episode + entry.correlation.timespan)
    return max(timezone.now(), min(end, timezone.now() + correlation.LONGEST)) + GRACE


def look(entry: Entry, one: Touched) -> list[Hit]:
    """Return the episodes of a group that sightings of these times belong to, worked out anew."""
    begun = time.perf_counter()
    hits, read, left = _episodes(entry, one)
    if not _settles(entry):
        pacing.looked(one, read, time.perf_counter() - begun)
    elif left is None:
        pacing.forget(one)
    else:
        pacing.wait_again(replace(one, since=left), _settled_at(entry, left))
    return hits


def _row(one: Counted, view: View | _Shared) -> list[dict[str, Any]]:
    told = one.entry.correlation
    assert told is not None
    shared = []
    for field in told.fields:
        values = view.values(told.field_in(one.rule_id, field))
        if not values:
            return []
        shared.append([field, bounded(", ".join(sorted(map(folded, values))), 400)])
    counted = _counted_values(told, one.rule_id, view)
    if told.counted and not counted:
        return []
    return [
        {
            "id": str(new_id()),
            "correlation_id": one.entry.id,
            "group": hashlib.sha256(json.dumps(shared).encode()).hexdigest(),
            "shared": shared,
            "rule_id": one.rule_id,
            "key": one.key,
            "event_id": str(one.event.id),
            "event_time": one.event.time.isoformat(),
            "values": [bounded(folded(value), 512) for value in counted[:_MOST_VALUES]],
        }
    ]


def _counted_values(told: Correlation, rule_id: str, view: View | _Shared) -> tuple[str, ...]:
    """The values that are counted; of several fields what they hold together."""
    values = [view.values(told.field_in(rule_id, field)) for field in told.counted]
    if told.kind in correlation.NUMERIC:
        numbers = [(text, correlation.number_of(text)) for text in values[0]]
        # A sum may only grow: else a late event could take back what was told.
        only_grows = told.kind == "value_sum" and not told.settles
        return tuple(
            text for text, one in numbers if one is not None and not (only_grows and one < 0)
        )
    if len(values) > 1:
        return (", ".join(sorted(one)[0] for one in values),) if all(values) else ()
    return values[0] if values else ()


def _rows_of_episode(by: Entry, hit: Hit) -> list[dict[str, Any]]:
    """The sightings of an episode that are not kept yet."""
    moments = {_moment_key(hit, key): (key, at) for key, at in hit.moments[:_MOST_MOMENTS]}
    kept = CountedMatch.objects.filter(
        correlation_id=by.id, rule_id=hit.entry.id, key__in=list(moments)
    ).values_list("key", flat=True)
    for key in kept:
        del moments[key]
    wanted = {event_key for event_key, _ in moments.values()}
    rows = CountedMatch.objects.filter(correlation_id=hit.entry.id, key__in=wanted)
    events = {row.key: row.event for row in rows.select_related("event__raw")}
    return [
        {**row, "event_time": at.isoformat()}
        for key, (event_key, at) in moments.items()
        for row in _row_of_moment(by, hit, key, events[event_key])
    ]


def _moment_key(hit: Hit, event_key: str) -> str:
    digest = hashlib.sha256(event_key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{hit.key}{correlation.MOMENT}{digest[:24]}"


def _row_of_moment(by: Entry, hit: Hit, key: str, event: Event) -> list[dict[str, Any]]:
    body = json.loads(bytes(event.raw.body).decode("utf-8", "surrogatepass"))
    view = view_of(body, event.ocsf)
    return _row(Counted(by, hit.entry.id, event, key, view), _Shared(dict(hit.shared), view))


def view_of(body: Mapping[str, Any], normalised: Mapping[str, Any]) -> View:
    """The record as the rule that matched it has seen it."""
    return recognised(body, normalised) or View(body, ())


def _insert(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, dt.datetime]]:
    """Insert those that were not seen before; return correlation, group and time of each."""
    if not rows:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO integrations_countedmatch (id, tenant_id, correlation_id, "group", shared,
                rule_id, key, event_id, event_time, "values", at)
            SELECT id, %s, correlation_id, "group", shared, rule_id, key, event_id, event_time,
                   ARRAY(SELECT jsonb_array_elements_text("values")), %s
              FROM jsonb_to_recordset(%s::jsonb) AS told(id uuid, correlation_id text,
                   "group" text, shared jsonb, rule_id text, key text, event_id uuid,
                   event_time timestamptz, "values" jsonb)
            ON CONFLICT (tenant_id, correlation_id, rule_id, key) DO NOTHING
            RETURNING correlation_id, "group", event_time
            """,
            [scope.require_tenant_id(), timezone.now(), json.dumps(rows)],
        )
        return cursor.fetchall()


def _worth_a_look(entry: Entry, groups: Mapping[str, Sequence[dt.datetime]]) -> list[str]:
    """Return those of the groups that may have an episode: enough of what is counted is there.

    One question for all of them, since most have not.
    """
    told = entry.correlation
    assert told is not None
    reach = told.timespan + told.episode
    start = _moved(min(min(times) for times in groups.values()), -reach)
    end = _moved(max(max(times) for times in groups.values()), reach)
    rows = CountedMatch.in_scope().filter(
        correlation_id=entry.id, group__in=list(groups), event_time__range=(start, end)
    )
    if told.kind == "value_count" and not told.settles:
        value = Func(F("values"), function="unnest")
        pairs = rows.annotate(value=value).values_list("group", "value").distinct()
        counted = Counter(group for group, _ in pairs)
        return sorted(group for group, number in counted.items() if number >= told.least)
    if told.joined is not None:
        rows = rows.filter(rule_id__in=told.joined.wanted())
    is_of_rules = told.kind.startswith("temporal")
    what = Count("rule_id", distinct=True) if is_of_rules else Count("id")
    enough = rows.values("group").annotate(number=what).filter(number__gte=told.least)
    return sorted(enough.values_list("group", flat=True))


def _forget() -> None:
    """Delete some of the sightings that nothing is counted with any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM integrations_countedmatch WHERE id IN (
                SELECT id FROM integrations_countedmatch WHERE tenant_id = %s AND at < %s LIMIT %s)
            """,
            [scope.require_tenant_id(), timezone.now() - _KEPT, _FORGOTTEN_AT_ONCE],
        )


# The longest timespan that a correlation may have comes on top of it.
_KEPT: Final = correlation.LONGEST + LATENESS


def _episodes(entry: Entry, one: Touched) -> tuple[list[Hit], int, dt.datetime | None]:
    """Return the episodes, how many sightings were read for them at most, and what isn't over yet.

    The last is a moment of the first episode that waits, None where none does.
    """
    told = entry.correlation
    assert told is not None
    hits: list[Hit] = []
    most, now = 0, timezone.now()
    for number in _numbers(told, one):
        begins = _moved(correlation.EPOCH, number * told.episode)
        if told.settles and not told.is_over(begins, now, GRACE):
            return hits, most, max(begins, one.since)
        seen = _seen(entry, one.group, *_reach(told, number, number))
        most = max(most, len(seen))
        found = correlation.episodes(told, seen).get(number)
        if found:
            hits.append(_hit(entry, one.group, number, found))
    return hits, most, None


def _numbers(told: Correlation, one: Touched) -> list[int]:
    """The episodes that may have changed: windows change up to a timespan after a sighting."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT floor(extract(epoch FROM event_time) / %s)::bigint
              FROM integrations_countedmatch
             WHERE tenant_id = %s AND correlation_id = %s AND "group" = %s
               AND event_time BETWEEN %s AND %s ORDER BY 1
            """,
            [
                told.episode.total_seconds(), scope.require_tenant_id(), one.correlation_id,
                one.group, one.since, _moved(one.until, told.timespan),
            ],
        )  # fmt: skip
        return [number for (number,) in cursor.fetchall()]


def connector_of(one: Touched) -> str:
    """Return the connector that brought a group's newest event."""
    rows = CountedMatch.objects.filter(correlation_id=one.correlation_id, group=one.group)
    newest = rows.order_by("-event_time").values_list("event__connector", flat=True).first()
    return newest or ""


def _reach(told: Correlation, first: int, last: int) -> tuple[dt.datetime, dt.datetime]:
    start = _moved(correlation.EPOCH, first * told.episode - told.timespan)
    after = told.timespan if told.settles else dt.timedelta()
    return start, _moved(correlation.EPOCH, (last + 1) * told.episode + after)


def _moved(time: dt.datetime, by: dt.timedelta) -> dt.datetime:
    """Return `time` moved, within the years that there are."""
    try:
        return min(max(time + by, _EARLIEST), _LATEST)
    except OverflowError:
        return _LATEST if by > dt.timedelta() else _EARLIEST


def _seen(entry: Entry, group: str, start: dt.datetime, end: dt.datetime) -> list[Seen]:
    rows = CountedMatch.in_scope().filter(
        correlation_id=entry.id, group=group, event_time__gte=start, event_time__lt=end
    )
    newest = rows.order_by("-event_time", "-key", "-rule_id")[:_MOST_READ]
    # Not in the database's order of texts, which differs between installations.
    return sorted(
        (
            Seen(at, key, rule_id, tuple(values))
            for at, key, rule_id, values in newest.values_list(
                "event_time", "key", "rule_id", "values"
            ).iterator(chunk_size=5_000)
        ),
        key=lambda one: (one.time, one.key, one.rule_id),
    )


def _hit(entry: Entry, group: str, number: int, found: Episode) -> Hit:
    """What is told of an episode: the same for the same members."""
    members = found.members
    keys = list(dict.fromkeys(one.key for one in members))
    events = list(dict.fromkeys(one.what for one in members))
    rows = {
        row.key: row
        for row in CountedMatch.in_scope()
        .filter(correlation_id=entry.id, group=group, key__in=keys[:_MOST_NAMED])
        .select_related("event__raw")
        .defer("event__ocsf", "event__raw__body", "event__raw__context")
    }
    named = [rows[key] for key in keys[:_MOST_NAMED]]
    entities = sorted({entity for row in named for entity in row.event.entities})
    shared = tuple((field, value) for field, value in named[0].shared)
    return Hit(
        entry=entry,
        event=named[0].event,
        key=f"{correlation.EPISODE}{group} {number}",
        why=_why(entry, shared, members, len(events)),
        first_at=members[0].time,
        last_at=members[-1].time,
        entities=entities[:_MOST_ENTITIES],
        events=events,
        count=len(events),
        shared=shared,
        moments=[(one.key, one.time) for one in found.moments],
    )


def _why(
    entry: Entry, shared: Iterable[Sequence[str]], members: Sequence[Seen], events: int
) -> list[dict[str, Any]]:
    told = entry.correlation
    assert told is not None
    why = [
        {"field": field, "value": value, "condition": "is the same in all of them"}
        for field, value in shared
    ]
    if told.counted:
        values = sorted({value for one in members for value in one.values})
        shown = ", ".join(values[:10]) + (f" and {len(values) - 10} more" if values[10:] else "")
        why.append({"field": told.field, "value": shown, "condition": told.words})
    why.append({"field": "events", "value": str(events), "condition": told.words})
    return why
