"""Taking a record out of quarantine once what kept it from being read is mended.

The record stays as it came; beside it stands who had it taken in, and when.
"""

import json
import uuid
from collections.abc import Iterator, Mapping

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations import connections, files, registry
from integrations.alerting.watching import RuleWatch
from integrations.contract import Feed, Manifest
from integrations.errors import ConnectionMisconfigured, StillUnreadable
from integrations.models import Connection
from tenants import intake, ledger
from tenants.models import RawRecord, TakenAgain
from tenants.records import SourceRecord, Unreadable


def sources_of(record: RawRecord) -> list[str]:
    """Return the connections of which one sent a record, where only a person can say which."""
    connector = registry.connector(record.connector)
    feed = connector.feed(record.feed)
    rows = _senders(connector, feed) if feed.configured else []
    names = [row.name for row in rows if row.tenant_id == record.tenant_id]
    return names if len(names) > 1 else []


def like(record: RawRecord, *, after: RawRecord | None = None) -> QuerySet[RawRecord]:
    """Return the other records of its client, feed and reason that are still out, oldest first.

    Only those that come after the record `after`, where one is given.
    """
    rows = RawRecord.in_scope().filter(
        outcome=RawRecord.Outcome.QUARANTINED, taken_again=None, tenant=record.tenant_id,
        connector=record.connector, feed=record.feed, reason_code=record.reason_code,
    )  # fmt: skip
    if after is not None:
        at = after.received_at
        rows = rows.filter(Q(received_at__gt=at) | Q(received_at=at, id__gt=after.id))
    return rows.exclude(id=record.id).order_by("received_at", "id")


def take_again(record_id: uuid.UUID, *, actor: str, source: str = "") -> bool:
    """Take a quarantined record of the scope's tenant in; False where that was done before.

    `source`: the connection that sent it, where there are several (`sources_of`). StillUnreadable
    says what of it can't be read, and then nothing is changed.
    """
    record = RawRecord.objects.get(id=record_id, outcome=RawRecord.Outcome.QUARANTINED)
    intake.one_at_a_time(record.connector)
    if TakenAgain.objects.filter(raw=record).exists():
        return False
    connector = registry.connector(record.connector)
    feed = connector.feed(record.feed)
    # A block of its own, so that nothing stays of a record that still can't be read.
    with transaction.atomic():
        outcome = intake.take(
            connector=connector.id,
            feed=feed.name,
            records=_records(record, connector, feed),
            normalise=feed.normaliser(settings_of(connector, feed, source)),
            watch=RuleWatch(),
        )
        if outcome.unread or not outcome.records:
            why = next(iter(outcome.reasons), record.reason).partition(": ")[2] or record.reason
            raise StillUnreadable(f"It still can't be read: {why}")
        TakenAgain.objects.create(raw=record, at=timezone.now(), actor=actor)
    ledger.append(
        "record.taken_again",
        actor=actor,
        subject=f"{record.connector} {record.feed}",
        body={"record": str(record.id), "sha256": record.content_hash, "was": record.reason_code},
    )
    return True


def settings_of(connector: Manifest, feed: Feed, name: str = "") -> Mapping[str, str]:
    """Return by what a feed's records are read: of the connection `name`, or of the only one that
    sends it.

    ConnectionMisconfigured where it can't be told whose they are.
    """
    rows = _senders(connector, feed, name)
    if name and not rows:
        raise ConnectionMisconfigured(f"There is no {connector.id} connection {name!r}.")
    if feed.configured and len(rows) > 1:
        known = ", ".join(row.name for row in rows)
        raise ConnectionMisconfigured(f"Say whose settings count with --connection: {known}.")
    return connections.read_by(rows[0].settings, rows[0].name) if rows else {}


def _senders(connector: Manifest, feed: Feed, name: str = "") -> list[Connection]:
    """Return the connections that send a feed, or the one of that name."""
    return [
        row
        for row in Connection.in_scope().filter(connector=connector.id).order_by("name")
        if (row.name == name if name else connector.pushed_feed(row.settings) is feed)
    ]


def _records(
    record: RawRecord, connector: Manifest, feed: Feed
) -> Iterator[SourceRecord | Unreadable]:
    """Return what is in a kept record: one with its context is what a vendor's answer held."""
    body = bytes(record.body)
    if record.context:
        yield SourceRecord(json.loads(body.decode("utf-8", "surrogatepass")), record.context)
    elif feed.read:
        yield from feed.read(body, record.received_at)
    else:
        yield from files.records(body, connector.explode)
