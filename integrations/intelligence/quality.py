"""How good each source of indicators is: what became of the cases that named what it told."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Sum
from django.utils import timezone

from integrations.intelligence import matching
from integrations.intelligence.slices import slices
from integrations.models import SourceQuality
from tenants import scope
from tenants.models import HARMLESS, Case, Verdict

_CASES_AT_ONCE = 500
# Fewer decided cases say nothing of a source.
_ENOUGH = 5


@dataclass(frozen=True, slots=True)
class Quality:
    """Cases that named what a source told: attacks, harmless ones, and others still."""

    attacks: int = 0
    harmless: int = 0
    undecided: int = 0

    @property
    def share(self) -> int | None:
        """How many of a hundred decided cases were attacks; None where too few are decided."""
        decided = self.attacks + self.harmless
        return round(100 * self.attacks / decided) if decided >= _ENOUGH else None


def count(since: dt.datetime) -> None:
    """Count for the scope's tenant, by source, what became of its cases since; each case once."""
    found: dict[str, dict[str, int]] = {}
    rows = Case.in_scope().filter(last_activity_at__gte=since, merged_into=None)
    told = rows.order_by().values_list("entities", "verdict", "closed_at")
    for some in slices(told.iterator(), _CASES_AT_ONCE):
        lookup = matching.Lookup(one for entities, _, _ in some for one in entities)
        for entities, verdict, closed_at in some:
            became = _became(verdict, closed_at)
            for source in {one.source for one in lookup.met_by(entities)}:
                of = found.setdefault(source, {"attacks": 0, "harmless": 0, "undecided": 0})
                of[became] += 1
    now = timezone.now()
    SourceQuality.in_scope().all().delete()
    SourceQuality.objects.bulk_create(
        SourceQuality(tenant_id=scope.require_tenant_id(), source=source, counted_at=now, **counts)
        for source, counts in found.items()
    )


def by_source() -> Mapping[str, Quality]:
    """Return the quality of each source over the scope's clients."""
    sums = SourceQuality.in_scope().order_by().values_list("source").annotate(
        Sum("attacks"), Sum("harmless"), Sum("undecided")
    )  # fmt: skip
    return {source: Quality(*counts) for source, *counts in sums}


def _became(verdict: str, closed_at: dt.datetime | None) -> str:
    if verdict == Verdict.TRUE_POSITIVE:
        return "attacks"
    return "harmless" if closed_at is not None and verdict in HARMLESS else "undecided"
