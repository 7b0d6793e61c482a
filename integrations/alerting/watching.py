"""Rules on the events that intake stores, in the transaction that stores them.

So an event is kept with what was found in it, or not at all; whatever crashes, nothing is missed
and nothing found twice. Detections of one tenant are kept one transaction after the other. A rule
that fails keeps no event out: it is counted, and tried on that event again (`failing`).
"""

import json
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Final

from django.db import connection

from integrations.alerting import failing, keeping, pacing, rulebook
from integrations.alerting.failing import Failed
from integrations.alerting.rows import RuleRetry
from integrations.alerting.rulebook import Rulebook
from integrations.detection.engine import Match
from integrations.detection.rules import Rule
from tenants import scope, work
from tenants.event_intake import Stored

# So many matches may wait in memory.
_MOST_WAITING: Final = 2_000
_AGAIN_AT_ONCE: Final = 200
_GROUPS_AT_ONCE: Final = 20


class RuleWatch:
    """Runs the scope's tenant's rules on events; see `tenants.intake.Watch`."""

    def __init__(self) -> None:
        self._book: Rulebook | None = None
        self._waiting: list[tuple[Match, Stored]] = []
        self._missed: list[Failed] = []
        self._failed: list[Failed] = []
        self._findings = 0

    def see(self, stored: Sequence[Stored]) -> None:
        """Run the rules on events."""
        if self._book is None:
            self._book = rulebook.current()
        for one in stored:
            self._waiting += [(match, one) for match in self._matches(self._book, one)]
            if len(self._waiting) >= _MOST_WAITING:
                self._keep(self._book)

    def finish(self) -> int:
        """Keep what was found; return how many findings are new or changed."""
        findings, failed = self.outcome()
        failing.note(failed)
        return findings

    def outcome(self) -> tuple[int, list[Failed]]:
        """Keep what was found; return how many findings are new or changed, and what failed."""
        if self._book is not None and (self._waiting or self._missed):
            self._keep(self._book)
        return self._findings, self._failed

    def _matches(self, book: Rulebook, one: Stored) -> list[Match]:
        try:
            return book.engine.detect(one.body, one.ocsf, partial(self._miss, one))
        except Exception as error:
            # A mistake in the engine must not keep telemetry from being stored.
            self._missed.append(keeping.failure("", one, error))
            return []

    def _miss(self, one: Stored, rule: Rule, error: Exception) -> None:
        self._missed.append(keeping.failure(rule.id, one, error))

    def _keep(self, book: Rulebook) -> None:
        _one_at_a_time()
        findings, failed = keeping.keep(book, self._waiting, self._missed)
        self._findings += findings
        self._failed += failed
        self._waiting, self._missed = [], []


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 12))",
            [f"detections {scope.require_tenant_id()}"],
        )


def again(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Run the rules again on events on which some failed, and work out the groups that waited.

    Handler of work `detect`.
    """
    is_more = True
    while is_more:
        work.renew()
        with scope.tenant(tenant_id):
            _one_at_a_time()
            rows, groups = failing.due(_AGAIN_AT_ONCE), pacing.overdue(_GROUPS_AT_ONCE)
            watch = RuleWatch()
            watch.see(list({row.event_id: _stored(row) for row in rows}.values()))
            findings, failed = watch.outcome()
            failing.settle(rows, failed)
            if groups:
                findings += keeping.keep_groups(rulebook.current(), groups)
            if findings:
                work.schedule("triage", tenant_id)
            is_more = len(rows) == _AGAIN_AT_ONCE or len(groups) == _GROUPS_AT_ONCE
            if not is_more:
                failing.plan_next()
                pacing.plan_next()


def _stored(row: RuleRetry) -> Stored:
    body = json.loads(bytes(row.event.raw.body).decode("utf-8", "surrogatepass"))
    return Stored.of(row.event, body, row.uid)
