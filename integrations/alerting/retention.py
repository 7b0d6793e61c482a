"""How long hits of rules are kept: whole months go, and the ledger says so.

Hits of which nothing was told go first; those of findings are kept as evidence. What is counted by
day is kept as long as these.
"""

import datetime as dt
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from integrations.alerting.rows import RuleDay, RuleHit
from tenants import ledger, scope

# Precision is measured over 90 days; a month is removed when it is over for so long.
UNTOLD: Final = dt.timedelta(days=100)
TOLD: Final = dt.timedelta(days=400)
# So many rows in one transaction: what is left goes in the next round.
_AT_ONCE: Final = 20_000


def thin() -> int:
    """Remove hits and days of the scope's tenant that are kept no longer; return how many."""
    _one_at_a_time()
    untold, told = _month(UNTOLD), _month(TOLD)
    hits = RuleHit.in_scope().filter(tenant_id=scope.require_tenant_id())
    days = RuleDay.in_scope().filter(tenant_id=scope.require_tenant_id())
    removed = {
        "shadow_hits": _remove(hits.filter(finding=None, at__lt=untold)),
        "hits": _remove(hits.filter(at__lt=told)),
        "days": _remove(days.filter(day__lt=told.date())),
    }
    gone = sum(removed.values())
    if gone:
        ledger.append(
            "detection.hits_removed", actor="engine", subject=f"before {untold:%Y-%m}",
            body={
                **removed,
                "shadow_before": untold.date().isoformat(),
                "before": told.date().isoformat(),
            },
        )  # fmt: skip
    return gone


def _remove(rows: Any) -> int:
    some = list(rows.order_by().values_list("id", flat=True)[:_AT_ONCE])
    number, _ = rows.model.in_scope().filter(id__in=some).delete() if some else (0, {})
    return int(number)


def _month(age: dt.timedelta) -> dt.datetime:
    """The first moment of the oldest month that is kept."""
    now = (timezone.now() - age).astimezone(dt.UTC)
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 14))",
            [f"old hits {scope.require_tenant_id()}"],
        )
