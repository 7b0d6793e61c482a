"""Comparing a shadow plan with what a technician did by hand: the vendor is asked, step by step."""

import uuid
from typing import Any

from integrations import connections, registry
from integrations.contract import Intention
from integrations.errors import Throttled, UnknownAction
from integrations.models import Connection
from playbooks.adoption import agreement
from playbooks.models import Agreement, Plan
from playbooks.running.jobs import target_of
from tenants import ledger, scope, work
from tenants.errors import HoldfastError
from tenants.models import LedgerEntry

# A vendor that can't be asked is asked again for about a day; then nothing is counted.
_AGAIN_SECONDS = 3600.0
_MOST_TRIES = 24


class _Later(Exception):
    """The vendor can't be asked now; in `seconds` again."""

    def __init__(self, seconds: float, words: str) -> None:
        super().__init__(words)
        self.seconds = seconds


def compare(tenant_id: uuid.UUID, plan_id: uuid.UUID) -> None:
    """Read back each step of a shadow plan and count the answer. Handler of work `compare`."""
    with scope.tenant(tenant_id):
        plan = Plan.objects.select_related("case__account", "playbook").get(id=plan_id)
        if plan.status != Plan.Status.SHADOW:
            return
        steps = [step for step in plan.document["steps"] if step["tier"] != "forbidden"]
        asked = [(step, _connection_id(plan, step)) for step in steps]
    try:
        found = [_holds(tenant_id, plan, step, connection) for step, connection in asked]
    except _Later as later:
        _put_off(tenant_id, plan_id, later)
        return
    with scope.tenant(tenant_id):
        plan = Plan.objects.select_related("case", "playbook").get(id=plan_id)
        _count(plan, found)


def _count(plan: Plan, found: list[dict[str, Any]]) -> None:
    missing = [step for step in found if not step["holds"]]
    kind = Agreement.Kind.OVERRIDDEN if missing else Agreement.Kind.AGREED
    words = (
        "Not done by hand: " + "; ".join(f"{one['title']} ({one['target']})" for one in missing)
        if missing
        else "By hand the same was done as the plan would have done."
    )
    actor = f"technician:{plan.case.assignee}" if plan.case.assignee else "engine"
    agreement.record(plan, kind, actor=actor, detail={"words": words, "steps": found})


def _connection_id(plan: Plan, step: dict[str, Any]) -> uuid.UUID | None:
    account = plan.case.account
    provider = step["target"].get("provider") or (account.provider if account else "")
    connection = connections.for_connector(provider) if provider else None
    return connection.id if connection else None


def _holds(
    tenant_id: uuid.UUID, plan: Plan, step: dict[str, Any], connection_id: uuid.UUID | None
) -> dict[str, Any]:
    """Return whether a step's effect is there; _Later where the vendor can't say now."""
    told = {"step": step["id"], "title": step["title"], "target": step["target"]["name"]}
    if connection_id is None:
        raise _Later(_AGAIN_SECONDS, "this client has no connection to ask")
    intention = Intention(target_of(step["target"]), step["inputs"], plan.created_at)
    try:
        with scope.tenant(tenant_id):
            connector = Connection.objects.get(id=connection_id).connector
        action = registry.action(connector, step["action"])
        with connections.client(tenant_id, connection_id) as client:
            seen = action.read_back(client, intention)
    except Throttled as error:
        raise _Later(error.retry_after, str(error)) from None
    except UnknownAction as error:
        return {**told, "holds": False, "words": str(error)}
    except HoldfastError as error:
        raise _Later(_AGAIN_SECONDS, str(error)) from None
    return {**told, "holds": seen.holds, "words": seen.explanation}


def _put_off(tenant_id: uuid.UUID, plan_id: uuid.UUID, later: _Later) -> None:
    with scope.tenant(tenant_id):
        plan = Plan.objects.select_related("playbook").get(id=plan_id)
        tries = LedgerEntry.objects.filter(
            kind="playbook.not_compared", case_id=plan.case_id, body__plan=plan.sha256
        ).count()
        ledger.append(
            "playbook.not_compared", actor="engine", case_id=plan.case_id,
            subject=str(plan.playbook), body={"plan": plan.sha256, "reason": str(later)},
        )  # fmt: skip
        if tries < _MOST_TRIES:
            work.schedule("compare", plan_id, delay=max(later.seconds, 60))
