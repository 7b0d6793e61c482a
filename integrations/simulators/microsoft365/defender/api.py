"""Machines, alerts and vulnerability management: what Defender for Endpoint can be asked.

Source: https://learn.microsoft.com/defender-endpoint/api/exposed-apis-list
"""

from __future__ import annotations

from integrations.simulators.base.control import moment
from integrations.simulators.base.http import Answer
from integrations.simulators.base.routes import Request, Route, route
from integrations.simulators.base.store import Record

from . import records
from .actions import ROUTES as ACTIONS
from .errors import DefenderError, lacking, missing
from .hunting import ROUTES as HUNTING
from .indicators import ROUTES as INDICATORS
from .pages import METADATA, exported, listing

_MACHINES = ("Machine.Read.All", "Machine.ReadWrite.All")
_ALERTS = ("Alert.Read.All", "Alert.ReadWrite.All")
_OF_MACHINES = (
    "computerDnsName", "id", "version", "deviceValue", "aadDeviceId", "machineTags", "lastSeen",
    "exposureLevel", "onboardingStatus", "lastIpAddress", "healthStatus", "osPlatform",
    "riskScore", "rbacGroupId",
)  # fmt: skip
_OF_ALERTS = (
    "alertCreationTime", "lastUpdateTime", "incidentId", "investigationId", "id", "assignedTo",
    "detectionSource", "lastEventTime", "status", "severity", "category",
)  # fmt: skip
_OF_WEAKNESSES = (
    "id", "cveId", "machineId", "fixingKbId", "productName", "productVersion", "severity",
    "productVendor",
)  # fmt: skip
_LONGEST_DELTA_DAYS = 14


def _machines(request: Request) -> Answer:
    return listing(request, request.tenant.all("machines"), "Machines", filterable=_OF_MACHINES)


def known_machine(request: Request) -> Record:
    """The machine that the path names, as readers see it, or 404."""
    found = request.tenant.get("machines", request.params["id"])
    if found is None:
        raise missing(f"Machine {request.params['id']}")
    return found


def _machine(request: Request) -> Answer:
    return Answer(200, {"@odata.context": f"{METADATA}#Machines/$entity", **known_machine(request)})


def _machine_alerts(request: Request) -> Answer:
    of = known_machine(request)["id"]
    found = [a for a in request.tenant.all("machineAlerts") if a["machineId"] == of]
    return listing(request, found, "Alerts", filterable=_OF_ALERTS, expandable="evidence")


def _logon_users(request: Request) -> Answer:
    of = known_machine(request)["id"]
    return listing(request, request.tenant.all(f"logonUsers:{of}"), "Users")


def _missing_updates(request: Request) -> Answer:
    of = known_machine(request)["id"]
    updates: dict[str, Record] = {}
    for row in request.tenant.all("weaknesses"):
        if row["deviceId"] != of or not row["recommendedSecurityUpdateId"]:
            continue
        number = row["recommendedSecurityUpdateId"]
        update = updates.setdefault(
            number,
            {
                "id": number,
                "name": row["recommendedSecurityUpdate"],
                "productsNames": [],
                "url": f"https://catalog.update.microsoft.com/v7/site/Search.aspx?q=KB{number}",
                "machineMissedOn": 1,
                "cveAddressed": 0,
            },
        )
        update["productsNames"].append(row["softwareName"])
        update["cveAddressed"] += 1
    kind = "Collection(microsoft.windowsDefenderATP.api.PublicProductFixDto)"
    return listing(request, list(updates.values()), kind)


def _alerts(request: Request) -> Answer:
    newest_first = sorted(
        request.tenant.all("machineAlerts"), key=lambda a: a["alertCreationTime"], reverse=True
    )
    return listing(request, newest_first, "Alerts", filterable=_OF_ALERTS, expandable="evidence")


def _alert(request: Request) -> Answer:
    found = request.tenant.get("machineAlerts", request.params["id"])
    if found is None:
        raise missing(f"Alert {request.params['id']}")
    return Answer(200, {"@odata.context": f"{METADATA}#Alerts/$entity", **found})


def _weaknesses(request: Request) -> Answer:
    return exported(request, request.tenant.all("weaknesses"), "AssetVulnerability")


def _weakness_changes(request: Request) -> Answer:
    if "sinceTime" not in request.options:
        raise lacking("sinceTime")
    since = moment(request.options["sinceTime"])
    if (moment(request.now()) - since).days > _LONGEST_DELTA_DAYS:
        raise DefenderError(400, "InvalidInput", "Invalid input sinceTime: more than 14 days ago.")
    found = [
        row
        for row in request.tenant.all("weaknessChanges")
        if moment(row["eventTimestamp"]) >= since
    ]
    return exported(request, found, "DeltaAssetVulnerability", "sinceTime")


def _software(request: Request) -> Answer:
    return exported(request, request.tenant.all("software"), "AssetSoftware")


def _by_product(request: Request) -> Answer:
    rows = [row for row in request.tenant.all("weaknesses") if row["cveId"]]
    found = [records.product_weakness(row) for row in rows]
    kind = "Collection(microsoft.windowsDefenderATP.api.PublicAssetVulnerabilityDto)"
    return listing(request, found, kind, filterable=_OF_WEAKNESSES)


def _exposed(request: Request) -> Answer:
    cve = request.params["cve"]
    exposed = {r["deviceId"] for r in request.tenant.all("weaknesses") if r["cveId"] == cve}
    kept = ("id", "computerDnsName", "osPlatform", "rbacGroupName")
    found = [
        {name: m[name] for name in kept}
        for m in request.tenant.all("machines")
        if m["id"] in exposed
    ]
    return listing(request, found, "MachineReferences")


ROUTES: list[Route] = [
    route("GET", "/api/machines", _machines, *_MACHINES),
    route("GET", "/api/machines/SoftwareInventoryByMachine", _software, "Software.Read.All"),
    route("GET", "/api/machines/SoftwareVulnerabilitiesByMachine", _weaknesses,
          "Vulnerability.Read.All"),
    route("GET", "/api/machines/SoftwareVulnerabilityChangesByMachine", _weakness_changes,
          "Vulnerability.Read.All"),
    route("GET", "/api/machines/{id}", _machine, *_MACHINES),
    route("GET", "/api/machines/{id}/alerts", _machine_alerts, *_ALERTS),
    route("GET", "/api/machines/{id}/logonusers", _logon_users, "User.Read.All"),
    route("GET", "/api/machines/{id}/getmissingkbs", _missing_updates, "Software.Read.All"),
    route("GET", "/api/alerts", _alerts, *_ALERTS),
    route("GET", "/api/alerts/{id}", _alert, *_ALERTS),
    route("GET", "/api/vulnerabilities/machinesVulnerabilities", _by_product,
          "Vulnerability.Read.All"),
    route("GET", "/api/vulnerabilities/{cve}/machineReferences", _exposed,
          "Vulnerability.Read.All"),
    *ACTIONS,
    *HUNTING,
    *INDICATORS,
]  # fmt: skip
