"""When a case is looked into: of many the riskiest first, and never so many that others wait.

Of one client so many cases at a time are on their way to a worker. What is beyond that waits as a
new case, and follows when there is room, the riskiest first; other clients' cases pass it by.
"""

import uuid
from collections.abc import Iterable
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from playbooks.cases import case_alerts
from tenants import scope, work
from tenants.models import Case, Work

KIND: Final = "investigate"
# So many of one client may be due or in hand.
AT_ONCE: Final = 50
# So long what came to a case that was looked into before may wait in a flood.
_FLOOD_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 1.0


def soon(case: Case) -> None:
    """Have a case looked into; one that has a flood of alerts at most once a minute."""
    delay = 0.0
    if case.decided_at is not None and case_alerts.is_flood(case):
        passed = (timezone.now() - case.decided_at).total_seconds()
        delay = max(0.0, _FLOOD_SECONDS - passed)
    work.schedule(KIND, case.id, delay=delay)


def look_into(cases: Iterable[Case]) -> None:
    """Have cases looked into as far as there is room, the riskiest first; the others follow.

    Runs inside the tenant's scope; the cases are new, or before a technician.
    """
    due = set(_on_the_way().values_list("subject", flat=True))
    room, is_full, put_off = AT_ONCE - len(due), False, _put_off().count()
    for case in sorted(cases, key=lambda one: (-one.risk, one.number)):
        if case.id in due:
            work.schedule(KIND, case.id, is_announced=True)
            continue
        if room > 0:
            soon(case)
        elif case.status == Case.Status.NEW:
            is_full = True
        else:
            # No more come due in a minute than may be on their way.
            work.schedule(KIND, case.id, delay=_FLOOD_SECONDS * (1 + put_off // AT_ONCE))
            put_off += 1
        room -= 1
    if is_full:
        work.schedule("backlog", scope.require_tenant_id(), takes_turn=True)


def look_into_next(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Have the riskiest of a client's waiting cases looked into. Handler of work `backlog`."""
    with scope.tenant(tenant_id):
        room = room_left()
        next_ones = list(waiting().order_by("-risk", "opened_at", "id")[: room + 1])
        for case in next_ones[:room]:
            soon(case)
        if len(next_ones) <= room:
            return
        if room:
            work.schedule("backlog", tenant_id, takes_turn=True)
        else:
            work.schedule("backlog", tenant_id, delay=_AGAIN_SECONDS)


def room_left() -> int:
    """Return how many more of the scope's cases may be on their way to a worker."""
    return max(0, AT_ONCE - _on_the_way().count())


def waiting() -> QuerySet[Case]:
    """Return the scope's new cases that nobody is on the way to look into."""
    on_the_way = Work.objects.filter(
        tenant=OuterRef("tenant"), kind=KIND, subject=OuterRef("id")
    )  # fmt: skip
    rows = Case.in_scope().filter(kind=Case.Kind.INCIDENT, status=Case.Status.NEW)
    return rows.exclude(Exists(on_the_way))


def _on_the_way() -> QuerySet[Work]:
    """Return the rows of the scope's cases that a worker has in hand, or is about to."""
    now = timezone.now()
    return _rows().filter(Q(due_at__lte=now) | Q(leased_until__gt=now))


def _put_off() -> QuerySet[Work]:
    return _rows().filter(due_at__gt=timezone.now())


def _rows() -> QuerySet[Work]:
    return Work.objects.filter(tenant=scope.require_tenant_id(), kind=KIND)
