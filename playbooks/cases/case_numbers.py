"""The numbers that people call a client's cases by: counted up, each given once."""

from django.db import connection
from django.db.models import Max

from tenants import scope
from tenants.models import Case


def next_number() -> int:
    """Return the number of the scope's next case; others who ask wait for this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))",
            [f"case number {scope.require_tenant_id()}"],
        )
    return int(Case.objects.aggregate(newest=Max("number"))["newest"] or 0) + 1
