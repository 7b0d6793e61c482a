"""Auditing a client's SIEM: asked once a day and by hand, and kept."""

import datetime as dt
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from django.utils import timezone

from integrations import connections, registry
from integrations.contract import Client
from integrations.detection import loading
from integrations.detection.engine import Engine
from integrations.errors import ConnectionMisconfigured, Rejected
from integrations.models import Connection, SiemAudit
from integrations.siem import history, retention
from integrations.siem.audit import audit
from integrations.siem.comparing import (
    Candidate,
    Comparison,
    Elsewhere,
    LookedUp,
    Own,
    candidates,
    compared,
    hits_here,
    looked_up_here,
)
from integrations.siem.expected import expected
from integrations.siem.queries.converting import of_events
from integrations.siem.records import Expected, Gap, Query, Siem, Survey
from tenants import scope, work
from tenants.errors import HoldfastError
from tenants.models import Work

DAYS = 30
COMPARED_DAYS = 1
# Two queries each, at a client's own cost, and four more where hits differ.
MOST_COMPARED = 25
_EVERY = dt.timedelta(days=1)
# What came to the SIEM in the last minutes may not have come here yet, and the other way round.
_SETTLED = dt.timedelta(hours=2)
# The time by which a SIEM keeps an event may be the one at which it came there.
_LATE = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Answer:
    survey: Survey
    gaps: list[Gap]
    comparisons: list[Comparison]


def siem_of(row: Connection) -> Siem | None:
    """Return how a connection's SIEM is read; None where it is none."""
    manifest = registry.CONNECTORS.get(row.connector)
    return manifest.siem if manifest else None


def siems() -> list[Connection]:
    """Return the connections of the scope that are a SIEM, and not paused."""
    ids = [one.id for one in registry.CONNECTORS.values() if one.siem is not None]
    rows = Connection.in_scope().filter(connector__in=ids, removed_at=None)
    return list(rows.exclude(state=Connection.State.PAUSED).select_related("tenant"))


def handle(tenant_id: uuid.UUID, connection_id: uuid.UUID) -> None:
    """Audit a connection and plan the next time. Handler of work `siem`."""
    with scope.tenant(tenant_id):
        row = Connection.objects.filter(id=connection_id, tenant__is_active=True).first()
        if row is None or row.state == Connection.State.PAUSED or siem_of(row) is None:
            return
    run(row)
    with scope.tenant(tenant_id):
        retention.thin(row)
        soon(row, delay=_EVERY.total_seconds() * random.uniform(0.95, 1.05))  # noqa: S311


def soon(row: Connection, delay: float = 0) -> None:
    """Have a SIEM of the scope's tenant audited in `delay` seconds, in its vendor's turn."""
    work.schedule("siem", row.id, delay=delay, lane=row.connector)


def plan() -> int:
    """Plan the audit of each SIEM that has none planned; return how many."""
    with scope.reading(scope.ALL):
        planned = set(Work.objects.filter(kind="siem").values_list("subject", flat=True))
        rows = [row for row in siems() if row.tenant.is_active and row.id not in planned]
    for row in rows:
        with scope.tenant(row.tenant_id):
            soon(row, delay=random.uniform(0, 3600))  # noqa: S311
    return len(rows)


def run(row: Connection, days: int = DAYS) -> SiemAudit:
    """Audit a connection now, and keep what was found, or why it could not be asked."""
    at = timezone.now()
    try:
        answer = _ask(row, days)
    except HoldfastError as error:
        with scope.tenant(row.tenant_id):
            return SiemAudit.objects.create(
                tenant_id=row.tenant_id, connection=row, at=at, days=days, error=str(error)
            )
    with scope.tenant(row.tenant_id):
        before = SiemAudit.objects.filter(connection=row, error="").order_by("-at").first()
        was = before.gaps if before else []
        gaps = history.with_first_seen(answer.gaps, was, before.at if before else None, at)
        return SiemAudit.objects.create(
            tenant_id=row.tenant_id,
            connection=row,
            at=at,
            days=days,
            sources=sum(source.last_at is not None for source in answer.survey.sources),
            rules=len(answer.survey.rules),
            rules_enabled=sum(rule.is_enabled for rule in answer.survey.rules),
            gaps=gaps,
            gone=history.gone(gaps, was),
            comparisons=[one.as_json() for one in answer.comparisons],
        )


def _ask(row: Connection, days: int) -> _Answer:
    """Ask the SIEM; outside any transaction, since it may take long."""
    siem = _siem(row)
    should = _expected(row, siem)
    names = [name for one in should for name in one.names]
    with connections.client(row.tenant_id, row.id) as client:
        survey = siem.survey(client, names, days)
        work.renew()
        comparisons = _compare(row, siem, client, survey)
    return _Answer(survey, audit(survey, should), comparisons)


def _siem(row: Connection) -> Siem:
    manifest = registry.connector(row.connector)
    if manifest.siem is None:
        raise ConnectionMisconfigured(f"{manifest.title} is no SIEM: there is nothing to audit.")
    return manifest.siem


def _expected(row: Connection, siem: Siem) -> list[Expected]:
    """What should arrive, by the other products that the client is connected to."""
    with scope.tenant(row.tenant_id):
        others = Connection.objects.exclude(id=row.id).values_list("connector", flat=True)
        known = {name for name in others if name in registry.CONNECTORS}
    return [*expected(siem.expects(row.settings), known), *siem.entered(row.settings)]


def _compare(row: Connection, siem: Siem, client: Client, survey: Survey) -> list[Comparison]:
    """Compare as many rules as a day may cost: first those that found something here, then those
    whose log source is known to arrive there.
    """
    arrives = {source.name for source in survey.sources if source.last_at is not None}
    engine = _our_engine()
    own = _own(row, engine, COMPARED_DAYS)
    told = [
        (one.id not in own.hits, one.query.source not in arrives, one.title, one)
        for one in _our_candidates(siem.language(row.settings))
        if one.query is not None
    ]
    chosen = [place[-1] for place in sorted(told, key=lambda place: place[:3])[:MOST_COMPARED]]
    return list(_Comparing(row, siem, client, engine, COMPARED_DAYS).run(chosen, own))


def compare(
    row: Connection, days: int, rules: Path = loading.OUR_RULES, only: str = ""
) -> list[Comparison]:
    """Run the rules of a folder or file there and here, and set their hits side by side.

    `only` names one by its id. Raises `integrations.errors` and RulesUnreadable.
    """
    siem = _siem(row)
    told = [
        one for one in candidates(siem.language(row.settings), rules) if only in ("", one.id)
    ]  # fmt: skip
    engine = Engine(loading.load(rules))
    own = _own(row, engine, days)
    with connections.client(row.tenant_id, row.id) as client:
        return list(_Comparing(row, siem, client, engine, days).run(told, own))


def _window(days: int) -> tuple[dt.datetime, dt.datetime]:
    until = timezone.now().replace(minute=0, second=0, microsecond=0) - _SETTLED
    return until - dt.timedelta(days=days), until


def _own(row: Connection, engine: Engine, days: int) -> Own:
    with scope.tenant(row.tenant_id):
        return hits_here(engine, *_window(days))


class _Comparing:
    """Rules run there and here, on the same days."""

    def __init__(
        self, row: Connection, siem: Siem, client: Client, engine: Engine, days: int
    ) -> None:
        self.row, self.siem, self.client, self.engine = row, siem, client, engine
        self.window = _window(days)

    def run(self, told: Iterable[Candidate], own: Own) -> Iterable[Comparison]:
        for one in told:
            reason = one.reason
            if one.query is not None:
                try:
                    found = self.siem.run(self.client, one.query, *self.window)
                    elsewhere = Elsewhere(
                        partial(self._look_here, one.id), partial(self._look_there, one.query)
                    )
                    yield compared(one.id, one.title, one.query, found, own, elsewhere)
                    continue
                except Rejected:
                    reason = (
                        f"the SIEM refused the query, as it does where it has no {one.query.source}"
                    )
            here = len(own.hits.get(one.id, ()))
            yield Comparison(one.id, one.title, here, reason=f"Not run there: {reason}.")

    def _look_here(self, rule: str, uids: list[str]) -> LookedUp:
        with scope.tenant(self.row.tenant_id):
            return looked_up_here(self.engine, rule, uids)

    def _look_there(self, query: Query, uids: list[str]) -> LookedUp:
        since, until = self.window
        span = (since - _LATE, until + _LATE)
        held = self.siem.run(self.client, of_events(query, uids, matching=False), *span)
        found = self.siem.run(self.client, of_events(query, uids, matching=True), *span)
        return LookedUp(_lowered(held.ids), _lowered(found.ids))


def _lowered(uids: Iterable[str]) -> frozenset[str]:
    return frozenset(uid.lower() for uid in uids)


@cache
def _our_engine() -> Engine:
    return Engine(loading.load(loading.OUR_RULES))


@cache
def _our_candidates(language: str) -> tuple[Candidate, ...]:
    return tuple(candidates(language)) if language else ()  # type: ignore[arg-type]


def newest_between(
    start: dt.datetime, until: dt.datetime, *, answered: bool = False
) -> list[SiemAudit]:
    """Return the last audit of each SIEM of the scope that was made in the time, with it.

    `answered`: of those in which the SIEM could be asked.
    """
    found = SiemAudit.in_scope().filter(at__gte=start, at__lt=until).select_related("connection")
    if answered:
        found = found.filter(error="")
    return list(found.order_by("connection_id", "-at").distinct("connection_id"))


def newest(rows: Iterable[Connection]) -> dict[uuid.UUID, SiemAudit]:
    """Return the newest audit of each connection, by the connection's id."""
    ids = [row.id for row in rows]
    found = SiemAudit.in_scope().filter(connection_id__in=ids)
    return {
        one.connection_id: one
        for one in found.order_by("connection_id", "-at").distinct("connection_id")
    }
