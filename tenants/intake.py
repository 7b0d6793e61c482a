"""Raw record → event, finding or directory item → deduplicated, nothing lost.

The raw record is stored in the same transaction as what became of it, and (by the caller) as the
feed's cursor. A record that can't be normalised is quarantined: kept, counted, and shown with its
reason; its neighbours go on.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from django.db import InterfaceError, OperationalError, transaction

from tenants import (
    directory_intake,
    event_intake,
    finding_intake,
    raw_intake,
    scope,
    work,
)
from tenants.errors import HoldfastError
from tenants.event_intake import Stored
from tenants.listings import Listing
from tenants.models import RawRecord
from tenants.raw_intake import Item
from tenants.records import DirectoryItem, Normalised, SourceRecord, Unreadable
from tenants.records import Event as NormalisedEvent
from tenants.records import Finding as NormalisedFinding
from tenants.statements import Statement

# What is stored at once, so that memory is bounded whatever a page or file brings.
_BATCH = 500
_BATCH_BYTES = 8 * 1024 * 1024


# What a statement selects to make intakes of one tenant and connector follow each other.
ALONE: Final = "pg_advisory_xact_lock(hashtextextended(%(alone)s, 2))"
_WAIT: Final = Statement(f"SELECT {ALONE}")


class NotWhole(Exception):
    """One of the records can't be stored; the transaction is to be begun anew."""


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


class Watch(Protocol):
    """Looks at events in the transaction that stores them; rules on telemetry are one."""

    def see(self, stored: Sequence[Stored]) -> None:
        """Look at events; what follows from them may wait for `finish`."""

    def finish(self) -> int:
        """Store what follows from the events; return how many findings are new or changed."""


@dataclass(frozen=True, slots=True)
class _Source:
    connector: str
    listing: Listing | None
    watch: Watch | None
    is_whole: bool


def take(
    *,
    connector: str,
    feed: str,
    records: Iterable[SourceRecord | Unreadable],
    normalise: Callable[[SourceRecord], Normalised],
    listing: Listing | None = None,
    watch: Watch | None = None,
    is_alone: bool = False,
    is_whole: bool = False,
) -> Outcome:
    """Take `records` into the scope's tenant; return what became of each.

    Work for triage is scheduled in the same transaction when a finding is new or changed.
    `listing` is the reading of a list that they are of; it notes which of it are there. `watch`
    sees the events that are new. `is_alone`: the caller holds the lock `ALONE` already. `is_whole`:
    NotWhole where a record can't be stored, and then the caller begins its transaction anew and
    asks again without; that saves all others two statements.
    """
    if not is_alone:
        one_at_a_time(connector)
    outcome = Outcome()
    source = _Source(connector, listing, watch, is_whole)
    batch: list[Item] = []
    size = 0
    for record in records:
        batch.append(raw_intake.read(connector, feed, record, normalise))
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
    _WAIT.rows(alone=alone(connector))


def alone(connector: str) -> str:
    """Return the parameter of `ALONE` for the scope's tenant and a connector."""
    return f"{scope.require_tenant_id()} {connector}"


def _keep(source: _Source, batch: Sequence[Item], outcome: Outcome) -> None:
    """Store a batch; where one of its records can't be stored, all but that one."""
    if not batch:
        return
    try:
        with nullcontext() if source.is_whole else transaction.atomic():
            kept = Outcome(records=len(batch))
            stored = _keep_each_kind(source, batch, kept)
    except (OperationalError, InterfaceError, HoldfastError):
        raise
    except Exception as error:
        if source.is_whole:
            raise NotWhole from error
        if len(batch) > 1:
            for item in batch:
                _keep(source, [item], outcome)
        elif batch[0].normalised is None:
            raise
        else:
            _keep(source, [raw_intake.unstorable(batch[0].raw, error)], outcome)
        return
    outcome.add(kept)
    if source.watch is not None and stored:
        source.watch.see(stored)


def _keep_each_kind(source: _Source, batch: Sequence[Item], outcome: Outcome) -> Sequence[Stored]:
    by_type: dict[type, list[Item]] = {}
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


def _keep_quarantined(items: Sequence[Item], outcome: Outcome) -> None:
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
    raw_intake.store(fresh)


def _keep_events(connector: str, items: Sequence[Item], outcome: Outcome) -> Sequence[Stored]:
    told = [
        (item, item.normalised) for item in items if isinstance(item.normalised, NormalisedEvent)
    ]
    stored = event_intake.keep(connector, told)
    outcome.events += len(stored)
    outcome.duplicates += len(told) - len(stored)
    return stored


def _keep_findings(connector: str, items: Sequence[Item], outcome: Outcome) -> None:
    told = [
        (item.raw, item.normalised) for item in items
        if isinstance(item.normalised, NormalisedFinding)
    ]  # fmt: skip
    news = finding_intake.keep(connector, told)
    outcome.findings += news
    outcome.duplicates += len(told) - news


def _keep_directory(source: _Source, items: Sequence[Item], outcome: Outcome) -> None:
    told = [
        (item.raw, item.normalised) for item in items if isinstance(item.normalised, DirectoryItem)
    ]
    kept = directory_intake.keep(source.connector, told, source.listing)
    outcome.directory += kept.news
    outcome.duplicates += kept.duplicates
