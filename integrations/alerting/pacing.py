"""Large groups of sightings are worked out now and then, not with each event that joins them.

So a flood of one group costs no more than a share of the time. What waits is worked out by itself
when its time has come, and comes to the same as if each event had been looked at.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from integrations.alerting.rows import GroupLook
from tenants import scope, work

# With fewer sightings a group is worked out at once, each time.
LARGE: Final = 500
_LEAST: Final = dt.timedelta(minutes=1)
_AFTER_FAILURE: Final = dt.timedelta(hours=1)
# A group may take one part in so many of the time.
_SHARE: Final = 20


@dataclass(frozen=True, slots=True)
class Touched:
    """A group of a correlation, and the times of its first and last sighting that is new."""

    correlation_id: str
    group: str
    since: dt.datetime
    until: dt.datetime


def now_due(touched: Collection[Touched]) -> list[Touched]:
    """Return the groups to be worked out now, with what waited of them; the others wait."""
    now = timezone.now()
    wanted = {(one.correlation_id, one.group) for one in touched}
    rows = {
        (row.correlation_id, row.group): row
        for row in GroupLook.objects.filter(group__in={group for _, group in wanted})
    }
    due = []
    for one in touched:
        row = rows.get((one.correlation_id, one.group))
        if row is None:
            due.append(one)
            continue
        row.since = min(row.since or one.since, one.since)
        row.until = max(row.until or one.until, one.until)
        if row.next_at <= now:
            due.append(_of(row, row.since, row.until))
            continue
        row.save(update_fields=["since", "until"])
        _come_back(row, now)
    return due


def wait(one: Touched, at: dt.datetime) -> None:
    """Let a group be worked out at a later time, or earlier where it waits for one already."""
    row, is_new = GroupLook.objects.get_or_create(
        correlation_id=one.correlation_id, group=one.group,
        defaults={"next_at": at, "since": one.since, "until": one.until},
    )  # fmt: skip
    if not is_new:
        row.since = min(row.since or one.since, one.since)
        row.until = max(row.until or one.until, one.until)
        row.next_at = min(row.next_at, at)
        row.save(update_fields=["since", "until", "next_at"])
    _come_back(row, timezone.now())


def wait_again(one: Touched, at: dt.datetime) -> None:
    """Let a group that was worked out wait with what is left of it."""
    _row(one).delete()
    wait(one, at)


def overdue(most: int) -> list[Touched]:
    """Return groups of the scope's tenant that waited and are to be worked out by now."""
    rows = GroupLook.objects.filter(next_at__lte=timezone.now(), since__isnull=False)
    return [
        _of(row, row.since, row.until)
        for row in rows.order_by("next_at", "id")[:most]
        if row.since and row.until
    ]


def _of(row: GroupLook, since: dt.datetime, until: dt.datetime) -> Touched:
    return Touched(row.correlation_id, row.group, since, until)


def _come_back(row: GroupLook, now: dt.datetime) -> None:
    delay = max(0.0, (row.next_at - now).total_seconds())
    work.schedule("detect", scope.require_tenant_id(), delay=delay)


def looked(one: Touched, read: int, took: float) -> None:
    """Note that a group was worked out: how many sightings were read for it, and the seconds."""
    if read < LARGE:
        _row(one).delete()
        return
    next_at = timezone.now() + max(_LEAST, dt.timedelta(seconds=took * _SHARE))
    GroupLook.objects.update_or_create(
        correlation_id=one.correlation_id, group=one.group,
        defaults={"next_at": next_at, "since": None, "until": None},
    )  # fmt: skip


def plan_next() -> None:
    """Schedule the next time that a group of the scope's tenant is due, where one waits."""
    row = GroupLook.objects.filter(since__isnull=False).order_by("next_at").first()
    if row is not None:
        _come_back(row, timezone.now())


def forget(one: Touched) -> None:
    """Let a group wait no more: its correlation is not run any longer."""
    _row(one).delete()


def put_off(one: Touched) -> None:
    """Let a group that can't be worked out wait for an hour."""
    _row(one).update(next_at=timezone.now() + _AFTER_FAILURE)


def _row(one: Touched) -> QuerySet[GroupLook]:
    return GroupLook.objects.filter(correlation_id=one.correlation_id, group=one.group)
