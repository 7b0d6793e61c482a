"""Rules on the events that intake stores, in the transaction that stores them.

So an event is kept with what was found in it, or not at all; whatever crashes, nothing is missed
and nothing found twice. Detections of one tenant are kept one transaction after the other.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from django.db import connection

from integrations.alerting import finding, rulebook, sighting, stages
from integrations.alerting.finding import Hit
from integrations.alerting.rows import Stage
from integrations.alerting.rulebook import Entry, Rulebook
from integrations.alerting.sighting import Counted
from integrations.detection.engine import Match
from tenants import scope
from tenants.intake import Stored
from tenants.storable import bounded

_log = logging.getLogger(__name__)
# So many matches may wait in memory.
_MOST_WAITING: Final = 2_000


class RuleWatch:
    """Runs the scope's tenant's rules on events; see `tenants.intake.Watch`."""

    def __init__(self) -> None:
        self._book: Rulebook | None = None
        self._waiting: list[tuple[Match, Stored]] = []
        self._findings = 0

    def see(self, stored: Sequence[Stored]) -> None:
        """Run the rules on events."""
        if self._book is None:
            self._book = rulebook.current()
        for one in stored:
            self._waiting += [(match, one) for match in _matches(self._book, one)]
            if len(self._waiting) >= _MOST_WAITING:
                self._keep(self._book)

    def finish(self) -> int:
        """Keep what was found; return how many findings are new or changed."""
        if self._book is not None and self._waiting:
            self._keep(self._book)
        return self._findings

    def _keep(self, book: Rulebook) -> None:
        _one_at_a_time()
        found, self._waiting = self._waiting, []
        self._findings += _kept(book, found)


def _matches(book: Rulebook, one: Stored) -> list[Match]:
    try:
        return book.engine.detect(one.body, one.event.ocsf)
    except Exception as error:
        # A mistake in the engine must not keep telemetry from being stored.
        _log.error("rules failed on event %s: %s", one.event.id, type(error).__name__)
        return []


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 12))",
            [f"detections {scope.require_tenant_id()}"],
        )


def _kept(book: Rulebook, found: Sequence[tuple[Match, Stored]]) -> int:
    for_all, of_tenant = stages.defaults(), stages.own()
    held = {
        entry.id: stages.of(entry, for_all, of_tenant)
        for entry in _concerned(book, {match.rule.id for match, _ in found})
    }
    hits, counted = [], []
    for match, one in found:
        entry = book.entries[match.rule.id]
        counting = [by for by in book.counted_by.get(entry.id, ()) if held[by.id] in stages.RUNNING]
        if held[entry.id] is not Stage.OFF:
            counted += [_counted(by, entry, one) for by in counting]
        if held[entry.id] in stages.RUNNING and _tells(entry, counting, held):
            hits.append(_hit(entry, match, one))
    return finding.keep([*hits, *sighting.keep(counted)], held)


def _concerned(book: Rulebook, rule_ids: set[str]) -> list[Entry]:
    """The rules of the ids, and the correlations that count them."""
    rules = [book.entries[rule_id] for rule_id in rule_ids]
    return rules + [by for rule_id in rule_ids for by in book.counted_by.get(rule_id, ())]


def _tells(entry: Entry, counting: Sequence[Entry], held: Mapping[str, Stage]) -> bool:
    """Whether a rule tells of its matches itself: not where it is only there to be counted.

    Only a live correlation of the same pack, which tells in its place, keeps it from that.
    """
    live = [by for by in counting if by.pack == entry.pack and held[by.id] is Stage.LIVE]
    return not live or any(by.correlation and by.correlation.generate for by in live)


def key_of(one: Stored) -> str:
    """Return by what an event is known again, also where its vendor tells of it in new words."""
    return bounded(f"{one.event.connector}:{one.event.class_uid}:{one.uid}", 600)


def _counted(by: Entry, entry: Entry, one: Stored) -> Counted:
    return Counted(by, entry.id, one.event, key_of(one), one.body)


def _hit(entry: Entry, match: Match, one: Stored) -> Hit:
    return Hit(
        entry=entry,
        event=one.event,
        key=key_of(one),
        why=[
            {"field": why.field, "value": why.value, "condition": why.condition}
            for why in match.why
        ],
        first_at=one.event.time,
        last_at=one.event.time,
        entities=one.event.entities,
        events=[one.event.uid],
    )
