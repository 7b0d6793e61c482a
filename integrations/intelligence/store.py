"""Keeping indicators: each source's own, brought up to date; nothing is dropped in silence."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.intelligence import warning_lists
from integrations.intelligence.found import Found
from integrations.intelligence.reading import MOST, Unreadable
from integrations.models import Indicator

_BATCH = 2000
# What a source does not say: neither sure nor unsure, and good for a quarter.
USUAL_CONFIDENCE = 50
USUAL_DAYS = 90
_KEPT = (
    "told", "title", "confidence", "valid_from", "expires_at", "is_revoked", "not_matched",
    "updated_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many indicators were read, how many of them are looked for, and why others are not."""

    read: int
    looked_for: int
    not_matched: dict[str, int]

    def as_json(self) -> dict[str, object]:
        """Return it as it is printed."""
        return {
            "read": self.read, "looked_for": self.looked_for, "not_matched": self.not_matched,
        }  # fmt: skip


@transaction.atomic
def keep(
    source: str,
    found: Iterable[Found],
    *,
    confidence: int = USUAL_CONFIDENCE,
    days: int = USUAL_DAYS,
) -> Outcome:
    """Keep what a source tells; what it told before is brought up to date.

    `confidence` and `days` hold where the source says nothing of its own; a vulnerability that is
    known to be used never expires by itself. Unreadable where there are too many.
    """
    read, looked_for = 0, 0
    reasons: dict[str, int] = {}
    waiting = _once(found)
    while batch := list(islice(waiting, _BATCH)):
        rows = [_row(source, one, confidence, days) for one in batch]
        for row in rows:
            if row.not_matched:
                reasons[row.not_matched] = reasons.get(row.not_matched, 0) + 1
            elif not row.is_revoked:
                looked_for += 1
        read += len(rows)
        if read > MOST:
            raise Unreadable(f"There are more than {MOST:,} indicators: take fewer.")
        Indicator.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["source", "external_id", "entity"],
            update_fields=_KEPT,
        )  # fmt: skip
    return Outcome(read, looked_for, dict(sorted(reasons.items())))


def in_force(entities: Iterable[str] | None = None) -> QuerySet[Indicator]:
    """Return the indicators that are looked for now, or those of them with these entities."""
    now = timezone.now()
    rows = Indicator.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=now),
        Q(valid_from=None) | Q(valid_from__lte=now),
        not_matched="", is_revoked=False,
    ).exclude(entity="")  # fmt: skip
    return rows if entities is None else rows.filter(entity__in=list(entities))


def _once(found: Iterable[Found]) -> Iterator[Found]:
    """Yield each indicator once, warned of what is never looked for."""
    seen: set[tuple[str, str]] = set()
    for one in found:
        why = warning_lists.why_not(one.entity) if one.entity else ""
        kept = replace(one, not_matched=f"warning list: {why}") if why else one
        if (kept.external_id, kept.entity) not in seen:
            seen.add((kept.external_id, kept.entity))
            yield kept


def _row(source: str, one: Found, confidence: int, days: int) -> Indicator:
    now = timezone.now()
    lasts = None if one.entity.startswith("cve:") else now + dt.timedelta(days=days)
    return Indicator(
        source=source[:100],
        external_id=one.external_id[:300],
        entity=one.entity,
        told=one.told,
        title=one.title,
        confidence=confidence if one.confidence is None else one.confidence,
        valid_from=one.valid_from,
        expires_at=one.expires_at or lasts,
        is_revoked=one.is_revoked,
        not_matched=one.not_matched,
        updated_at=now,
    )
