"""A case's alerts, as many of them as are looked at one by one.

A case may have a flood of them. Then the last told of each kind stand for the others, so that
looking costs no more than for `MOST`, however many there are.
"""

import datetime as dt
import uuid
from collections.abc import Iterable
from typing import Final

from django.db import connection
from django.db.models import F, OrderBy, Window
from django.db.models.functions import RowNumber

from tenants.models import Case, Finding

MOST: Final = 1_000
# So many accounts, devices or the like a case is asked for; nobody deals with more of them at once.
_MOST_NAMED: Final = 10_000
_KIND: Final = ("connector", "title", "category", "severity_id")


def of_case(case: Case) -> list[Finding]:
    """Return the case's alerts by time; of a flood the last told of each kind."""
    rows = case.findings.defer("ocsf", "description")
    found = list(rows.order_by("time", "id")[: MOST + 1])
    if len(found) <= MOST:
        return found
    place = Window(RowNumber(), partition_by=[F(one) for one in _KIND], order_by=_last_told_first())
    last = rows.annotate(place=place).order_by("place", *_last_told_first())[:MOST]
    return sorted(last, key=lambda one: (one.time, one.id))


def first_of(cases: Iterable[Case]) -> dict[uuid.UUID, list[Finding]]:
    """Return the first alerts of many cases, by case: `MOST` of each, in the order they came."""
    came = (F("received_at").asc(), F("id").asc())
    place = Window(RowNumber(), partition_by=[F("case")], order_by=came)
    rows = Finding.in_scope().filter(case__in=list(cases)).defer("ocsf", "description")
    found: dict[uuid.UUID, list[Finding]] = {}
    for row in rows.annotate(place=place).filter(place__lte=MOST).order_by(*came):
        if row.case_id is not None:
            found.setdefault(row.case_id, []).append(row)
    return found


def is_flood(case: Case) -> bool:
    """Whether a case has more alerts than are looked at one by one."""
    return case.findings.order_by()[MOST : MOST + 1].exists()


def named(case: Case, *prefixes: str) -> list[tuple[str, str]]:
    """Return what the case's alerts name that begins so, each with the connector that told it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT connector, entity FROM tenants_finding, unnest(entities) AS entity"
            " WHERE tenant_id = %s AND case_id = %s AND entity LIKE ANY (%s)"
            " ORDER BY connector, entity LIMIT %s",
            [
                case.tenant_id, case.id,
                [f"{one}%" for one in prefixes], _MOST_NAMED,
            ],
        )  # fmt: skip
        return [(connector, entity) for connector, entity in cursor.fetchall()]


def happened_until(case: Case) -> dt.datetime | None:
    """Return when the last of what the alerts tell of happened: none of it after it came."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(least(updated_at, greatest(coalesce(first_activity_at, time),"
            " coalesce(last_activity_at, time))))"
            "  FROM tenants_finding WHERE tenant_id = %s AND case_id = %s",
            [case.tenant_id, case.id],
        )
        (last,) = cursor.fetchone()
    return last if isinstance(last, dt.datetime) else None


def _last_told_first() -> tuple[OrderBy, OrderBy]:
    return F("updated_at").desc(), F("id").desc()
