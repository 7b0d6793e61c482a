"""Rules that fail on events: counted and told of, and the events tried again for a week.

A failing rule takes nothing from others, nor from the events that are stored. What it missed is
found once it is mended; what is tried no more is counted as such.
"""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, F, Max, Min, QuerySet, Sum
from django.utils import timezone

from integrations.alerting.rows import RuleFailure, RuleRetry
from tenants import scope, work
from tenants.models import Event, Tenant
from tenants.storable import bounded

# By how often it was tried: in all a week.
_DELAYS: Final = tuple(
    dt.timedelta(hours=hours) for hours in (0.25, 1, 6, 24, 24, 24, 24, 24, 24, 24)
)
# So many events of one rule and client wait for another try.
MOST_WAITING: Final = 10_000
_SHOWN_FOR: Final = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Failed:
    """That a rule failed on an event; an empty `rule_id` stands for all rules together.

    `uid` is the event as its vendor names it.
    """

    rule_id: str
    event: Event
    uid: str
    error: str


@dataclass(frozen=True, slots=True)
class Failing:
    """How often a rule failed at the clients that are looked at, since when, and what is left.

    `waiting`: events that are tried again; `given_up`: events that are not.
    """

    times: int
    since: dt.datetime
    last_at: dt.datetime
    error: str
    waiting: int
    given_up: int

    @property
    def words(self) -> str:
        """What is wrong, in words."""
        times = "once" if self.times == 1 else f"{self.times:,} times"
        said = f"It failed {times} since {self.since:%Y-%m-%d %H:%M} UTC ({self.error})."
        if self.waiting:
            said += f" {self.waiting:,} events wait to be tried again."
        if self.given_up:
            said += f" {self.given_up:,} were tried in vain and are tried no more."
        return said


def note(failed: Sequence[Failed]) -> None:
    """Count failures of the scope's tenant, and have their events tried again."""
    if not failed:
        return
    now = timezone.now()
    counted = Counter((one.rule_id, one.event.connector) for one in failed)
    errors = {(one.rule_id, one.event.connector): one.error for one in failed}
    room = _room({one.rule_id for one in failed})
    waiting, given_up = [], Counter[tuple[str, str]]()
    for one in failed:
        if room[one.rule_id] > 0:
            room[one.rule_id] -= 1
            waiting.append(_retry(one, now))
        else:
            given_up[one.rule_id, one.event.connector] += 1
    RuleRetry.objects.bulk_create(waiting, ignore_conflicts=True, batch_size=1_000)
    for key, times in sorted(counted.items()):
        count(*key, errors[key], times, given_up[key])
    if waiting:
        work.schedule("detect", scope.require_tenant_id(), delay=_DELAYS[0].total_seconds())


def _room(rule_ids: Collection[str]) -> Counter[str]:
    room = Counter(dict.fromkeys(rule_ids, MOST_WAITING))
    room.subtract(_waiting(RuleRetry.objects.filter(rule_id__in=rule_ids)))
    return room


def _waiting(rows: QuerySet[RuleRetry]) -> dict[str, int]:
    counted = rows.values("rule_id").annotate(number=Count("id"))
    return dict(counted.values_list("rule_id", "number"))


def _retry(one: Failed, now: dt.datetime) -> RuleRetry:
    return RuleRetry(
        tenant_id=scope.require_tenant_id(), rule_id=one.rule_id, event=one.event,
        uid=bounded(one.uid, 512), due_at=now + _DELAYS[0], error=bounded(one.error, 300),
    )  # fmt: skip


def count(rule_id: str, connector: str, error: str, times: int = 1, given_up: int = 0) -> None:
    """Count failures of a rule on a connector's events, and events that are tried no more."""
    now, error = timezone.now(), bounded(error, 300)
    row, _ = RuleFailure.objects.get_or_create(
        rule_id=rule_id, connector=connector,
        defaults={"since": now, "last_at": now, "error": error},
    )  # fmt: skip
    RuleFailure.objects.filter(id=row.id).update(
        times=F("times") + times, given_up=F("given_up") + given_up, last_at=now, error=error
    )


def due(most: int) -> list[RuleRetry]:
    """Return events of the scope's tenant that are to be tried again by now, with their records."""
    rows = RuleRetry.objects.filter(due_at__lte=timezone.now()).order_by("due_at", "id")
    return list(rows.select_related("event__raw")[:most])


def settle(tried: Sequence[RuleRetry], failed: Sequence[Failed]) -> None:
    """Note what came of trying again: what went through is over, the rest has its next time."""
    now = timezone.now()
    known = {(row.rule_id, row.event_id) for row in tried}
    note([one for one in failed if (one.rule_id, one.event.id) not in known])
    again = {(one.rule_id, one.event.id): one.error for one in failed}
    through, given_up = [], Counter[tuple[str, str]]()
    for row in tried:
        error = again.get((row.rule_id, row.event_id))
        row.tries += 1
        if error is None or row.tries >= len(_DELAYS):
            through.append(row.id)
            given_up[row.rule_id, row.event.connector] += error is not None
            continue
        row.due_at, row.error = now + _DELAYS[row.tries], error
        row.save(update_fields=["tries", "due_at", "error"])
    RuleRetry.objects.filter(id__in=through).delete()
    for (rule_id, connector), number in given_up.items():
        rows = RuleFailure.objects.filter(rule_id=rule_id, connector=connector)
        rows.update(given_up=F("given_up") + number)
    _end(now)


def _end(now: dt.datetime) -> None:
    """Failures of which nothing is left are over."""
    over = RuleFailure.objects.exclude(rule_id__in=RuleRetry.objects.values("rule_id"))
    over.filter(given_up=0).delete()
    over.filter(last_at__lt=now - _SHOWN_FOR).delete()


def plan_next() -> None:
    """Schedule the next try of the scope's tenant, where an event waits for one."""
    next_at = RuleRetry.objects.aggregate(at=Min("due_at"))["at"]
    if next_at is not None:
        delay = max(0.0, (next_at - timezone.now()).total_seconds())
        work.schedule("detect", scope.require_tenant_id(), delay=delay)


def hasten(rule_ids: Collection[str]) -> None:
    """Have rules that were mended tried again at once on what they failed on, at every tenant.

    Runs outside every tenant's scope, in a transaction.
    """
    for tenant_id in Tenant.objects.values_list("id", flat=True):
        with scope.tenant(tenant_id):
            waiting = RuleRetry.objects.filter(rule_id__in=[*rule_ids, ""])
            if waiting.update(due_at=timezone.now(), tries=0):
                work.schedule("detect", tenant_id)


def of_tenants(tenant_ids: Collection[uuid.UUID]) -> dict[str, Failing]:
    """Return what fails at the tenants together, by rule id, in a scope that reads them."""
    rows = RuleFailure.in_scope().filter(tenant_id__in=tenant_ids).values("rule_id")
    waiting = _waiting(RuleRetry.in_scope().filter(tenant_id__in=tenant_ids))
    totals = rows.annotate(
        number=Sum("times"), lost=Sum("given_up"), first=Min("since"), last=Max("last_at"),
        what=Max("error"),
    )  # fmt: skip
    return {row["rule_id"]: _failing(row, waiting.get(row["rule_id"], 0)) for row in totals}


def _failing(row: Mapping[str, Any], waiting: int) -> Failing:
    return Failing(row["number"], row["first"], row["last"], row["what"], waiting, row["lost"])


def at_connector(connector: str) -> Failing | None:
    """Return what fails on a connector's events at the scope's tenant, all rules together."""
    found = RuleFailure.in_scope().filter(connector=connector, tenant_id=scope.require_tenant_id())
    total = found.aggregate(
        number=Sum("times"), lost=Sum("given_up"), first=Min("since"), last=Max("last_at"),
        what=Max("error"),
    )  # fmt: skip
    if not total["number"]:
        return None
    rows = RuleRetry.in_scope().filter(event__connector=connector)
    waiting = rows.values("event_id").distinct().count()
    return _failing(total, waiting)
