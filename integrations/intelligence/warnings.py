"""Warning lists of the MSP's own: taken in from a file as MISP writes them, listed, removed.

What stands on a list is looked up, however long it is; only expressions and pieces of text are
tried one by one, in linear time (RE2), and so are few.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db import transaction
from django.db.models import Count

from integrations.intelligence import warning_files, warning_lists
from integrations.intelligence.naming import with_parents
from integrations.intelligence.slices import slices
from integrations.intelligence.warning_expressions import Expressions
from integrations.models import Indicator, WarningEntry, WarningList
from tenants.errors import HoldfastError

_BATCH = 5_000
PREFIX = "warning list: "


class NoList(HoldfastError):
    """A warning list that isn't there."""


def take_in(content: bytes, *, actor: str) -> tuple[WarningList, Sequence[tuple[str, str]]]:
    """Keep a warning list in MISP's format; one of the same name is replaced.

    Returns it, and what of it could not be kept, each with the reason. BadList says what to give.
    """
    told = warning_files.parse(content)
    with transaction.atomic():
        WarningList.objects.filter(name=told.name).delete()
        row = WarningList.objects.create(
            name=told.name, kind=told.kind, version=told.version, about=list(told.about),
            patterns=list(told.patterns), entries=len(told.entities) + len(told.patterns),
            author=actor,
        )  # fmt: skip
        for some in slices(told.entities, _BATCH):
            WarningEntry.objects.bulk_create(
                WarningEntry(warning_list=row, entity=one) for one in some
            )
        _look_anew()
    return row, told.left


@transaction.atomic
def remove(name: str) -> None:
    """Forget a warning list: what it kept out is looked for again. NoList where there is none."""
    if not WarningList.objects.filter(name=name).delete()[0]:
        raise NoList(f"There is no warning list {name!r}: see intelligence warnings.")
    _look_anew()


def why_not(entities: Collection[str]) -> dict[str, str]:
    """Return on which warning list each of the entities stands, if it does, in words."""
    found = {one: why for one in entities if (why := warning_lists.why_not(one))}
    lists = list(WarningList.objects.order_by("name"))
    if not lists:
        return found
    left = [one for one in entities if one not in found]
    by_id = {row.id: row for row in lists}
    listed = _looked_up(left)
    tried = [(row, _Tried(row)) for row in lists if row.patterns]
    for one in left:
        on = [by_id[list_id] for list_id in listed.get(one, ())]
        on += [row for row, is_on in tried if is_on(one)]
        names = [row.name for row in on if _holds_for(row, one)]
        if names:
            found[one] = f"it is on “{min(names)}”"
    return found


def kept_out() -> Mapping[str, int]:
    """Return how many indicators each warning list keeps out, by the words that it is told in."""
    rows = Indicator.objects.filter(not_matched__startswith=PREFIX).order_by()
    counts = rows.values_list("not_matched").annotate(Count("id"))
    return {why.removeprefix(PREFIX): count for why, count in sorted(counts)}


def _looked_up(entities: Iterable[str]) -> dict[str, set[uuid.UUID]]:
    """Return on which lists each entity stands, by itself or by what is above it."""
    wanted: dict[str, list[str]] = {}
    for one in entities:
        above = set() if _is_shielded(one) else with_parents([one])
        for name in {*above, f"={one}"}:
            wanted.setdefault(name, []).append(one)
    found: dict[str, set[uuid.UUID]] = {}
    for names in slices(wanted, _BATCH):
        rows = WarningEntry.objects.filter(entity__in=names).order_by()
        for name, list_id in rows.values_list("entity", "warning_list_id"):
            for one in wanted[name]:
                found.setdefault(one, set()).add(list_id)
    return found


def _is_shielded(entity: str) -> bool:
    """Whether what stands above it says nothing of it: anybody may keep something there."""
    is_url = entity.startswith("url:") and warning_lists.is_hosted(entity.partition(":")[2])
    return is_url or warning_lists.is_free_mail(entity)


def _holds_for(row: WarningList, entity: str) -> bool:
    """Whether a list is about things of the entity's kind: one of sites need not be about URLs."""
    return not row.about or entity.partition(":")[0] in row.about


class _Tried:
    """Whether an entity's value has one of a list's pieces of text, or one of its expressions."""

    def __init__(self, row: WarningList) -> None:
        self._pieces = tuple(row.patterns) if row.kind == WarningList.Kind.SUBSTRING else ()
        is_expressions = row.kind == WarningList.Kind.REGEX
        self._expressions = Expressions(row.patterns if is_expressions else ())

    def __call__(self, entity: str) -> bool:
        value = entity.partition(":")[2]
        return self._expressions.is_in(value) or any(one in value for one in self._pieces)


def _look_anew() -> None:
    """Have what is kept say anew which list it stands on."""
    changed: dict[str, list[str]] = {}
    rows = Indicator.objects.exclude(entity="").order_by()
    said_of = rows.values_list("entity", "not_matched").distinct().iterator()
    for some in slices(said_of, _BATCH):
        why = why_not([entity for entity, _ in some])
        for entity, said in some:
            now = f"{PREFIX}{why[entity]}" if entity in why else ""
            if said != now and (not said or said.startswith(PREFIX)):
                changed.setdefault(now, []).append(entity)
    for now, entities in changed.items():
        for names in slices(entities, _BATCH):
            told = Indicator.objects.filter(entity__in=names)
            told.filter(not_matched="").update(not_matched=now)
            told.filter(not_matched__startswith=PREFIX).update(not_matched=now)
