"""Which indicators in force are named by an event or a case, and how sure each still is."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone

from integrations.intelligence import aging, own_names, store, warnings
from integrations.intelligence.naming import with_parents
from integrations.intelligence.slices import slices
from integrations.models import Indicator

# Percent: less is a hint, and no reason to call something harmful.
SURE = 70
_NAMES_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Known:
    """An indicator that is named; `sure` is the confidence (percent) that is left of it now."""

    indicator: Indicator
    sure: int


class Lookup:
    """What of many events or cases of the scope's tenant is named by indicators in force.

    A few queries, however many there are. What stands on a warning list, or is the client's own,
    is met by no indicator, whatever network or domain around it one names.
    """

    def __init__(self, entities: Iterable[str]) -> None:
        named = set(entities)
        rows = _named_by(with_parents(named))
        self._by_entity: dict[str, list[Indicator]] = {}
        for one in rows:
            self._by_entity.setdefault(one.entity, []).append(one)
        self._counted = set(_counted(_supporting(named, rows))) if rows else set()

    def met_by(self, entities: Iterable[str]) -> list[Indicator]:
        """Return the indicators that one event or case names, each with all that it asks for."""
        names = with_parents(self._counted.intersection(entities)) if self._counted else set()
        rows = (one for name in names for one in self._by_entity.get(name, ()))
        return [one for one in rows if set(one.also) <= names]


def known(entities: Iterable[str]) -> list[Known]:
    """Return what is known of what an event or a case of the scope's tenant names, surest first."""
    named = set(entities)
    now = timezone.now()
    found = [Known(one, sure(one, now)) for one in Lookup(named).met_by(named)]
    return sorted(found, key=lambda one: (-one.sure, one.indicator.entity, one.indicator.source))


def sure(one: Indicator, now: dt.datetime) -> int:
    """Return the confidence (percent) that is left of an indicator's now."""
    return aging.sure(one.entity, one.confidence, one.seen_at, one.expires_at, now)


def surely(entities: Iterable[str]) -> list[Known]:
    """Return what is known and sure enough to act on, as `known`."""
    return [one for one in known(entities) if one.sure >= SURE]


def _named_by(names: Collection[str]) -> list[Indicator]:
    """Return the indicators in force whose entity is among the names; warned and own ones too."""
    found: list[Indicator] = []
    for some in slices(names, _NAMES_AT_ONCE):
        found += store.in_force(some).defer("told").order_by()
    return found


def _supporting(entities: Iterable[str], rows: Sequence[Indicator]) -> list[str]:
    """Return those of the entities by which any of the indicators is named."""
    wanted = {name for one in rows for name in (one.entity, *one.also)}
    return [one for one in entities if not wanted.isdisjoint(with_parents([one]))]


def _counted(entities: Collection[str]) -> list[str]:
    """Return the entities that count: on no warning list, and not the client's own."""
    warned: Mapping[str, str] = warnings.why_not(entities)
    own = own_names.are_own(entities, own_names.of_scope())
    return [one for one in entities if one not in warned and one not in own]
