"""Turns: fair shares of what waits for others outside, such as feeds of vendors.

A vendor may take minutes to answer, and a worker's thread waits with it. So at most
`settings.WORK_TURNS` of such work is done at once, and of these turns no client, no lane (one
vendor) and not all that is slow together ever has more than a share, and one holder (a
connection) only one. Whoever has been due longest and keeps within these shares is next. So
clients whose vendor is slow or throttles wait for each other, and nobody else for them.

Shares are counted without a lock: two workers that claim at the same moment may go one over.
"""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from tenants import leases, work
from tenants.models import Work

# A message's worker goes on with what is due for so long, before it lets other messages come.
_GOES_ON_SECONDS = 20.0

_NEXT = """
WITH running AS MATERIALIZED (
    SELECT tenant_id, lane, holder,
           began_at < statement_timestamp() - make_interval(secs => %(slow_after)s)
           OR coalesce(took_seconds, 0) > %(slow_after)s AS is_slow
      FROM tenants_work
     WHERE lane <> '' AND leased_until > statement_timestamp()
), next AS (
    SELECT id, due_at FROM tenants_work AS waiting
     WHERE lane <> '' AND due_at <= statement_timestamp()
       AND (leased_until IS NULL OR leased_until <= statement_timestamp())
       AND (SELECT count(*) FROM running) < %(turns)s
       AND NOT EXISTS (SELECT 1 FROM running AS one WHERE one.holder = waiting.holder)
       AND (SELECT count(*) FROM running AS one WHERE one.tenant_id = waiting.tenant_id)
           < %(of_tenant)s
       AND (SELECT count(*) FROM running AS one WHERE one.lane = waiting.lane) < %(of_lane)s
       AND (coalesce(took_seconds, 0) <= %(slow_after)s
            OR (SELECT count(*) FROM running AS one WHERE one.is_slow) < %(of_slow)s)
     ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE tenants_work AS row
   SET leased_by = %(worker)s,
       leased_until = statement_timestamp() + make_interval(secs => %(lease)s),
       attempts = attempts + 1,
       began_at = statement_timestamp(),
       waited_seconds = extract(epoch FROM statement_timestamp() - row.due_at),
       due_at = created_at
  FROM next WHERE row.id = next.id
RETURNING row.id, row.tenant_id, row.kind, row.subject, row.generation, row.attempts,
          row.failures, row.leased_by
"""


@dataclass(frozen=True, slots=True)
class Shares:
    """How many turns there are, and how many of them each may have at once."""

    turns: int
    of_tenant: int
    of_lane: int
    of_slow: int


def shares(turns: int) -> Shares:
    """Return the shares of so many turns."""
    return Shares(
        turns,
        of_tenant=max(1, turns // 3),
        of_lane=max(1, turns - max(1, turns // 4)),
        of_slow=max(1, turns // 2),
    )


def claim_next() -> work.Claim | None:
    """Take what is next by turns; None where nothing may begin now."""
    worker = leases.worker_name()
    share = shares(settings.WORK_TURNS)
    told: dict[str, int | float | str] = {
        "turns": share.turns,
        "of_tenant": share.of_tenant,
        "of_lane": share.of_lane,
        "of_slow": share.of_slow,
        "slow_after": work.SLOW_SECONDS,
        "worker": worker,
        "lease": leases.lease_seconds(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, told)
        row = cursor.fetchone()
    return work.Claim(*row) if row else None


def perform(work_id: uuid.UUID, handlers: Mapping[str, work.Handler]) -> None:
    """Do what is next by turns for a while, whichever row the message named.

    A row that takes no turns, from before there were any, is done itself.
    """
    if not Work.objects.filter(id=work_id).exclude(lane="").exists():
        work.perform(work_id, handlers)
    end = time.monotonic() + _GOES_ON_SECONDS
    is_broken_off = True
    try:
        while time.monotonic() < end:
            if (held := claim_next()) is None:
                is_broken_off = False
                return
            inline: list[uuid.UUID] = []
            work.carry_out(held, handlers[held.kind], inline)
            for made_necessary in inline:
                work.perform(made_necessary, handlers)
    finally:
        for row in unsent(1) if is_broken_off else ():
            work.hint(row.id, row.kind, is_shared=True)


def unsent(limit: int | None = None) -> list[work.Unsent]:
    """Return due rows to send messages for: no more than there are free turns, or `limit`."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, kind FROM tenants_work
             WHERE lane <> '' AND due_at <= statement_timestamp() AND leased_until IS NULL
             ORDER BY due_at
             LIMIT least(%s, greatest(0, %s - (
                   SELECT count(*) FROM tenants_work
                    WHERE lane <> '' AND leased_until > statement_timestamp())))
            """,
            [limit if limit is not None else settings.WORK_TURNS, settings.WORK_TURNS],
        )
        return [work.Unsent(row, kind, was_held=False) for row, kind in cursor.fetchall()]
