"""What the SentinelOne connector brings and what it can do, with the least permission for each.

Permissions are those of a custom role, as the console names them: page, then permission.
"""

from integrations.connectors.sentinelone import actions, feeds
from integrations.connectors.sentinelone.client import (
    VIEW_ENDPOINTS,
    VIEW_THREATS,
    canary,
    connect,
    place,
)
from integrations.connectors.sentinelone.gatherers import GATHERERS
from integrations.connectors.sentinelone.normalise.dispatch import normaliser
from integrations.contract import Feed, Manifest, Organisation, Permission, SetUpStep
from integrations.envelopes import Exploder

_API = "https://usea1-partners.sentinelone.net/api-doc/overview"
_ROLES = (
    "https://www.sentinelone.com/blog/feature-spotlight-fully-custom-role-based-access-control/"
)
_NAMES = (
    VIEW_ENDPOINTS, VIEW_THREATS, feeds.VIEW_ACTIVITY, actions.DISCONNECT, actions.RECONNECT,
    actions.SCAN, actions.KILL, actions.QUARANTINE, actions.UNQUARANTINE,
)  # fmt: skip

PERMISSIONS = tuple(
    Permission(
        name,
        f"In the console, under Settings, Users, Roles, give the service user's role the "
        f"permission {name.partition(': ')[2]} of the page {name.partition(': ')[0]}.",
        _ROLES,
    )
    for name in _NAMES
)

FEEDS = (
    Feed(
        name="threats", title="Threats", permissions=(VIEW_THREATS,),
        normalise=normaliser("threats"), fetch=feeds.threats, interval_seconds=60,
        documentation=_API,
    ),
    Feed(
        name="agents", title="Endpoints and their network", permissions=(VIEW_ENDPOINTS,),
        normalise=normaliser("agents"), fetch=feeds.agents, interval_seconds=900, lists=("device",),
        documentation=_API,
    ),
    Feed(
        name="activities", title="Activities, and alerts of own rules",
        permissions=(feeds.VIEW_ACTIVITY,), normalise=normaliser("activities"),
        fetch=feeds.activities, interval_seconds=120, documentation=_API,
    ),
)  # fmt: skip

MANIFEST = Manifest(
    id="sentinelone",
    vendor="SentinelOne",
    title="SentinelOne",
    documentation=_API,
    settings={
        "endpoint": "The console's address, such as https://usea1-example.sentinelone.net.",
        "site_id": "Optional: ID of the client's site, where the console holds several clients. "
        "Only what belongs to this site is read and acted upon.",
        "account_id": "Optional: ID of the client's account, where it has an account of its own "
        "with several sites. Only what belongs to this account is read and acted upon.",
    },
    secrets={"api_token": "API token of a service user; it is shown once, and it expires."},
    permissions=PERMISSIONS,
    rate_limits=(),
    set_up=(
        SetUpStep(
            "In the console, under Settings, Users, Roles, create a role with the permissions of "
            "the feeds and actions that you want, and no others.",
            _ROLES,
        ),
        SetUpStep(
            "Under Settings, Users, Service Users, create a service user for the client's site "
            "with that role, and note its API token and the day on which it expires.",
            _ROLES,
        ),
        SetUpStep(
            "If the console holds several clients, note the client's site ID from the address of "
            "the site's page; where the client has a whole account, note the account's ID instead.",
        ),
    ),
    feeds=FEEDS,
    actions=actions.ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    organisation=Organisation(
        at=("endpoint",), part="site_id", within="account_id", told=place
    ),
    explode=Exploder(lists=("data",), beside=("pagination", "errors")),
)  # fmt: skip
