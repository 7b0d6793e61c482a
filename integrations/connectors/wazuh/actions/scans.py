"""Rootcheck: the agent looks for rootkits, hidden processes and weak settings."""

from dataclasses import dataclass
from typing import Final

from integrations.connectors.wazuh.client import AGENTS, WazuhClient
from integrations.contract import Intention, Json, ReadBack
from integrations.values import Fields

RUN, READ = "rootcheck:run", "rootcheck:read"
_TIMES: Final = ("start", "end")


def _last(client: WazuhClient, intention: Intention) -> dict[str, str]:
    agent = client.agent(intention.target.external_id).text("id")
    found, _ = client.items(f"/rootcheck/{agent}/last_scan", READ, limit=None)
    told = Fields(found[0]) if found else Fields({})
    return {name: told.text(name) for name in _TIMES}


@dataclass(frozen=True, slots=True)
class Scan:
    """Search a computer now. A search that has begun since is the same search."""

    name: str = "endpoint.scan"
    permissions: tuple[str, ...] = (RUN, READ, AGENTS)

    def snapshot(self, client: WazuhClient, intention: Intention) -> Json:
        """When it was last searched: a later end is this search's, whatever the clocks say."""
        return _last(client, intention)

    def call(self, client: WazuhClient, intention: Intention) -> Json:
        """Have the search begin, unless this step has begun it already."""
        last = _last(client, intention)
        if last["start"] != intention.snapshot.get("start", ""):
            return last
        return client.act("PUT", "/rootcheck", RUN, agents_list=intention.target.external_id)

    def read_back(self, client: WazuhClient, intention: Intention) -> ReadBack:
        """Only a search that came to its end has looked everywhere."""
        last = _last(client, intention)
        before = intention.snapshot
        holds = last["start"] != before.get("start", "") and last["end"] >= last["start"]
        return ReadBack(
            holds=holds,
            observed=last,
            explanation=f"Wazuh's last search of the computer ended {last['end'] or 'never'}.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """A search changes nothing."""
        return None
