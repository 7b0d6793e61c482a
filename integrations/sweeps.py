"""Reading a feed by time, a page at a time, from a durable cursor.

The cursor is small JSON: `since` moves only when a sweep is through; in the middle of one it
holds the next page's token and the newest time so far, so that a crash goes on where it was.
Records may come twice (the overlap, a repeated page); duplicates are removed at intake. What one
object of a page refuses is kept in the cursor too, and told when the sweep is through.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from integrations.contract import Json, Page, Reading
from integrations.errors import NotFound, Rejected, VendorError
from integrations.refusals import Refused
from tenants.records import SourceRecord

Fetch = Callable[[Any, Json], Iterator[Page]]
TimeOf = Callable[[SourceRecord], dt.datetime | None]
# A record from the future must not make us skip what comes until then.
_FUTURE = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Slice:
    """One page as the vendor gave it; `following` is the next page's token, "" after the last.

    `refused` is what one of the page's objects refused, where the others were read; `unasked` are
    the vendor's ids of those that were there but not asked. `is_whole` says whether all of the
    list was given: where it was not, nothing counts as deleted.
    """

    records: tuple[SourceRecord, ...]
    following: str
    refused: VendorError | None = None
    unasked: tuple[str, ...] = ()
    is_whole: bool = True


# (client, since, token) → one page; `token` is "" for a sweep's first page.
ReadSlice = Callable[[Any, dt.datetime | None, str], Slice]


def swept(
    read: ReadSlice,
    time_of: TimeOf,
    *,
    first_days: int | None,
    overlap: dt.timedelta,
    whole_every: dt.timedelta | None = None,
) -> Fetch:
    """A feed of what is newer than the newest seen, less `overlap` for what is written late.

    The first time it goes back `first_days`, or takes everything (None). Where the vendor doesn't
    tell what is deleted, everything is read again `whole_every` so long, which shows it.
    """

    def fetch(client: Any, cursor: Json) -> Iterator[Page]:
        place = _Place.of(cursor, first_days, whole_every)
        is_resumed, refused = bool(place.token), Refused(cursor)
        while True:
            begins = place.is_whole and not place.token
            start = place.since - overlap if place.since is not None else None
            try:
                page = read(client, None if place.is_whole else start, place.token)
            except (NotFound, Rejected):
                if not is_resumed:
                    raise
                # The token is too old: the sweep begins again, nothing is skipped.
                place, is_resumed = place.again(), False
                continue
            is_resumed = False
            refused.first = refused.first or page.refused
            place = place.after(page, time_of)
            told = place.as_cursor() | (refused.as_cursor() if place.token else {})
            reading = Reading(begins, place.shows_what_is_gone, unasked=page.unasked)
            yield Page(page.records, told, not place.token, refused.first, reading)
            if not place.token:
                return

    return fetch


def listed(read: Callable[[Any, str], Slice]) -> Fetch:
    """A feed that is read whole each time; the cursor only knows the next page's token."""
    return swept(
        lambda client, since, token: read(client, token),
        lambda record: None,
        first_days=None,
        overlap=dt.timedelta(0),
    )


def in_turn(fetches: Mapping[str, Fetch]) -> Fetch:
    """Several sweeps as one feed, one after the other; each keeps its own cursor."""
    names = list(fetches)

    def fetch(client: Any, cursor: Json) -> Iterator[Page]:
        cursors, refused = dict(cursor.get("of") or {}), Refused(cursor)
        first = str(cursor.get("now") or "")
        for name in names[names.index(first) if first in names else 0 :]:
            for page in fetches[name](client, cursors.get(name) or {}):
                cursors[name] = dict(page.cursor)
                refused.first = refused.first or page.refused
                after = names[names.index(name) + 1 :]
                now = name if not page.is_last else after[0] if after else ""
                told = {"of": dict(cursors)} | ({"now": now, **refused.as_cursor()} if now else {})
                reading = replace(page.reading, part=name) if page.reading else None
                yield Page(page.records, told, not now, refused.first, reading)

    return fetch


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a sweep is. `is_whole`: it takes everything; `is_lacking`: some of it wasn't given."""

    since: dt.datetime | None
    newest: dt.datetime | None
    token: str
    is_whole: bool
    is_lacking: bool
    whole_at: dt.datetime | None

    @classmethod
    def of(cls, cursor: Json, first_days: int | None, whole_every: dt.timedelta | None) -> "_Place":
        """The place that a cursor tells; without a token a sweep begins."""
        since, token = _time(cursor, "since"), str(cursor.get("token") or "")
        whole_at = _time(cursor, "whole_at")
        if token:
            is_whole = bool(cursor.get("whole"))
        elif whole_every is not None and (whole_at is None or _now() - whole_at >= whole_every):
            is_whole, whole_at = True, _now()
        else:
            is_whole = since is None and first_days is None
        if since is None and first_days is not None:
            since = _now() - dt.timedelta(days=first_days)
        lacks = bool(token and cursor.get("lacking"))
        return cls(since, _time(cursor, "newest"), token, is_whole, lacks, whole_at)

    def again(self) -> "_Place":
        """The same sweep from its first page on."""
        return replace(self, token="", is_lacking=False)

    def after(self, page: Slice, time_of: TimeOf) -> "_Place":
        """The place after a page."""
        newest = _newest(self.newest, page.records, time_of)
        lacks = self.is_lacking or not page.is_whole
        return replace(self, newest=newest, token=page.following, is_lacking=lacks)

    @property
    def shows_what_is_gone(self) -> bool:
        """Whether a sweep that took everything is through with this page."""
        return self.is_whole and not self.token and not self.is_lacking

    def as_cursor(self) -> dict[str, Any]:
        """As it is stored."""
        since = self.since if self.token else self.newest or self.since
        times = {"since": since, "whole_at": self.whole_at}
        told: dict[str, Any] = {}
        if self.token:
            times |= {"newest": self.newest}
            told = {"token": self.token, "whole": self.is_whole, "lacking": self.is_lacking}
        told |= {name: at.isoformat() for name, at in times.items() if at is not None}
        return {name: value for name, value in told.items() if value}


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _time(cursor: Json, name: str) -> dt.datetime | None:
    told = cursor.get(name)
    return dt.datetime.fromisoformat(told) if isinstance(told, str) else None


def _newest(
    newest: dt.datetime | None, records: tuple[SourceRecord, ...], time_of: TimeOf
) -> dt.datetime | None:
    latest = _now() + _FUTURE
    for record in records:
        found = time_of(record)
        if found is not None and found <= latest and (newest is None or found > newest):
            newest = found
    return newest
