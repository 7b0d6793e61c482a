"""Blocking an address by active response, on every computer that is connected.

The API only starts an active response; no request of it ends one. Each computer logs what it did,
and an alert of rule group ``active_response`` with the command ``add`` is its answer: only
computers that answered count.
Source: https://documentation.wazuh.com/current/user-manual/capabilities/active-response/
"""

import datetime as dt
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from integrations.connectors.wazuh.client import AGENTS, ALERTS, READ_ALERTS, WazuhClient
from integrations.contract import Intention, Json, ReadBack
from integrations.errors import Rejected
from integrations.values import Fields

COMMAND: Final = "active-response:command"
# The scripts that every agent brings along; ! names a script and not a configured command.
_SCRIPTS: Final = {"windows": "!netsh.exe", "darwin": "!pf"}
_SCRIPT: Final = "!firewall-drop"
_AT_ONCE = 100
_MOST_ANSWERS = 10_000
# The manager's clock may be a little behind ours.
_CLOCKS = dt.timedelta(minutes=1)
_MANAGER = "000"


def _address(intention: Intention) -> str:
    """The address; Rejected for what can't or must not be blocked on computers."""
    text = intention.target.external_id.strip()
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise Rejected(
            f"Wazuh blocks IP addresses only, not {intention.target.name}: block it elsewhere."
        ) from None
    if found.is_loopback or found.is_multicast or found.is_unspecified or found.is_link_local:
        raise Rejected(f"{found} belongs to every computer itself: it can't be blocked.")
    return str(found)


def _answered(client: WazuhClient, address: str, since: dt.datetime) -> set[str]:
    """The agents that have told since that they block the address."""
    moment = (since - _CLOCKS).astimezone(dt.UTC).isoformat(timespec="milliseconds")
    query: Mapping[str, Any] = {
        "size": _MOST_ANSWERS,
        "_source": ["agent.id"],
        "query": {
            "bool": {
                "filter": [
                    {"term": {"rule.groups": "active_response"}},
                    {"term": {"data.command": "add"}},
                    {"range": {"timestamp": {"gte": moment}}},
                ],
                "should": [
                    {"term": {"data.srcip": address}},
                    {"term": {"data.parameters.alert.data.srcip": address}},
                ],
                "minimum_should_match": 1,
            }
        },
    }
    hits = client.search(ALERTS, READ_ALERTS, query)
    return {Fields(hit).nested("_source").nested("agent").text("id") for hit in hits}


@dataclass(frozen=True, slots=True)
class BlockIndicator:
    """Drop what comes from an address, on the computers that are connected now."""

    name: str = "indicator.block"
    permissions: tuple[str, ...] = (COMMAND, AGENTS, READ_ALERTS)

    def snapshot(self, client: WazuhClient, intention: Intention) -> Json:
        """Which computers are connected, by the script that blocks on them."""
        address = _address(intention)
        _answered(client, address, intention.since)
        scripts: dict[str, list[str]] = {}
        for one in client.every_agent(status="active", select="id,os.platform"):
            agent = Fields(one)
            if agent.text("id") != _MANAGER:
                script = _SCRIPTS.get(agent.nested("os").word("platform"), _SCRIPT)
                scripts.setdefault(script, []).append(agent.text("id"))
        return {"scripts": scripts}

    def call(self, client: WazuhClient, intention: Intention) -> Json:
        """Send it to those that have not answered yet."""
        address = _address(intention)
        scripts = intention.snapshot.get("scripts", {})
        if not scripts:
            raise Rejected("No computer is connected to Wazuh now: there is nowhere to block it.")
        done = _answered(client, address, intention.since)
        body = {"arguments": [], "alert": {"data": {"srcip": address}}}
        sent = 0
        for script, agents in scripts.items():
            waiting = [one for one in agents if one not in done]
            for start in range(0, len(waiting), _AT_ONCE):
                some = ",".join(waiting[start : start + _AT_ONCE])
                told = client.act(
                    "PUT", "/active-response", COMMAND, {"command": script, **body},
                    agents_list=some,
                )  # fmt: skip
                sent += int(told["affected"])
        return {"sent": sent}

    def read_back(self, client: WazuhClient, intention: Intention) -> ReadBack:
        """Count the computers that told that they block it."""
        wanted = {
            one for agents in intention.snapshot.get("scripts", {}).values() for one in agents
        }
        done = wanted & _answered(client, _address(intention), intention.since)
        return ReadBack(
            holds=bool(wanted) and done == wanted,
            observed={"answered": len(done), "connected": len(wanted)},
            explanation=f"{len(done)} of {len(wanted)} computers told that they block it.",
        )

    def reversal_inputs(self, intention: Intention) -> Json | None:
        """Wazuh's API has no request that ends an active response."""
        return None
