"""Puts an organisation's computers under Defender for Endpoint."""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.simulators.base.store import Record, Tenant

from . import records

PERMISSIONS = (
    "AdvancedQuery.Read.All", "Alert.Read.All", "Machine.CollectForensics", "Machine.Isolate",
    "Machine.Read.All",
    "Machine.RestrictExecution", "Machine.Scan", "Machine.StopAndQuarantine", "Software.Read.All",
    "Ti.ReadWrite.All", "User.Read.All", "Vulnerability.Read.All",
)  # fmt: skip
_BROWSER = ("google", "chrome", "129.0.6668.58")
_ARCHIVER = ("7-zip", "7-zip", "23.01")
_SYSTEM = ("microsoft", "windows_11", "10.0.26100.1742")
_WEAKNESSES = (
    (_SYSTEM, "CVE-2026-21001", "Critical"),
    (_BROWSER, "CVE-2026-30002", "High"),
    (_ARCHIVER, None, None),
)


def enrol(tenant: Tenant, now: datetime, *, alerts: int = 2) -> None:
    """Give each of the tenant's Entra devices a machine, add a server, and raise `alerts`."""
    for app in tenant.apps.values():
        app.permissions += [name for name in PERMISSIONS if name not in app.permissions]
    people = [u for u in tenant.true_all("users") if u["accountEnabled"] and u["assignedLicenses"]]
    devices = tenant.true_all("devices")
    for number, device in enumerate(devices):
        made = _machine(tenant, device, number, now)
        owner = people[number % len(people)]
        tenant.put(f"logonUsers:{made['id']}", _logon(tenant, owner, now))
    server = records.machine(
        tenant,
        "srv-01",
        platform="WindowsServer2022",
        address="192.168.7.5",
        entra_id=None,
        now=now,
    )
    tenant.put("machines", server)
    tenant.put(f"logonUsers:{server['id']}", _administrator(tenant, now))
    machines = tenant.true_all("machines")
    for made in machines:
        _weak(tenant, made, now)
        file_event(tenant, made["id"], "FileModified", r"C:\Users\ann\plan.docx", now)
    for number in range(alerts):
        when = now - timedelta(hours=3 * number + 2)
        about, user = machines[number % len(machines)], people[number % len(people)]
        tenant.put("machineAlerts", records.alert(tenant, about, user, number, when))


def file_event(
    tenant: Tenant, machine: str, action: str, path: str, at: datetime, before: str = ""
) -> Record:
    """Let something have happened to a file, as advanced hunting tells it."""
    (folder, _, name), (old, _, old_name) = path.rpartition("\\"), before.rpartition("\\")
    number = tenant.store.next("file_event")
    event = {
        "Timestamp": at.isoformat(), "DeviceId": machine, "ActionType": action,
        "FolderPath": path if number % 2 else folder, "FileName": name,
        "PreviousFolderPath": old, "PreviousFileName": old_name,
    }  # fmt: skip
    return tenant.put("DeviceFileEvents", event, f"{number:08d}")


def _machine(tenant: Tenant, device: Record, number: int, now: datetime) -> Record:
    platform = "macOS" if device["operatingSystem"] == "MacMDM" else "Windows11"
    name = str(device["displayName"]).lower()
    return tenant.put(
        "machines",
        records.machine(
            tenant, name, platform=platform, address=f"192.168.7.{20 + number}",
            entra_id=device["deviceId"], now=now,
        ),
    )  # fmt: skip


def _logon(tenant: Tenant, user: Record, now: datetime) -> Record:
    domain = tenant.domain.split(".")[0]
    return {
        "id": f"{domain}\\{user['mailNickname']}",
        "accountName": str(user["mailNickname"]),
        "accountDomain": domain,
        "firstSeen": records.precise(now - timedelta(days=200)),
        "lastSeen": records.precise(now - timedelta(hours=1)),
        "logonTypes": "Interactive",
        "isDomainAdmin": False,
        "isOnlyNetworkUser": False,
    }


def _administrator(tenant: Tenant, now: datetime) -> Record:
    user = {"mailNickname": "administrator"}
    return {**_logon(tenant, user, now), "isDomainAdmin": True, "logonTypes": "Interactive,Network"}


def _weak(tenant: Tenant, of: Record, now: datetime) -> None:
    for software, cve, level in _WEAKNESSES:
        line = records.installed(of, software, 1 if cve else 0, now)
        tenant.put("software", line, f"{of['id']}/{software[1]}")
        row = records.weakness(of, software, cve, level, now)
        tenant.put("weaknesses", row)
    newest = records.weakness(of, _BROWSER, "CVE-2026-30002", "High", now)
    changed = records.change(newest, "New", now - timedelta(hours=6))
    tenant.put("weaknessChanges", changed)
