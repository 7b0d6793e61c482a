"""Keeping indicators: each source's own, brought up to date; nothing is dropped in silence."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.intelligence import aging, warnings
from integrations.intelligence.found import LONGEST, Found
from integrations.intelligence.reading import MOST, Unreadable
from integrations.intelligence.slices import slices
from integrations.models import Indicator, IndicatorSource
from tenants import statements
from tenants.storable import bounded, storable

_BATCH = 2000
# What a source does not say: neither sure nor unsure, and good for as long as its kind is.
USUAL_CONFIDENCE = 50
BY_KIND = 0
_OVER = "it had expired already when it was taken in"
_KEY = ("external_id", "entity")
# One by one through the index: of a list of ids the planner, which has seen none of a fresh table,
# thinks that it means most of it, and reads all.
_TOLD_BEFORE = """
SELECT one.id, one.external_id, one.entity, one.about, one.is_revoked, one.not_matched,
       one.valid_from, one.expires_at
  FROM unnest(%s::text[]) AS wanted(ref)
 CROSS JOIN LATERAL (
       SELECT * FROM integrations_indicator WHERE source = %s AND external_id = wanted.ref
 ) AS one
"""
_KEPT = (
    "told", "title", "confidence", "valid_from", "expires_at", "is_revoked", "not_matched",
    "updated_at", "also", "tlp", "about", "seen_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many indicators were read, how many of them are looked for, and why others are not.

    `added` are those of them that were not looked for before.
    """

    read: int = 0
    looked_for: int = 0
    added: int = 0
    not_matched: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Outcome") -> "Outcome":
        reasons = Counter(self.not_matched) + Counter(other.not_matched)
        return Outcome(
            self.read + other.read, self.looked_for + other.looked_for, self.added + other.added,
            dict(sorted(reasons.items())),
        )  # fmt: skip

    def as_json(self) -> dict[str, object]:
        """Return it as it is printed."""
        return {
            "read": self.read, "looked_for": self.looked_for, "added": self.added,
            "not_matched": dict(self.not_matched),
        }  # fmt: skip


@transaction.atomic
def keep(
    source: str,
    found: Iterable[Found],
    *,
    confidence: int = USUAL_CONFIDENCE,
    days: int = BY_KIND,
) -> Outcome:
    """Keep what a source tells; what it told before is brought up to date.

    `confidence` and `days` hold where the source says nothing of its own; without days it is good
    for as long as its kind is (`aging`). A vulnerability that is known to be used never expires by
    itself. Unreadable where there are too many.
    """
    began, source = timezone.now(), bounded(source, 100)
    outcome = Outcome()
    for batch in slices(_once(found), _BATCH):
        told = _warned(batch)
        outcome += _keep(source, [_row(source, one, confidence, days) for one in told], began)
        if outcome.read > MOST:
            raise Unreadable(f"There are more than {MOST:,} indicators: take fewer.")
    IndicatorSource.objects.update_or_create(name=source, defaults={"read_at": timezone.now()})
    return outcome


def _keep(source: str, rows: Sequence[Indicator], began: dt.datetime) -> Outcome:
    known = _told_before(source, rows)
    before = {_key(one) for one in known if _is_live(one, began)}
    about = {one.external_id: one.about for one in known if one.about}
    for row in rows:
        # What it points at stands where its source tells it again without that.
        row.about = row.about or about.get(row.external_id, [])
    told_rows = [statements.row_of(row) for row in rows]
    statements.upsert(Indicator, told_rows, once=("source", *_KEY), changed=_KEPT)
    told = {_key(row) for row in rows}
    # What the source said under the same id before, and says no more: its pattern was changed.
    gone = [one.id for one in known if not one.is_revoked and _key(one) not in told]
    if gone:
        Indicator.objects.filter(id__in=gone).update(is_revoked=True)
    live = {_key(row) for row in rows if _is_live(row, began)}
    reasons = Counter(row.not_matched for row in rows if row.not_matched)
    reasons[_OVER] = sum(not row.not_matched and _is_over(row, began) for row in rows)
    return Outcome(len(rows), len(live), len(live - before), +reasons)


def _told_before(source: str, rows: Sequence[Indicator]) -> list[Indicator]:
    """Return what the source told before under the ids of these rows."""
    refs = sorted({row.external_id for row in rows})
    return list(Indicator.objects.raw(_TOLD_BEFORE, [refs, source]))


def _key(row: Indicator) -> tuple[str, str]:
    return row.external_id, row.entity


def _is_over(row: Indicator, now: dt.datetime) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def _is_live(row: Indicator, now: dt.datetime) -> bool:
    """Whether it is looked for at a moment, as `in_force` says of what is kept."""
    has_begun = row.valid_from is None or row.valid_from <= now
    is_held = not row.not_matched and not row.is_revoked and bool(row.entity)
    return is_held and has_begun and not _is_over(row, now)


def reached(source: str, address: str) -> str:
    """Return until when a collection was read (`added_after`); empty where it was not yet."""
    row = IndicatorSource.objects.filter(
        name=bounded(source, 100), address=bounded(address, 1000)
    ).first()
    return row.reached if row else ""


def reach(source: str, address: str, until: str) -> None:
    """Keep until when a collection was read, where its server told that."""
    if until:
        IndicatorSource.objects.filter(name=bounded(source, 100)).update(
            address=bounded(address, 1000), reached=until
        )


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
    """Yield each indicator once, as it can be kept."""
    seen: set[tuple[str, str]] = set()
    for told in found:
        one = _storable(told)
        if (one.external_id, one.entity) not in seen:
            seen.add((one.external_id, one.entity))
            yield one


def _warned(found: Sequence[Found]) -> list[Found]:
    """Return the indicators, those on a warning list with that as why they are not looked for."""
    why = warnings.why_not({one.entity for one in found} - {""})
    return [
        replace(one, not_matched=f"{warnings.PREFIX}{why[one.entity]}"[:300])
        if one.entity in why
        else one
        for one in found
    ]


def _storable(one: Found) -> Found:
    return replace(
        one, external_id=bounded(one.external_id, 300), entity=bounded(one.entity, LONGEST),
        told=storable(one.told), title=storable(one.title)[:300],
        not_matched=storable(one.not_matched)[:280],
        also=tuple(bounded(also, LONGEST) for also in one.also),
        about=tuple(storable(about)[:200] for about in one.about),
    )  # fmt: skip


def _row(source: str, one: Found, confidence: int, days: int) -> Indicator:
    now = timezone.now()
    seen_at = min(one.seen_at or now, now)
    lasts = dt.timedelta(days=days) if days else aging.good_for(one.entity)
    if not one.entity or one.entity.startswith("cve:"):
        lasts = None
    usual = seen_at + lasts if lasts else None
    return Indicator(
        source=source,
        external_id=one.external_id,
        entity=one.entity,
        told=one.told,
        title=one.title,
        confidence=confidence if one.confidence is None else one.confidence,
        valid_from=one.valid_from,
        expires_at=one.expires_at or usual,
        is_revoked=one.is_revoked,
        not_matched=one.not_matched,
        added_at=now,
        updated_at=now,
        also=list(one.also),
        tlp=one.tlp,
        about=list(one.about),
        seen_at=seen_at,
    )
