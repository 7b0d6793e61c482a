"""Directory items on their way in: what is news is kept with its record, and applied."""

from collections.abc import Sequence
from dataclasses import dataclass

from tenants import directory, listings, raw_intake
from tenants.canonical import jsonable
from tenants.listings import Listing
from tenants.models import RawRecord
from tenants.raw_intake import Raw
from tenants.records import DirectoryItem
from tenants.replays import replayed
from tenants.storable import bounded, storable


@dataclass(frozen=True, slots=True)
class Kept:
    """How many items were news, and how many were known as they are."""

    news: int
    duplicates: int


def keep(
    connector: str, items: Sequence[tuple[Raw, DirectoryItem]], listing: Listing | None
) -> Kept:
    """Keep what items tell that is not known, each with its record, in their order.

    `listing` is the reading of a list that they are of; it notes which of it are there.
    """
    keyed = [(raw, _storable(told)) for raw, told in items]
    known = directory.known_hashes(connector, [told for _, told in keyed])
    again = replayed(
        connector,
        RawRecord.Outcome.DIRECTORY,
        [((told.kind, told.external_id), raw.content_hash) for raw, told in keyed],
        known,
    )
    raws, news = [], []
    for raw, told in keyed:
        key = told.kind, told.external_id
        if key in again or known.get(key) == raw.content_hash:
            continue
        known[key] = raw.content_hash
        raw.outcome = RawRecord.Outcome.DIRECTORY
        raws.append(raw)
        news.append((told, raw.content_hash))
    raw_intake.store(raws)
    directory.apply(connector, news)
    if listing is not None:
        listings.note(listing, [told for _, told in keyed])
    return Kept(len(news), len(keyed) - len(news))


def _storable(told: DirectoryItem) -> DirectoryItem:
    return DirectoryItem(
        kind=told.kind,
        external_id=bounded(told.external_id, 256),
        name=bounded(told.name, 256),
        parent=bounded(told.parent, 256),
        attributes=storable(jsonable(told.attributes)),
        is_deleted=told.is_deleted,
    )
