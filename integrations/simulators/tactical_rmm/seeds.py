"""The named seeds: what the simulated server starts with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from integrations.simulators.base.routes import instant
from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Record, Store, Tenant, stable_id

PERMISSIONS = (
    "List Clients", "List Agents", "List Alerts", "Manage Windows Updates", "Reboot Agents",
    "List Scripts", "List Agent History", "Run Scripts",
)  # fmt: skip
CLIENT, OTHER_CLIENT = 3, 4
SCRIPT, OTHER_SCRIPT = "Clear temporary files", "Wipe the disk"
_SITES = 5
_COMPUTERS = 25
_LINUX = 24


def demo(store: Store, now: datetime, seed: int) -> None:
    """A server with a client of five sites, and one computer of another client."""
    tenant = store.add_tenant(stable_id("tactical", seed), "Example MSP", "example.example")
    key = "SIM" + stable_id("tactical", "key", seed).replace("-", "").upper()
    tenant.apps["holdfast"] = App("holdfast", "Holdfast", key, list(PERMISSIONS))
    tenant.put("clients", {"id": CLIENT, "name": "Example Ltd"})
    tenant.put("clients", {"id": OTHER_CLIENT, "name": "Another client"})
    for number in range(_SITES):
        site = {"id": 10 + number, "name": f"Site {number}", "client": CLIENT}
        tenant.put("sites", site)
    tenant.put("sites", {"id": 90, "name": "Elsewhere", "client": OTHER_CLIENT})
    for own_id, name in ((21, SCRIPT), (22, OTHER_SCRIPT)):
        tenant.put("scripts", _script(own_id, name))
    for number in range(_COMPUTERS):
        _computer(tenant, number, 10 + number % _SITES, now)
    _computer(tenant, 900, 90, now)


def _script(own_id: int, name: str) -> Record:
    return {
        "id": own_id, "name": name, "description": name, "script_type": "userdefined",
        "shell": "powershell", "args": ["-Quiet"], "env_vars": [], "run_as_user": False,
        "category": "Maintenance", "default_timeout": 120, "hidden": False,
        "supported_platforms": ["windows"],
    }  # fmt: skip


def _computer(tenant: Tenant, number: int, site: int, now: datetime) -> None:
    tenant.put("agents", agent(number, site, now), agent_id(number))
    if number == _LINUX:
        return
    for one in updates(number, now):
        tenant.put("updates", one)
    if number % 3 == 0:
        tenant.put("alerts", alert(number, now))


def agent_id(number: int) -> str:
    """The id of a computer, 40 letters."""
    text = stable_id("tactical", "agent", number).replace("-", "")
    return (text + text)[:40]


def agent(number: int, site: int, now: datetime) -> Record:
    """A computer; the first is a server, one runs Linux. Every third is in the pilot ring."""
    is_linux = number == _LINUX
    return {
        "agent_id": agent_id(number),
        "hostname": "SRV-APP01" if number == 0 else f"WS-{number:03d}",
        "site": site,
        "monitoring_type": "server" if number == 0 else "workstation",
        "description": f"Desk {number}, ring:{'pilot' if number % 3 == 0 else 'broad'}",
        "needs_reboot": number % 5 == 0,
        "pending_actions_count": 0,
        "status": "overdue" if number % 7 == 3 else "online",
        "last_seen": instant(now - timedelta(minutes=number)),
        "boot_time": (now - timedelta(days=12)).timestamp(),
        "maintenance_mode": False,
        "logged_in_username": "None" if number % 4 == 0 else f"user{number}",
        "last_logged_in_user": f"user{number}",
        "plat": "linux" if is_linux else "windows",
        "goarch": "amd64",
        "version": "2.8.0",
        "operating_system": "Debian 12 x86_64" if is_linux else "Windows 11 Pro, 64 bit v23H2",
        "public_ip": "198.51.100.11",
        "local_ips": f"10.50.0.{number % 200 + 10}",
        "make_model": "Example Desk 5000",
        "serial_number": f"SN{number:05d}",
        "custom_fields": [],
    }


def updates(number: int, now: datetime) -> list[Record]:
    """An approved update, one that nobody decided on, one to be ignored, one installed."""
    rows = (
        ("KB5050001", "approve", "Critical"), ("KB5050002", "nothing", "Important"),
        ("KB5050003", "ignore", ""), ("KB5049999", "approve", "Critical"),
    )  # fmt: skip
    return [
        {
            "id": 1000 + 10 * number + place,
            "guid": stable_id("tactical", "update", kb),
            "kb": kb,
            "title": f"2026-11 Cumulative Update for Windows 11 ({kb})",
            "installed": kb == "KB5049999",
            "downloaded": kb == "KB5049999",
            "description": "Install this update to resolve issues in Windows.",
            "severity": severity,
            "categories": ["Security Updates", "Windows 11"],
            "kb_article_ids": [kb.removeprefix("KB")],
            "more_info_urls": [f"https://support.microsoft.com/help/{kb.removeprefix('KB')}"],
            "action": action,
            "result": "success" if kb == "KB5049999" else "n/a",
            "date_installed": instant(now - timedelta(days=8)) if kb == "KB5049999" else None,
            "agent": number,
        }
        for place, (kb, action, severity) in enumerate(rows)
    ]


def alert(number: int, now: datetime) -> Record:
    """A failed check; every sixth is resolved."""
    when = now - timedelta(hours=number + 1)
    is_over = number % 6 == 0
    return {
        "id": 500 + number,
        "agent": number,
        "assigned_check": 7,
        "assigned_task": None,
        "alert_type": "check",
        "message": "A disk space check failed: less than 5 % is left on C:.",
        "alert_time": instant(when),
        "snoozed": False,
        "snooze_until": None,
        "resolved": is_over,
        "resolved_on": instant(when + timedelta(minutes=30)) if is_over else None,
        "severity": "warning",
        "hidden": False,
    }


SEEDS: Mapping[str, Seed] = {"demo": demo}
