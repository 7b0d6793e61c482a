"""The named seeds: what the simulated organisation starts with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from integrations.simulators.base.routes import instant
from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Record, Store, Tenant, stable_id

PERMISSIONS = (
    "Endpoints: View", "Endpoint Threats: View", "Activity: View",
    "Endpoints: Disconnect From Network", "Endpoints: Reconnect To Network",
    "Endpoints: Initiate Scan", "Endpoint Threats: Kill", "Endpoint Threats: Quarantine",
    "Endpoint Threats: Unquarantine",
)  # fmt: skip
ACCOUNT, OTHER_ACCOUNT = "225494730938493800", "225494730938493801"
SITE, OTHER_SITE = "225494730938493804", "225494730938493805"
_COMPUTERS = 25


def number_of(*parts: object) -> str:
    """An id of 18 digits that is the same for the same parts."""
    return str(10**17 + int(stable_id(*parts).replace("-", ""), 16) % (9 * 10**17))


def demo(store: Store, now: datetime, seed: int) -> None:
    """One console with a client's site of computers, and one computer of another client."""
    tenant = store.add_tenant(number_of("sentinelone", seed), "Example Ltd", "example.example")
    token = "sim-" + stable_id("sentinelone", "token", seed)
    tenant.apps["holdfast"] = App("holdfast", "Holdfast", token, list(PERMISSIONS))
    for number in range(_COMPUTERS):
        computer = agent(number, now)
        tenant.put("agents", computer)
        tenant.put("threats", threat(computer, number, now))
        tenant.put("activities", activity(computer, number, now))
    whose = {"accountId": OTHER_ACCOUNT, "siteId": OTHER_SITE, "siteName": "Another client"}
    other = agent(900, now) | whose
    tenant.put("agents", other)
    _retire(tenant, agent(901, now))


def _retire(tenant: Tenant, computer: Record) -> None:
    tenant.put("agents", computer | {"isDecommissioned": True, "isActive": False})


def agent(number: int, now: datetime) -> Record:
    """A computer; the first is a server."""
    seen = instant(now - timedelta(minutes=number % 60))
    is_server = number == 0
    return {
        "id": number_of("agent", number),
        "uuid": stable_id("agent", number).replace("-", ""),
        "accountId": ACCOUNT,
        "siteId": SITE,
        "siteName": "Default site",
        "groupName": "Default Group",
        "computerName": "SRV-DC01" if is_server else f"PC-{number:03d}",
        "machineType": "server" if is_server else "desktop",
        "osName": "Windows Server 2022 Standard" if is_server else "Windows 11 Pro",
        "osType": "windows",
        "osRevision": "20348" if is_server else "22631",
        "agentVersion": "24.1.2.6",
        "domain": "EXAMPLE",
        "externalIp": "198.51.100.7",
        "lastLoggedInUserName": f"user{number}",
        "networkInterfaces": [
            {"name": "Ethernet", "inet": [f"10.30.0.{number % 200 + 10}"], "inet6": [],
             "physical": f"00:00:5e:00:53:{number % 256:02x}"}
        ],
        "networkStatus": "connected",
        "infected": number % 3 == 0,
        "activeThreats": 1,
        "isActive": True,
        "isDecommissioned": False,
        "isUninstalled": False,
        "lastActiveDate": seen,
        "createdAt": instant(now - timedelta(days=90)),
        "updatedAt": seen,
        "scanStatus": "finished",
        "scanStartedAt": instant(now - timedelta(days=30)),
        "scanFinishedAt": instant(now - timedelta(days=29)),
        "serialNumber": f"SN{number:05d}",
    }  # fmt: skip


def threat(computer: Record, number: int, now: datetime) -> Record:
    """A harmful file on a computer; every third is surely harmful."""
    when = instant(now - timedelta(hours=number, minutes=5))
    digest = hashlib.sha256(f"threat {number}".encode()).hexdigest()
    own = number_of("threat", number)
    return {
        "id": own,
        "threatInfo": {
            "threatId": own,
            "threatName": f"update{number}.exe",
            "classification": "Malware",
            "classificationSource": "Static",
            "confidenceLevel": "malicious" if number % 3 == 0 else "suspicious",
            "detectionType": "dynamic" if number % 2 == 0 else "static",
            "analystVerdict": "undefined",
            "incidentStatus": "unresolved",
            "mitigationStatus": "not_mitigated",
            "filePath": f"\\Device\\HarddiskVolume3\\Users\\Public\\update{number}.exe",
            "sha256": digest,
            "sha1": hashlib.sha1(digest.encode()).hexdigest(),  # noqa: S324
            "md5": None,
            "processUser": f"EXAMPLE\\user{number}",
            "originatorProcess": "explorer.exe",
            "maliciousProcessArguments": "update.exe -s",
            "storyline": f"S{number:015d}",
            "engines": ["On-Write Static AI"],
            "isFileless": False,
            "identifiedAt": when,
            "createdAt": when,
            "updatedAt": when,
        },
        "agentDetectionInfo": {
            "agentDomain": "EXAMPLE",
            "agentIpV4": computer["networkInterfaces"][0]["inet"][0],
            "externalIp": computer["externalIp"],
            "siteId": computer["siteId"],
        },
        "agentRealtimeInfo": {
            "agentId": computer["id"],
            "agentComputerName": computer["computerName"],
            "agentOsName": computer["osName"],
            "agentNetworkStatus": computer["networkStatus"],
            "accountId": computer["accountId"],
            "siteId": computer["siteId"],
        },
        "indicators": [
            {"category": "InfoStealer", "description": "It read stored passwords.", "ids": [1],
             "tactics": [
                 {"name": "Credential Access", "source": "MITRE",
                  "techniques": [{"name": "T1003.001", "link": "https://attack.mitre.org/"}]}
             ]}
        ],
        "mitigationStatus": [],
    }  # fmt: skip


def activity(computer: Record, number: int, now: datetime) -> Record:
    """A full scan of a computer that began."""
    when = instant(now - timedelta(hours=number))
    return {
        "id": number_of("activity", number),
        "activityType": 90,
        "activityUuid": stable_id("activity", number),
        "accountId": computer["accountId"],
        "siteId": computer["siteId"],
        "agentId": computer["id"],
        "createdAt": when,
        "updatedAt": when,
        "primaryDescription": f"Agent {computer['computerName']} started full disk scan.",
        "data": {"computerName": computer["computerName"], "status": "started"},
    }


SEEDS: Mapping[str, Seed] = {"demo": demo}
