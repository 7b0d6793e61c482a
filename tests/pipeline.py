"""Doing the due work in the test's own process, through the same stages as the workers."""

from collections.abc import Collection

from django.contrib.postgres.functions import TransactionNow
from django.db import connection

from msp.pipeline import STAGES
from tenants import work
from tenants.models import Work


def drain(kinds: Collection[str] | None = None, rounds: int = 200) -> None:
    """Do all work that is due now, and what it makes necessary, until none is left."""
    for _ in range(rounds):
        # The clock that claiming goes by; in a test's transaction it stands still.
        due = Work.objects.filter(due_at__lte=TransactionNow(), leased_until=None)
        if kinds is not None:
            due = due.filter(kind__in=kinds)
        row = due.order_by("due_at").first()
        if row is None:
            return
        work.perform(row.id, STAGES)
    raise AssertionError("The work never ended.")


def make_due(kind: str) -> None:
    """Make waiting work of a kind due now, as if its time had come."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_work SET due_at = now() WHERE kind = %s", [kind])
