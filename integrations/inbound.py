"""The door: what sources send to us, signed; each delivery is taken once.

A source is a connection: it has an address, a key and one feed. What can't be read is quarantined
by intake, and the sender hears how many records that were. Only a delivery that is not from the
source, or that comes while the connection is paused, is turned away.
"""

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils import timezone

from integrations import connections, doubled, files, registry, signing, tallies
from integrations.alerting.watching import RuleWatch
from integrations.contract import Feed
from integrations.errors import ConnectionMisconfigured, DeliveryRefused
from integrations.models import Connection, FeedState
from integrations.problems import problem_of
from tenants import intake, ledger, scope, vault
from tenants.errors import HoldfastError
from tenants.models import Secret, new_id
from tenants.statements import Statement

# How long a sender may repeat a delivery that was taken already, under the same id.
_REMEMBERED: Final = dt.timedelta(days=7)
_FORGOTTEN_AT_ONCE: Final = 100
# A wrong signature is told on the connection, but not once for each that somebody sends.
_TOLD_EVERY: Final = dt.timedelta(minutes=1)
# Signed with when there is no such source, so that its absence takes as long as a wrong key.
_NOBODYS_KEY: Final = signing.new_key()
_SEALED: Final = ("name", "key_id", "wrapped_key", "ciphertext")
_FIND: Final = Statement("""
SELECT row.connector, row.name, row.settings, row.state, row.problem, row.last_healthy_at,
       client.is_active, client.time_zone, secret.name, secret.key_id, secret.wrapped_key,
       secret.ciphertext
  FROM integrations_connection AS row
  JOIN tenants_tenant AS client ON client.id = row.tenant_id
  LEFT JOIN tenants_secret AS secret ON secret.id = row.secret_id
 WHERE row.tenant_id = %(tenant)s AND row.id = %(source)s AND row.removed_at IS NULL
""")
# What is too old to count is gone before it is asked whether this one is noted already.
_REMEMBER: Final = Statement(f"""
WITH gone AS (
    DELETE FROM integrations_delivery WHERE tenant_id = %(tenant)s AND id IN (
        SELECT id FROM integrations_delivery
         WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s
           AND received_at < %(since)s
         ORDER BY received_at LIMIT %(most)s)
    RETURNING id
)
INSERT INTO integrations_delivery (id, tenant_id, connection_id, delivery_id, received_at)
SELECT %(id)s, %(tenant)s, %(connection)s, %(delivery)s, %(now)s
  FROM (SELECT count(*) FROM gone) AS first
ON CONFLICT (tenant_id, connection_id, delivery_id) DO NOTHING
RETURNING {intake.ALONE}
""")  # noqa: S608
_NOTE: Final = Statement("""
WITH state AS (
    UPDATE integrations_feedstate
       SET records = records + %(records)s, last_success_at = %(now)s,
           last_record_at = CASE WHEN %(records)s > 0 THEN %(now)s ELSE last_record_at END,
           error = %(error)s, problem = %(problem)s
     WHERE tenant_id = %(tenant)s AND connection_id = %(connection)s AND feed = %(feed)s
    RETURNING id
), counted AS (
    INSERT INTO integrations_feedday (id, tenant_id, state_id, day, records)
    SELECT %(id)s, %(tenant)s, id, %(day)s, %(records)s FROM state WHERE %(records)s > 0
    ON CONFLICT (tenant_id, state_id, day)
    DO UPDATE SET records = integrations_feedday.records + excluded.records
)
SELECT id FROM state
""")


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
    """A connection that is sent something: the row as it is now, what it is sent, and its key."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    connector: str
    name: str
    settings: Mapping[str, str]
    state: str
    problem: str
    last_healthy_at: dt.datetime | None
    zone: dt.tzinfo
    feed: Feed
    key: str = field(repr=False)


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
        try:
            with scope.tenant(address.tenant_id):
                return _take(address, headers, body, is_whole=True)
        except intake.NotWhole:
            with scope.tenant(address.tenant_id):
                return _take(address, headers, body, is_whole=False)
    except DeliveryRefused as error:
        _tell(address, str(error))
        raise


def _take(address: Address, headers: Mapping[str, str], body: bytes, *, is_whole: bool) -> Taken:
    now = timezone.now()
    source = _find(address)
    delivery_id = signing.check(source.key if source else _NOBODYS_KEY, headers, body, now)
    if source is None:
        raise DeliveryRefused("unsigned", "The signature is not of this source's key.")
    if source.state == Connection.State.PAUSED:
        raise DeliveryRefused("paused", "This source is paused: send it again later.")
    if not body.strip():
        _delivered(source)
        return Taken(delivery_id, False, intake.Outcome())
    if not _remember(source, delivery_id, now):
        return Taken(delivery_id, True, intake.Outcome())
    return Taken(delivery_id, False, _into_intake(source, body, now, is_whole))


def _find(address: Address) -> _Source | None:
    """The source, where there is one that anything can be sent to."""
    tenant_id, source_id = address.tenant_id, address.connection_id
    rows = _FIND.rows(tenant=tenant_id, source=source_id)
    if not rows:
        return None
    ((connector, name, told, state, problem, healthy_at, is_active, time_zone, *sealed),) = rows
    settings = json.loads(told)
    feed = registry.connector(connector).pushed_feed(settings)
    secret = Secret(**dict(zip(_SEALED, sealed, strict=True)), tenant_id=tenant_id)
    if not is_active or feed is None or not secret.name:
        return None
    key = vault.open_secret(secret).get(signing.KEY, "")
    if not key:
        return None
    zone = tallies.zone_of(time_zone)
    return _Source(
        tenant_id, source_id, connector, name, settings, state, problem, healthy_at, zone,
        feed, key,
    )  # fmt: skip


def _remember(source: _Source, delivery_id: str, now: dt.datetime) -> bool:
    """Note the delivery; False where it is noted already. Waits for one that is being taken.

    From then on it is the only one of its tenant and connector that is taken in.
    """
    told: dict[str, Any] = {
        "id": new_id(),
        "tenant": source.tenant_id,
        "connection": source.id,
        "delivery": delivery_id,
        "now": now,
        "since": now - _REMEMBERED,
        "most": _FORGOTTEN_AT_ONCE,
        "alone": intake.alone(source.connector),
    }
    return bool(_REMEMBER.rows(**told))


def _into_intake(source: _Source, body: bytes, now: dt.datetime, is_whole: bool) -> intake.Outcome:
    manifest, feed = registry.connector(source.connector), source.feed
    found = feed.read(body, now) if feed.read else files.records(body, manifest.explode)
    normalise = doubled.read_by(feed.normalise)
    error: HoldfastError | None = None
    try:
        normalise = feed.normaliser(connections.read_by(source.settings, source.name))
    except ConnectionMisconfigured as wrong:
        # The records are kept all the same, and can be taken in again once that is mended.
        error = wrong
    outcome = intake.take(
        connector=manifest.id, feed=feed.name, records=found, normalise=normalise,
        watch=RuleWatch(), is_alone=True, is_whole=is_whole,
    )  # fmt: skip
    _note(source, outcome.records, now, error)
    return outcome


def _note(source: _Source, records: int, now: dt.datetime, error: HoldfastError | None) -> None:
    told: dict[str, Any] = {
        "id": new_id(),
        "tenant": source.tenant_id,
        "connection": source.id,
        "feed": source.feed.name,
        "records": records,
        "now": now,
        "day": now.astimezone(source.zone).date(),
        "error": str(error) if error else "",
        "problem": problem_of(error) if error else "",
    }
    if not _NOTE.rows(**told):
        FeedState.objects.get_or_create(connection_id=source.id, feed=source.feed.name)
        _NOTE.rows(**told)
    if error:
        connections.mark_broken(source.id, error)
    else:
        _delivered(source)


def _delivered(source: _Source) -> None:
    if connections.is_news_that_it_works(source.state, source.problem, source.last_healthy_at):
        connections.delivered(source.id)


def _tell(address: Address, reason: str) -> None:
    """Show on the connection that something was turned away, if the connection exists."""
    now = timezone.now()
    with scope.tenant(address.tenant_id):
        states = FeedState.objects.filter(connection_id=address.connection_id)
        states.exclude(last_error_at__gt=now - _TOLD_EVERY).update(
            error=f"A delivery was turned away. {reason}", last_error_at=now
        )
