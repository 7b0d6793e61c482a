"""Agent groups: which settings, checks and active responses hold on a computer.

An agent that leaves its last group is put into ``default`` by the manager. It counts as done when
the agent itself has the group's settings.
"""

from dataclasses import dataclass
from typing import Final

from integrations.connectors.wazuh.client import AGENTS, WazuhClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected
from integrations.values import Fields

MODIFY: Final = "agent:modify_group"


def _group(intention: Intention) -> str:
    group = str(intention.inputs.get("group") or "").strip()
    if not group or "/" in group:
        raise Rejected("Say which agent group is meant.")
    return group


def _check_own(client: WazuhClient, group: str, *, leaves: bool) -> None:
    """The client's computers are known by their group: one that leaves it would be lost."""
    if client.group and leaves:
        raise Rejected(
            f"The group {client.group} tells which computers are this client's: a computer stays "
            f"in it. {group} can't take its place."
        )


def _agent(client: WazuhClient, intention: Intention) -> Fields:
    return client.agent(intention.target.external_id)


def _path(intention: Intention) -> str:
    return f"/agents/{intention.target.external_id}/group/{_group(intention)}"


def _read_back(client: WazuhClient, intention: Intention, *, wanted: bool) -> ReadBack:
    agent, group = _agent(client, intention), _group(intention)
    groups, synced = agent.texts("group"), agent.word("group_config_status") == "synced"
    holds = (group in groups) is wanted and synced
    where = ", ".join(groups) or "no group"
    applied = "has their settings" if synced else "has not fetched their settings yet"
    return ReadBack(
        holds=holds,
        observed={"groups": groups, "is_synced": synced},
        explanation=f"Wazuh shows the computer in {where}; it {applied}.",
    )


@dataclass(frozen=True, slots=True)
class AddToGroup:
    """Put a computer into an agent group, or into that group only."""

    name: str = "endpoint.add_to_group"
    permissions: tuple[str, ...] = (MODIFY, AGENTS)

    def snapshot(self, client: WazuhClient, intention: Intention) -> Json:
        """Its groups now."""
        return {"groups": _agent(client, intention).texts("group")}

    def call(self, client: WazuhClient, intention: Intention) -> Json:
        """Add it, unless it is in the group already."""
        groups, group = _agent(client, intention).texts("group"), _group(intention)
        only = intention.inputs.get("only") is True
        if group in groups and (not only or groups == [group]):
            return {"groups": groups}
        _check_own(client, group, leaves=only and group != client.group)
        force = "true" if only else None
        return client.act("PUT", _path(intention), MODIFY, force_single_group=force)

    def read_back(self, client: WazuhClient, intention: Intention) -> ReadBack:
        """Ask for the agent again."""
        return _read_back(client, intention, wanted=True)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed."""
        group = _group(intention)
        return None if group in intention.snapshot.get("groups", []) else {"group": group}


@dataclass(frozen=True, slots=True)
class RemoveFromGroup:
    """Take a computer out of an agent group."""

    name: str = "endpoint.remove_from_group"
    permissions: tuple[str, ...] = (MODIFY, AGENTS)

    def snapshot(self, client: WazuhClient, intention: Intention) -> Json:
        """Its groups now."""
        return {"groups": _agent(client, intention).texts("group")}

    def call(self, client: WazuhClient, intention: Intention) -> Json:
        """Remove it, unless it is not in the group."""
        groups = _agent(client, intention).texts("group")
        group = _group(intention)
        _check_own(client, "No other group", leaves=group == client.group)
        if group not in groups:
            return {"groups": groups}
        return client.act("DELETE", _path(intention), MODIFY)

    def read_back(self, client: WazuhClient, intention: Intention) -> ReadBack:
        """Ask for the agent again."""
        return _read_back(client, intention, wanted=False)

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Undo only what was changed; from its only group it went to ``default``."""
        groups, group = intention.snapshot.get("groups", []), _group(intention)
        if group not in groups:
            return None
        return {"group": group, "only": True} if groups == [group] else {"group": group}
