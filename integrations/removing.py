"""Removing a connection: nothing is read or done through it any more, and its secrets are gone.

What was learnt, decided and done stays: events, evidence, ledger, and the connection's own row.
"""

import uuid

from django.db import connection
from django.utils import timezone

from integrations import alarms
from integrations.errors import RemovalError
from integrations.models import Connection, Delivery, HealthAlarm, Subscription
from tenants import directory, ledger, scope, work

_LONGEST_REASON = 500


def remove(connection_id: uuid.UUID, *, reason: str, actor: str) -> int:
    """Remove a connection of the scope's tenant; return how much it knew that is marked as gone.

    What is planned through it is withdrawn soon after. RemovalError where no reason is given, or
    it is removed already.
    """
    why = reason.strip()[:_LONGEST_REASON]
    if not why:
        raise RemovalError("Say why the connection is removed: the next technician will ask.")
    row = _locked(connection_id)
    if row is None:
        raise RemovalError("This connection is removed already.")
    # First, so that a page that is being read is either stored by now or never.
    row.feeds.update(cursor={}, error="", problem="")
    Subscription.objects.filter(feed__connection=row).delete()
    Delivery.objects.filter(connection=row).delete()
    alarms.settle(row, [], judged=frozenset(HealthAlarm.Kind))
    secret, row.secret = row.secret, None
    row.removed_at = row.organisation_since = timezone.now()
    row.state, row.problem, row.error = Connection.State.PAUSED, "", ""
    row.expires_at = None
    row.save(
        update_fields=[
            "secret", "removed_at", "organisation_since", "state", "problem", "error", "expires_at",
        ]
    )  # fmt: skip
    if secret is not None:
        secret.delete()
    is_last = not Connection.objects.filter(connector=row.connector).exists()
    gone = directory.mark_all_deleted(row.connector) if is_last else 0
    work.schedule("replan", row.tenant_id)
    ledger.append(
        "connection.removed",
        actor=actor,
        subject=f"{row.connector} {row.name}",
        body={"reason": why, "marked_deleted": gone, "connection": str(row.id)},
    )
    return gone


def _locked(connection_id: uuid.UUID) -> Connection | None:
    """Lock a connection; of one connector only one at a time is removed, so that one is the last.

    That lock is asked for first: whoever removes another has it before its connection.
    """
    connector = Connection.objects.filter(id=connection_id).values_list("connector", flat=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 14))",
            [f"remove {scope.require_tenant_id()} {connector.first()}"],
        )
    rows = Connection.objects.select_related("secret").select_for_update(of=("self",))
    return rows.filter(id=connection_id).first()
