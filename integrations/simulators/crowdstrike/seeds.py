"""The named seeds: what the simulated organisation starts with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Store, Tenant, stable_id
from integrations.simulators.crowdstrike import records

SCOPES = (
    "Hosts: Read", "Hosts: Write", "Alerts: Read", "Vulnerabilities: Read", "Event streams: Read",
    "IOC Management: Read", "IOC Management: Write", "On-demand scans (ODS): Read",
    "On-demand scans (ODS): Write", "Quarantined Files: Read", "Quarantined Files: Write",
    "Assets: Read",
)  # fmt: skip
PARTITIONS = 2
_COMPUTERS = 25
_EVENTS = 12


def demo(store: Store, now: datetime, seed: int) -> None:
    """One organisation with computers, of which each has an alert and a hole."""
    cid = records.falcon_id("crowdstrike", seed)
    tenant = store.add_tenant(cid, "Example Ltd", "example.example")
    client_id = records.falcon_id("client", seed)
    secret = "sim-" + stable_id("crowdstrike", "secret", seed)
    tenant.apps[client_id] = App(client_id, "Holdfast", secret, list(SCOPES))
    for number in range(_COMPUTERS):
        _computer(tenant, number, now)
    for partition in range(PARTITIONS):
        for offset in range(1, _EVENTS + 1):
            event = records.audit_event(cid, offset + partition * 100, now)
            tenant.put(f"events:{partition}", event, str(event["metadata"]["offset"]))


def flight_control(store: Store, now: datetime, seed: int) -> None:
    """A parent that sees what its two members have, and whose API client may act in them."""
    parent = store.add_tenant(records.falcon_id("parent", seed), "Example MSP", "msp.example")
    client_id = records.falcon_id("client", seed)
    secret = "sim-" + stable_id("crowdstrike", "secret", seed)
    parent.apps[client_id] = app = App(client_id, "Holdfast", secret, list(SCOPES))
    for name in ("acme", "bolt"):
        member = store.add_tenant(records.falcon_id(name, seed), name, f"{name}.example")
        member.apps[client_id] = app
        parent.put("members", {"id": member.id})
        for number in range(3):
            _computer(member, number, now)
        for collection in ("hosts", "alerts", "vulnerabilities"):
            for record in member.true_all(collection):
                own = record.get("composite_id") or record.get("device_id") or record["id"]
                parent.put(collection, record, str(own))


def _computer(tenant: Tenant, number: int, now: datetime) -> None:
    computer = records.host(tenant.id, number, now)
    tenant.put("hosts", computer, computer["device_id"])
    alert = records.alert(computer, number, now)
    tenant.put("alerts", alert, alert["composite_id"])
    tenant.put("vulnerabilities", records.vulnerability(computer, number, now))
    if number < 4:
        state = "released" if number == 1 else "quarantined"
        tenant.put("files", records.quarantined(computer, number, now, state))
        tenant.put("logins", records.login(computer, number, now, is_admin=number == 1))


SEEDS: Mapping[str, Seed] = {"demo": demo, "flight_control": flight_control}
