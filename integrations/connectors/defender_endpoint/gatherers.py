"""The questions that an investigation asks of Defender for Endpoint.

Sources: https://learn.microsoft.com/defender-endpoint/api/get-machine-by-id,
…/get-machine-related-alerts, …/get-machine-log-on-users, …/get-missing-kbs-machine,
…/get-machines-by-vulnerability, …/get-all-vulnerabilities-by-machines. What
advanced hunting tells beside is asked in `file_changes`.
"""

import datetime as dt
from dataclasses import dataclass

from integrations.connectors.defender_endpoint.actions.history import (
    ISOLATION,
    RESTRICTION,
    read_actions,
    read_machine,
    state_of,
)
from integrations.connectors.defender_endpoint.client import READ_MACHINES, DefenderClient
from integrations.connectors.defender_endpoint.evidence import (
    ListCredentialAccess,
    ListFiles,
    ListProcesses,
    last_event,
    shown_alert,
    shown_time,
)
from integrations.connectors.defender_endpoint.feeds import ALERTS, SOFTWARE, VULNERABILITIES
from integrations.connectors.defender_endpoint.file_changes import ListFileChanges
from integrations.contract import Gatherer, Json, Target
from integrations.errors import NotFound, Rejected
from integrations.microsoft.odata import address, quoted
from integrations.values import Fields

_USERS = "User.Read.All"
_MOST_ALERTS = 1_000
_SERIOUS = frozenset({"high", "critical"})


@dataclass(frozen=True, slots=True)
class GetDevice:
    """The computer, whether it is cut off, and whether only trusted programs may run."""

    name: str = "endpoint.get_device"
    permissions: tuple[str, ...] = (READ_MACHINES,)

    def gather(self, client: DefenderClient, target: Target, inputs: Json) -> Json:
        """Return ``device``; `pending` names a machine action that may change its state soon."""
        machine = read_machine(client, target.external_id)
        actions = read_actions(client, target.external_id)
        isolation, restriction = state_of(ISOLATION, actions), state_of(RESTRICTION, actions)
        return {
            "device": {
                "external_id": machine.text("id"),
                "hostname": machine.text("computerDnsName"),
                "os": " ".join(
                    part for part in (machine.text("osPlatform"), machine.text("version")) if part
                ),
                "is_server": "server" in machine.word("osPlatform"),
                "is_managed": machine.word("onboardingStatus") == "onboarded",
                "is_isolated": isolation.is_on,
                "is_restricted": restriction.is_on,
                "pending": isolation.pending or restriction.pending,
                "health": machine.text("healthStatus"),
                "risk": machine.word("riskScore") or "unknown",
                "exposure": machine.word("exposureLevel") or "unknown",
                "last_seen_at": shown_time(machine, "lastSeen"),
            }
        }


@dataclass(frozen=True, slots=True)
class ListAlerts:
    """What Defender has raised about the computer."""

    name: str = "endpoint.list_alerts"
    permissions: tuple[str, ...] = (ALERTS,)

    def gather(self, client: DefenderClient, target: Target, inputs: Json) -> Json:
        """Return the alerts of the last `days` (7), newest first; `high` counts the serious ones.

        What was classified as harmless is listed, and not counted as serious.
        """
        days = inputs.get("days")
        since = dt.datetime.now(dt.UTC) - dt.timedelta(days=days if isinstance(days, int) else 7)
        path = address("/machines/{}/alerts", target.external_id)
        found = [Fields(a) for a in client.all(path, ALERTS, _MOST_ALERTS)]
        recent = [a for a in found if (last_event(a) or since) >= since]
        alerts = sorted(map(shown_alert, recent), key=lambda a: a["time"] or "", reverse=True)
        return {
            "alerts": alerts,
            "count": len(alerts),
            "high": sum(1 for a in alerts if a["severity"] in _SERIOUS and not a["is_harmless"]),
        }


@dataclass(frozen=True, slots=True)
class ListLoggedOnUsers:
    """Who was signed in on the computer."""

    name: str = "endpoint.list_logged_on_users"
    permissions: tuple[str, ...] = (_USERS,)

    def gather(self, client: DefenderClient, target: Target, inputs: Json) -> Json:
        """Return ``users``, last seen first. Privileged: an administrator of the domain."""
        path = address("/machines/{}/logonusers", target.external_id)
        found = [Fields(user) for user in client.all(path, _USERS)]
        users = [
            {
                "external_id": told.text("id"),
                "name": told.text("accountName") or told.text("id"),
                "domain": told.text("accountDomain", "domain"),
                "is_privileged": told.truth("isDomainAdmin") is True,
                "is_only_over_network": told.truth("isOnlyNetworkUser") is True,
                "logon_types": told.text("logonTypes"),
                "last_seen_at": shown_time(told, "lastSeen"),
            }
            for told in found
        ]
        return {"users": sorted(users, key=lambda u: u["last_seen_at"] or "", reverse=True)}


@dataclass(frozen=True, slots=True)
class ListMissingUpdates:
    """The security updates that the computer lacks."""

    name: str = "patch.list_missing"
    permissions: tuple[str, ...] = (SOFTWARE,)

    def gather(self, client: DefenderClient, target: Target, inputs: Json) -> Json:
        """Return ``patches``, the one that closes most holes first."""
        path = address("/machines/{}/getmissingkbs", target.external_id)
        found = [Fields(update) for update in client.all(path, SOFTWARE)]
        patches = [
            {
                "external_id": _article(told.text("id")),
                "name": told.text("name"),
                "products": told.texts("productsNames"),
                "holes_closed": told.number("cveAddressed") or 0,
            }
            for told in found
        ]
        return {"patches": sorted(patches, key=lambda p: -p["holes_closed"])}


@dataclass(frozen=True, slots=True)
class ListExposedDevices:
    """Computers that are open to a known hole, and the updates that close it."""

    name: str = "patch.list_exposed_devices"
    permissions: tuple[str, ...] = (VULNERABILITIES,)

    def gather(self, client: DefenderClient, target: Target, inputs: Json) -> Json:
        """Return ``devices`` with the hole `cve`; none where Defender knows of no such hole.

        Their ring is the device group in Defender, their `patches` are Microsoft's KB articles:
        for other makers' programs Defender names none. Rejected without `cve`.
        """
        cve = str(inputs.get("cve") or "").strip().upper()
        if not cve:
            raise Rejected("Say which hole is meant: cve, such as CVE-2026-1234.")
        path = address("/vulnerabilities/{}/machineReferences", cve)
        try:
            found = [Fields(machine) for machine in client.all(path, VULNERABILITIES)]
        except NotFound:
            found = []
        updates = _updates(client, cve) if found else {}
        devices = [
            {
                "external_id": told.text("id"),
                "name": told.text("computerDnsName") or told.text("id"),
                "is_server": "server" in told.word("osPlatform"),
                "ring": told.text("rbacGroupName"),
                "os": told.text("osPlatform"),
                "patches": sorted(updates.get(told.text("id"), ())),
            }
            for told in found
        ]
        return {"devices": devices}


def _updates(client: DefenderClient, cve: str) -> dict[str, set[str]]:
    """By machine, the articles whose update closes the hole."""
    path = address("/vulnerabilities/machinesVulnerabilities", filter=f"cveId eq '{quoted(cve)}'")
    found: dict[str, set[str]] = {}
    for told in map(Fields, client.all(path, VULNERABILITIES)):
        number = told.text("fixingKbId")
        if number:
            found.setdefault(told.text("machineId"), set()).add(_article(number))
    return found


def _article(number: str) -> str:
    return f"KB{number}" if number.isdigit() else number


GATHERERS: tuple[Gatherer, ...] = (
    GetDevice(),
    ListAlerts(),
    ListProcesses(),
    ListFiles(),
    ListFileChanges(),
    ListCredentialAccess(),
    ListLoggedOnUsers(),
    ListMissingUpdates(),
    ListExposedDevices(),
)
