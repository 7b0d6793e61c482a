"""What the CrowdStrike Falcon connector brings and what it can do, with the least scope for each.

Permissions are the scopes of an API client, as Falcon's console names them.
"""

from integrations.connectors.crowdstrike import feeds
from integrations.connectors.crowdstrike.actions import ACTIONS
from integrations.connectors.crowdstrike.client import canary, connect, customer, member_of
from integrations.connectors.crowdstrike.gatherers import GATHERERS
from integrations.connectors.crowdstrike.normalise.dispatch import normaliser
from integrations.contract import Feed, Manifest, Organisation, Permission, RateLimit, SetUpStep
from integrations.envelopes import Exploder

_API = "https://www.falconpy.io/Service-Collections"
_CLIENTS = "https://www.crowdstrike.com/blog/tech-center/get-access-falcon-apis/"
_SCOPES = {
    "Hosts": ("Read", "Write"), "Alerts": ("Read",), "Vulnerabilities": ("Read",),
    "Event streams": ("Read",), "IOC Management": ("Read", "Write"),
    "On-demand scans (ODS)": ("Read", "Write"), "Quarantined Files": ("Read", "Write"),
    "Assets": ("Read",),
}  # fmt: skip
_PAGES = {
    "Hosts": "Hosts", "Alerts": "Alerts", "Vulnerabilities": "Spotlight-Vulnerabilities",
    "Event streams": "Event-Streams", "IOC Management": "IOC", "On-demand scans (ODS)": "ODS",
    "Quarantined Files": "Quarantine", "Assets": "Discover",
}  # fmt: skip

PERMISSIONS = tuple(
    Permission(
        f"{scope}: {kind}",
        f"In Falcon, under Support and resources, API clients and keys, give the API client the "
        f"scope {scope}, {kind}.",
        f"{_API}/{_PAGES[scope]}.html",
    )
    for scope, kinds in _SCOPES.items()
    for kind in kinds
)

FEEDS = (
    Feed(
        name="hosts", title="Hosts and their containment", permissions=(feeds.HOSTS,),
        normalise=normaliser("hosts"), fetch=feeds.hosts, interval_seconds=900, lists=("device",),
        documentation=f"{_API}/Hosts.html",
    ),
    Feed(
        name="alerts", title="Alerts", permissions=(feeds.ALERTS,),
        normalise=normaliser("alerts"), fetch=feeds.alerts, interval_seconds=60,
        documentation=f"{_API}/Alerts.html",
    ),
    Feed(
        name="vulnerabilities", title="Vulnerabilities (Spotlight)",
        permissions=(feeds.VULNERABILITIES,), normalise=normaliser("vulnerabilities"),
        fetch=feeds.vulnerabilities, interval_seconds=3600,
        documentation=f"{_API}/Spotlight-Vulnerabilities.html",
    ),
    Feed(
        name="event_stream", title="Event stream: audit, remote sessions, detections",
        permissions=(feeds.STREAMS,), normalise=normaliser("event_stream"),
        fetch=feeds.event_stream, interval_seconds=300,
        documentation=f"{_API}/Event-Streams.html",
    ),
)  # fmt: skip

MANIFEST = Manifest(
    id="crowdstrike",
    vendor="CrowdStrike",
    title="CrowdStrike Falcon",
    documentation="https://www.falconpy.io",
    settings={
        "client_id": "Client ID of the API client, for this client's customer ID (CID).",
        "member_cid": "Optional: the client's CID, where the API client is that of a parent in "
        "Flight Control; only what is the client's own is then read and acted upon. Or “all”, "
        "where every customer of the parent is this one client.",
        "endpoint": "Optional: the API's address of the client's cloud. Default US-1, "
        "https://api.crowdstrike.com; US-2 https://api.us-2.crowdstrike.com, "
        "EU-1 https://api.eu-1.crowdstrike.com.",
        "app_id": "Optional: name of this reader of the event stream, letters and digits, "
        "default holdfast. Each reader of one client needs its own.",
    },
    secrets={"client_secret": "Secret of the API client; it is shown once."},
    permissions=PERMISSIONS,
    rate_limits=(
        RateLimit("customer (CID)", 6000, 60, "https://www.falconpy.io/Usage/Response-Handling.html"),
    ),
    set_up=(
        SetUpStep(
            "In the client's Falcon, under Support and resources, API clients and keys, create an "
            "API client and note its client ID, secret and base URL.",
            _CLIENTS,
        ),
        SetUpStep(
            "Give it the scopes of the feeds and actions that you want, and no others.", _CLIENTS
        ),
        SetUpStep(
            "With Flight Control, one API client of the parent serves all clients: enter each "
            "client's own CID as member_cid.",
            "https://github.com/CrowdStrike/psfalcon/wiki/Authentication",
        ),
        SetUpStep(
            "If the base URL is not https://api.crowdstrike.com, enter it as the endpoint.",
            "https://www.falconpy.io/Usage/Environment-Configuration.html",
        ),
    ),
    feeds=FEEDS,
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    organisation=Organisation(
        at=("client_id",), part="member_cid", split=member_of, told=customer
    ),
    explode=Exploder(lists=("resources",), beside=("meta", "errors")),
)  # fmt: skip
