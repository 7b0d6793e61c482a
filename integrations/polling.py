"""Feeds, cursors and back-pressure: one feed is read a page at a time.

A page's records and the cursor after it are stored in one transaction, so that a crash between
two pages neither skips nor repeats anything that matters (repeats are duplicates).
"""

import datetime as dt
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from django.utils import timezone

from integrations import (
    connections,
    doubled,
    feed_rows,
    notices,
    organisations,
    registry,
    states,
    tallies,
)
from integrations.alerting.watching import RuleWatch
from integrations.contract import Client, Feed, Normalise, Page
from integrations.errors import (
    AnswerTooLarge,
    ConnectionMisconfigured,
    OrganisationChanged,
    PermissionMissing,
    Throttled,
    Unauthorised,
    VendorError,
)
from integrations.models import Connection, FeedState
from integrations.problems import problem_of
from tenants import intake, listings, scope, work
from tenants.errors import HoldfastError
from tenants.records import SourceRecord, Unreadable

# A feed with a long backlog, or of a vendor that answers slowly, gives way to others after so
# many pages or so long.
_PAGES_AT_ONCE = 20
_SECONDS_AT_ONCE = 20.0
_JITTER = 0.1
_LONGER = 1 / (1 - _JITTER)
_RETRY_SECONDS = 60.0
_PROGRESS = ("cursor", "records", "reading", "reading_is_whole", "last_record_at")
_SUCCESS = ("error", "problem", "last_success_at", "caught_up_at")


@dataclass(frozen=True, slots=True)
class _Poll:
    state_id: uuid.UUID
    connection: Connection
    feed: Feed
    cursor: dict
    zone: dt.tzinfo


def poll(tenant_id: uuid.UUID, state_id: uuid.UUID) -> None:
    """Read what is new in one feed, and schedule the next time. Handler of work `poll`.

    The last page that is read is stored in the transaction that ends the turn.
    """
    job = _start(tenant_id, state_id)
    if job is None:
        return
    try:
        _read_pages(tenant_id, job)
    except _ReadButFor as partly:
        # All others were read, so that there is no hurry.
        _failed(tenant_id, job, job.feed.interval_seconds, partly.refused)
    except Throttled as error:
        # Never before the vendor said.
        _failed(tenant_id, job, error.retry_after * _LONGER, error)
    except VendorError as error:
        needs_person = isinstance(error, Unauthorised | PermissionMissing | AnswerTooLarge)
        _failed(tenant_id, job, _RETRY_SECONDS * (5 if needs_person else 1), error)
    except OrganisationChanged:
        # Nothing is kept of what was read; it begins anew with the settings that hold now.
        with scope.tenant(tenant_id):
            _again(job, 0)
    except ConnectionMisconfigured as error:
        _failed(tenant_id, job, _RETRY_SECONDS * 5, error)


class _ReadButFor(Exception):
    """A sweep is through, but one of its objects was `refused`."""

    def __init__(self, refused: VendorError) -> None:
        super().__init__(str(refused))
        self.refused = refused


def _start(tenant_id: uuid.UUID, state_id: uuid.UUID) -> _Poll | None:
    with scope.tenant(tenant_id):
        state = feed_rows.read(state_id)
        if state is None:
            return None
        connection = state.connection
        feed = registry.connector(connection.connector).feed(state.feed)
        if connection.state == Connection.State.PAUSED or feed.fetch is None:
            work.repeat("poll", state_id, delay=_about(feed.interval_seconds))
            return None
    return _Poll(state.id, connection, feed, state.cursor, tallies.zone_of(state.tenant.time_zone))


def _read_pages(tenant_id: uuid.UUID, job: _Poll) -> None:
    """Take pages until the feed has no more, or has had its turn."""
    assert job.feed.fetch is not None
    normalise = job.feed.normaliser(job.connection.settings)
    end = time.monotonic() + _SECONDS_AT_ONCE
    client = connections.client_of(job.connection)
    if not job.connection.organisation:
        _recognise(tenant_id, job, client)
    for count, page in enumerate(job.feed.fetch(client, job.cursor), start=1):
        if page.is_last and page.refused is not None:
            work.renew()
            _keep(tenant_id, job, page, normalise)
            raise _ReadButFor(page.refused)
        if page.is_last or count >= _PAGES_AT_ONCE or time.monotonic() > end:
            _keep(tenant_id, job, page, normalise, is_end=True)
            return
        work.renew()
        _keep(tenant_id, job, page, normalise)
    with scope.tenant(tenant_id):
        _end(job, _locked(job), caught_up=True)


def _recognise(tenant_id: uuid.UUID, job: _Poll, client: Client) -> None:
    """Find out whose organisation it is before anything of it is kept."""
    told = organisations.ask(registry.connector(job.connection.connector), client)
    if told:
        with scope.tenant(tenant_id):
            row = Connection.objects.select_for_update().filter(id=job.connection.id).first()
            if row is None:
                raise _removed()
            organisations.recognise(row, told)


def _keep(
    tenant_id: uuid.UUID, job: _Poll, page: Page, normalise: Normalise, *, is_end: bool = False
) -> None:
    """Store a page and the cursor behind it; where it `is_end` of the turn, end that too."""
    with scope.tenant(tenant_id):
        state = _locked(job)
        listing = _listing(job, state, page)
        if page.records or (listing is not None and _tells_of_all(page)):
            _take(job, state, page.records, normalise, listing)
        state.cursor = dict(page.cursor)
        if listing is not None and page.reading is not None:
            listings.keep(listing, page.reading.unasked)
            ends = page.reading.ends and state.reading_is_whole
            if job.feed.states is not None:
                again = states.note(listing, job.feed.states, page.records)
                told = chain(again, states.ended(listing) if ends else ())
                intake.take(
                    connector=state.connection.connector, feed=job.feed.name, records=told,
                    normalise=normalise, watch=RuleWatch(),
                )  # fmt: skip
            if ends:
                listings.close(listing)
        if is_end:
            _end(job, state, caught_up=page.is_last)
        else:
            state.save(update_fields=_PROGRESS)


def _tells_of_all(page: Page) -> bool:
    """Whether a page changes the directory by what doesn't come in it."""
    return page.reading is not None and (page.reading.ends or bool(page.reading.unasked))


def _locked(job: _Poll) -> FeedState:
    """Return the feed as it is now, locked until the transaction ends, its connection with it.

    Nothing is kept that was read of an organisation which the connection has no more: only where
    its feed isn't locked it can be given another one.
    """
    state = feed_rows.lock(job.state_id)
    if state is None:
        raise _removed()
    now = state.connection
    before = job.connection.settings
    if organisations.is_another(registry.connector(now.connector), before, now.settings):
        raise OrganisationChanged("The connection was given another organisation meanwhile.")
    return state


def _removed() -> OrganisationChanged:
    return OrganisationChanged("The connection was removed meanwhile.")


def _listing(job: _Poll, state: FeedState, page: Page) -> listings.Listing | None:
    """Which reading of which list the page is of; None where the feed lists nothing."""
    if page.reading is None or not job.feed.lists:
        return None
    if page.reading.begins:
        state.reading += 1
        state.reading_is_whole = True
    source = uuid.uuid5(state.id, page.reading.part) if page.reading.part else state.id
    return listings.Listing(
        state.connection.connector, source, state.reading, frozenset(job.feed.lists)
    )


def _take(
    job: _Poll,
    state: FeedState,
    records: Sequence[SourceRecord | Unreadable],
    normalise: Normalise,
    listing: listings.Listing | None,
) -> None:
    outcome = intake.take(
        connector=state.connection.connector,
        feed=job.feed.name,
        records=[one if isinstance(one, Unreadable) else doubled.noted(one) for one in records],
        normalise=normalise,
        listing=listing,
        watch=RuleWatch(),
    )
    state.records += outcome.records
    state.reading_is_whole &= not outcome.unread
    if outcome.records:
        state.last_record_at = timezone.now()
    tallies.note(state.id, outcome.records, job.zone)


def _end(job: _Poll, state: FeedState, *, caught_up: bool) -> None:
    """Say that the turn went well, and when the next one is due. The feed is locked."""
    state.error = state.problem = ""
    state.last_success_at = timezone.now()
    if caught_up:
        state.caught_up_at = state.last_success_at
    state.save(update_fields=_PROGRESS + _SUCCESS)
    if state.connection.state == Connection.State.BROKEN:
        connections.check_soon(state.connection)
    if job.feed.watch is not None:
        notices.ensure(state)
    _again(job, job.feed.interval_seconds if caught_up else 0)


def _failed(tenant_id: uuid.UUID, job: _Poll, delay: float, error: HoldfastError) -> None:
    told = {"error": str(error), "problem": problem_of(error), "last_error_at": timezone.now()}
    with scope.tenant(tenant_id):
        # The connection is locked before its feeds, as where it is changed.
        if isinstance(error, Unauthorised | ConnectionMisconfigured):
            connections.mark_broken(job.connection.id, error)
        FeedState.objects.filter(id=job.state_id).update(**told)
        _again(job, delay)


def _again(job: _Poll, delay: float) -> None:
    work.repeat(
        "poll", job.state_id, delay=_about(delay),
        lane=job.connection.connector, holder=job.connection.id,
    )  # fmt: skip


def _about(seconds: float) -> float:
    """Keep a thousand tenants from asking in the same second, and the interval on average."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
