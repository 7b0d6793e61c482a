"""Whose a connection is: two clients are never connected to the same organisation at a vendor.

What identifies an organisation stands in its connector's manifest. What was entered is compared
before anything is asked; where the vendor has an id of its own for it, that decides. Whether it is
another client's is looked up over all clients; who that is, is never told.
"""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection as database
from django.db import models

from integrations import registry
from integrations.contract import Manifest
from integrations.errors import (
    NotFound,
    OrganisationChanged,
    OrganisationTaken,
    PermissionMissing,
    Rejected,
)
from integrations.models import Connection
from tenants import scope

_SECURE = 443
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Claim:
    """What a connection reads: `parts` of what is at `place`; everything there where it has none.

    Without a place nothing is claimed, since the connection reads nothing by itself.
    """

    place: tuple[str, ...]
    parts: frozenset[str]

    def meets(self, other: "Claim") -> bool:
        """Whether both read something of the same organisation."""
        if not self.place or self.place != other.place:
            return False
        return not self.parts or not other.parts or bool(self.parts & other.parts)

    def is_another_than(self, other: "Claim") -> bool:
        """Whether this is another organisation, not more or less of the same one."""
        if not self.place and not other.place:
            return False
        return not self.meets(other) or bool(self.parts) != bool(other.parts)


def claim(manifest: Manifest, settings: Mapping[str, str]) -> Claim:
    """Return what a connection with these settings reads. Pure."""
    told = manifest.organisation
    place = tuple(_folded(settings.get(n, ""), told.port) for n in told.at)
    split = told.split or (lambda text: [text])
    named = settings.get(told.part, "").strip() if told.part else ""
    parts = frozenset(_folded(one, told.port) for one in split(named)) if named else frozenset()
    if not parts and told.within and settings.get(told.within, "").strip():
        parts = frozenset({f"{told.within} {_folded(settings[told.within], told.port)}"})
    return Claim(place or ((told.part,) if told.part else ()), parts)


def check_free(manifest: Manifest, settings: Mapping[str, str]) -> None:
    """Refuse to connect the scope's tenant to what another client is connected to.

    Held until the transaction ends, so that two clients can't be connected at once.
    """
    wanted = claim(manifest, settings)
    if not wanted.place:
        return
    own = scope.require_tenant_id()
    _one_at_a_time(manifest)
    with scope.reading(scope.ALL):
        others = Connection.in_scope().filter(connector=manifest.id).exclude(tenant_id=own)
        claims = [claim(manifest, told) for told in others.values_list("settings", flat=True)]
    for other in claims:
        if wanted.meets(other):
            raise OrganisationTaken(_why_not(manifest, wanted, other))


def ask(manifest: Manifest, client: Any) -> str:
    """Return the vendor's own id of the organisation; empty where it doesn't tell, or may not.

    Other errors of the vendor are raised.
    """
    if manifest.organisation.told is None:
        return ""
    try:
        return manifest.organisation.told(client).strip().casefold()[:_LONGEST]
    except (PermissionMissing, NotFound, Rejected):
        return ""


def recognise(row: Connection, told: str) -> None:
    """Keep whose a connection is, as the vendor told just now. The row is locked.

    OrganisationTaken where that is another client's, OrganisationChanged where it is another one
    than before.
    """
    if not told or told == row.organisation:
        return
    manifest = registry.connector(row.connector)
    if row.organisation and not manifest.organisation.is_passing:
        raise OrganisationChanged(
            f"{manifest.vendor} says that this is another organisation ({told}) than the one that "
            f"was read before ({row.organisation}). Nothing is read or done until the settings are "
            "corrected, or it is said there that this one replaces it."
        )
    _one_at_a_time(manifest)
    with scope.reading(scope.ALL):
        others = Connection.in_scope().filter(connector=row.connector)
        is_taken = others.exclude(tenant_id=row.tenant_id).filter(_lies_with(told)).exists()
    if is_taken:
        raise OrganisationTaken(
            f"{manifest.vendor} says that this is an organisation ({told}) which another client is "
            "connected to already: check whose it is. Nothing is read or done meanwhile."
        )
    row.organisation = told
    row.save(update_fields=["organisation"])


def is_another(manifest: Manifest, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Whether the settings name another organisation than before."""
    return claim(manifest, after).is_another_than(claim(manifest, before))


def refuse_another(manifest: Manifest) -> OrganisationChanged:
    """Return what to say where a connection would be given another organisation unasked."""
    named = " and ".join(_names(manifest))
    return OrganisationChanged(
        f"This names another organisation at {manifest.vendor} ({named}) than the client is "
        "connected to. A client has one connection of a kind: correct what was entered, or say "
        "that it replaces the organisation. Everything is then read anew, and what was read of the "
        "other one is marked as deleted."
    )


def _lies_with(told: str) -> models.Q:
    """What is the same organisation, lies in it, or is what it lies in."""
    parts = told.split("/")
    same_or_wider = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    narrower = models.Q(organisation__startswith=f"{told}/")
    return narrower | models.Q(organisation__in=same_or_wider)


def _one_at_a_time(manifest: Manifest) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 11))", [f"connect {manifest.id}"]
        )


def _why_not(manifest: Manifest, wanted: Claim, other: Claim) -> str:
    part = manifest.organisation.part
    if not wanted.parts and part:
        return (
            f"Another client is connected to this already: without {part} everything there would "
            f"be read, theirs too. Enter {part}."
        )
    if not other.parts and part:
        return (
            f"Another client is connected to this already, and its connection has no {part}, so "
            f"it reads everything there, also what is meant here. Enter {part} in that one first."
        )
    return (
        f"Another client is connected to this already ({' and '.join(_names(manifest))}): check "
        "whose it is."
    )


def _names(manifest: Manifest) -> list[str]:
    told = manifest.organisation
    return [*told.at, *(name for name in (told.part, told.within) if name)]


def _folded(value: str, port: int) -> str:
    """Return a setting so that what means the same is equal."""
    text = value.strip().casefold().rstrip("/.")
    if "://" not in text:
        return text.removesuffix(f":{port}")
    parts = urllib.parse.urlsplit(text)
    usual = port if port else _SECURE
    return f"{parts.hostname or ''}:{_port(parts) or usual}{parts.path}"


def _port(parts: urllib.parse.SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:
        return None
