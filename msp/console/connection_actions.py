"""What a technician does with a client's connections, and with what came by them."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from integrations import alarms, checking, connections, taking_again
from integrations.models import Connection, HealthAlarm
from msp.console.actions import actor_of
from msp.onboarding import actions as onboarding
from msp.staff.access import writing
from msp.staff.models import Technician
from tenants.errors import HoldfastError
from tenants.models import RawRecord

# So many records are taken in again by one click: what is left waits for the next.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of records like one: how many were taken in, still can't be read, or are left.

    `last` is the last that was tried, where some are left.
    """

    taken: int
    unreadable: int
    left: int
    last: RawRecord | None


def take_record_again(record: RawRecord, *, actor: Technician, source: str = "") -> bool:
    """Take a quarantined record in; False where that was done before.

    `source`: which of several connections sent it. HoldfastError says why it can't be taken in.
    """
    with writing(actor, record.tenant_id):
        return taking_again.take_again(record.id, actor=actor_of(actor), source=source)


def take_others_again(
    record: RawRecord, *, actor: Technician, source: str = "", after: RawRecord | None = None
) -> TakenIn:
    """Take in the other records of a record's client, feed and reason, as many as at once.

    `after`: the last that was tried before, since what still can't be read stays where it is.
    """
    with writing(actor, record.tenant_id):
        rows = taking_again.like(record, after=after)
        others, waiting = list(rows[:_AT_ONCE]), rows.count()
    taken = unreadable = 0
    for one in others:
        try:
            taken += take_record_again(one, actor=actor, source=source)
        except HoldfastError:
            unreadable += 1
    left = max(0, waiting - len(others))
    return TakenIn(taken, unreadable, left, others[-1] if left and others else None)


def check_connection(connection: Connection, *, actor: Technician) -> None:
    """Have a connection checked now."""
    with writing(actor, connection.tenant_id):
        checking.check_now(connection)


def change_connection(
    connection: Connection,
    *,
    actor: Technician,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    expires_at: dt.datetime | None,
    replaces: bool,
) -> None:
    """Correct a connection, or replace it; ConnectionMisconfigured says what can't work."""
    with writing(actor, connection.tenant_id):
        connections.change(
            connection.id,
            settings=settings,
            secrets=secrets,
            expires_at=expires_at,
            actor=actor_of(actor),
            replaces=replaces,
        )


def set_connection_paused(connection: Connection, *, actor: Technician, paused: bool) -> None:
    """Read and do nothing through a connection, or go on."""
    with writing(actor, connection.tenant_id):
        connections.set_paused(connection.id, paused=paused, actor=actor_of(actor))


def remove_connection(connection: Connection, *, actor: Technician, reason: str) -> None:
    """Read and do nothing through a connection ever again; RemovalError says why it can't be."""
    with writing(actor, connection.tenant_id):
        onboarding.disconnect(connection, reason=reason, actor=actor_of(actor))


def accept_alarm(alarm: HealthAlarm, *, actor: Technician, why: str) -> None:
    """Note that an alarm is known and may be; AlarmError where no reason is given."""
    with writing(actor, alarm.tenant_id):
        alarms.accept(alarm.id, actor=actor_of(actor), why=why)
