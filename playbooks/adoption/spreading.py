"""Letting what one tenant has of a playbook, its version and mode, hold for other tenants as well.

This is how an MSP's judgement goes from one client to all. A mode that lets a playbook go further
than it may at a client now is a promotion there: the practice at the first client has to support
it, and that client's own practice must not speak against it. Where that has not shown as much as a
promotion there asks for, somebody says why it may all the same. Other clients' names are told to
nobody: they stand in no ledger but their own.
"""

from collections.abc import Collection
from dataclasses import dataclass

from playbooks import availability
from playbooks.adoption import activation, agreement
from playbooks.adoption.activation import InForce
from playbooks.adoption.agreement import MINIMUMS, NOTHING_YET, ORDER, Measured
from playbooks.adoption.versions import remember
from playbooks.errors import PlaybookError
from tenants import scope
from tenants.models import PlaybookMode, Tenant


@dataclass(frozen=True, slots=True)
class Target:
    """What would become of a playbook at one more tenant.

    `before` is None where it does not hold there at all. `lowers`: it would go less far than now.
    `why_not` is empty where it may be done; `missing` says what practice there has not shown, and
    a reason has to make up for. `needs` is what its plans would lack there.
    """

    tenant: Tenant
    before: InForce | None
    changes: bool
    lowers: bool
    why_not: str
    missing: str
    needs: str


@dataclass(frozen=True, slots=True)
class Spread:
    """What a tenant has of a playbook, what its practice says, and what others would get."""

    held: InForce
    measured: Measured
    targets: tuple[Target, ...]


def preview(playbook_id: str, source: Tenant, tenants: Collection[Tenant]) -> Spread:
    """Return what would become of a playbook at `tenants` if it held there as at `source`.

    Runs in a scope that reads all of them, with a number of queries that doesn't grow with them.
    PlaybookError where the source has no such playbook. Changes nothing.
    """
    others = [tenant for tenant in tenants if tenant.id != source.id]
    held_by = activation.playbooks_of([source, *others], playbook_id)
    held = held_by[source.id].get(playbook_id)
    if held is None:
        raise PlaybookError([f"There is no playbook {playbook_id!r} here."])
    practice = agreement.measure_all([held.version_sha256])
    connected = availability.connections_by_tenant()
    measured = practice.get((source.id, held.version_sha256), NOTHING_YET)
    targets = tuple(
        _target(
            tenant,
            held_by[tenant.id].get(playbook_id),
            held,
            measured,
            practice.get((tenant.id, held.version_sha256), NOTHING_YET),
            connected.get(tenant.id, frozenset()),
        )
        for tenant in others
    )
    return Spread(held, measured, targets)


def spread(
    spreading: Spread, tenants: Collection[Tenant], *, actor: str, reason: str = ""
) -> list[Tenant]:
    """Let the playbook hold for the chosen tenants of a preview; return those where it changed.

    `reason`: why it may go further than practice there has shown. PlaybookError names each of them
    where it may not, and then nothing is changed. Runs inside a transaction.
    """
    given = " ".join(reason.split())
    chosen = {tenant.id for tenant in tenants}
    targets = [target for target in spreading.targets if target.tenant.id in chosen]
    refused = [target for target in targets if target.changes and target.why_not]
    if refused:
        raise PlaybookError([f"{one.tenant.name}: {one.why_not}" for one in refused])
    unproven = [target for target in targets if target.changes and target.missing]
    if unproven and not given:
        raise PlaybookError(
            [
                *(f"{one.tenant.name}: {one.missing}" for one in unproven),
                "Say why it may go further there than practice has shown, or leave them out.",
            ]
        )
    held, measured = spreading.held, spreading.measured
    why = "taken over from another client" + (
        f": {measured.percent} % agreement in {measured.runs} runs" if measured.runs else ""
    )
    version = remember(held.playbook)
    changed = [target.tenant for target in targets if target.changes]
    for tenant in changed:
        with scope.tenant(tenant.id):
            said = f"{why}. {given}" if given else why
            activation.activate(version, held.mode, actor=actor, reason=said)
    return changed


def _target(
    tenant: Tenant,
    before: InForce | None,
    held: InForce,
    measured: Measured,
    own: Measured,
    connected: frozenset[str],
) -> Target:
    changes = before is None or (before.version_sha256, before.mode) != (
        held.version_sha256,
        held.mode,
    )
    return Target(
        tenant=tenant,
        before=before,
        changes=changes,
        lowers=before is not None and _goes_further(before, held),
        why_not=_why_not(before, held, measured, own) if changes else "",
        missing=agreement.why_not(held.mode, own) if _goes_further(held, before) else "",
        needs=availability.of_playbook(held.playbook, connected),
    )


def _why_not(before: InForce | None, held: InForce, measured: Measured, own: Measured) -> str:
    """Say why a tenant may not get the mode; empty where it may. Pure."""
    if not _goes_further(held, before):
        return ""
    reason = agreement.why_not(held.mode, measured)
    if reason:
        return f"Practice does not support it yet. {reason[0].upper()}{reason[1:]}"
    against = "Practice here speaks against it:"
    if own.reopened_lately:
        return f"{against} cases came back lately ({own.reopened_lately})."
    minimum = MINIMUMS[PlaybookMode(held.mode)]
    if own.runs and own.percent < minimum.percent:
        return f"{against} {own.against} of {own.runs} runs were overridden or came back."
    return ""


def _goes_further(one: InForce, other: InForce | None) -> bool:
    """Whether a playbook may go further as it is held in `one` than in `other` (None: not at all).

    What only reads goes equally far everywhere.
    """
    place = ORDER.index(PlaybookMode(other.mode)) if other is not None else 0
    return one.playbook.kind != "investigation" and ORDER.index(PlaybookMode(one.mode)) > place
