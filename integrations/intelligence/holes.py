"""Holes in the programs of clients' computers that attackers are known to use (CISA KEV)."""

import datetime as dt
import uuid
from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass

from django.db.models import QuerySet

from integrations import ocsf
from integrations.intelligence import store
from tenants.models import Event

_MOST_EVENTS = 20_000
_KIND = "cve:"
# OCSF `activity_id` of a Vulnerability Finding: it was closed.
_CLOSE = 3


@dataclass(frozen=True, slots=True)
class Hole:
    """A vulnerability that is known to be used, and the computers of a client that still have it.

    `told_at`: when a vendor last said so.
    """

    tenant_id: uuid.UUID
    cve: str
    title: str
    computers: tuple[str, ...]
    told_at: dt.datetime


def on_computers() -> list[Hole]:
    """Return the holes of the scope's clients that are known to be used, most computers first."""
    known = store.in_force().filter(entity__startswith=_KIND).order_by("-confidence")
    titles: dict[str, str] = {}
    for name, title in known.values_list("entity", "title"):
        titles[name] = titles.get(name) or title
    rows = Event.in_scope().filter(
        class_uid=ocsf.VULNERABILITY_FINDING, entities__overlap=list(titles)
    )
    found: dict[tuple[uuid.UUID, str], dict[str, dt.datetime]] = {}
    for tenant_id, name, computer, at in _open(rows, titles.keys()):
        found.setdefault((tenant_id, name), {})[computer] = at
    holes = [
        Hole(
            tenant_id, name.removeprefix(_KIND).upper(), titles[name], tuple(sorted(computers)),
            max(computers.values()),
        )
        for (tenant_id, name), computers in found.items()
    ]  # fmt: skip
    return sorted(holes, key=lambda one: (-len(one.computers), one.cve))


def on_devices(devices: Collection[str]) -> list[tuple[str, str]]:
    """Return the computer and CVE of each hole of the scope's tenant that is known to be used.

    `devices` are entities, such as ``device:pc-7``.
    """
    known = store.in_force().filter(entity__startswith=_KIND)
    names = set(known.values_list("entity", flat=True)) if devices else set()
    if not names:
        return []
    rows = Event.in_scope().filter(
        class_uid=ocsf.VULNERABILITY_FINDING, entities__overlap=list(names)
    )
    found = _open(rows.filter(entities__overlap=list(devices)), names)
    return sorted((computer, name.removeprefix(_KIND).upper()) for _, name, computer, _ in found)


def _open(
    rows: QuerySet[Event], names: Set[str]
) -> Iterator[tuple[uuid.UUID, str, str, dt.datetime]]:
    """Yield client, hole, computer and time of each hole that was not closed when last told of."""
    last: dict[tuple[uuid.UUID, str, str], tuple[dt.datetime, bool]] = {}
    for tenant_id, entities, computer, at, activity in rows.order_by("-time").values_list(
        "tenant_id", "entities", "target", "time", "ocsf__activity_id"
    )[:_MOST_EVENTS]:
        for name in names & set(entities):
            last.setdefault((tenant_id, name, computer), (at, activity != _CLOSE))
    for (tenant_id, name, computer), (at, is_open) in last.items():
        if is_open:
            yield tenant_id, name, computer, at
