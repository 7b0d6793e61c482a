"""Where a client met an indicator: in its events, and in its cases. Counted, and counted anew."""

import datetime as dt
import uuid
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.db import connection
from django.utils import timezone

from integrations.intelligence import store
from integrations.models import Sighting
from tenants import scope, work
from tenants.models import new_id

WINDOW = dt.timedelta(days=30)
_AGAIN_SECONDS = 3600.0
_COUNT = """
WITH looked_for AS (
    SELECT id, entity FROM integrations_indicator
     WHERE entity <> '' AND not_matched = '' AND NOT is_revoked
       AND (expires_at IS NULL OR expires_at > now())
       AND (valid_from IS NULL OR valid_from <= now())
), met AS (
    SELECT looked_for.id, 1 AS events, 0 AS cases, event.time AS at
      FROM tenants_event AS event, unnest(event.entities) AS named
      JOIN looked_for ON looked_for.entity = named
     WHERE event.tenant_id = %(tenant)s AND event.time >= %(since)s
    UNION ALL
    SELECT looked_for.id, 0, 1, one.last_activity_at
      FROM tenants_case AS one, unnest(one.entities) AS named
      JOIN looked_for ON looked_for.entity = named
     WHERE one.tenant_id = %(tenant)s AND one.last_activity_at >= %(since)s
)
SELECT id, sum(events), sum(cases), min(at), max(at) FROM met GROUP BY id
"""


def look(tenant_id: uuid.UUID, _subject: uuid.UUID) -> None:
    """Count where a client met what is known, of the last 30 days. Handler of work `sight`.

    It is done again in an hour while there is anything to look for.
    """
    with scope.tenant(tenant_id):
        since = timezone.now() - WINDOW
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, {"tenant": tenant_id, "since": since})
            rows = cursor.fetchall()
        Sighting.objects.bulk_create(
            [
                Sighting(
                    id=new_id(), tenant_id=tenant_id, indicator_id=indicator, events=events,
                    cases=cases, first_at=first, last_at=last,
                )
                for indicator, events, cases, first, last in rows
            ],
            update_conflicts=True,
            unique_fields=["tenant", "indicator"],
            update_fields=["events", "cases", "last_at"],
        )  # fmt: skip
        if store.in_force().exists():
            work.schedule("sight", tenant_id, delay=_AGAIN_SECONDS)


def with_parents(entities: Iterable[str]) -> set[str]:
    """Return entities with what they stand below: the names above a name, the host of a URL."""
    found: set[str] = set()
    for one in entities:
        found.add(one)
        kind, _, value = one.partition(":")
        name = {
            "domain": value,
            "sender": value.rpartition("@")[2],
            "url": _host(value) if kind == "url" else "",
        }.get(kind, "")
        if kind == "url" and name.replace(".", "").isdigit():
            found.add(f"ip:{name}")
            continue
        parts = name.split(".")
        found |= {f"domain:{'.'.join(parts[i:])}" for i in range(len(parts) - 1)}
    return found


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
