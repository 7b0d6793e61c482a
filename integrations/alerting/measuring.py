"""How much each rule hits, and how often it was right: counted from the rows."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.models import Count, Max, Q, Sum
from django.utils import timezone

from integrations.alerting.rows import RuleDay, RuleHit
from integrations.alerting.rulebook import Rulebook
from tenants.canonical import sha256_of
from tenants.models import HARMLESS, Verdict

_RIGHT: Final = (Verdict.TRUE_POSITIVE, Verdict.SUSPICIOUS)
_WRONG: Final = HARMLESS
_VERDICTS_OF: Final = dt.timedelta(days=90)
_COMPARED: Final = (5, 5_000)
# Beside a hit in shadow stands a case about the same account or device at about the same time.
_BESIDE_WITHIN: Final = "1 day"
_BESIDE_KINDS: Final = ("account:%", "account_id:%", "device:%", "device_id:%", "mailbox:%")
# Of one rule, shared out among the clients, but a few of each.
_MOST_SHADOW_HITS: Final = 500
_LEAST_SHADOW_HITS: Final = 5
_MOST_CASES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Measured:
    """A rule's hits in the last days, findings and folded hits in 30, and decided cases in 90.

    `right`: cases with a finding of it that were an attack or suspicious; `wrong`: that were not.
    `shadow_right` and `shadow_wrong`: the same of cases beside its hits in shadow, which make no
    finding: about the same account or device, at most a day before the case or after it.
    """

    week: int = 0
    month: int = 0
    findings: int = 0
    folded: int = 0
    last_at: dt.datetime | None = None
    right: int = 0
    wrong: int = 0
    shadow_right: int = 0
    shadow_wrong: int = 0

    @property
    def shadow_decided(self) -> int:
        """How many decided cases stand beside its hits in shadow."""
        return self.shadow_right + self.shadow_wrong

    @property
    def precision(self) -> int | None:
        """Percent of the decided cases in which it was right; None where none is decided."""
        decided = self.right + self.wrong
        return round(100 * self.right / decided) if decided else None


NOTHING: Final = Measured()


def of_tenants(tenant_ids: Collection[uuid.UUID]) -> dict[str, Measured]:
    """Measure each rule over the tenants together, in a scope that reads them; by rule id."""
    now = timezone.now()
    week, month = now.date() - dt.timedelta(days=6), now.date() - dt.timedelta(days=29)
    rows = (
        RuleDay.in_scope()
        .filter(tenant_id__in=tenant_ids)
        .values("rule_id")
        .annotate(
            week=Sum("hits", filter=Q(day__gte=week), default=0),
            month=Sum("hits", filter=Q(day__gte=month), default=0),
            made=Sum("findings", filter=Q(day__gte=month), default=0),
            told_together=Sum("folded", filter=Q(day__gte=month), default=0),
            last=Max("last_at"),
        )
    )
    verdicts, beside = _verdicts(tenant_ids, now), _beside(tenant_ids, now)
    return {
        row["rule_id"]: Measured(
            row["week"], row["month"], row["made"], row["told_together"], row["last"],
            *verdicts.get(row["rule_id"], (0, 0)), *beside.get(row["rule_id"], (0, 0)),
        )
        for row in rows
    }  # fmt: skip


def _verdicts(tenant_ids: Collection[uuid.UUID], now: dt.datetime) -> dict[str, tuple[int, int]]:
    rows = (
        RuleHit.in_scope()
        .filter(tenant_id__in=tenant_ids, at__gte=now - _VERDICTS_OF, finding__isnull=False)
        .filter(finding__case__verdict__in=[*_RIGHT, *_WRONG])
        .values_list("rule_id", "finding__case__verdict")
        .annotate(cases=Count("finding__case", distinct=True))
    )
    return _counted(rows)


def _beside(tenant_ids: Collection[uuid.UUID], now: dt.datetime) -> dict[str, tuple[int, int]]:
    """What became of the cases beside each rule's newest hits in shadow.

    Each rule has its own share of hits that are looked at, so that a noisy one hides no other; and
    of the cases only decided ones of that time count, however many an account had before.
    """
    since = now - _VERDICTS_OF
    most_hits = max(_LEAST_SHADOW_HITS, _MOST_SHADOW_HITS // max(1, len(tenant_ids)))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH decided AS MATERIALIZED (
                SELECT id, tenant_id, verdict, opened_at, closed_at FROM tenants_case
                WHERE tenant_id = ANY(%(tenants)s) AND verdict = ANY(%(verdicts)s)
                    AND (closed_at IS NULL OR closed_at >= %(since)s - %(within)s::interval)
                ORDER BY opened_at DESC LIMIT %(most_cases)s),
            about AS MATERIALIZED (
                SELECT decided.*, named.entity FROM decided
                JOIN tenants_caseentity AS named
                    ON named.case_id = decided.id AND named.tenant_id = decided.tenant_id
                WHERE named.entity LIKE ANY(%(kinds)s)),
            hits AS MATERIALIZED (
                SELECT hit.*, of_rule.tenant_id, of_rule.rule_id FROM (
                    SELECT DISTINCT tenant_id, rule_id FROM integrations_ruleday
                    WHERE tenant_id = ANY(%(tenants)s) AND day >= %(day)s) AS of_rule
                CROSS JOIN LATERAL (
                    SELECT stage, event_id, event_time FROM integrations_rulehit AS newest
                    WHERE newest.tenant_id = of_rule.tenant_id
                        AND newest.rule_id = of_rule.rule_id AND newest.at >= %(since)s
                    ORDER BY newest.at DESC LIMIT %(most_hits)s) AS hit
                WHERE hit.stage = 'shadow')
            SELECT hits.rule_id, about.verdict, count(DISTINCT about.id)
            FROM hits
            JOIN tenants_event AS event
                ON event.id = hits.event_id AND event.tenant_id = hits.tenant_id
            CROSS JOIN LATERAL unnest(event.entities) AS who
            JOIN about ON about.tenant_id = hits.tenant_id AND about.entity = who
                AND hits.event_time >= about.opened_at - %(within)s::interval
                AND hits.event_time <= coalesce(about.closed_at, %(now)s) + %(within)s::interval
            GROUP BY hits.rule_id, about.verdict
            """,
            {
                "tenants": list(tenant_ids), "verdicts": [*_RIGHT, *_WRONG], "now": now,
                "since": since, "day": since.date(), "within": _BESIDE_WITHIN,
                "kinds": list(_BESIDE_KINDS), "most_hits": most_hits,
                "most_cases": _MOST_CASES,
            },
        )  # fmt: skip
        return _counted(cursor.fetchall())


def _counted(rows: Iterable[tuple[str, str, int]]) -> dict[str, tuple[int, int]]:
    """By rule, how many cases were an attack or suspicious, and how many were not."""
    found: dict[str, tuple[int, int]] = {}
    for rule_id, verdict, cases in rows:
        right, wrong = found.get(rule_id, (0, 0))
        is_right = verdict in _RIGHT
        found[rule_id] = (right + cases * is_right, wrong + cases * (not is_right))
    return found


def twins(book: Rulebook, tenant_ids: Collection[uuid.UUID]) -> dict[str, str]:
    """Return for each rule that does what another does, that one's id: same condition or hits."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for entry in book.entries.values():
        if entry.correlation is None and not book.only_counted(entry):
            told = {"source": str(entry.source), "does": entry.document.get("detection")}
            other = first.setdefault(sha256_of(told), entry.id)
            if other != entry.id:
                found[entry.id] = other
    hits: dict[str, str] = {}
    for rule_id, digest in _digests(tenant_ids):
        if rule_id in book.entries:
            other = hits.setdefault(digest, rule_id)
            if other != rule_id and _same_source(book, rule_id, other):
                found.setdefault(rule_id, other)
    return found


def _same_source(book: Rulebook, one: str, other: str) -> bool:
    return book.entries[one].source == book.entries[other].source


def _digests(tenant_ids: Collection[uuid.UUID]) -> list[tuple[str, str]]:
    """A digest of what each rule hit in 30 days, for rules that hit a few times and no flood."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT rule_id, md5(string_agg(digest, '' ORDER BY digest)) FROM (
                SELECT rule_id, md5(tenant_id::text || key) AS digest FROM integrations_rulehit
                WHERE tenant_id = ANY(%s) AND at >= %s) AS hits
            GROUP BY rule_id HAVING count(*) BETWEEN %s AND %s ORDER BY rule_id
            """,
            [list(tenant_ids), timezone.now() - dt.timedelta(days=30), *_COMPARED],
        )
        return cursor.fetchall()


def days_of(rule_id: str, tenant_ids: Collection[uuid.UUID]) -> Mapping[dt.date, int]:
    """Return the hits of a rule on each day that had any, over the tenants together."""
    rows = RuleDay.in_scope().filter(rule_id=rule_id, tenant_id__in=tenant_ids)
    return dict(rows.values("day").annotate(number=Sum("hits")).values_list("day", "number"))
