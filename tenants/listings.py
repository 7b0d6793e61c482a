"""What a provider lists no longer is marked as deleted, never removed.

Each time a list is read whole counts as one reading. What comes in it is noted with the reading's
number; when the reading is through, what the same list told of before and not this time is gone.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models

from tenants import directory
from tenants.records import DirectoryItem, DirectoryKind

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Listing:
    """One reading of one list. `source` is the list, `number` the reading; `kinds` it lists."""

    provider: str
    source: uuid.UUID
    number: int
    kinds: frozenset[DirectoryKind]


def note(listing: Listing, items: Iterable[DirectoryItem]) -> None:
    """Note that the list has these items; those that it tells to be deleted are left alone."""
    told: dict[DirectoryKind, set[str]] = {}
    for item in items:
        if item.kind in listing.kinds and not item.is_deleted:
            told.setdefault(item.kind, set()).add(item.external_id)
    for kind, ids in told.items():
        rows = directory.rows_of(kind, listing.provider).filter(external_id__in=ids)
        rows.update(listed_by=listing.source, listed_in=listing.number)


def keep(listing: Listing, owners: Sequence[str]) -> None:
    """Keep what is known of objects that could not be asked, and of what is below them."""
    if not owners:
        return
    for kind in listing.kinds:
        rows = directory.rows_of(kind, listing.provider)
        is_theirs = models.Q(external_id__in=owners)
        if hasattr(rows.model, "parent"):
            is_theirs |= models.Q(parent__in=owners)
        rows.filter(is_theirs, listed_by=listing.source).update(listed_in=listing.number)


def close(listing: Listing) -> int:
    """Mark what the list told of before, and not in this reading; return how many that is.

    When the provider tells of one again, it is news.
    """
    count = 0
    for kind in sorted(listing.kinds):
        rows = gone(listing, kind)
        while found := [_gone(kind, row) for row in rows.order_by("id")[:_BATCH]]:
            directory.apply(listing.provider, [(item, "") for item in found])
            count += len(found)
    return count


def gone(listing: Listing, kind: DirectoryKind) -> models.QuerySet:
    """Return the rows of a kind that the list told of before, and not in this reading."""
    return directory.rows_of(kind, listing.provider).filter(
        listed_by=listing.source, listed_in__lt=listing.number, deleted_upstream_at=None
    )


def _gone(kind: DirectoryKind, row: Any) -> DirectoryItem:
    """The row as it is, deleted."""
    if not hasattr(row, "parent"):
        return DirectoryItem(kind, row.external_id, is_deleted=True)
    return DirectoryItem(
        kind, row.external_id, row.name, row.parent, row.attributes, is_deleted=True
    )
