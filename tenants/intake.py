"""Raw record → event, finding or directory item → deduplicated, nothing lost.

The raw record is stored in the same transaction as what became of it, and (by the caller) as the
feed's cursor. A record that can't be normalised is quarantined: kept, counted, and shown with its
reason; its neighbours go on.
"""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from tenants import directory, directory_intake, finding_intake, scope, work
from tenants.canonical import jsonable
from tenants.errors import HoldfastError, Quarantine
from tenants.identifiers import address
from tenants.listings import Listing
from tenants.models import Event, RawRecord, new_id
from tenants.records import MOST_ENTITIES, DirectoryItem, Normalised, SourceRecord, Unreadable
from tenants.records import Event as NormalisedEvent
from tenants.records import Finding as NormalisedFinding
from tenants.storable import bounded, in_utc, storable

# Above this a record is kept but not normalised: no vendor's single record is so large.
LARGEST_RECORD_BYTES = 4 * 1024 * 1024
_DEEPEST = 100
# What is stored at once, so that memory is bounded whatever a page or file brings.
_BATCH = 500
_BATCH_BYTES = 8 * 1024 * 1024
# OCSF's class of sign-ins.
_AUTHENTICATION = 3002


@dataclass(slots=True)
class Outcome:
    """What became of the records; `records` is the sum of the five counts behind it.

    `unread` counts those that could not be read, in quarantine already or not; `detections` the
    findings that rules made of the events.
    """

    records: int = 0
    events: int = 0
    findings: int = 0
    directory: int = 0
    duplicates: int = 0
    quarantined: int = 0
    unread: int = 0
    detections: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Outcome") -> None:
        """Count in what became of more records."""
        for name in (
            "records", "events", "findings", "directory", "duplicates", "quarantined", "unread",
            "detections",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons += other.reasons

    def as_json(self) -> dict[str, Any]:
        """Return the counts, and how many records were quarantined for which reason."""
        return {
            "records": self.records,
            "events": self.events,
            "findings": self.findings,
            "directory": self.directory,
            "duplicates": self.duplicates,
            "quarantined": self.quarantined,
            "reasons": dict(self.reasons.most_common()),
        }


@dataclass(frozen=True, slots=True)
class Stored:
    """An event that was just stored, the vendor's record that it was made of, and its own id.

    A later version of an event has another `event.uid`, but the same `uid`.
    """

    event: Event
    body: Mapping[str, Any]
    uid: str


class Watch(Protocol):
    """Looks at events in the transaction that stores them; rules on telemetry are one."""

    def see(self, stored: Sequence[Stored]) -> None:
        """Look at events; what follows from them may wait for `finish`."""

    def finish(self) -> int:
        """Store what follows from the events; return how many findings are new or changed."""


@dataclass(slots=True)
class _Item:
    raw: RawRecord
    normalised: Normalised | None
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Source:
    connector: str
    listing: Listing | None
    watch: Watch | None


def take(
    *,
    connector: str,
    feed: str,
    records: Iterable[SourceRecord | Unreadable],
    normalise: Callable[[SourceRecord], Normalised],
    listing: Listing | None = None,
    watch: Watch | None = None,
) -> Outcome:
    """Take `records` into the scope's tenant; return what became of each.

    Work for triage is scheduled in the same transaction when a finding is new or changed.
    `listing` is the reading of a list that they are of; it notes which of it are there. `watch`
    sees the events that are new.
    """
    scope.require_tenant_id()
    one_at_a_time(connector)
    outcome = Outcome()
    source = _Source(connector, listing, watch)
    batch: list[_Item] = []
    size = 0
    for record in records:
        batch.append(_read(connector, feed, record, normalise))
        size += len(batch[-1].raw.body)
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            _keep(source, batch, outcome)
            batch, size = [], 0
    _keep(source, batch, outcome)
    if watch is not None:
        outcome.detections = watch.finish()
    if outcome.findings or outcome.detections:
        work.schedule("triage", scope.require_tenant_id())
    return outcome


def one_at_a_time(connector: str) -> None:
    """Make intakes of one tenant and connector follow each other, so that counts are exact."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))",
            [f"{scope.require_tenant_id()} {connector}"],
        )


def _read(
    connector: str,
    feed: str,
    record: SourceRecord | Unreadable,
    normalise: Callable[[SourceRecord], Normalised],
) -> _Item:
    raw = RawRecord(
        id=new_id(),
        tenant_id=scope.require_tenant_id(),
        connector=connector,
        feed=feed,
        received_at=timezone.now(),
    )
    if isinstance(record, Unreadable):
        raw.body, raw.context = record.body, {}
        raw.content_hash = hashlib.sha256(raw.body).hexdigest()
        return _quarantined(raw, Quarantine(record.code, record.reason))
    raw.context = storable(dict(record.context))
    try:
        raw.body = _bytes_of(record.body)
        raw.content_hash = _hash_of(raw)
        if len(raw.body) > LARGEST_RECORD_BYTES:
            raise Quarantine(
                "too_large",
                f"The record is larger than {LARGEST_RECORD_BYTES // 2**20} MB; it is kept as it "
                "came. Ask the vendor why one record is so large.",
            )
        return _Item(raw, normalise(record), record.body)
    except Quarantine as error:
        return _quarantined(raw, error)
    except RecursionError:
        raw.body = raw.body or _bytes_of(_cut(dict(record.body), _DEEPEST))
        raw.content_hash = _hash_of(raw)
        reason = f"The record is nested so deeply that only {_DEEPEST} levels of it are kept."
        return _quarantined(raw, Quarantine("too_deep", reason))
    except Exception as error:
        # A normaliser's own mistake must not lose this record or its neighbours.
        return _quarantined(
            raw,
            Quarantine(
                "normaliser_error",
                f"Reading this record failed ({type(error).__name__}); it is kept. "
                "Report it to Holdfast with the raw record.",
            ),
        )


def _bytes_of(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _hash_of(raw: RawRecord) -> str:
    context = json.dumps(raw.context, sort_keys=True).encode()
    return hashlib.sha256(bytes(raw.body) + context).hexdigest()


def _cut(value: Any, levels: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return "(nested deeper)"
    if isinstance(value, dict):
        return {key: _cut(item, levels - 1) for key, item in value.items()}
    return [_cut(item, levels - 1) for item in value]


def _quarantined(raw: RawRecord, error: Quarantine) -> _Item:
    raw.outcome = RawRecord.Outcome.QUARANTINED
    raw.reason_code, raw.reason = error.code, storable(error.reason)
    return _Item(raw, None)


def _keep(source: _Source, batch: Sequence[_Item], outcome: Outcome) -> None:
    """Store a batch; where one of its records can't be stored, all but that one."""
    if not batch:
        return
    try:
        with transaction.atomic():
            kept = Outcome(records=len(batch))
            stored = _keep_each_kind(source, batch, kept)
    except (OperationalError, InterfaceError, HoldfastError):
        raise
    except Exception as error:
        if len(batch) > 1:
            for item in batch:
                _keep(source, [item], outcome)
        elif batch[0].normalised is None:
            raise
        else:
            _keep(source, [_quarantined(batch[0].raw, _unstorable(error))], outcome)
        return
    outcome.add(kept)
    if source.watch is not None and stored:
        source.watch.see(stored)


def _unstorable(error: Exception) -> Quarantine:
    told = str(error).strip().splitlines() or [""]
    return Quarantine(
        "unstorable",
        f"A value of this record can't be stored ({type(error).__name__}: {told[0][:200]}). "
        "It is kept as it came; correct it at the vendor, or report it to Holdfast.",
    )


def _keep_each_kind(source: _Source, batch: Sequence[_Item], outcome: Outcome) -> Sequence[Stored]:
    by_type: dict[type, list[_Item]] = {}
    for item in batch:
        by_type.setdefault(type(item.normalised), []).append(item)
    stored: Sequence[Stored] = ()
    if unread := by_type.get(type(None)):
        _keep_quarantined(unread, outcome)
    if events := by_type.get(NormalisedEvent):
        stored = _keep_events(source.connector, events, outcome)
    if findings := by_type.get(NormalisedFinding):
        _keep_findings(source.connector, findings, outcome)
    if directory_items := by_type.get(DirectoryItem):
        _keep_directory(source, directory_items, outcome)
    return stored


def _keep_quarantined(items: Sequence[_Item], outcome: Outcome) -> None:
    outcome.unread += len(items)
    hashes = [item.raw.content_hash for item in items]
    known = set(
        RawRecord.objects.filter(
            outcome=RawRecord.Outcome.QUARANTINED, content_hash__in=hashes
        ).values_list("content_hash", flat=True)
    )
    fresh = []
    for item in items:
        if item.raw.content_hash in known:
            outcome.duplicates += 1
            continue
        known.add(item.raw.content_hash)
        fresh.append(item.raw)
        outcome.quarantined += 1
        outcome.reasons[f"{item.raw.reason_code}: {item.raw.reason}"] += 1
    RawRecord.objects.bulk_create(fresh)


def _keep_events(connector: str, items: Sequence[_Item], outcome: Outcome) -> Sequence[Stored]:
    keyed = [(item, _event(item)) for item in items if isinstance(item.normalised, NormalisedEvent)]
    known = {
        (class_uid, uid): content_hash
        for class_uid, uid, content_hash in Event.objects.filter(
            connector=connector,
            uid__in=[uid for item, event in keyed for uid in (event.uid, _next_uid(event, item))],
        ).values_list("class_uid", "uid", "raw__content_hash")
    }
    raws, events, stored = [], [], []
    for item, event in keyed:
        uid = event.uid
        if known.get((event.class_uid, event.uid), item.raw.content_hash) != item.raw.content_hash:
            event.uid = _next_uid(event, item)
        if (event.class_uid, event.uid) in known:
            outcome.duplicates += 1
            continue
        known[event.class_uid, event.uid] = item.raw.content_hash
        item.raw.outcome = RawRecord.Outcome.EVENT
        event.connector = connector
        raws.append(item.raw)
        events.append(event)
        stored.append(Stored(event, item.body, uid))
    RawRecord.objects.bulk_create(raws)
    Event.objects.bulk_create(events)
    directory.signed_in(connector, _sign_ins(events))
    outcome.events += len(events)
    return stored


def _sign_ins(events: Sequence[Event]) -> dict[str, dt.datetime]:
    """Return who signed in, and when last."""
    seen: dict[str, dt.datetime] = {}
    for event in events:
        who = address(event.actor)
        if event.class_uid == _AUTHENTICATION and event.is_success and who:
            seen[who] = max(seen.get(who, event.time), event.time)
    return seen


def _next_uid(event: Event, item: _Item) -> str:
    """Return the id of a later version of an event: a vendor may tell more of it afterwards.

    An event is never changed, so what is told later stands beside it.
    """
    return bounded(f"{event.uid} {item.raw.content_hash[:16]}", 512)


def _event(item: _Item) -> Event:
    told = item.normalised
    assert isinstance(told, NormalisedEvent)
    return Event(
        tenant_id=item.raw.tenant_id,
        raw=item.raw,
        uid=bounded(told.uid, 512),
        class_uid=told.class_uid,
        activity=bounded(told.activity, 128),
        time=in_utc(told.time),
        severity_id=told.severity_id,
        is_success=told.is_success,
        actor=bounded(told.actor, 320),
        target=bounded(told.target, 512),
        source_ip=bounded(told.source_ip, 64),
        country=bounded(told.country, 2),
        entities=[bounded(entity, 400) for entity in told.entities[:MOST_ENTITIES]],
        ocsf=storable(jsonable(told.ocsf)),
    )


def _keep_findings(connector: str, items: Sequence[_Item], outcome: Outcome) -> None:
    told = [
        (item.raw, item.normalised) for item in items
        if isinstance(item.normalised, NormalisedFinding)
    ]  # fmt: skip
    news = finding_intake.keep(connector, told)
    outcome.findings += news
    outcome.duplicates += len(told) - news


def _keep_directory(source: _Source, items: Sequence[_Item], outcome: Outcome) -> None:
    told = [
        (item.raw, item.normalised) for item in items if isinstance(item.normalised, DirectoryItem)
    ]
    kept = directory_intake.keep(source.connector, told, source.listing)
    outcome.directory += kept.news
    outcome.duplicates += kept.duplicates
