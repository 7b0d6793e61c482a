"""What each case shares with the alerts that belong to it, found by an index."""

import uuid
from collections.abc import Collection, Iterable

from django.db.models import QuerySet

from playbooks.correlation import joining
from tenants import scope
from tenants.models import Case, CaseEntity


def having(entities: Collection[str]) -> QuerySet[CaseEntity]:
    """Return the rows of the cases that have one of the entities."""
    return CaseEntity.objects.filter(entity__in=list(entities))


def of(cases: Collection[uuid.UUID]) -> Iterable[tuple[uuid.UUID, str]]:
    """Return each case's id with each of its entities."""
    return CaseEntity.objects.filter(case__in=list(cases)).values_list("case", "entity")


def note(cases: Iterable[Case]) -> None:
    """Keep what the cases' entities share with others, where it is not kept yet."""
    CaseEntity.objects.bulk_create(
        (
            CaseEntity(tenant_id=scope.require_tenant_id(), case=case, entity=entity)
            for case in cases
            for entity in sorted(joining(case.entities))
        ),
        ignore_conflicts=True,
    )


def replace(case: Case, *, by: Collection[str]) -> None:
    """Let a case have these entities from now on, and no others; the case is not saved."""
    case.entities = sorted(by)
    CaseEntity.objects.filter(case=case).delete()
    if case.merged_into_id is None:
        note([case])
