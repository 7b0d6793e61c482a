"""Earlier cases of the same person."""

import datetime as dt
from typing import Any

from django.db.models import Q

from integrations.contract import Json
from playbooks.investigating.own_answers.asked import days, person_of
from tenants.models import HARMLESS, Account, Case, Verdict

_MOST = 50
_NAMED = ("account:", "account_id:", "mailbox:")


def past_cases(case: Case, inputs: Json) -> Json:
    """Return the person's cases of the last `days` (365), newest first, at most 50.

    `same_kind` counts the harmless ones whose alerts have a category in common with this case's.
    """
    accounts = person_of(case)
    since = case.opened_at - dt.timedelta(days=days(inputs, 365, most=3650))
    rows = (
        Case.in_scope()
        .filter(_about(accounts), kind=Case.Kind.INCIDENT, opened_at__gte=since, merged_into=None)
        .exclude(id=case.id)
        .order_by("-opened_at")
    )
    here = _kinds(case)
    found = [_told(row) for row in rows[:_MOST].prefetch_related("findings")]
    harmless = [one for one in found if one["verdict"] in HARMLESS]
    return {
        "cases": found,
        "count": rows.count(),
        "true_positives": rows.filter(verdict=Verdict.TRUE_POSITIVE).count(),
        "harmless": rows.filter(verdict__in=HARMLESS).count(),
        "same_kind": sum(bool(here & set(one["categories"])) for one in harmless),
    }


def _about(accounts: list[Account]) -> Q:
    """Return what makes a case one of these accounts': it is about one, or its alerts name one."""
    names = {one.external_id for one in accounts}
    names |= {name for one in accounts for name in (one.username, one.email) if name}
    entities = [f"{kind}{name.lower()}" for kind in _NAMED for name in sorted(names)]
    return Q(account__in=accounts) | Q(entities__overlap=entities)


def _told(row: Case) -> dict[str, Any]:
    return {
        "external_id": str(row.id),
        "name": str(row),
        "status": row.status,
        "verdict": row.verdict,
        "rule": row.verdict_detail.get("rule", ""),
        "risk": row.risk,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "categories": sorted(_kinds(row)),
    }


def _kinds(case: Case) -> set[str]:
    told = case.findings.order_by().exclude(category="").values_list("category", flat=True)
    return set(told.distinct())
