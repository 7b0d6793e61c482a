"""What a source's indicators point at, over all its pages and readings: kept, and told to them."""

from django.db import connection, transaction

from integrations.intelligence.slices import slices
from integrations.intelligence.stix import Context
from integrations.models import NamedThreat
from tenants.storable import bounded, storable

_BATCH = 2_000
_MOST_NAMED = 50_000
_MOST_ABOUT = 20
_ADD = """
UPDATE integrations_indicator AS one
   SET about = (
       SELECT array_agg(told ORDER BY told) FROM (
           SELECT DISTINCT unnest(one.about || points.told::varchar[]) AS told
            ORDER BY 1 LIMIT %(most)s
       ) AS each
   )
  FROM (
      SELECT ref, array_agg(told) AS told
        FROM unnest(%(refs)s::text[], %(told)s::text[]) AS pair(ref, told) GROUP BY ref
  ) AS points
 WHERE one.source = %(source)s AND one.external_id = points.ref
   AND NOT one.about @> points.told::varchar[]
"""


def named(source: str) -> dict[str, str]:
    """Return what a source has named so far that indicators may point at, by its ids."""
    rows = NamedThreat.objects.filter(source=bounded(source, 100)).order_by()
    return dict(rows.values_list("ref", "told")[:_MOST_NAMED])


@transaction.atomic
def keep(source: str, context: Context) -> None:
    """Keep what a reading named, and tell each indicator what it points at."""
    source = bounded(source, 100)
    named = {ref[:100]: storable(told)[:200] for ref, told in context.named.items()}
    for some in slices(list(named.items())[:_MOST_NAMED], _BATCH):
        NamedThreat.objects.bulk_create(
            [NamedThreat(source=source, ref=bounded(ref, 100), told=told) for ref, told in some],
            update_conflicts=True, unique_fields=["source", "ref"], update_fields=["told"],
        )  # fmt: skip
    pairs = [(ref, told) for ref in context.points for told in context.about(ref)]
    with connection.cursor() as cursor:
        for group in slices(pairs, _BATCH):
            cursor.execute(
                _ADD,
                {
                    "source": source, "most": _MOST_ABOUT, "refs": [ref for ref, _ in group],
                    "told": [storable(told) for _, told in group],
                },
            )  # fmt: skip


def forget(source: str) -> None:
    """Forget what a source has named."""
    NamedThreat.objects.filter(source=bounded(source, 100)).delete()
