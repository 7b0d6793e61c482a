"""Telemetry on its way in: each event once, and what its vendor tells of it later beside it."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from tenants import directory, raw_intake, scope, statements
from tenants.canonical import jsonable
from tenants.identifiers import address
from tenants.models import Event, RawRecord, new_id
from tenants.raw_intake import Item
from tenants.records import MOST_ENTITIES
from tenants.records import Event as NormalisedEvent
from tenants.statements import Statement
from tenants.storable import bounded, in_utc, storable

# OCSF's class of sign-ins.
_AUTHENTICATION: Final = 3002
_NAMES: Final = [field.attname for field in Event._meta.concrete_fields]
_KNOWN: Final = Statement("""
SELECT event.class_uid, event.uid, raw.content_hash
  FROM tenants_event AS event JOIN tenants_rawrecord AS raw ON raw.id = event.raw_id
 WHERE event.tenant_id = %(tenant)s AND event.connector = %(connector)s
   AND event.uid = ANY(%(uids)s)
""")
_Key = tuple[int, str]


class Stored:
    """An event that was just stored, the vendor's record that it was made of, and its own id.

    A later version of an event has another `event.uid`, but the same `uid`.
    """

    def __init__(self, row: Mapping[str, Any], body: Mapping[str, Any], uid: str) -> None:
        self._row, self.body, self.uid = row, body, uid

    @classmethod
    def of(cls, event: Event, body: Mapping[str, Any], uid: str) -> "Stored":
        """Return what stands for an event that was stored before."""
        return cls({name: getattr(event, name) for name in _NAMES}, body, uid)

    @property
    def ocsf(self) -> Mapping[str, Any]:
        """Its OCSF document; most events are only looked at, and need no object."""
        return self._row["ocsf"]

    @cached_property
    def event(self) -> Event:
        """The event."""
        return Event.from_db(None, _NAMES, [self._row[name] for name in _NAMES])


def keep(connector: str, told: Sequence[tuple[Item, NormalisedEvent]]) -> list[Stored]:
    """Keep events that are not known, each with its record; return them in their order.

    Runs inside the tenant's scope.
    """
    rows = [_row(connector, item, event) for item, event in told]
    times_told = Counter(map(_key, rows))
    # What is told once only is new nearly always: it is not looked for first.
    single = [place for place, row in enumerate(rows) if times_told[_key(row)] == 1]
    inserted = _insert([told[place][0] for place in single], [rows[place] for place in single])
    kept = {place: rows[place]["uid"] for place in single if rows[place]["raw_id"] in inserted}
    left = [place for place in range(len(rows)) if place not in kept]
    if left:
        kept |= _keep_later([(place, told[place][0], rows[place]) for place in left])
    _sign_in(connector, [rows[place] for place in kept])
    return [Stored(rows[place], told[place][0].body, kept[place]) for place in sorted(kept)]


def _insert(items: Sequence[Item], rows: Sequence[Mapping[str, Any]]) -> set[Any]:
    for item in items:
        item.raw.outcome = RawRecord.Outcome.EVENT
    return statements.insert_with_origin(Event, rows, RawRecord, [one.raw.row() for one in items])


def _keep_later(told: Sequence[tuple[int, Item, dict[str, Any]]]) -> dict[int, str]:
    """Keep what is told of events that are known, or several times; return their own ids."""
    uids = [uid for _, item, row in told for uid in (row["uid"], _next_uid(row["uid"], item))]
    rows_known = _KNOWN.rows(
        tenant=scope.require_tenant_id(), connector=told[0][2]["connector"], uids=uids
    )
    known = {(class_uid, uid): content_hash for class_uid, uid, content_hash in rows_known}
    kept: dict[int, str] = {}
    raws, rows = [], []
    for place, item, row in told:
        uid, content_hash = row["uid"], item.raw.content_hash
        if known.get(_key(row), content_hash) != content_hash:
            row["uid"] = _next_uid(uid, item)
        if _key(row) in known:
            continue
        known[_key(row)] = content_hash
        item.raw.outcome = RawRecord.Outcome.EVENT
        raws.append(item.raw)
        rows.append(row)
        kept[place] = uid
    raw_intake.store(raws)
    statements.insert(Event, rows)
    return kept


def _key(row: Mapping[str, Any]) -> _Key:
    return row["class_uid"], row["uid"]


def _sign_in(connector: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note who signed in, and when last."""
    seen: dict[str, dt.datetime] = {}
    for row in rows:
        if row["class_uid"] == _AUTHENTICATION and row["is_success"]:
            who = address(row["actor"])
            if who:
                seen[who] = max(seen.get(who, row["time"]), row["time"])
    directory.signed_in(connector, seen)


def _next_uid(uid: str, item: Item) -> str:
    """Return the id of a later version of an event: a vendor may tell more of it afterwards.

    An event is never changed, so what is told later stands beside it.
    """
    return bounded(f"{uid} {item.raw.content_hash[:16]}", 512)


def _row(connector: str, item: Item, told: NormalisedEvent) -> dict[str, Any]:
    return {
        "id": new_id(),
        "tenant_id": item.raw.tenant_id,
        "raw_id": item.raw.id,
        "connector": connector,
        "uid": bounded(told.uid, 512),
        "class_uid": told.class_uid,
        "activity": bounded(told.activity, 128),
        "time": in_utc(told.time),
        "severity_id": told.severity_id,
        "is_success": told.is_success,
        "actor": bounded(told.actor, 320),
        "target": bounded(told.target, 512),
        "source_ip": bounded(told.source_ip, 64),
        "country": bounded(told.country, 2),
        "entities": [bounded(entity, 400) for entity in told.entities[:MOST_ENTITIES]],
        "ocsf": storable(jsonable(told.ocsf)),
    }
