"""Notices: a vendor says that a feed has something new, and the feed is read sooner.

A notice is never trusted as data. Whatever it says, the only thing that follows from it is that
the feed is asked; and only one that carries the secret which the vendor was given counts at all.
Without notices, with lost ones or with forged ones a feed is read at its own times.
"""

import datetime as dt
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings as installation
from django.utils import timezone

from integrations import connections, registry
from integrations.contract import Watch
from integrations.errors import (
    ConnectionMisconfigured,
    NotFound,
    NoticeRefused,
    Throttled,
    VendorError,
)
from integrations.models import Connection, FeedState, Subscription
from integrations.problems import problem_of
from tenants import scope, work
from tenants.errors import HoldfastError

_DOOR = "/api/v1/notices"
# Notices come in bursts: what they tell of is read at once.
_GATHER_SECONDS = 5.0
_RETRY = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Door:
    """Where notices of one feed are sent: a tenant and the feed of one of its connections."""

    tenant_id: uuid.UUID
    feed_id: uuid.UUID

    @property
    def address(self) -> str:
        """The address that the vendor is given."""
        return f"{installation.PUBLIC_URL}{_DOOR}/{self.tenant_id}/{self.feed_id}"


def ensure(state: FeedState) -> None:
    """See to it that a feed of the scope's tenant is watched, where its vendor can do that.

    Only an installation whose HOLDFAST_PUBLIC_URL says how it is reached can be told anything.
    """
    can_be_told = bool(installation.PUBLIC_URL) and _watch_of(state) is not None
    if can_be_told and not Subscription.objects.filter(feed=state).exists():
        work.schedule("watch", state.id)


def ask_again(connection: Connection) -> None:
    """Ask at once where the vendor could not be asked to tell of news, or did not agree to."""
    refused = Subscription.objects.filter(feed__connection=connection).exclude(error="")
    for feed_id in refused.values_list("feed", flat=True):
        work.schedule("watch", feed_id)


def watch(tenant_id: uuid.UUID, feed_id: uuid.UUID) -> None:
    """Ask the vendor to say when the feed has something new, or to go on. Handler of `watch`."""
    door = Door(tenant_id, feed_id)
    with scope.tenant(tenant_id):
        found = _find(door)
        if found is None or not installation.PUBLIC_URL:
            return
        state, how = found
        held = Subscription.objects.filter(feed=state).first()
        connection_id = state.connection_id
    until = timezone.now() + how.lifetime
    try:
        with connections.client(tenant_id, connection_id) as client:
            if held is None or not held.external_id or not _renewed(how, client, held, until):
                _start(door, how, client, until)
    except Throttled as error:
        _again(door, dt.timedelta(seconds=error.retry_after), error)
    except (VendorError, ConnectionMisconfigured) as error:
        _again(door, _RETRY, error)
    else:
        with scope.tenant(tenant_id):
            Subscription.objects.filter(feed_id=feed_id).update(
                expires_at=until, error="", problem=""
            )
        # Well before it expires: a renewal that fails is tried again in time.
        _again(door, how.lifetime / 3)


def _renewed(how: Watch, client: Any, held: Subscription, until: dt.datetime) -> bool:
    try:
        how.renew(client, held.external_id, until)
    except NotFound:
        return False
    return True


def _start(door: Door, how: Watch, client: Any, until: dt.datetime) -> None:
    """Begin anew. The secret's digest is kept first: the vendor tries the address at once."""
    secret = secrets.token_urlsafe(48)
    with scope.tenant(door.tenant_id):
        Subscription.objects.update_or_create(
            feed_id=door.feed_id,
            defaults={
                "tenant_id": door.tenant_id,
                "secret_digest": _digest(secret),
                "external_id": "",
                "expires_at": until,
            },
        )
    external_id = how.start(client, door.address, secret, until)
    with scope.tenant(door.tenant_id):
        Subscription.objects.filter(feed_id=door.feed_id).update(external_id=external_id)


def _again(door: Door, delay: dt.timedelta, error: HoldfastError | None = None) -> None:
    with scope.tenant(door.tenant_id):
        if error is not None:
            Subscription.objects.filter(feed_id=door.feed_id).update(
                error=str(error), problem=problem_of(error)
            )
        work.schedule("watch", door.feed_id, delay=delay.total_seconds())


def handshake(door: Door, query: Mapping[str, str]) -> str | None:
    """What the vendor wants to hear when it tries the address; None where it asks nothing.

    NoticeRefused where no such feed is to be watched.
    """
    with scope.tenant(door.tenant_id):
        found = _find(door)
        if found is None or not Subscription.objects.filter(feed_id=door.feed_id).exists():
            raise NoticeRefused("There is no such feed, or nobody is to tell of it.")
        return found[1].handshake(query)


def take(door: Door, body: Any) -> int:
    """Let the feed be read soon if a notice is genuine; return how many were.

    NoticeRefused where none is.
    """
    with scope.tenant(door.tenant_id):
        found = _find(door)
        held = Subscription.objects.filter(feed_id=door.feed_id).first()
        digest = held.secret_digest if held else _digest("")
        told = found[1].read(body) if found else []
        genuine = [n for n in told if n.secret and hmac.compare_digest(_digest(n.secret), digest)]
        if found is None or held is None or not genuine:
            raise NoticeRefused("No notice that the vendor was asked for.")
        if found[0].connection.state != Connection.State.PAUSED:
            work.schedule("poll", door.feed_id, delay=_GATHER_SECONDS)
            if any(notice.is_ending for notice in genuine):
                work.schedule("watch", door.feed_id)
        held.heard_at = timezone.now()
        held.save(update_fields=["heard_at"])
    return len(genuine)


def _find(door: Door) -> tuple[FeedState, Watch] | None:
    rows = FeedState.objects.select_related("connection").filter(connection__removed_at=None)
    state = rows.filter(id=door.feed_id).first()
    how = _watch_of(state) if state else None
    return (state, how) if state and how else None


def _watch_of(state: FeedState) -> Watch | None:
    return registry.connector(state.connection.connector).feed(state.feed).watch


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
