"""What each case shares with the alerts that belong to it, found by an index.

A flood of alerts may name any number of things. A case has `MOST` accounts, devices and the like,
and as many of all else; an alert that names only what is beyond that is another case.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from django.db.models import QuerySet

from playbooks.cases import shared_names
from playbooks.correlation import Names, joining
from tenants import scope
from tenants.models import Case, CaseEntity

MOST: Final = 1_000
_WHO: Final = ("account:", "account_id:", "device:", "device_id:", "mailbox:")


def having(entities: Collection[str]) -> QuerySet[CaseEntity]:
    """Return the rows of the cases that have one of the entities."""
    return CaseEntity.objects.filter(entity__in=list(entities))


def of(cases: Collection[uuid.UUID]) -> Iterable[tuple[uuid.UUID, str]]:
    """Return each case's id with each of its entities."""
    return CaseEntity.objects.filter(case__in=list(cases)).values_list("case", "entity")


def widened(have: Collection[str], more: Iterable[str]) -> list[str]:
    """Return what a case has that had `have` and is told `more`, as far as there is room."""
    found, told = set(have), set(more)
    for is_who in (True, False):
        kept = {one for one in found if one.startswith(_WHO) == is_who}
        new = sorted(one for one in told - kept if one.startswith(_WHO) == is_who)
        found.update(new[: max(0, MOST - len(kept))])
    return sorted(found)


def note(
    cases: Iterable[Case],
    known: Mapping[uuid.UUID, Collection[str]],
    names: Names,
) -> None:
    """Keep what the cases' entities share with others, where it is not kept yet.

    `known` has what is kept of each case, as far as it was read.
    """
    CaseEntity.objects.bulk_create(
        (
            CaseEntity(tenant_id=scope.require_tenant_id(), case=case, entity=entity)
            for case in cases
            for entity in sorted(joining(case.entities, names) - set(known.get(case.id, ())))
        ),
        ignore_conflicts=True,
    )


def replace(case: Case, *, by: Collection[str]) -> None:
    """Let a case have these entities from now on, and no others; the case is not saved."""
    case.entities = sorted(by)
    CaseEntity.objects.filter(case=case).delete()
    if case.merged_into_id is None:
        note([case], {}, shared_names.known(case.entities))
