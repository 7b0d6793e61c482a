"""The questions that Wazuh can answer about a computer: one class for each.

Alerts are asked of the indexer. Wazuh doesn't judge programs and connections, so it isn't asked
which of them are harmful.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from integrations.connectors.wazuh.client import AGENTS, ALERTS, READ_ALERTS, WazuhClient
from integrations.connectors.wazuh.file_changes import ListFileChanges
from integrations.connectors.wazuh.normalise.alerts import severity_of
from integrations.connectors.wazuh.normalise.computers import is_server
from integrations.contract import Gatherer, Json, Target
from integrations.values import Fields, techniques

_MOST = 500
_HIGH: Final = 4
# What counts as an alert where the connection's own level isn't asked: the default.
_LEAST_LEVEL: Final = 7
_CREDENTIALS: Final = ("T1003", "T1555", "T1558")


def _alerts(client: WazuhClient, target: Target, inputs: Json, name: str) -> list[Fields]:
    """The alerts about a computer in the time asked for, newest first."""
    default, most, unit = (7, 90, dt.timedelta(days=1)) if name == "days" else (
        24, 2160, dt.timedelta(hours=1)
    )  # fmt: skip
    told = inputs.get(name)
    wanted = told if isinstance(told, int) and not isinstance(told, bool) else default
    since = dt.datetime.now(dt.UTC) - unit * min(max(wanted, 1), most)
    # The agent must be one of this client's.
    agent_id = client.agent(target.external_id).text("id")
    conditions: list[dict[str, Any]] = [
        {"term": {"agent.id": agent_id}},
        {"range": {"rule.level": {"gte": _LEAST_LEVEL}}},
        {"range": {"timestamp": {"gte": since.isoformat(timespec="milliseconds")}}},
    ]
    query = {
        "size": _MOST,
        "query": {"bool": {"filter": conditions}},
        "sort": [{"timestamp": "desc"}, {"id": "desc"}],
    }
    hits = client.search(ALERTS, READ_ALERTS, query)
    return [Fields(hit).nested("_source") for hit in hits]


def _alert(fields: Fields) -> dict[str, Any]:
    rule = fields.nested("rule")
    time = fields.time("timestamp")
    return {
        "id": fields.text("id"),
        "title": rule.text("description"),
        "severity_id": severity_of(rule.number("level") or 0),
        "level": rule.number("level"),
        "techniques": list(techniques(rule.nested("mitre").texts("id"))),
        "time": time.isoformat().replace("+00:00", "Z") if time else None,
    }


@dataclass(frozen=True, slots=True)
class GetDevice:
    """The computer and its state; whether it is isolated nobody tells Wazuh."""

    name: str = "endpoint.get_device"
    permissions: tuple[str, ...] = (AGENTS,)

    def gather(self, client: WazuhClient, target: Target, inputs: Json) -> Json:
        """Return ``device`` as the catalog states."""
        agent = client.agent(target.external_id)
        os, seen = agent.nested("os"), agent.time("lastKeepAlive")
        return {
            "device": {
                "external_id": agent.text("id"),
                "hostname": agent.text("name"),
                "os": " ".join(filter(None, (os.text("name"), os.text("version")))),
                "is_server": is_server(agent) is True,
                "is_managed": True,
                "is_active": agent.word("status") == "active",
                "groups": agent.texts("group"),
                "last_seen_at": seen.isoformat().replace("+00:00", "Z") if seen else None,
            }
        }


@dataclass(frozen=True, slots=True)
class ListAlerts:
    """Alerts about the computer, from level 7 on."""

    name: str = "endpoint.list_alerts"
    permissions: tuple[str, ...] = (READ_ALERTS, AGENTS)

    def gather(self, client: WazuhClient, target: Target, inputs: Json) -> Json:
        """Return alerts of the last `days` (7), newest first, at most 500."""
        found = [_alert(one) for one in _alerts(client, target, inputs, "days")]
        high = sum(_HIGH <= alert["severity_id"] <= 6 for alert in found)
        return {"alerts": found, "count": len(found), "high": high}


@dataclass(frozen=True, slots=True)
class ListCredentialAccess:
    """Attempts to read stored passwords (ATT&CK T1003 and its kin)."""

    name: str = "endpoint.list_credential_access"
    permissions: tuple[str, ...] = (READ_ALERTS, AGENTS)

    def gather(self, client: WazuhClient, target: Target, inputs: Json) -> Json:
        """Return the attempts of the last `hours` (24)."""
        found = [_alert(one) for one in _alerts(client, target, inputs, "hours")]
        found = [one for one in found if any(t.startswith(_CREDENTIALS) for t in one["techniques"])]
        return {"accesses": found, "count": len(found)}


GATHERERS: tuple[Gatherer, ...] = (
    GetDevice(), ListAlerts(), ListCredentialAccess(), ListFileChanges(),
)  # fmt: skip
