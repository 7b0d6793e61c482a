"""Usage of a period: the one place from which the bill, the report and the API read seats."""

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count

from msp.licensing.models import Seat, SeatCount
from msp.licensing.periods import month
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class Day:
    """The seats of one counted day."""

    day: dt.date
    seats: int


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """A tenant's usage in a period.

    `seats` is what is billed: the different people who were protected on at least one day.
    `peak` is the most on one day, `seat_days` the sum over the days that were counted.
    """

    tenant: str
    name: str
    period: str
    seats: int
    peak: int
    seat_days: int
    days_counted: int
    not_counted: dict[str, int]
    days: tuple[Day, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON types."""
        told = asdict(self)
        told["days"] = [{"day": day.day.isoformat(), "seats": day.seats} for day in self.days]
        return told


def usage(period: str, tenant_ids: Collection[uuid.UUID] | None = None) -> list[TenantUsage]:
    """Return each tenant's usage of a month, by slug; WrongPeriod where it is no month.

    Runs in a scope that can read the tenants (`scope.reading`, or one tenant's).
    """
    first, after = month(period)
    tenants = Tenant.objects.order_by("slug")
    if tenant_ids is not None:
        tenants = tenants.filter(id__in=tenant_ids)
    seats = Seat.objects.filter(day__gte=first, day__lt=after)
    people = {
        row["tenant_id"]: row["people"]
        for row in seats.values("tenant_id")
        .annotate(people=Count("person_id", distinct=True))
        .order_by()
    }
    counts: dict[uuid.UUID, list[SeatCount]] = {}
    for count in SeatCount.objects.filter(day__gte=first, day__lt=after).order_by("day"):
        counts.setdefault(count.tenant_id, []).append(count)
    return [
        _usage(tenant, period, people.get(tenant.id, 0), counts.get(tenant.id, []))
        for tenant in tenants
    ]


def _usage(tenant: Tenant, period: str, people: int, counts: list[SeatCount]) -> TenantUsage:
    return TenantUsage(
        tenant=tenant.slug,
        name=tenant.name,
        period=period,
        seats=people,
        peak=max((count.seats for count in counts), default=0),
        seat_days=sum(count.seats for count in counts),
        days_counted=len(counts),
        not_counted=counts[-1].not_counted if counts else {},
        days=tuple(Day(count.day, count.seats) for count in counts),
    )
