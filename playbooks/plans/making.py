"""A plan's steps as rows, each with the tier that it waits for."""

from collections.abc import Mapping
from typing import Any

from integrations import connections
from integrations.models import Connection
from playbooks.models import Run, Step, Tier


def steps(run: Run, document: Mapping[str, Any]) -> None:
    """Make the steps of a new run, each on the connection that knows its target."""
    connected = connections.by_connector()
    Step.objects.bulk_create(
        _step(run, position, told, connected) for position, told in enumerate(document["steps"])
    )


def _step(
    run: Run, position: int, told: Mapping[str, Any], connected: Mapping[str, Connection]
) -> Step:
    target = told["target"]
    account = run.plan.case.account
    # Plans of old name no provider.
    connection = connected.get(target.get("provider") or (account.provider if account else ""))
    return Step(
        tenant_id=run.tenant_id,
        run=run,
        position=position,
        key=told["id"],
        action=told["action"],
        target_kind=target["kind"],
        target_id=target["id"],
        target_external_id=target["external_id"],
        target_name=target["name"],
        connection_id=connection.id if connection else None,
        tier=told["tier"],
        status=_first_status(told["tier"]),
    )


def _first_status(tier: str) -> Step.Status:
    if tier == Tier.AUTOMATIC:
        return Step.Status.PENDING
    return Step.Status.FORBIDDEN if tier == Tier.FORBIDDEN else Step.Status.AWAITING_APPROVAL
