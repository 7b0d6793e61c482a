"""States that are told as events, such as a hole in a program: they end when no list has them.

An event is never changed, and a vendor's list only drops what has ended. So each state stands in
the directory too; when a list was read whole, what is there no longer is told as ended, and what
was ended and is listed again is told as there again.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import models
from django.utils import timezone

from integrations.contract import ENDED_AT, THERE_AGAIN_AT, States
from tenants import directory, listings
from tenants.records import DirectoryItem, SourceRecord

_BATCH = 500


def note(
    listing: listings.Listing, states: States, records: Sequence[SourceRecord]
) -> list[SourceRecord]:
    """Note the states in these records as listed; return those that were ended, as there again."""
    told = {item.external_id: (item, record) for item, record in _told(states, records)}
    again: list[SourceRecord] = []
    for row in _rows(listing).filter(external_id__in=told, deleted_upstream_at__isnull=False):
        record = told[row.external_id][1]
        again.append(_at(record.body, record.context, THERE_AGAIN_AT))
    items = [item for item, _ in told.values()]
    directory.apply(listing.provider, [(item, "") for item in items])
    listings.note(listing, items)
    return again


def ended(listing: listings.Listing) -> Iterator[SourceRecord]:
    """Tell what the list had before, and not in this reading; to be called before it is closed."""
    gone = listings.gone(listing, _kind(listing)).order_by("id")
    for attributes in gone.values_list("attributes", flat=True).iterator(chunk_size=_BATCH):
        yield _at(attributes, {}, ENDED_AT)


def _told(
    states: States, records: Sequence[SourceRecord]
) -> Iterator[tuple[DirectoryItem, SourceRecord]]:
    for record in records:
        item = states(record)
        if item is not None:
            yield item, record


def _kind(listing: listings.Listing) -> Any:
    [kind] = listing.kinds
    return kind


def _rows(listing: listings.Listing) -> models.QuerySet:
    return directory.rows_of(_kind(listing), listing.provider)


def _at(body: Any, context: Any, name: str) -> SourceRecord:
    now: dt.datetime = timezone.now()
    return SourceRecord(body, {**context, name: now.isoformat()})
