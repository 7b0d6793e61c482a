"""Files that are taken in again: what stands in them in several versions is not news."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from tenants.models import RawRecord


def replayed(
    connector: str,
    outcome: RawRecord.Outcome,
    told: Sequence[tuple[Hashable, str]],
    known: Mapping[Any, str],
) -> set[Hashable]:
    """Return what stands in a batch in several versions that all came before, in that order.

    The last of them is the version that is known, so a file taken in again changes nothing.
    """
    versions: dict[Hashable, list[str]] = {}
    for key, content_hash in told:
        versions.setdefault(key, []).append(content_hash)
    several = {
        key: set(hashes)
        for key, hashes in versions.items()
        if len(set(hashes)) > 1 and known.get(key) == hashes[-1]
    }
    if not several:
        return set()
    seen = set(
        RawRecord.objects.filter(
            connector=connector, outcome=outcome, content_hash__in=set().union(*several.values())
        ).values_list("content_hash", flat=True)
    )
    return {key for key, hashes in several.items() if hashes <= seen}
