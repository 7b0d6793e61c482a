"""What the Tactical RMM connector brings and can do, with the least permission for each.

Permissions are those of a role, as the server's settings name them.
"""

from integrations.connectors.tactical_rmm import feeds
from integrations.connectors.tactical_rmm.actions import ACTIONS
from integrations.connectors.tactical_rmm.client import (
    AGENTS,
    ALERTS,
    CLIENTS,
    HISTORY,
    REBOOT,
    RUN,
    SCRIPTS,
    UPDATES,
    canary,
    connect,
    organisation,
)
from integrations.connectors.tactical_rmm.normalise.dispatch import normaliser
from integrations.contract import Feed, Manifest, Organisation, Permission, SetUpStep
from integrations.envelopes import Exploder
from integrations.managed.questions import GetDevice, ListMissing, ListPendingUpdates

_API = "https://docs.tacticalrmm.com/functions/api/"
_ROLES = "https://docs.tacticalrmm.com/functions/permissions/"
_OWN = (AGENTS, CLIENTS)

PERMISSIONS = tuple(
    Permission(
        name,
        f"In Tactical RMM, under Settings, Permissions Manager, give the role of the API key's "
        f"user the permission {name}.",
        _ROLES,
    )
    for name in (CLIENTS, AGENTS, ALERTS, UPDATES, REBOOT, SCRIPTS, HISTORY, RUN)
)

FEEDS = (
    Feed(
        name="devices", title="Computers", permissions=_OWN, normalise=normaliser("devices"),
        fetch=feeds.devices, interval_seconds=900, documentation=_API, lists=("device",),
    ),
    Feed(
        name="patches", title="Updates of Windows", permissions=(AGENTS, UPDATES),
        normalise=normaliser("patches"), fetch=feeds.patches, interval_seconds=6 * 3600,
        lists=("patch",),
        documentation=_API,
    ),
    Feed(
        name="alerts", title="Alerts", permissions=(ALERTS,), normalise=normaliser("alerts"),
        fetch=feeds.alerts, interval_seconds=300, documentation=_API,
    ),
)  # fmt: skip

MANIFEST = Manifest(
    id="tactical_rmm",
    vendor="Amidaware",
    title="Tactical RMM",
    documentation=_API,
    settings={
        "endpoint": "The address of your server's API, such as https://api.example.com.",
        "client_id": "Number of the client. Only its computers are read and acted upon.",
        "scripts": "Optional: names of the scripts that may be run, with semicolons between. Any "
        "other is refused.",
    },
    secrets={"api_key": "API key of a user of its own for Holdfast."},
    permissions=PERMISSIONS,
    rate_limits=(),
    set_up=(
        SetUpStep(
            "In Tactical RMM, under Settings, Permissions Manager, add a role with the permissions "
            "of the feeds and actions that you want, which sees only this client.",
            _ROLES,
        ),
        SetUpStep(
            "Add a user with that role, who can't sign in to the dashboard. Under Settings, Global "
            "Settings, API Keys, add a key for this user, with an end date.",
            _API,
        ),
        SetUpStep(
            "Find the client's number: https://api.example.com/clients/, asked with the key, "
            "lists them.",
            _API,
        ),
        SetUpStep(
            "Write ring:pilot or ring:broad into the computers' descriptions: updates are "
            "installed ring by ring.",
        ),
    ),
    feeds=FEEDS,
    actions=ACTIONS,
    gatherers=(
        GetDevice(_OWN), ListMissing((UPDATES, *_OWN)), ListPendingUpdates((UPDATES, *_OWN)),
    ),
    connect=connect,
    canary=canary,
    organisation=Organisation(
        at=("endpoint",), part="client_id", told=organisation, is_passing=True
    ),
    explode=Exploder(lists=("alerts",), beside=("alerts_count",)),
)  # fmt: skip
