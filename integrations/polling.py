"""Feeds, cursors and back-pressure: one feed is read a page at a time.

A page's records and the cursor after it are stored in one transaction, so that a crash between
two pages neither skips nor repeats anything that matters (repeats are duplicates).
"""

import random
import uuid
from dataclasses import dataclass

from django.utils import timezone

from integrations import connections, notices, registry
from integrations.contract import Feed, Page
from integrations.errors import (
    ConnectionMisconfigured,
    PermissionMissing,
    Throttled,
    Unauthorised,
    VendorError,
)
from integrations.models import Connection, FeedState
from tenants import intake, scope, work

# A feed with a long backlog gives way to others after so many pages.
_PAGES_AT_ONCE = 20
_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Poll:
    state_id: uuid.UUID
    connection_id: uuid.UUID
    connector: str
    feed: Feed
    cursor: dict


def poll(tenant_id: uuid.UUID, state_id: uuid.UUID) -> None:
    """Read what is new in one feed, and schedule the next time. Handler of work `poll`."""
    job = _start(tenant_id, state_id)
    if job is None:
        return
    try:
        caught_up = _read_pages(tenant_id, job)
    except Throttled as error:
        _again(tenant_id, job, error.retry_after, str(error))
    except VendorError as error:
        needs_person = isinstance(error, Unauthorised | PermissionMissing)
        _again(tenant_id, job, _RETRY_SECONDS * (5 if needs_person else 1), str(error))
        if isinstance(error, Unauthorised):
            with scope.tenant(tenant_id):
                connections.mark_broken(job.connection_id, str(error))
    except ConnectionMisconfigured as error:
        with scope.tenant(tenant_id):
            connections.mark_broken(job.connection_id, str(error))
        _again(tenant_id, job, _RETRY_SECONDS * 5, str(error))
    else:
        _again(tenant_id, job, job.feed.interval_seconds if caught_up else 0, "")


def _start(tenant_id: uuid.UUID, state_id: uuid.UUID) -> _Poll | None:
    with scope.tenant(tenant_id):
        state = FeedState.objects.select_related("connection").filter(id=state_id).first()
        if state is None:
            return None
        connection = state.connection
        feed = registry.connector(connection.connector).feed(state.feed)
        if connection.state == Connection.State.PAUSED or feed.fetch is None:
            work.schedule("poll", state_id, delay=feed.interval_seconds)
            return None
        return _Poll(state.id, connection.id, connection.connector, feed, state.cursor)


def _read_pages(tenant_id: uuid.UUID, job: _Poll) -> bool:
    """Take pages until the feed has no more (True) or has had its turn (False)."""
    assert job.feed.fetch is not None
    with connections.client(tenant_id, job.connection_id) as client:
        for count, page in enumerate(job.feed.fetch(client, job.cursor), start=1):
            work.renew()
            _keep(tenant_id, job, page)
            if page.is_last:
                return True
            if count >= _PAGES_AT_ONCE:
                return False
    return True


def _keep(tenant_id: uuid.UUID, job: _Poll, page: Page) -> None:
    with scope.tenant(tenant_id):
        outcome = intake.take(
            connector=job.connector,
            feed=job.feed.name,
            records=page.records,
            normalise=job.feed.normalise,
        )
        state = FeedState.objects.select_for_update().get(id=job.state_id)
        state.cursor = dict(page.cursor)
        state.records += outcome.records
        state.save(update_fields=["cursor", "records"])


def _again(tenant_id: uuid.UUID, job: _Poll, delay: float, error: str) -> None:
    now = timezone.now()
    # Jitter keeps a thousand tenants from asking in the same second.
    jitter = random.uniform(0, delay / 10)  # noqa: S311
    with scope.tenant(tenant_id):
        if error:
            FeedState.objects.filter(id=job.state_id).update(error=error, last_error_at=now)
        else:
            FeedState.objects.filter(id=job.state_id).update(error="", last_success_at=now)
            connections.mark_healthy(job.connection_id)
            if job.feed.watch is not None:
                notices.ensure(FeedState.objects.select_related("connection").get(id=job.state_id))
        work.schedule("poll", job.state_id, delay=delay + jitter)
