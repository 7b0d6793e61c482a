"""Checking a connection: a canary through the whole path, what is granted, what runs out."""

import datetime as dt
import random
import uuid
from dataclasses import dataclass

from django.utils import timezone

from integrations import alarms, connections, health, notices, organisations, registry, tallies
from integrations.contract import Standing
from integrations.errors import ConnectionMisconfigured, VendorError
from integrations.models import Connection, HealthAlarm
from tenants import scope, work
from tenants.errors import HoldfastError
from tenants.models import Work

_STANDING_EVERY = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the vendor answered; `error` where the canary did not come through."""

    seen: str = ""
    error: HoldfastError | None = None
    standing: Standing | None = None
    organisation: str = ""


def check(tenant_id: uuid.UUID, connection_id: uuid.UUID) -> None:
    """Check a connection, keep what was seen, and check it again later. Handler of work `check`."""
    with scope.tenant(tenant_id):
        connection = Connection.objects.filter(id=connection_id).first()
        if connection is None or connection.state == Connection.State.PAUSED:
            return
    manifest = health.manifest_of(connection)
    is_pushed = manifest is not None and manifest.pushed_feed(connection.settings) is not None
    if is_pushed and _was_just_delivered(connection):
        answer = _Answer(connection.seen)
    else:
        answer = _ask(connection)
    work.renew()
    with scope.tenant(tenant_id):
        _keep(connection_id, answer)
        every = health.CHECKED_EVERY.total_seconds()
        # Jitter keeps a thousand connections from being checked in the same second.
        connections.check_soon(connection, delay=every * random.uniform(0.9, 1.1))  # noqa: S311


def once(tenant_id: uuid.UUID, connection_id: uuid.UUID) -> str:
    """Read once through the whole path; return what was seen, or raise the error that was met.

    What is granted is asked as well. The connection's health is kept either way.
    """
    with scope.tenant(tenant_id):
        connection = Connection.objects.get(id=connection_id)
    connection.standing_at = None
    answer = _ask(connection)
    with scope.tenant(tenant_id):
        error = _keep(connection_id, answer)
    if error is not None:
        raise error
    return answer.seen


def check_now(row: Connection) -> None:
    """Have a connection of the scope's tenant checked at once, with what is granted."""
    Connection.objects.filter(id=row.id).update(standing_at=None)
    connections.check_soon(row)
    notices.ask_again(row)


def is_being_checked(connection_id: uuid.UUID) -> bool:
    """Whether a check is due or in hand."""
    due = Work.objects.filter(kind="check", subject=connection_id)
    return due.filter(due_at__lte=timezone.now()).exists()


def _ask(connection: Connection) -> _Answer:
    """Read once through the whole path. Outside any transaction: a vendor may take long."""
    try:
        manifest = registry.connector(connection.connector)
        with connections.client(connection.tenant_id, connection.id, to_check=True) as vendor:
            seen = manifest.canary(vendor)
            told = organisations.ask(manifest, vendor)
            return _Answer(seen, standing=_standing(connection, vendor), organisation=told)
    except HoldfastError as error:
        return _Answer(error=error)


def _was_just_delivered(connection: Connection) -> bool:
    """Whether a source has just shown by itself that its way to us is open."""
    at = connection.last_healthy_at
    return at is not None and timezone.now() - at < health.CHECKED_EVERY


def _standing(connection: Connection, vendor: object) -> Standing | None:
    ask = registry.connector(connection.connector).standing
    asked_at = connection.standing_at
    if ask is None or (asked_at is not None and timezone.now() - asked_at < _STANDING_EVERY):
        return None
    try:
        return ask(vendor)
    except VendorError:
        # What is granted stays as it was last told; the canary says whether the connection works.
        return None


def _keep(connection_id: uuid.UUID, answer: _Answer) -> HoldfastError | None:
    """Keep what was seen, and begin or end the alarms that follow from it; return what failed."""
    row = Connection.objects.select_for_update().filter(id=connection_id).first()
    if row is None:
        # Removed while it was asked: nobody plans another check.
        return None
    error = answer.error or _not_its_own(row, answer.organisation)
    if error is not None:
        connections.failed(row, error)
    else:
        connections.worked(row, answer.seen)
    if answer.standing is not None:
        _keep_standing(row, answer.standing)
    states = list(row.feeds.select_related("subscription"))
    counted = tallies.by_feed(states)
    zone, now = tallies.zone_of(row.tenant.time_zone), timezone.now()
    volumes = {
        state.id: tallies.volume(counted[state.id], state.last_record_at, now, zone)
        for state in states
    }
    wrong = health.wrong_with(row, states, volumes, now)
    alarms.settle(row, wrong, judged=_judged(wrong))
    return error


def _not_its_own(row: Connection, told: str) -> HoldfastError | None:
    """Return what is wrong where the vendor says that this is not the client's organisation."""
    try:
        organisations.recognise(row, told)
    except ConnectionMisconfigured as error:
        return error
    return None


def _judged(wrong: list[alarms.Wrong]) -> frozenset[str]:
    """Which alarms may end: while the canary fails, nothing is known of the feeds."""
    kinds = HealthAlarm.Kind
    if any(one.kind == kinds.CANARY for one in wrong):
        return frozenset({kinds.CANARY, kinds.EXPIRY})
    return frozenset(kinds)


def _keep_standing(row: Connection, told: Standing) -> None:
    row.standing_at = timezone.now()
    fields = ["standing_at", "granted", "excessive"]
    row.granted = sorted(told.granted) if told.granted is not None else None
    row.excessive = sorted(told.excessive) if told.excessive is not None else None
    if told.expires_at is not None:
        row.expires_at, row.expiry_by_hand = told.expires_at, False
        fields += ["expires_at", "expiry_by_hand"]
    row.save(update_fields=fields)
