"""The questions that SentinelOne can answer about a computer: one class for each.

It tells of programs and files what its threats name, not all that ran: an answer says what was
found, and an empty one only that SentinelOne found nothing.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations.connectors.sentinelone.client import (
    VIEW_ENDPOINTS,
    VIEW_THREATS,
    SentinelOneClient,
)
from integrations.connectors.sentinelone.normalise.agents import is_isolated
from integrations.connectors.sentinelone.normalise.threats import (
    is_quarantined,
    severity_of,
    techniques_of,
    threat_id,
    title_of,
    was_done,
)
from integrations.contract import Gatherer, Json, Target
from integrations.endpoints import account_name, digest
from integrations.values import Fields

_MOST = 500
_PAGE = 100
_HIGH = 4


def _threats(client: SentinelOneClient, target: Target, inputs: Json, name: str) -> list[Fields]:
    """The threats on a computer in the time asked for; those found false are left out."""
    default, most, unit = (7, 90, dt.timedelta(days=1)) if name == "days" else (
        24, 2160, dt.timedelta(hours=1)
    )  # fmt: skip
    told = inputs.get(name)
    wanted = told if isinstance(told, int) and not isinstance(told, bool) else default
    since = dt.datetime.now(dt.UTC) - unit * min(max(wanted, 1), most)
    found: list[Fields] = []
    cursor = ""
    while len(found) < _MOST:
        page = client.page(
            "/threats", VIEW_THREATS,
            agentIds=target.external_id, createdAt__gte=since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            sortBy="createdAt", sortOrder="desc", limit=_PAGE, cursor=cursor or None,
        )  # fmt: skip
        found += map(Fields, page.items)
        cursor = page.following
        if not cursor:
            break
    return [one for one in found if _info(one).word("analystVerdict") != "false_positive"]


def _info(threat: Fields) -> Fields:
    return threat.nested("threatInfo")


def _time(fields: Fields, name: str) -> str | None:
    found = fields.time(name)
    return found.isoformat().replace("+00:00", "Z") if found else None


def _alert(threat: Fields) -> dict[str, Any]:
    return {
        "id": threat_id(threat),
        "title": title_of(threat),
        "severity_id": severity_of(threat),
        "status": _info(threat).word("incidentStatus"),
        "techniques": list(techniques_of(threat)),
        "time": _time(_info(threat), "createdAt"),
    }


def _named(threat: Fields) -> dict[str, Any]:
    info = _info(threat)
    return {
        "external_id": threat_id(threat),
        "name": info.text("threatName"),
        "path": info.text("filePath"),
        "sha256": digest(info.text("sha256")),
        "sha1": digest(info.text("sha1")),
        "found_at": _time(info, "identifiedAt"),
    }


@dataclass(frozen=True, slots=True)
class GetDevice:
    """The computer and its state."""

    name: str = "endpoint.get_device"
    permissions: tuple[str, ...] = (VIEW_ENDPOINTS,)

    def gather(self, client: SentinelOneClient, target: Target, inputs: Json) -> Json:
        """Return ``device`` as the catalog states."""
        agent = client.one("/agents", VIEW_ENDPOINTS, target.external_id, "endpoint")
        status = agent.word("networkStatus")
        return {
            "device": {
                "external_id": agent.text("id"),
                "hostname": agent.text("computerName"),
                "os": agent.text("osName", "osType"),
                "is_server": agent.word("machineType") == "server",
                "is_managed": True,
                "is_isolated": is_isolated(status),
                "status": status,
                "is_infected": agent.truth("infected"),
                "active_threats": agent.number("activeThreats"),
                "last_seen_at": _time(agent, "lastActiveDate"),
                "last_user": agent.text("lastLoggedInUserName"),
                "domain": agent.text("domain"),
            }
        }


@dataclass(frozen=True, slots=True)
class ListAlerts:
    """Threats found on the computer."""

    name: str = "endpoint.list_alerts"
    permissions: tuple[str, ...] = (VIEW_THREATS,)

    def gather(self, client: SentinelOneClient, target: Target, inputs: Json) -> Json:
        """Return threats of the last `days` (7), newest first; high are those surely harmful."""
        found = [_alert(threat) for threat in _threats(client, target, inputs, "days")]
        high = sum(_HIGH <= alert["severity_id"] <= 6 for alert in found)
        return {"alerts": found, "count": len(found), "high": high}


@dataclass(frozen=True, slots=True)
class ListProcesses:
    """Programs that were caught while they ran."""

    name: str = "endpoint.list_processes"
    permissions: tuple[str, ...] = (VIEW_THREATS,)

    def gather(self, client: SentinelOneClient, target: Target, inputs: Json) -> Json:
        """Return the programs of the last `hours` (24); `external_id` is the threat's."""
        threats = _threats(client, target, inputs, "hours")
        return {
            "processes": [
                {
                    **_named(threat),
                    "user": account_name(
                        _info(threat).text("processUser"), computer=target.name
                    ),
                    "command_line": _info(threat).text("maliciousProcessArguments"),
                    "is_suspicious": True,
                    "is_running": was_done(threat, "kill") is None
                    and _info(threat).word("mitigationStatus") == "not_mitigated",
                }
                for threat in threats
                if _info(threat).word("detectionType") == "dynamic"
            ]
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListFiles:
    """Files of threats, and whether they are locked away."""

    name: str = "endpoint.list_files"
    permissions: tuple[str, ...] = (VIEW_THREATS,)

    def gather(self, client: SentinelOneClient, target: Target, inputs: Json) -> Json:
        """Return the files of the last `hours` (24); `external_id` is the threat's."""
        threats = _threats(client, target, inputs, "hours")
        return {
            "files": [
                {
                    **_named(threat),
                    "is_malicious": _info(threat).word("confidenceLevel") == "malicious",
                    "is_quarantined": is_quarantined(threat),
                }
                for threat in threats
                if _info(threat).truth("isFileless") is not True
            ]
        }


@dataclass(frozen=True, slots=True)
class ListCredentialAccess:
    """Attempts to read stored passwords (ATT&CK T1003 and its kin)."""

    name: str = "endpoint.list_credential_access"
    permissions: tuple[str, ...] = (VIEW_THREATS,)

    def gather(self, client: SentinelOneClient, target: Target, inputs: Json) -> Json:
        """Return the attempts of the last `hours` (24)."""
        found = [
            {**_alert(threat), "program": _info(threat).text("threatName")}
            for threat in _threats(client, target, inputs, "hours")
            if any(t.startswith(("T1003", "T1555", "T1558")) for t in techniques_of(threat))
        ]
        return {"accesses": found, "count": len(found)}


GATHERERS: tuple[Gatherer, ...] = (
    GetDevice(), ListAlerts(), ListProcesses(), ListFiles(), ListCredentialAccess(),
)  # fmt: skip
