"""Reading a feed by time, a page at a time, from a durable cursor.

The cursor is small JSON: `since` moves only when a sweep is through; in the middle of one it
holds the next page's token and the newest time so far, so that a crash goes on where it was.
Records may come twice (the overlap, a repeated page); duplicates are removed at intake. What one
object of a page refuses is kept in the cursor too, and told when the sweep is through.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from integrations.contract import Json, Page
from integrations.errors import NotFound, Rejected, VendorError
from integrations.refusals import Refused
from tenants.records import SourceRecord

Fetch = Callable[[Any, Json], Iterator[Page]]
# A record from the future must not make us skip what comes until then.
_FUTURE = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Slice:
    """One page as the vendor gave it; `following` is the next page's token, "" after the last.

    `refused` is what one of the page's objects refused, where the others were read.
    """

    records: tuple[SourceRecord, ...]
    following: str
    refused: VendorError | None = None


# (client, since, token) → one page; `token` is "" for a sweep's first page.
ReadSlice = Callable[[Any, dt.datetime | None, str], Slice]


def swept(
    read: ReadSlice,
    time_of: Callable[[SourceRecord], dt.datetime | None],
    *,
    first_days: int | None,
    overlap: dt.timedelta,
) -> Fetch:
    """A feed of what is newer than the newest seen, less `overlap` for what is written late.

    The first time it goes back `first_days`, or takes everything (None).
    """

    def fetch(client: Any, cursor: Json) -> Iterator[Page]:
        since, newest, token = _time(cursor, "since"), _time(cursor, "newest"), _token(cursor)
        if since is None and first_days is not None:
            since = _now() - dt.timedelta(days=first_days)
        is_resumed, refused = bool(token), Refused(cursor)
        while True:
            start = since - overlap if since is not None else None
            try:
                page = read(client, start, token)
            except (NotFound, Rejected):
                if not is_resumed:
                    raise
                # The token is too old: the sweep begins again, nothing is skipped.
                token, is_resumed = "", False
                continue
            is_resumed = False
            newest = _newest(newest, page.records, time_of)
            token = page.following
            refused.first = refused.first or page.refused
            told = _cursor(since, newest, token)
            told |= refused.as_cursor() if token else {}
            yield Page(page.records, told, is_last=not token, refused=refused.first)
            if not token:
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


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _time(cursor: Json, name: str) -> dt.datetime | None:
    told = cursor.get(name)
    return dt.datetime.fromisoformat(told) if isinstance(told, str) else None


def _token(cursor: Json) -> str:
    return str(cursor.get("token") or "")


def _cursor(since: dt.datetime | None, newest: dt.datetime | None, token: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if token:
        found["token"] = token
        if newest is not None:
            found["newest"] = newest.isoformat()
    else:
        since = newest or since
    if since is not None:
        found["since"] = since.isoformat()
    return found


def _newest(
    newest: dt.datetime | None,
    records: tuple[SourceRecord, ...],
    time_of: Callable[[SourceRecord], dt.datetime | None],
) -> dt.datetime | None:
    latest = _now() + _FUTURE
    for record in records:
        found = time_of(record)
        if found is not None and found <= latest and (newest is None or found > newest):
            newest = found
    return newest
