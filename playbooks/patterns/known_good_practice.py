"""How known-good patterns do in practice: how often used, what they hid, and what could be one."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from django.db.models import F
from django.utils import timezone

from playbooks.cases import case_alerts
from playbooks.models import KnownGood, KnownGoodUse
from playbooks.patterns.known_good import WHOM, source
from tenants.models import HARMLESS, Case, Verdict

_WINDOW = dt.timedelta(days=180)
_ENOUGH = 3
_MOST_CASES = 2000


@dataclass(frozen=True, slots=True)
class Practice:
    """How often a pattern decided a case, when last, and the attacks that it may have hidden.

    `hidden` are cases that it called benign and that turned out to be an attack, `later` attacks
    on whom it is about that began after it was used.
    """

    uses: int
    last_used_at: dt.datetime | None
    hidden: Sequence[Case]
    later: Sequence[Case]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Cases of one kind about the same, all closed as harmless: the newest shows what they are."""

    newest: Case
    alerts: Sequence[str]
    count: int


def of_pattern(row: KnownGood) -> Practice:
    """Return how a pattern, in all its versions, did. Runs in its tenant's scope."""
    uses = KnownGoodUse.in_scope().filter(known_good__pattern=row.pattern)
    last = uses.order_by("-used_at").first()
    first = uses.order_by("used_at").first()
    whom = [one for one in row.entities if one.startswith(WHOM)]
    attacks = Case.in_scope().filter(tenant=row.tenant_id, verdict=Verdict.TRUE_POSITIVE)
    hidden = attacks.filter(known_good_uses__in=uses).distinct()
    later = attacks.none()
    if first is not None and whom:
        later = attacks.filter(entities__overlap=whom, opened_at__gt=first.used_at)
    return Practice(
        uses=uses.count(),
        last_used_at=last.used_at if last else None,
        hidden=list(hidden),
        later=list(later.exclude(id__in=[one.id for one in hidden])),
    )


def proposals(patterns: Sequence[KnownGood]) -> list[Proposal]:
    """Return what technicians closed as harmless three times or more, and no pattern covers.

    A person decides: nothing of it is applied by itself. Runs in a reading scope.
    """
    groups: dict[tuple[uuid.UUID, tuple[str, ...], frozenset[str]], list[Case]] = defaultdict(list)
    rows = (
        Case.in_scope()
        .filter(
            kind=Case.Kind.INCIDENT, status=Case.Status.CLOSED, known_good_uses=None,
            closed_at__gte=timezone.now() - _WINDOW,
        )
        .order_by(F("closed_at").desc())
        .select_related("tenant")[:_MOST_CASES]
    )  # fmt: skip
    told = case_alerts.first_of(rows)
    for case in rows:
        alerts = tuple(sorted({source(one) for one in told.get(case.id, ())}))
        whom = frozenset(one for one in case.entities if one.startswith(WHOM))
        if alerts and whom:
            groups[case.tenant_id, alerts, whom].append(case)
    return [
        Proposal(cases[0], alerts, len(cases))
        for (tenant_id, alerts, whom), cases in groups.items()
        if len(cases) >= _ENOUGH
        and not any(_covers(row, tenant_id, alerts, whom) for row in patterns)
        and all(case.verdict in HARMLESS for case in cases)
    ]


def _covers(row: KnownGood, tenant_id: uuid.UUID, alerts: Iterable[str], whom: Set[str]) -> bool:
    is_same_client = row.is_active and row.tenant_id == tenant_id
    return is_same_client and set(alerts) <= set(row.sources) and whom <= set(row.entities)
