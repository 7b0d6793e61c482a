"""The door: what sources send to us, signed; each delivery is taken once.

A source is a connection: it has an address, a key and one feed. What can't be read is quarantined
by intake, and the sender hears how many records that were. Only a delivery that is not from the
source, or that comes while the connection is paused, is turned away.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection as database
from django.utils import timezone

from integrations import connections, files, registry, signing, tallies
from integrations.alerting.watching import RuleWatch
from integrations.contract import Feed
from integrations.errors import ConnectionMisconfigured, DeliveryRefused
from integrations.models import Connection, FeedState
from integrations.problems import problem_of
from tenants import intake, ledger, scope, vault
from tenants.errors import HoldfastError
from tenants.models import new_id

# How long a sender may repeat a delivery that was taken already, under the same id.
_REMEMBERED: Final = dt.timedelta(days=7)
_FORGOTTEN_AT_ONCE: Final = 100
# A wrong signature is told on the connection, but not once for each that somebody sends.
_TOLD_EVERY: Final = dt.timedelta(minutes=1)
# Signed with when there is no such source, so that its absence takes as long as a wrong key.
_NOBODYS_KEY: Final = signing.new_key()
_FORGET: Final = """
DELETE FROM integrations_delivery WHERE tenant_id = %(tenant)s AND id IN (
    SELECT id FROM integrations_delivery
     WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND received_at < %(since)s
     ORDER BY received_at LIMIT %(most)s
)
"""
_REMEMBER: Final = """
INSERT INTO integrations_delivery (id, tenant_id, connection_id, delivery_id, received_at)
VALUES (%(id)s, %(tenant)s, %(connection)s, %(delivery)s, %(now)s)
ON CONFLICT (tenant_id, connection_id, delivery_id) DO NOTHING
"""
_NOTE: Final = """
UPDATE integrations_feedstate
   SET records = records + %(records)s, last_success_at = %(now)s,
       last_record_at = CASE WHEN %(records)s > 0 THEN %(now)s ELSE last_record_at END,
       error = %(error)s, problem = %(problem)s
 WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND feed = %(feed)s
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a delivery is sent: a tenant and one of its connections, if they exist."""

    tenant_id: uuid.UUID
    connection_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a delivery. `is_repeated`: it came before, so nothing was done now."""

    delivery_id: str
    is_repeated: bool
    outcome: intake.Outcome


@dataclass(frozen=True, slots=True)
class _Source:
    connection: Connection
    feed: Feed
    key: str


def key_of(source: Connection) -> str:
    """Return the key with which a source signs, for a person to copy. Never log it."""
    return vault.open_secret(source.secret).get(signing.KEY, "") if source.secret else ""


def renew_key(source: Connection, *, actor: str) -> str:
    """Give a source of the scope's tenant a new key, and return it; the old one counts no more."""
    secrets = vault.open_secret(source.secret) if source.secret else {}
    key = signing.new_key()
    source.secret = vault.put(connections.secret_name(source.connector, source.name), {
        **secrets, signing.KEY: key,
    })  # fmt: skip
    source.save(update_fields=["secret"])
    ledger.append(
        "connection.key_renewed", actor=actor, subject=f"{source.connector} {source.name}"
    )
    return key


def take(address: Address, headers: Mapping[str, str], body: bytes) -> Taken:
    """Take a delivery into its source's tenant, and return what became of its records.

    `headers` have their names in lower case. An empty body is a test: it is checked and not kept.
    DeliveryRefused where it is not signed by the source, is old, or the source is paused; then
    nothing is kept.
    """
    try:
        with scope.tenant(address.tenant_id):
            return _take(address, headers, body)
    except DeliveryRefused as error:
        _tell(address, str(error))
        raise


def _take(address: Address, headers: Mapping[str, str], body: bytes) -> Taken:
    now = timezone.now()
    source = _find(address)
    delivery_id = signing.check(source.key if source else _NOBODYS_KEY, headers, body, now)
    if source is None:
        raise DeliveryRefused("unsigned", "The signature is not of this source's key.")
    if source.connection.state == Connection.State.PAUSED:
        raise DeliveryRefused("paused", "This source is paused: send it again later.")
    if not body.strip():
        connections.delivered(source.connection)
        return Taken(delivery_id, False, intake.Outcome())
    if not _remember(source.connection, delivery_id, now):
        return Taken(delivery_id, True, intake.Outcome())
    return Taken(delivery_id, False, _into_intake(source, body, now))


def _find(address: Address) -> _Source | None:
    """The source, where there is one that anything can be sent to."""
    found = (
        Connection.objects.select_related("secret", "tenant")
        .filter(id=address.connection_id)
        .first()
    )
    if found is None or not found.tenant.is_active:
        return None
    feed = registry.connector(found.connector).pushed_feed(found.settings)
    key = key_of(found)
    return _Source(found, feed, key) if feed and key else None


def _remember(source: Connection, delivery_id: str, now: dt.datetime) -> bool:
    """Note the delivery; False where it is noted already. Waits for one that is being taken."""
    told: dict[str, Any] = {
        "id": new_id(),
        "tenant": source.tenant_id,
        "connection": source.id,
        "delivery": delivery_id,
        "now": now,
        "since": now - _REMEMBERED,
        "most": _FORGOTTEN_AT_ONCE,
    }
    with database.cursor() as cursor:
        cursor.execute(_FORGET, told)
        cursor.execute(_REMEMBER, told)
        return cursor.rowcount == 1


def _into_intake(source: _Source, body: bytes, now: dt.datetime) -> intake.Outcome:
    manifest, feed = registry.connector(source.connection.connector), source.feed
    found = feed.read(body, now) if feed.read else files.records(body, manifest.explode)
    normalise = feed.normalise
    error: HoldfastError | None = None
    try:
        normalise = feed.normaliser(connections.read_by(source.connection))
    except ConnectionMisconfigured as wrong:
        # The records are kept all the same, and can be taken in again once that is mended.
        error = wrong
    outcome = intake.take(
        connector=manifest.id, feed=feed.name, records=found, normalise=normalise, watch=RuleWatch()
    )
    _note(source, outcome, now, error)
    return outcome


def _note(
    source: _Source, outcome: intake.Outcome, now: dt.datetime, error: HoldfastError | None
) -> None:
    told: dict[str, Any] = {
        "tenant": source.connection.tenant_id,
        "connection": source.connection.id,
        "feed": source.feed.name,
        "records": outcome.records,
        "now": now,
        "error": str(error) if error else "",
        "problem": problem_of(error) if error else "",
    }
    with database.cursor() as cursor:
        cursor.execute(_NOTE, told)
        if cursor.rowcount == 0:
            FeedState.objects.get_or_create(connection=source.connection, feed=source.feed.name)
            cursor.execute(_NOTE, told)
        (state_id,) = cursor.fetchone()
    zone = tallies.zone_of(source.connection.tenant.time_zone)
    tallies.note(state_id, outcome.records, zone)
    if error:
        connections.mark_broken(source.connection.id, error)
    else:
        connections.delivered(source.connection)


def _tell(address: Address, reason: str) -> None:
    """Show on the connection that something was turned away, if the connection exists."""
    now = timezone.now()
    with scope.tenant(address.tenant_id):
        states = FeedState.objects.filter(connection_id=address.connection_id)
        states.exclude(last_error_at__gt=now - _TOLD_EVERY).update(
            error=f"A delivery was turned away. {reason}", last_error_at=now
        )
