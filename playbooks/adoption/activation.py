"""Which playbooks hold for a tenant: in which version each, and how far each may go by itself.

The newest activation of a playbook is in force. Where a tenant has none, the version that comes
with Holdfast is, in the tenant's own mode. An imported playbook is used only where it was
activated. Everything here speaks of the tenant of the current scope.
"""

import logging
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from playbooks import library
from playbooks.adoption.versions import playbook_of, remember
from playbooks.errors import PlaybookError
from playbooks.language import Playbook
from playbooks.models import Activation, PlaybookVersion
from tenants import ledger, scope
from tenants.models import PlaybookMode, Tenant

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InForce:
    """A playbook as it holds for a tenant."""

    playbook: Playbook
    mode: str
    version_sha256: str


def in_force(playbook_id: str) -> InForce:
    """Return what holds for the scope's tenant; PlaybookError where there is no such playbook."""
    row = (
        Activation.objects.filter(playbook_id=playbook_id)
        .select_related("version")
        .order_by("-created_at", "-id")
        .first()
    )
    if row is not None:
        return _as_activated(row)
    tenant = Tenant.objects.get(id=scope.require_tenant_id())
    playbook = library.get(playbook_id)
    return InForce(playbook, tenant.playbook_mode, playbook.source_sha256)


def mode_in_force(playbook_id: str) -> str:
    """Return how far a playbook may go for the scope's tenant."""
    modes = Activation.objects.filter(playbook_id=playbook_id).order_by("-created_at", "-id")
    mode = modes.values_list("mode", flat=True).first()
    return mode or Tenant.objects.get(id=scope.require_tenant_id()).playbook_mode


def only_watches() -> bool:
    """Whether the scope's tenant is in shadow: no response to an attack may do more than plan.

    A routine, such as of somebody who leaves, is begun by a person and says nothing of it.
    """
    return all(
        held.mode == PlaybookMode.SHADOW
        for held in playbooks().values()
        if held.playbook.kind == "response"
    )


def newest() -> dict[str, Activation]:
    """Return the scope's activation that is in force for each playbook that has one."""
    rows = Activation.objects.select_related("version").order_by("created_at", "id")
    return {row.playbook_id: row for row in rows}


def playbooks() -> dict[str, InForce]:
    """Return every playbook that holds for the scope's tenant, by id in order.

    A version that this release can't read is left out and named in the log.
    """
    tenant = Tenant.objects.get(id=scope.require_tenant_id())
    return _held(tenant, newest().values())


def playbooks_of(
    tenants: Collection[Tenant], only: str = ""
) -> dict[uuid.UUID, dict[str, InForce]]:
    """Return what `playbooks` says of each tenant, with two queries for all of them.

    `only`: the id of the one that is wanted. Runs in a scope that reads the tenants' rows.
    """
    rows = Activation.objects.filter(tenant_id__in=[tenant.id for tenant in tenants])
    if only:
        rows = rows.filter(playbook_id=only)
    newest_first = rows.order_by("tenant_id", "playbook_id", "-created_at", "-id")
    chosen = list(newest_first.distinct("tenant_id", "playbook_id"))
    # A version's source is long, and most tenants have the same: each is read once.
    versions = PlaybookVersion.objects.in_bulk({row.version_id for row in chosen})
    by_tenant: dict[uuid.UUID, list[Activation]] = {tenant.id: [] for tenant in tenants}
    for row in chosen:
        row.version = versions[row.version_id]
        by_tenant[row.tenant_id].append(row)
    return {tenant.id: _held(tenant, by_tenant[tenant.id], only) for tenant in tenants}


def choose_investigation(facts: Mapping[str, Any]) -> Playbook | None:
    """Return the first of the tenant's investigations whose trigger holds; None if none does."""
    return library.choose_investigation(facts, _named())


def responses_for(investigation_id: str, facts: Mapping[str, Any]) -> list[str]:
    """Return the tenant's responses that follow the verdict; PlaybookError names one missing."""
    return library.responses_for(investigation_id, facts, _named())


def activate(version: PlaybookVersion, mode: str, *, actor: str, reason: str = "") -> Activation:
    """Let exactly this version hold for the scope's tenant in `mode`, from now on.

    Doing it again changes nothing. PlaybookError for an unknown mode.
    """
    if mode not in PlaybookMode.values:
        raise PlaybookError([f"mode {mode!r} is none of: {', '.join(PlaybookMode.values)}"])
    hold()
    before = newest().get(version.playbook_id)
    if before is not None and (before.version_id, before.mode) == (version.sha256, mode):
        return before
    row = Activation.objects.create(
        tenant_id=scope.require_tenant_id(),
        playbook_id=version.playbook_id,
        version=version,
        mode=mode,
        actor=actor,
        reason=reason,
    )
    ledger.append(
        "playbook.activated",
        actor=actor,
        subject=f"{version.playbook_id} {version.version}: {mode}",
        body={
            "playbook": {
                "id": version.playbook_id, "version": version.version, "sha256": version.sha256,
                "title": f"{version.playbook_id} {version.version}: {mode}"
                + (f". {reason}" if reason else ""),
            },
            "mode": mode,
            "mode_before": before.mode if before else "",
            "reason": reason,
        },
    )  # fmt: skip
    return row


def hold() -> None:
    """Keep the scope's activations as they are until the transaction ends.

    What is judged and what is then changed must be the same. Whoever needs rows locked as well
    locks those first.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 8))",
            [f"activations {scope.require_tenant_id()}"],
        )


def set_mode(playbook_id: str, mode: str, *, actor: str, reason: str = "") -> Activation:
    """Change how far a playbook may go for the scope's tenant, in the version that it has."""
    held = in_force(playbook_id)
    return activate(remember(held.playbook), mode, actor=actor, reason=reason)


def _held(tenant: Tenant, rows: Iterable[Activation], only: str = "") -> dict[str, InForce]:
    found = {
        playbook.id: InForce(playbook, tenant.playbook_mode, playbook.source_sha256)
        for playbook in library.playbooks().values()
        if not only or playbook.id == only
    }
    for row in rows:
        try:
            found[row.playbook_id] = _as_activated(row)
        except PlaybookError as error:
            found.pop(row.playbook_id, None)
            _log.error("playbook %s of %s can't be used: %s", row.playbook_id, tenant.slug, error)
    return dict(sorted(found.items()))


def _named() -> dict[str, Playbook]:
    return {playbook_id: held.playbook for playbook_id, held in playbooks().items()}


def _as_activated(row: Activation) -> InForce:
    return InForce(playbook_of(row.version), row.mode, row.version.sha256)
