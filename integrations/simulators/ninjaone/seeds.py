"""The named seeds: what the simulated account starts with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Record, Store, Tenant, stable_id

SCOPES = ("monitoring", "management", "control")
ORGANISATION, OTHER_ORGANISATION = 7, 8
SCRIPT, OTHER_SCRIPT = "Clear temporary files", "Wipe the disk"
_DEVICES = 35
_SWITCH = 20


def demo(store: Store, now: datetime, seed: int) -> None:
    """One account with a client's organisation, and one device of another client."""
    tenant = store.add_tenant(stable_id("ninjaone", seed), "Example MSP", "example.example")
    client_id = stable_id("ninjaone", "client", seed)
    secret = "sim-" + stable_id("ninjaone", "secret", seed)
    tenant.apps[client_id] = App(client_id, "Holdfast", secret, list(SCOPES))
    for own_id, name in ((ORGANISATION, "Example Ltd"), (OTHER_ORGANISATION, "Another client")):
        tenant.put("organisations", {"id": own_id, "name": name, "nodeApprovalMode": "AUTOMATIC"})
    for own_id, name in ((11, SCRIPT), (12, OTHER_SCRIPT)):
        tenant.put("scripts", _script(own_id, name))
    for number in range(_DEVICES):
        _device(tenant, 100 + number, number, ORGANISATION, now)
    _device(tenant, 900, 900, OTHER_ORGANISATION, now)


def _script(own_id: int, name: str) -> Record:
    return {
        "type": "SCRIPT", "id": own_id, "name": name, "language": "powershell",
        "description": name, "architecture": ["64"], "categoryId": 1,
    }  # fmt: skip


def _device(tenant: Tenant, own_id: int, number: int, organisation: int, now: datetime) -> None:
    seen = (now - timedelta(minutes=number % 60)).timestamp()
    tenant.put("devices", device(own_id, number, organisation, seen))
    if number == _SWITCH:
        return
    tenant.put("systems", _system(own_id, number, now), str(own_id))
    tenant.put("users", {"userName": f"EXAMPLE\\user{number}", "logonTime": seen}, str(own_id))
    for one in patches(own_id, number, now):
        tenant.put("patches", one)
    if number % 4 == 0:
        tenant.put("alerts", alert(own_id, number, organisation, now), _uid("alert", own_id))


def _uid(*parts: object) -> str:
    return stable_id("ninjaone", *parts)


def device(own_id: int, number: int, organisation: int, seen: float) -> Record:
    """A computer; the first is a server, one is a switch. Every third is in the pilot ring."""
    kinds = {0: "WINDOWS_SERVER", _SWITCH: "NMS_SWITCH"}
    name = "SRV-FILE01" if number == 0 else f"PC-{number:03d}"
    return {
        "id": own_id,
        "uid": _uid("device", own_id),
        "organizationId": organisation,
        "locationId": 1,
        "nodeClass": kinds.get(number, "WINDOWS_WORKSTATION"),
        "nodeRoleId": 1,
        "rolePolicyId": 1,
        "approvalStatus": "DECOMMISSIONED" if number == 34 else "APPROVED",
        "offline": number % 7 == 3,
        "displayName": name,
        "systemName": name,
        "dnsName": f"{name.lower()}.example.example",
        "created": seen - 86_400.0 * 90,
        "lastContact": seen,
        "lastUpdate": seen,
        "tags": ["ring:pilot" if number % 3 == 0 else "ring:broad"],
        "references": {
            "organization": {"id": organisation, "name": "Example Ltd"},
            "location": {"id": 1, "name": "Main Office"},
            "policy": {"id": 1, "name": "Workstations"},
            "assignedOwner": {"id": number, "email": f"user{number}@example.example"},
        },
        "ipAddresses": [f"10.40.0.{number % 200 + 10}"],
        "macAddresses": [f"00:00:5E:00:53:{number % 256:02X}"],
        "publicIP": "198.51.100.9",
        "deviceType": "AGENT",
    }


def _system(own_id: int, number: int, now: datetime) -> Record:
    return {
        "deviceId": own_id,
        "timestamp": now.timestamp(),
        "manufacturer": "Microsoft Corporation",
        "name": "Windows Server 2022 Standard" if number == 0 else "Windows 11 Professional",
        "architecture": "64-bit",
        "buildNumber": "20348" if number == 0 else "22631",
        "lastBootTime": (now - timedelta(days=10)).timestamp(),
        "needsReboot": number % 5 == 0,
    }


def patches(own_id: int, number: int, now: datetime) -> list[Record]:
    """An approved update, one that nobody decided on, one that was rejected, one installed."""
    rows = (
        ("KB5050001", "APPROVED", "CRITICAL", "SECURITY_UPDATES"),
        ("KB5050002", "MANUAL", "IMPORTANT", "SECURITY_UPDATES"),
        ("KB5050003", "REJECTED", "OPTIONAL", "FEATURE_PACKS"),
        ("KB5049999", "INSTALLED", "CRITICAL", "SECURITY_UPDATES"),
    )
    return [
        {
            "id": _uid("patch", own_id, kb),
            "name": f"2026-11 Update for Windows ({kb})",
            "severity": severity,
            "status": status,
            "type": kind,
            "deviceId": own_id,
            "timestamp": now.timestamp(),
            "kbNumber": kb,
            **({"installedAt": (now - timedelta(days=9)).timestamp()}
               if status == "INSTALLED" else {}),
        }
        for kb, status, severity, kind in rows
    ]  # fmt: skip


def alert(own_id: int, number: int, organisation: int, now: datetime) -> Record:
    """A full disk; on every eighth device the antivirus has locked something away."""
    is_threat = number % 8 == 0
    when = (now - timedelta(hours=number)).timestamp()
    what = "Threat quarantined: update.exe" if is_threat else "Disk C: has less than 5 % left"
    kind = "AV_QUARANTINE_THREAT" if is_threat else "CONDITION_AGENT_DISK_FREE_SPACE"
    return {
        "uid": _uid("alert", own_id),
        "deviceId": own_id,
        "message": what,
        "createTime": when,
        "updateTime": when,
        "sourceType": kind,
        "sourceName": "Antivirus" if is_threat else "Disk space",
        "subject": what,
        "severity": "CRITICAL" if is_threat else "MODERATE",
        "priority": "HIGH" if is_threat else "MEDIUM",
        "device": {
            "id": own_id, "organizationId": organisation,
            "systemName": "SRV-FILE01" if number == 0 else f"PC-{number:03d}",
        },
    }  # fmt: skip


SEEDS: Mapping[str, Seed] = {"demo": demo}
