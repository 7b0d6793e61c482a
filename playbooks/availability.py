"""What a playbook needs that a tenant has not: a connector that can do it, and its connection.

A plan that would stop half-way for want of a connection is not begun at all; one whose other
steps go on without it is, and the case says what is left to a person.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from integrations import catalog, registry
from integrations.models import Connection
from playbooks.language import Playbook, PlaybookStep

# An action, and the connector that knows its target (empty: any that can do it will do).
Wanted = tuple[str, str]
_CAN_DO = " that can do "


def of_playbook(playbook: Playbook, connected: Collection[str] | None = None) -> str:
    """Return what a playbook needs, such as “needs: …”; empty where nothing is missing."""
    wanted = [(step.uses, _fixed_provider(step)) for step in playbook.steps]
    return missing(wanted, connections_of_scope() if connected is None else connected)


def of_plan(document: Mapping[str, Any], provider: str = "") -> str:
    """Return what keeps a plan from being begun; empty where nothing does.

    `provider` knows the targets of a step that names none. Where only steps whose failure stops
    nothing lack a connection, the others are carried out: an account in the cloud is blocked
    though its directory on premises can't be reached from here.
    """
    connected = connections_of_scope()
    wanted, lacking, is_needed = [], 0, False
    for step in document["steps"]:
        if step["tier"] == "forbidden":
            continue
        one = step["action"], step["target"].get("provider") or provider
        wanted.append(one)
        if lack := _missing(*one, connected):
            lacking += 1
            is_needed |= lack.endswith(_CAN_DO) or step["on_failure"] != "continue"
    if lacking < len(wanted) and not is_needed:
        return ""
    return missing(wanted, connected)


def connections_of_scope() -> frozenset[str]:
    """Return the connectors that the scope's tenant is connected to, and that aren't paused."""
    rows = Connection.in_scope().exclude(state=Connection.State.PAUSED)
    return frozenset(rows.values_list("connector", flat=True))


def connections_by_tenant() -> dict[uuid.UUID, frozenset[str]]:
    """Return what `connections_of_scope` says of each tenant that the scope reads, in one query.

    A tenant without any connection is left out.
    """
    rows = Connection.in_scope().exclude(state=Connection.State.PAUSED)
    found: dict[uuid.UUID, set[str]] = {}
    for tenant_id, connector in rows.values_list("tenant_id", "connector"):
        found.setdefault(tenant_id, set()).add(connector)
    return {tenant_id: frozenset(connectors) for tenant_id, connectors in found.items()}


def missing(wanted: Iterable[Wanted], connected: Collection[str]) -> str:
    """Say what is missing for some actions, once each; empty if nothing is. Pure."""
    actions_by_lack: dict[str, list[str]] = {}
    for action, provider in dict.fromkeys(wanted):
        lack = _missing(action, provider, connected)
        titles = actions_by_lack.setdefault(lack, [])
        if lack.endswith(_CAN_DO):
            titles.append(f"“{catalog.get(action).title}”")
    told = [
        f"{lack}{', '.join(dict.fromkeys(titles))}"
        for lack, titles in actions_by_lack.items()
        if lack
    ]
    return f"needs: {'; '.join(told)}" if told else ""


def _missing(action: str, provider: str, connected: Collection[str]) -> str:
    """Return what an action lacks; it ends with `_CAN_DO` where the action is to be named."""
    able = [connector for connector in registry.CONNECTORS if registry.offers(connector, action)]
    if provider and provider not in able:
        name = registry.CONNECTORS[provider].title if provider in registry.CONNECTORS else provider
        return f"a connector for {name}{_CAN_DO}"
    if not able:
        return f"a connector{_CAN_DO}"
    suitable = [provider] if provider else able
    if any(connector in connected for connector in suitable):
        return ""
    titles = " or ".join(registry.CONNECTORS[connector].title for connector in suitable)
    return f"a connection to {titles}"


def _fixed_provider(step: PlaybookStep) -> str:
    """Return the connector that a step names in plain text; one from the facts is not known yet."""
    told = step.target.get("provider", "") if isinstance(step.target, Mapping) else ""
    return told if isinstance(told, str) and "${" not in told else ""
