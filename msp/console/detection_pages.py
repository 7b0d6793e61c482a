"""What the pages about detections show, read with a few queries however many clients there are."""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from integrations.alerting import (
    advice,
    coverage,
    failing,
    measuring,
    rulebook,
    sources,
    stages,
)
from integrations.alerting.advice import Advice
from integrations.alerting.failing import Failing
from integrations.alerting.measuring import NOTHING, Measured
from integrations.alerting.rows import PackRule, RuleHit, RulePack, RuleStage, Stage, StageDefault
from integrations.alerting.rulebook import Entry, Rulebook
from integrations.detection.rules import NotRun
from msp.console.words import Word
from tenants.models import Tenant

STAGES: Final = {
    Stage.LIVE: Word("Live", "good"),
    Stage.SHADOW: Word("Shadow", "info"),
    Stage.TEST: Word("Test", "quiet"),
    Stage.OFF: Word("Off", "quiet"),
}
LEVELS: Final = {
    "critical": Word("Critical", "bad"),
    "high": Word("High", "bad"),
    "medium": Word("Medium", "warn"),
    "low": Word("Low", "quiet"),
    "informational": Word("Informational", "quiet"),
}
_KINDS: Final = {
    "failing": Word("Fails", "bad"),
    "loud": Word("Fires too much", "bad"),
    "wrong": Word("Mostly wrong", "bad"),
    "duplicate": Word("Duplicate", "warn"),
    "silent": Word("Source silent", "warn"),
    "ready": Word("Ready for live", "good"),
    "blind": Word("Blind", "warn"),
    "alerts": Word("Comes as alerts", "quiet"),
    "never": Word("Never fired", "quiet"),
}
# Where somebody should do something, the most urgent first.
URGENT: Final = ("failing", "loud", "wrong", "duplicate", "silent")
_HITS_SHOWN: Final = 20
_HITS_COMPARED: Final = 500
_SHARED_SHOWN: Final = 3
_SHARED_BY: Final = 3
_CHANGES_SHOWN: Final = 20
_DAYS_SHOWN: Final = 30


@dataclass(frozen=True, slots=True)
class Row:
    """One rule in the list, for the clients that are looked at together."""

    entry: Entry
    level: Word
    stages: Sequence[tuple[Word, int]]
    measured: Measured
    told: Sequence[tuple[Word, Advice]]

    @property
    def kinds(self) -> set[str]:
        """What is wrong with it."""
        return {advice.kind for _, advice in self.told}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a stage. `tenant` is None where it was for all clients."""

    at: dt.datetime
    stage: Word | None
    actor: str
    why: str
    tenant: Tenant | None


@dataclass(frozen=True, slots=True)
class Shared:
    """What many of a rule's newest hits share: what it is, its value, in how many of how many."""

    label: str
    value: str
    count: int
    total: int


@dataclass(frozen=True, slots=True)
class RulePage:
    """One rule with everything that is known of it."""

    row: Row
    default: Word
    clients: Sequence[tuple[Tenant, Word, bool]]
    hits: Sequence[RuleHit]
    shared: Sequence[Shared]
    days: Sequence[tuple[dt.date, int]]
    changes: Sequence[Change]
    versions: Sequence[PackRule]
    counts: Sequence[Entry]
    counted_by: Sequence[Entry]
    sources: Sequence[str]
    proofs: int
    filters: Sequence[str] = ()
    proof_records: Sequence[str] = ()


def rows(tenants: Sequence[Tenant]) -> list[Row]:
    """Return each rule that tells something, for the tenants together; the most urgent first."""
    book = rulebook.current()
    found = [
        row
        for row in _rows(book, tenants)
        if row.kinds & {"failing"} or not book.only_counted(row.entry)
    ]
    return sorted(found, key=_order)


def engine_failure(tenants: Sequence[Tenant]) -> Failing | None:
    """Return on how many events no rule could be run at all; None where there were none."""
    return failing.of_tenants([tenant.id for tenant in tenants]).get("")


def is_about(row: Row, wanted: str) -> bool:
    """Whether a rule has all the wanted words in its title, techniques, tactics, source or pack."""
    entry = row.entry
    told = (
        entry.title, *entry.techniques, *entry.tactics, entry.source.product or "",
        entry.source.service or "", entry.source.category or "", entry.pack, entry.level,
    )  # fmt: skip
    text = " ".join(told).casefold()
    return all(word in text for word in wanted.casefold().split())


def _rows(book: Rulebook, tenants: Sequence[Tenant]) -> list[Row]:
    ids = [tenant.id for tenant in tenants]
    for_all, own = stages.defaults(), stages.own_of(ids)
    measured, feeding = measuring.of_tenants(ids), sources.by_tenant(ids)
    twins, fails = measuring.twins(book, ids), failing.of_tenants(ids)
    found = []
    for entry in book.entries.values():
        needs = book.sources_of(entry)
        at = {one: stages.of(entry, for_all, own[one]) for one in ids}
        running = [one for one in ids if at[one] in stages.RUNNING]
        reached = Counter(feeding[one].reach(needs) for one in running)
        counted = measured.get(entry.id, NOTHING)
        twin = book.entries.get(twins.get(entry.id, ""))
        told = advice.on(
            entry, list(at.values()), counted, reached, needs, twin, fails.get(entry.id)
        )
        if book.only_counted(entry):
            told = [one for one in told if one.kind == "failing"]
        found.append(
            Row(
                entry, level(entry), _stages(at, entry, for_all), counted,
                [(_KINDS[one.kind], one) for one in told],
            )
        )  # fmt: skip
    return found


def level(entry: Entry) -> Word:
    """Return a rule's level in words."""
    return LEVELS.get(entry.level, Word("Unknown", "quiet"))


def _stages(
    at: Mapping[uuid.UUID, Stage], entry: Entry, for_all: Mapping[str, Stage]
) -> list[tuple[Word, int]]:
    counted = Counter(at.values() or [stages.of(entry, for_all, {})])
    return [(STAGES[one], counted[one]) for one in STAGES if counted[one]]


def _order(row: Row) -> tuple[int, int, int, str]:
    urgent = min((URGENT.index(kind) for kind in row.kinds if kind in URGENT), default=len(URGENT))
    levels = list(LEVELS)
    known = levels.index(row.entry.level) if row.entry.level in levels else len(levels)
    return urgent, -row.measured.week, known, row.entry.title


def not_run() -> tuple[NotRun, ...]:
    """Return what was read of rules and can't be run, with the reasons."""
    packs = RulePack.objects.filter(removed_at=None)
    imported = [
        NotRun(f"{pack.name}/{one['file']}", one["title"], one["kind"], one["reason"])
        for pack in packs
        for one in pack.not_run
    ]
    known = {(one.file, one.title) for one in imported}
    now = [one for one in rulebook.current().not_run if (one.file, one.title) not in known]
    return (*now, *imported)


def rule_page(rule_id: str, tenants: Sequence[Tenant]) -> RulePage | None:
    """Return the page of one rule; None where there is none."""
    book = rulebook.current()
    entry = book.entries.get(rule_id)
    if entry is None:
        return None
    ids = [tenant.id for tenant in tenants]
    for_all, own = stages.defaults(), stages.own_of(ids)
    needs = book.sources_of(entry)
    counts = entry.correlation.rules if entry.correlation else ()
    return RulePage(
        row=next(row for row in _rows(book, tenants) if row.entry.id == rule_id),
        default=STAGES[stages.of(entry, for_all, {})],
        clients=[
            (tenant, STAGES[stages.of(entry, for_all, own[tenant.id])], rule_id in own[tenant.id])
            for tenant in tenants
        ],
        hits=_hits(rule_id, ids),
        shared=_shared(rule_id, ids),
        days=_days(rule_id, ids),
        changes=_changes(rule_id, tenants),
        versions=list(
            PackRule.objects.filter(rule_id=rule_id)
            .select_related("pack")
            .order_by("-imported_at")[:_CHANGES_SHOWN]
        ),
        counts=[book.entries[one] for one in dict.fromkeys(counts)],
        counted_by=book.counted_by.get(rule_id, ()),
        sources=[" ".join(filter(None, (s.product, s.service, s.category))) for s in needs],
        proofs=coverage.proofs(entry.file) if entry.is_own else 0,
        filters=book.rules[rule_id].filters if rule_id in book.rules else (),
        proof_records=coverage.proof_records(entry.file) if entry.is_own else (),
    )


def _hits(rule_id: str, ids: Sequence[uuid.UUID]) -> list[RuleHit]:
    found = RuleHit.in_scope().filter(rule_id=rule_id, tenant_id__in=ids)
    return list(
        found.select_related("tenant", "event", "finding__case")
        .defer("event__ocsf", "finding__ocsf")
        .order_by("-at", "-id")[:_HITS_SHOWN]
    )


def _shared(rule_id: str, ids: Sequence[uuid.UUID]) -> list[Shared]:
    """Return the accounts, targets and addresses that stand out among a rule's newest hits."""
    newest = RuleHit.in_scope().filter(rule_id=rule_id, tenant_id__in=ids).order_by("-at", "-id")
    told = list(
        newest.values_list("event__actor", "event__target", "event__source_ip")[:_HITS_COMPARED]
    )
    found = []
    for label, values in zip(("Who", "Target", "Address"), zip(*told, strict=True), strict=False):
        counted = Counter(str(value) for value in values if value)
        found += [
            Shared(label, value, count, len(told))
            for value, count in counted.most_common(_SHARED_SHOWN)
            if count >= _SHARED_BY and count >= len(told) / 5
        ]
    return found


def _days(rule_id: str, ids: Sequence[uuid.UUID]) -> list[tuple[dt.date, int]]:
    counted = measuring.days_of(rule_id, ids)
    today = timezone.now().date()
    shown = (today - dt.timedelta(days=back) for back in reversed(range(_DAYS_SHOWN)))
    return [(day, counted.get(day, 0)) for day in shown]


def _changes(rule_id: str, tenants: Sequence[Tenant]) -> list[Change]:
    by_id = {tenant.id: tenant for tenant in tenants}
    own = RuleStage.in_scope().filter(rule_id=rule_id, tenant_id__in=by_id)
    told = [
        Change(row.at, _word(row.stage), row.actor, row.why, by_id[row.tenant_id])
        for row in own.order_by("-at")[:_CHANGES_SHOWN]
    ] + [
        Change(row.at, _word(row.stage), row.actor, row.why, None)
        for row in StageDefault.objects.filter(rule_id=rule_id).order_by("-at")[:_CHANGES_SHOWN]
    ]
    return sorted(told, key=lambda one: one.at, reverse=True)[:_CHANGES_SHOWN]


def _word(stage: str) -> Word | None:
    return STAGES[Stage(stage)] if stage else None
