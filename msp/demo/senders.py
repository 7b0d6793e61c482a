"""What other products of the demo's clients send, by signed webhooks, as real ones do."""

import datetime as dt
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from integrations import connections, inbound, signing
from integrations.models import Connection
from msp.demo.clients import ACTOR
from tenants import scope
from tenants.models import Tenant

_MAPPING = {
    "uid": "id", "time": "at", "title": "what", "description": "more",
    "severity": "severity", "category": "kind", "techniques": "techniques",
    "entities": {"account": ["user"], "device": ["computer"], "ip": ["address"]},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a client's own product; `delivery` counts once, however often it is sent."""

    client: str
    product: str
    delivery: str
    body: Mapping[str, Any]


def _downloads(delivery: str, night: str) -> Alert:
    return Alert(
        "mill-lane-bakery", "Share monitor", delivery,
        {
            "what": "Unusual volume of file downloads", "kind": "Exfiltration",
            "more": f"svc.backup read 400 files {night}.", "severity": "medium",
            "techniques": ["T1530"], "user": "svc.backup@mill-lane-bakery.example",
        },
    )  # fmt: skip


FIRST = (
    _downloads("downloads-1", "in the night before last"),
    Alert(
        "northwind-dental", "Antivirus", "antivirus-1",
        {
            "what": "Trojan found in a download", "kind": "Malware", "severity": "medium",
            "more": "The program could not remove it.", "computer": "SOFIA-PC",
        },
    ),
    Alert(
        "northwind-dental", "Antivirus", "antivirus-2",
        {
            "what": "Suspicious script was stopped", "kind": "Execution", "severity": "medium",
            "more": "It came with a mail.", "computer": "TOM-PC",
        },
    ),
    # It names an address only: that this is Tom's computer somebody has to find out.
    Alert(
        "northwind-dental", "Firewall", "firewall-1",
        {
            "what": "Connection to a control server was blocked", "kind": "CommandAndControl",
            "severity": "medium", "more": "The firewall stopped it.", "address": "10.20.0.17",
        },
    ),
)  # fmt: skip
# The same again, when somebody has said that it is expected.
LATER = (_downloads("downloads-2", "last night"),)


def send(alert: Alert, tenant: Tenant, web: str) -> None:
    """Deliver an alert to the product's address, signed; the product is made known first."""
    with scope.tenant(tenant.id):
        source = Connection.objects.filter(connector="webhook", name=alert.product).first()
        source = source or connections.create(
            connector="webhook", name=alert.product, secrets={}, actor=ACTOR,
            settings={"feed": "json", "mapping": json.dumps(_MAPPING)},
        )  # fmt: skip
        door, key = connections.door(source), inbound.key_of(source)
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    body = json.dumps({"id": alert.delivery, "at": at, **alert.body}).encode()
    headers = signing.headers(key, alert.delivery, int(time.time()), body)
    headers["content-type"] = "application/json"
    httpx.post(f"{web}{door}", content=body, headers=headers, timeout=60).raise_for_status()
