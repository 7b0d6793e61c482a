"""Alarms about connections: begun once, told to technicians, ended when it is over.

Everything speaks of the scope's tenant. An alarm stands in the ledger when it begins and ends.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from integrations.errors import AlarmError
from integrations.models import Connection, HealthAlarm
from tenants import ledger, work

# Alarms that come together go out in one mail.
_TELL_AFTER_SECONDS: Final = 60.0
_LONGEST_REASON: Final = 500
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something that is wrong now, in words, with what to do about it."""

    kind: HealthAlarm.Kind
    words: str
    fix: str
    feed: str = ""

    @property
    def key(self) -> Key:
        """What tells it from another thing that is wrong with the same connection."""
        return self.kind, self.feed


def open_of(connection_id: uuid.UUID) -> list[HealthAlarm]:
    """Return the alarms of a connection that are not over."""
    rows = HealthAlarm.in_scope().filter(connection_id=connection_id, ended_at=None)
    return list(rows.order_by("began_at"))


def settle(connection: Connection, wrong: Iterable[Wrong], *, judged: frozenset[str]) -> None:
    """Begin an alarm for what is wrong and has none, and end those of what is wrong no more.

    Only alarms of the kinds in `judged` are ended.
    """
    now_wrong = {one.key: one for one in wrong}
    running = {(row.kind, row.feed): row for row in open_of(connection.id)}
    for key, one in now_wrong.items():
        if key in running:
            _reword(running[key], one)
        else:
            _begin(connection, one)
    for key, row in running.items():
        if key not in now_wrong and row.kind in judged:
            _end(connection, row)


def _begin(connection: Connection, one: Wrong) -> None:
    HealthAlarm.objects.create(
        connection=connection,
        feed=one.feed,
        kind=one.kind,
        words=one.words,
        fix=one.fix,
        began_at=timezone.now(),
    )
    ledger.append(
        "connection.alarm",
        actor="engine",
        subject=f"{connection.name}: {one.words}",
        body=_body(connection, one.kind, one.feed),
    )
    work.schedule("notify", connection.id, delay=_TELL_AFTER_SECONDS)


def _reword(row: HealthAlarm, one: Wrong) -> None:
    """Keep the words current; the alarm is the same, so nobody is told again."""
    if (row.words, row.fix) != (one.words, one.fix):
        row.words, row.fix = one.words, one.fix
        row.save(update_fields=["words", "fix"])


def _end(connection: Connection, row: HealthAlarm) -> None:
    row.ended_at = timezone.now()
    row.save(update_fields=["ended_at"])
    ledger.append(
        "connection.alarm_over",
        actor="engine",
        subject=f"{connection.name}: {row.words}",
        body=_body(connection, row.kind, row.feed),
    )


def _body(connection: Connection, kind: str, feed: str) -> Mapping[str, str]:
    return {"connection": str(connection.id), "kind": str(kind), "feed": feed}


def accept(alarm_id: uuid.UUID, *, actor: str, why: str) -> HealthAlarm:
    """Note that somebody knows of an alarm and why it may be; it asks for nobody any more."""
    why = why.strip()[:_LONGEST_REASON]
    if not why:
        raise AlarmError("Say why this may be as it is: the next technician will ask.")
    rows = HealthAlarm.objects.select_related("connection").select_for_update(of=("self",))
    row = rows.get(id=alarm_id)
    if row.ended_at is not None:
        raise AlarmError("This is over already: there is nothing to accept.")
    row.accepted_by, row.accepted_why = actor, why
    row.save(update_fields=["accepted_by", "accepted_why"])
    ledger.append(
        "connection.alarm_accepted",
        actor=actor,
        subject=f"{row.connection.name}: {row.words}",
        body={**_body(row.connection, row.kind, row.feed), "reason": why},
    )
    return row
