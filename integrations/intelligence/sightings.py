"""Where a client met an indicator: in its events, and in its cases.

Each hour only what came since the last look is counted. Once a day, and when new indicators came,
the whole window is: as a draft, so that what is shown stays whole. A look takes slices of events
in transactions of their own, and after some of them lets others go first.
"""

import datetime as dt
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone

from integrations.intelligence import matching, quality, sent_on, store
from integrations.intelligence.slices import slices
from integrations.models import Sighting, SightingLook
from tenants import scope, work
from tenants.models import Case, Event, RawRecord, Tenant, Work

WINDOW = dt.timedelta(days=30)
LANE = "intelligence"
# What a transaction that is not over yet has received is seen by the next look.
_SETTLED = dt.timedelta(minutes=5)
_WHOLE_EVERY = dt.timedelta(days=1)
_AGAIN_SECONDS = 3600.0
# All clients are to be looked at again when something new is known, and not all at once.
_SPREAD_SECONDS = 600.0
_RECORDS_AT_ONCE = 5000
_SLICES_AT_ONCE = 20
_CASES_AT_ONCE = 500
_LONGEST_STATEMENT = "30s"
_ADD = """
INSERT INTO integrations_sighting
       (id, tenant_id, indicator_id, events, cases, first_at, last_at, is_draft)
SELECT gen_random_uuid(), %(tenant)s, told.indicator, told.events, told.cases, told.first_at,
       told.last_at, %(is_draft)s
  FROM unnest(%(indicators)s::uuid[], %(events)s::int[], %(cases)s::int[],
              %(first)s::timestamptz[], %(last)s::timestamptz[])
       AS told(indicator, events, cases, first_at, last_at)
ON CONFLICT (tenant_id, indicator_id, is_draft) DO UPDATE
   SET events = integrations_sighting.events + excluded.events,
       cases = integrations_sighting.cases + excluded.cases,
       first_at = least(integrations_sighting.first_at, excluded.first_at),
       last_at = greatest(integrations_sighting.last_at, excluded.last_at)
"""


@dataclass(slots=True)
class _Met:
    """How often something was met, and when first and last."""

    times: int
    first_at: dt.datetime
    last_at: dt.datetime

    def add(self, times: int, first_at: dt.datetime, last_at: dt.datetime) -> None:
        """Count more of the same."""
        self.times += times
        self.first_at = min(self.first_at, first_at)
        self.last_at = max(self.last_at, last_at)


def look(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Count where a client met what is known. Handler of work `sight`.

    It is done again in an hour while there is anything to look for. Then open cases are scored anew
    by what is known now: work `reconsider`.
    """
    if not Tenant.objects.filter(id=tenant_id, is_active=True).exists():
        return
    if not store.in_force().exists():
        return
    until = timezone.now() - _SETTLED
    with scope.tenant(tenant_id):
        place = SightingLook.in_scope().first()
        if place is not None and place.reached_at > until:
            # Somebody had it counted up to then: less must not take the place of that.
            left = (place.reached_at - until).total_seconds()
            work.schedule("sight", tenant_id, delay=left, lane=LANE)
            return
    for _ in range(_SLICES_AT_ONCE):
        work.renew()
        with scope.tenant(tenant_id):
            _bound_statements()
            if _is_through(until):
                work.schedule("sight", tenant_id, delay=_AGAIN_SECONDS, lane=LANE)
                work.schedule("reconsider", tenant_id, lane=LANE)
                return
    with scope.tenant(tenant_id):
        work.schedule("sight", tenant_id, lane=LANE, takes_turn=True)


def look_now(tenant_id: uuid.UUID) -> None:
    """Count at once, with what came in the last minutes; the next look takes the window anew."""
    with scope.tenant(tenant_id):
        SightingLook.objects.update(whole_at=None)
    if not store.in_force().exists():
        return
    is_through = False
    while not is_through:
        work.renew()
        with scope.tenant(tenant_id):
            is_through = _is_through(timezone.now())
    with scope.tenant(tenant_id):
        # What was being written while this looked is seen then.
        SightingLook.objects.update(whole_at=None)
        _soon(tenant_id)


def look_again() -> None:
    """Have the whole window of each active client looked through: something new is known."""
    for tenant_id in Tenant.objects.filter(is_active=True).values_list("id", flat=True):
        with scope.tenant(tenant_id):
            SightingLook.objects.update(whole_at=None)
            _soon(tenant_id)


def shown() -> QuerySet[Sighting]:
    """Return where the scope's clients met what is known, the last time first."""
    return Sighting.in_scope().filter(is_draft=False)


def plan() -> int:
    """Plan a look for each active client that has none planned; return how many."""
    if not store.in_force().exists():
        return 0
    planned = set(Work.objects.filter(kind="sight").values_list("tenant_id", flat=True))
    active = Tenant.objects.filter(is_active=True).values_list("id", flat=True)
    lost = [tenant_id for tenant_id in active if tenant_id not in planned]
    for tenant_id in lost:
        with scope.tenant(tenant_id):
            _soon(tenant_id)
    return len(lost)


def _soon(tenant_id: uuid.UUID) -> None:
    delay = random.uniform(0, _SPREAD_SECONDS)  # noqa: S311
    work.schedule("sight", tenant_id, delay=delay, lane=LANE)


def _bound_statements() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [_LONGEST_STATEMENT])


def _is_through(until: dt.datetime) -> bool:
    """Count one slice of what came until then; return whether that was all, and is shown now."""
    place = _place()
    records = RawRecord.in_scope().filter(
        outcome=RawRecord.Outcome.EVENT, received_at__gt=place.reached_at, received_at__lte=until
    )
    times = records.order_by("received_at").values_list("received_at", flat=True)
    ends = max(times[:_RECORDS_AT_ONCE], default=None)
    if ends is None:
        _show(place)
        return True
    _keep(_known(list(_events(place.reached_at, ends))), is_draft=place.is_whole)
    place.reached_at = ends
    place.save(update_fields=["reached_at"])
    return False


def _place() -> SightingLook:
    """Return how far the look is; back at the start of the window where a whole one is due."""
    now = timezone.now()
    # Held until this slice is counted: a worker whose lease ran out counts none of it again.
    place = SightingLook.in_scope().select_for_update().first() or SightingLook(reached_at=now)
    if place.whole_at is None or now - place.whole_at >= _WHOLE_EVERY:
        Sighting.in_scope().filter(is_draft=True).delete()
        place.whole_at, place.is_whole, place.reached_at = now, True, now - WINDOW
        place.save()
    return place


def _show(place: SightingLook) -> None:
    """Let the draft take the place of what was counted before; count cases, which change."""
    counted = shown()
    if place.is_whole:
        counted.delete()
        Sighting.in_scope().filter(is_draft=True).update(is_draft=False)
        place.is_whole = False
        place.save(update_fields=["is_whole"])
    counted.exclude(cases=0).update(cases=0)
    # Some at a time: after a flood there are more than can be held.
    for some in slices(_cases(), _CASES_AT_ONCE):
        _keep(_known(some), is_draft=False, are_cases=True)
    counted.filter(events=0, cases=0).delete()
    quality.count(timezone.now() - WINDOW)


def _events(after: dt.datetime, until: dt.datetime) -> Iterator[tuple[list[str], _Met]]:
    """Yield what events received in a time named, with how many named just that."""
    rows = Event.in_scope().filter(
        raw__tenant_id=scope.require_tenant_id(), raw__outcome=RawRecord.Outcome.EVENT,
        raw__received_at__gt=after, raw__received_at__lte=until,
        time__gte=timezone.now() - WINDOW,
    )  # fmt: skip
    counted = (
        rows.order_by().values_list("entities").annotate(Count("id"), Min("time"), Max("time"))
    )
    for entities, times, first, last in counted:
        yield entities, _Met(times, first, last)


def _cases() -> Iterator[tuple[list[str], _Met]]:
    rows = Case.in_scope().filter(last_activity_at__gte=timezone.now() - WINDOW, merged_into=None)
    told = rows.values_list("id", "entities", "last_activity_at").iterator()
    for some in slices(told, _CASES_AT_ONCE):
        sent_on_to = sent_on.of_cases([case_id for case_id, *_ in some])
        for case_id, entities, at in some:
            yield [*entities, *sent_on_to.get(case_id, ())], _Met(1, at, at)


def _known(told: Sequence[tuple[list[str], _Met]]) -> Mapping[uuid.UUID, _Met]:
    """Return what was met of the indicators in force, each event and case once."""
    lookup = matching.Lookup(one for entities, _ in told for one in entities)
    found: dict[uuid.UUID, _Met] = {}
    for entities, met in told:
        for one in lookup.met_by(entities):
            _count(found, one.id, met)
    return found


def _count(found: dict[uuid.UUID, _Met], indicator: uuid.UUID, met: _Met) -> None:
    if indicator in found:
        found[indicator].add(met.times, met.first_at, met.last_at)
    else:
        found[indicator] = _Met(met.times, met.first_at, met.last_at)


def _keep(known: Mapping[uuid.UUID, _Met], *, is_draft: bool, are_cases: bool = False) -> None:
    if not known:
        return
    counts = [met.times for met in known.values()]
    none = [0] * len(counts)
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD,
            {
                "tenant": scope.require_tenant_id(), "is_draft": is_draft,
                "indicators": list(known),
                "events": none if are_cases else counts, "cases": counts if are_cases else none,
                "first": [met.first_at for met in known.values()],
                "last": [met.last_at for met in known.values()],
            },
        )  # fmt: skip
