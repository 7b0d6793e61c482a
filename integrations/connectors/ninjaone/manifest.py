"""What the NinjaOne connector brings and what it can do, with the least permission for each."""

from integrations.connectors.ninjaone import feeds
from integrations.connectors.ninjaone.client import (
    MANAGEMENT,
    MONITORING,
    canary,
    connect,
    organisation,
    standing,
)
from integrations.connectors.ninjaone.normalise.dispatch import normaliser
from integrations.contract import Feed, Manifest, Organisation, Permission, SetUpStep
from integrations.envelopes import Exploder
from integrations.managed.actions import InstallUpdates, Restart, RunScript
from integrations.managed.questions import GetDevice, ListMissing, ListPendingUpdates

_API = "https://app.ninjarmm.com/apidocs/"
_APPS = (
    "https://www.ninjaone.com/docs/application-programming-interface-api/oauth-token-configuration"
)
_READ = (MONITORING,)

PERMISSIONS = tuple(
    Permission(
        name,
        f"In NinjaOne, under Administration, Apps, API, Client app IDs, tick the scope "
        f"{name.capitalize()} of Holdfast's application.",
        _APPS,
    )
    for name in (MONITORING, MANAGEMENT)
)

FEEDS = (
    Feed(
        name="devices", title="Devices", permissions=_READ, normalise=normaliser("devices"),
        fetch=feeds.devices, interval_seconds=900, documentation=_API, lists=("device",),
    ),
    Feed(
        name="patches", title="Updates that are missing or were installed", permissions=_READ,
        normalise=normaliser("patches"), fetch=feeds.patches, interval_seconds=6 * 3600,
        lists=("patch",),
        documentation=_API,
    ),
    Feed(
        name="alerts", title="Alerts", permissions=_READ, normalise=normaliser("alerts"),
        fetch=feeds.alerts, interval_seconds=120, documentation=_API,
    ),
)  # fmt: skip

MANIFEST = Manifest(
    id="ninjaone",
    vendor="NinjaOne",
    title="NinjaOne",
    documentation=_API,
    settings={
        "endpoint": "The address of your NinjaOne, such as https://eu.ninjarmm.com.",
        "organization_id": "Number of the client's organisation. Only its devices are read and "
        "acted upon.",
        "client_id": "Client ID of the API application.",
        "scripts": "Optional: names of the scripts that may be run, with semicolons between. Any "
        "other is refused.",
    },
    secrets={"client_secret": "Secret of the API application; it is shown once."},
    permissions=PERMISSIONS,
    rate_limits=(),
    set_up=(
        SetUpStep(
            "In NinjaOne, under Administration, Apps, API, add an application of the kind API "
            "services (machine-to-machine) with the grant type Client credentials. Tick "
            "the scope Monitoring, and Management if you want actions. Note its client ID and "
            "secret.",
            _APPS,
        ),
        SetUpStep(
            "Open the client's organisation, and note its number from the page's address.", _API
        ),
        SetUpStep(
            "Give computers a tag such as ring:pilot or ring:broad: updates are installed ring by "
            "ring. Updates are approved in NinjaOne, by policy or by hand: its API can't.",
            _API,
        ),
    ),
    feeds=FEEDS,
    actions=(
        Restart(permissions=(MANAGEMENT, MONITORING)),
        InstallUpdates(permissions=(MANAGEMENT, MONITORING)),
        RunScript(permissions=(MANAGEMENT, MONITORING)),
    ),
    gatherers=(GetDevice(_READ), ListMissing(_READ), ListPendingUpdates(_READ)),
    connect=connect,
    canary=canary,
    standing=standing,
    organisation=Organisation(
        at=("endpoint",), part="organization_id", told=organisation, is_passing=True
    ),
    explode=Exploder(lists=("results",), beside=("cursor",)),
)  # fmt: skip
