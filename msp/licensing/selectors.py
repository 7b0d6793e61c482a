"""What was used: the one reading of seats that the bill, the API and the report share."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count

from msp.licensing.models import Seat, SeatCount
from msp.licensing.periods import Period
from tenants import scope
from tenants.models import Tenant


@dataclass(frozen=True, slots=True)
class DailySeats:
    """The protected persons of one day that was counted."""

    day: dt.date
    seats: int


@dataclass(frozen=True, slots=True)
class TenantUsage:
    """The seats of one tenant in one period.

    `seats` is what is billed: the distinct persons who were protected on at least one day.
    `seat_days` adds up the days' persons, `daily` has every day that was counted (also those with
    none), and `not_counted` says how many accounts didn't count on the newest of them, by reason.
    """

    tenant_id: uuid.UUID
    slug: str
    name: str
    period: Period
    seats: int
    daily: tuple[DailySeats, ...]
    not_counted: Mapping[str, int]

    @property
    def seat_days(self) -> int:
        """The sum over all days of the persons protected on each."""
        return sum(day.seats for day in self.daily)

    @property
    def peak_seats(self) -> int:
        """The most persons protected on one day."""
        return max((day.seats for day in self.daily), default=0)

    @property
    def days_counted(self) -> int:
        """On how many days of the period seats were counted."""
        return len(self.daily)

    @property
    def average_seats(self) -> float:
        """Persons protected on an average counted day, to two decimals; 0 where none was."""
        return round(self.seat_days / self.days_counted, 2) if self.daily else 0.0


def usage(period: str | Period, tenant_ids: Iterable[uuid.UUID] | None = None) -> list[TenantUsage]:
    """Return each tenant's usage in the period, by slug, in a scope that can read the tenants.

    `tenant_ids` limits it; without it all tenants of the register are told, or the one of a
    tenant scope. A tenant without seats is told with 0. PeriodError for what is not a month.
    """
    if isinstance(period, str):
        period = Period.parse(period)
    tenants = _tenants(tenant_ids)
    span = {"day__range": (period.first_day, period.last_day)}
    ids = [tenant.id for tenant in tenants]
    persons = dict(
        Seat.objects.filter(tenant_id__in=ids, **span)
        .order_by()
        .values_list("tenant_id")
        .annotate(Count("person", distinct=True))
    )
    seats: dict[uuid.UUID, dict[dt.date, int]] = defaultdict(dict)
    not_counted: dict[uuid.UUID, Mapping[str, int]] = {}
    for count in SeatCount.objects.filter(tenant_id__in=ids, **span).order_by("day"):
        seats[count.tenant_id].setdefault(count.day, 0)
        not_counted[count.tenant_id] = count.not_counted
    days = Seat.objects.filter(tenant_id__in=ids, **span).order_by()
    # The rows of the persons are the truth; a day's count only says that it was counted.
    for tenant_id, day, number in days.values_list("tenant_id", "day").annotate(Count("id")):
        seats[tenant_id][day] = number
    return [
        TenantUsage(
            tenant_id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            period=period,
            seats=persons.get(tenant.id, 0),
            daily=tuple(DailySeats(day, n) for day, n in sorted(seats[tenant.id].items())),
            not_counted=not_counted.get(tenant.id, {}),
        )
        for tenant in tenants
    ]


def _tenants(tenant_ids: Iterable[uuid.UUID] | None) -> list[Tenant]:
    tenants = Tenant.objects.order_by("slug")
    current = scope.current_tenant_id()
    if tenant_ids is None and current is not None:
        tenant_ids = [current]
    return list(tenants if tenant_ids is None else tenants.filter(id__in=list(tenant_ids)))
