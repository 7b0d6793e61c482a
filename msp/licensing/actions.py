"""Counting seats: one protected person on one day, however many accounts."""

import datetime as dt
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

from msp.licensing.models import Seat, SeatCount
from tenants import ledger, scope
from tenants.models import Account

GUEST = "guest accounts"
SHARED = "shared mailboxes"
SERVICE = "service accounts"
DISABLED = "blocked accounts"
DELETED = "deleted accounts"
NOT_KNOWN = "accounts whose state is not known"
NO_PERSON = "accounts without a person"


def count_seats(tenant_id: uuid.UUID, day: dt.date) -> SeatCount:
    """Count the people of a tenant who are protected on `day`.

    A person counts when at least one member account is enabled at the time of counting. Counting
    again the same day adds who is new; who was counted stays counted, since the person was
    protected that day.
    """
    with scope.tenant(tenant_id):
        _one_at_a_time(tenant_id)
        by_person, not_counted = sort_accounts(Account.objects.select_related("person"))
        known = set(Seat.objects.filter(day=day).values_list("person_id", flat=True))
        now = timezone.now()
        new = [
            Seat(tenant_id=tenant_id, day=day, person_id=person, basis=names, counted_at=now)
            for person, names in by_person.items()
            if person not in known
        ]
        Seat.objects.bulk_create(new)
        seats = len(known) + len(new)
        count, created = SeatCount.objects.update_or_create(
            day=day,
            defaults={"seats": seats, "not_counted": dict(not_counted), "counted_at": now},
            create_defaults={
                "tenant_id": tenant_id,
                "seats": seats,
                "not_counted": dict(not_counted),
                "counted_at": now,
            },
        )
        if new or created:
            ledger.append(
                "seats.counted",
                actor="engine",
                subject=f"{day}: {seats}",
                body={"day": day, "seats": seats, "not_counted": dict(not_counted)},
            )
    return count


def _one_at_a_time(tenant_id: uuid.UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 4))", [f"seats {tenant_id}"]
        )


def sort_accounts(
    accounts: Iterable[Account],
) -> tuple[dict[uuid.UUID, list[str]], Counter[str]]:
    """Return whom the accounts make count (with the accounts' names), and what doesn't count."""
    by_person: dict[uuid.UUID, list[str]] = defaultdict(list)
    not_counted: Counter[str] = Counter()
    for account in accounts:
        reason = why_not(account)
        if reason:
            not_counted[reason] += 1
        elif account.person_id is not None:
            by_person[account.person_id].append(account.username)
    return {person: sorted(names) for person, names in by_person.items()}, not_counted


def why_not(account: Account) -> str:
    """Return why an account makes nobody count; empty where it does."""
    if account.deleted_upstream_at is not None:
        return DELETED
    by_kind = {
        Account.Kind.GUEST: GUEST,
        Account.Kind.SHARED: SHARED,
        Account.Kind.SERVICE: SERVICE,
    }
    if account.kind in by_kind:
        return by_kind[Account.Kind(account.kind)]
    if account.is_break_glass:
        # It is nobody's: it lies in a safe for emergencies.
        return SERVICE
    if account.is_enabled is None:
        return NOT_KNOWN
    if not account.is_enabled:
        return DISABLED
    return "" if account.person_id is not None else NO_PERSON
