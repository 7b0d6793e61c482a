"""Feeds, cursors and back-pressure: one feed is read a page at a time.

A page's records and the cursor after it are stored in one transaction, so that a crash between
two pages neither skips nor repeats anything that matters (repeats are duplicates).
"""

import datetime as dt
import random
import time
import uuid
from dataclasses import dataclass
from itertools import chain

from django.db import models
from django.utils import timezone

from integrations import connections, notices, organisations, registry, states, tallies
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

# A feed with a long backlog, or of a vendor that answers slowly, gives way to others after so
# many pages or so long.
_PAGES_AT_ONCE = 20
_SECONDS_AT_ONCE = 20.0
_JITTER = 0.1
_LONGER = 1 / (1 - _JITTER)
_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Poll:
    state_id: uuid.UUID
    connection_id: uuid.UUID
    connector: str
    feed: Feed
    cursor: dict
    settings: dict[str, str]
    organisation: str
    zone: dt.tzinfo


def poll(tenant_id: uuid.UUID, state_id: uuid.UUID) -> None:
    """Read what is new in one feed, and schedule the next time. Handler of work `poll`."""
    job = _start(tenant_id, state_id)
    if job is None:
        return
    try:
        caught_up = _read_pages(tenant_id, job)
    except _ReadButFor as partly:
        # All others were read, so that there is no hurry.
        _failed(tenant_id, job, job.feed.interval_seconds, partly.refused)
        if isinstance(partly.refused, Unauthorised):
            _mark_broken(tenant_id, job, partly.refused)
    except Throttled as error:
        # Never before the vendor said.
        _failed(tenant_id, job, error.retry_after * _LONGER, error)
    except VendorError as error:
        needs_person = isinstance(error, Unauthorised | PermissionMissing | AnswerTooLarge)
        _failed(tenant_id, job, _RETRY_SECONDS * (5 if needs_person else 1), error)
        if isinstance(error, Unauthorised):
            _mark_broken(tenant_id, job, error)
    except OrganisationChanged:
        # Nothing is kept of what was read; it begins anew with the settings that hold now.
        with scope.tenant(tenant_id):
            _again(job, 0)
    except ConnectionMisconfigured as error:
        _mark_broken(tenant_id, job, error)
        _failed(tenant_id, job, _RETRY_SECONDS * 5, error)
    else:
        _read(tenant_id, job, caught_up=caught_up)


class _ReadButFor(Exception):
    """A sweep is through, but one of its objects was `refused`."""

    def __init__(self, refused: VendorError) -> None:
        super().__init__(str(refused))
        self.refused = refused


def _mark_broken(tenant_id: uuid.UUID, job: _Poll, error: HoldfastError) -> None:
    with scope.tenant(tenant_id):
        connections.mark_broken(job.connection_id, error)


def _start(tenant_id: uuid.UUID, state_id: uuid.UUID) -> _Poll | None:
    with scope.tenant(tenant_id):
        rows = FeedState.objects.select_related("connection", "tenant")
        rows = rows.filter(connection__removed_at=None)
        state = rows.filter(id=state_id).first()
        if state is None:
            return None
        connection = state.connection
        feed = registry.connector(connection.connector).feed(state.feed)
        if connection.state == Connection.State.PAUSED or feed.fetch is None:
            work.schedule("poll", state_id, delay=_about(feed.interval_seconds))
            return None
        zone = tallies.zone_of(state.tenant.time_zone)
        return _Poll(
            state.id,
            connection.id,
            connection.connector,
            feed,
            state.cursor,
            dict(connection.settings),
            connection.organisation,
            zone,
        )


def _read_pages(tenant_id: uuid.UUID, job: _Poll) -> bool:
    """Take pages until the feed has no more (True) or has had its turn (False)."""
    assert job.feed.fetch is not None
    normalise = job.feed.normaliser(job.settings)
    end = time.monotonic() + _SECONDS_AT_ONCE
    with connections.client(tenant_id, job.connection_id) as client:
        if not job.organisation:
            _recognise(tenant_id, job, client)
        for count, page in enumerate(job.feed.fetch(client, job.cursor), start=1):
            work.renew()
            _keep(tenant_id, job, page, normalise)
            if page.is_last and page.refused is not None:
                raise _ReadButFor(page.refused)
            if page.is_last:
                return True
            if count >= _PAGES_AT_ONCE or time.monotonic() > end:
                return False
    return True


def _recognise(tenant_id: uuid.UUID, job: _Poll, client: Client) -> None:
    """Find out whose organisation it is before anything of it is kept."""
    told = organisations.ask(registry.connector(job.connector), client)
    if told:
        with scope.tenant(tenant_id):
            row = Connection.objects.select_for_update().filter(id=job.connection_id).first()
            if row is None:
                raise _removed()
            organisations.recognise(row, told)


def _keep(tenant_id: uuid.UUID, job: _Poll, page: Page, normalise: Normalise) -> None:
    with scope.tenant(tenant_id):
        _check_organisation(job)
        listing = _listing(job, page)
        outcome = intake.take(
            connector=job.connector,
            feed=job.feed.name,
            records=page.records,
            normalise=normalise,
            listing=listing,
            watch=RuleWatch(),
        )
        state = FeedState.objects.select_for_update().get(id=job.state_id)
        state.cursor = dict(page.cursor)
        state.records += outcome.records
        state.reading_is_whole &= not outcome.unread
        state.save(update_fields=["cursor", "records", "reading_is_whole"])
        if listing is not None and page.reading is not None:
            listings.keep(listing, page.reading.unasked)
            ends = page.reading.ends and state.reading_is_whole
            if job.feed.states is not None:
                again = states.note(listing, job.feed.states, page.records)
                told = chain(again, states.ended(listing) if ends else ())
                intake.take(
                    connector=job.connector, feed=job.feed.name, records=told, normalise=normalise
                )
            if ends:
                listings.close(listing)
        tallies.note(state.id, outcome.records, job.zone)


def _check_organisation(job: _Poll) -> None:
    """Keep nothing that was read of an organisation which the connection has no more.

    The feed stays locked until the page is kept: only then it can be given another organisation.
    """
    rows = FeedState.objects.select_related("connection").select_for_update(of=("self",))
    connection = rows.get(id=job.state_id).connection
    if connection.removed_at is not None:
        raise _removed()
    now = connection.settings
    if organisations.is_another(registry.connector(job.connector), job.settings, now):
        raise OrganisationChanged("The connection was given another organisation meanwhile.")


def _removed() -> OrganisationChanged:
    return OrganisationChanged("The connection was removed meanwhile.")


def _listing(job: _Poll, page: Page) -> listings.Listing | None:
    """Which reading of which list the page is of; None where the feed lists nothing."""
    if page.reading is None or not job.feed.lists:
        return None
    rows = FeedState.objects.filter(id=job.state_id)
    if page.reading.begins:
        rows.update(reading=models.F("reading") + 1, reading_is_whole=True)
    number = rows.values_list("reading", flat=True).get()
    source = uuid.uuid5(job.state_id, page.reading.part) if page.reading.part else job.state_id
    return listings.Listing(job.connector, source, number, frozenset(job.feed.lists))


def _failed(tenant_id: uuid.UUID, job: _Poll, delay: float, error: HoldfastError) -> None:
    told = {"error": str(error), "problem": problem_of(error), "last_error_at": timezone.now()}
    with scope.tenant(tenant_id):
        FeedState.objects.filter(id=job.state_id).update(**told)
        _again(job, delay)


def _read(tenant_id: uuid.UUID, job: _Poll, *, caught_up: bool) -> None:
    now = timezone.now()
    told = {"error": "", "problem": "", "last_success_at": now}
    if caught_up:
        told["caught_up_at"] = now
    with scope.tenant(tenant_id):
        FeedState.objects.filter(id=job.state_id).update(**told)
        connections.seen_to_work(job.connection_id)
        if job.feed.watch is not None:
            notices.ensure(FeedState.objects.select_related("connection").get(id=job.state_id))
        _again(job, job.feed.interval_seconds if caught_up else 0)


def _again(job: _Poll, delay: float) -> None:
    work.schedule(
        "poll", job.state_id, delay=_about(delay), lane=job.connector, holder=job.connection_id
    )


def _about(seconds: float) -> float:
    """Keep a thousand tenants from asking in the same second, and the interval on average."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
