"""Counting seats."""

import datetime as dt
import uuid
import zoneinfo
from collections import Counter

from django.db import connection
from django.utils import timezone

from msp.licensing.errors import DayError
from msp.licensing.models import Seat, SeatCount
from msp.licensing.rules import why_not_counted
from tenants import ledger, scope
from tenants.models import Account, Tenant

_BATCH = 1000


def count_seats(tenant_id: uuid.UUID, day: dt.date) -> SeatCount:
    """Count the tenant's protected persons on one day, from the directory as it is now.

    Seats are evidence and stay: counting the same day again keeps those there are and adds the
    persons who have come since, so a person protected for a part of the day counts for the day.
    A day is counted while it lasts; one that was missed can be made up for, and `counted_at` then
    says that it was counted later. DayError for a day that has not begun at the client.
    """
    now = timezone.now()
    tenant = Tenant.objects.get(id=tenant_id)
    today = now.astimezone(zoneinfo.ZoneInfo(tenant.time_zone)).date()
    if day > today:
        raise DayError(f"{day} has not begun at {tenant.name} yet: count it on the day itself.")
    with scope.tenant(tenant_id):
        _lock(tenant_id, day)
        basis, not_counted = _persons()
        known = set(Seat.objects.filter(day=day).values_list("person_id", flat=True))
        seats = [
            Seat(tenant_id=tenant_id, day=day, person_id=person, basis=accounts, counted_at=now)
            for person, accounts in basis.items()
            if person not in known
        ]
        Seat.objects.bulk_create(seats, batch_size=_BATCH)
        return _note(day, len(known) + len(seats), len(seats), not_counted, now)


def _lock(tenant_id: uuid.UUID, day: dt.date) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [f"seats {tenant_id} {day}"]
        )


def _persons() -> tuple[dict[uuid.UUID, list[dict[str, str]]], dict[str, int]]:
    """Return person → the accounts that make them count, and reason → accounts that don't."""
    basis: dict[uuid.UUID, list[dict[str, str]]] = {}
    not_counted: Counter[str] = Counter()
    for account in Account.objects.order_by("id").iterator(chunk_size=_BATCH):
        reason = why_not_counted(account)
        if reason or account.person_id is None:
            not_counted[reason] += 1
            continue
        basis.setdefault(account.person_id, []).append(
            {
                "account": str(account.id),
                "provider": account.provider,
                "username": account.username,
            }
        )
    return basis, dict(sorted(not_counted.items()))


def _note(
    day: dt.date, seats: int, added: int, not_counted: dict[str, int], now: dt.datetime
) -> SeatCount:
    count = SeatCount.objects.filter(day=day).first()
    if count is not None and not added and count.not_counted == not_counted:
        return count
    is_first = count is None
    if count is None:
        count = SeatCount(day=day)
    count.seats, count.not_counted, count.counted_at = seats, not_counted, now
    count.save()
    ledger.append(
        "seats.counted",
        actor="engine",
        subject=f"{seats} on {day}",
        body={
            "day": day,
            "seats": seats,
            "added": added,
            "not_counted": not_counted,
            "first_count": is_first,
        },
    )
    return count
