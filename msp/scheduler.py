"""The scheduler: re-sends what lost messages forgot, seals ledgers, counts seats, has connections
checked that nothing else has checked, and removes hits of rules that are kept no longer.

Any number may run; each claims its rows with SKIP LOCKED or a lock, and none is the leader.
"""

import datetime as dt
import logging
import random
import threading
import uuid
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from integrations import connections as connections_of_clients
from integrations.alerting import retention
from integrations.health import CHECKED_EVERY
from integrations.intelligence import sightings, sources
from integrations.models import Connection
from integrations.siem import auditing
from msp import apps
from msp.licensing.actions import count_seats
from playbooks.cases import scoring
from tenants import ledger, scope, turns, work
from tenants.models import Tenant, Work

logger = logging.getLogger(__name__)
_RECONCILE_SECONDS = 0.5
_SEATS_SECONDS = 3600.0
# An entry is seen when its transaction ends, and no transaction is open for longer.
_LONGEST_TRANSACTION = dt.timedelta(hours=1)


def run(stop: threading.Event) -> None:
    """Go round until `stop` is set. A failing round is logged, and the next one tries again."""
    seats_due = 0.0
    # The first round looks at everything: no scheduler may have run for long.
    since: dt.datetime | None = None
    elapsed = 0.0
    while not stop.wait(_RECONCILE_SECONDS):
        elapsed += _RECONCILE_SECONDS
        try:
            reconcile()
            send_sources()
            seal_ledgers(since)
            since = dt.datetime.now(dt.UTC) - _LONGEST_TRANSACTION
            if elapsed >= seats_due:
                count_todays_seats()
                schedule_checks()
                auditing.plan()
                sightings.plan()
                scoring.plan()
                thin_hits()
                seats_due = elapsed + _SEATS_SECONDS
        except Exception:
            logger.exception("A round of the scheduler failed; the next one tries again.")
            connections.close_all()


def reconcile() -> int:
    """Send a message for each row of due work that nobody holds; return how many."""
    due = [*work.unsent(), *turns.unsent()]
    for row in due:
        # A dead worker's work must not wait behind what others have in hand.
        apps.send_hint(row.id, "take_over" if row.was_held else row.kind)
    return len(due)


def send_sources() -> int:
    """Send a message for each source of indicators that is due; return how many."""
    due = sources.unsent()
    for source_id in due:
        apps.send_hint(source_id, "source")
    return len(due)


def seal_ledgers(since: dt.datetime | None = None) -> int:
    """Give every unsealed ledger entry its place in its tenant's chain; return how many.

    With `since`, only tenants with a newer unsealed entry are looked at.
    """
    with scope.reading(scope.ALL):
        waiting = ledger.tenants_with_tail(since)
    sealed = 0
    for tenant_id in waiting:
        with _alone(tenant_id, "sealing the ledger"):
            sealed += _seal_all(tenant_id)
    return sealed


def _seal_all(tenant_id: uuid.UUID) -> int:
    """Seal in batches until no tail is left; return how many entries."""
    total = 0
    while True:
        with scope.tenant(tenant_id):
            sealed = ledger.seal()
        total += sealed
        if not sealed:
            return total


@contextmanager
def _alone(tenant_id: uuid.UUID, what: str) -> Iterator[None]:
    """Keep one tenant's failure from the others."""
    try:
        yield
    except Exception:
        logger.exception("For tenant %s, %s failed; the next round tries again.", tenant_id, what)


def count_todays_seats() -> None:
    """Count the seats of the day that it is at each client; who came later that day is added."""
    now = dt.datetime.now(dt.UTC)
    for tenant in Tenant.objects.filter(is_active=True):
        with _alone(tenant.id, "counting seats"):
            day = now.astimezone(zoneinfo.ZoneInfo(tenant.time_zone)).date()
            count_seats(tenant.id, day)


def thin_hits() -> None:
    """Remove what rules hit long ago, at each client."""
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with _alone(tenant_id, "removing old hits"), scope.tenant(tenant_id):
            retention.thin()


def schedule_checks() -> int:
    """Have each connection checked whose check is not due some time; return how many.

    A check plans the next one itself: this is for connections from before there were checks.
    """
    with scope.reading(scope.ALL):
        planned = Work.objects.filter(kind="check").values("subject")
        rows = Connection.in_scope().exclude(state=Connection.State.PAUSED)
        lost = list(rows.exclude(id__in=planned))
    for row in lost:
        with _alone(row.tenant_id, "planning a check"), scope.tenant(row.tenant_id):
            delay = random.uniform(0, CHECKED_EVERY.total_seconds())  # noqa: S311
            connections_of_clients.check_soon(row, delay=delay)
    return len(lost)
