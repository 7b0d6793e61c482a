"""What the Wazuh connector brings and what it can do, with the least permission for each.

Permissions are the actions of the API's role-based access control, and of the indexer's roles.
"""

from typing import Final

from integrations import signing
from integrations.connectors.wazuh import feeds, file_changes
from integrations.connectors.wazuh.actions import ACTIONS, blocking, groups, scans
from integrations.connectors.wazuh.client import (
    AGENTS,
    READ_ALERTS,
    READ_VULNERABILITIES,
    canary,
    connect,
)
from integrations.connectors.wazuh.gatherers import GATHERERS
from integrations.connectors.wazuh.normalise import vulnerabilities
from integrations.connectors.wazuh.normalise.dispatch import configured, normalise
from integrations.connectors.wazuh.recognise import explode
from integrations.connectors.wazuh.standing import standing
from integrations.connectors.wazuh.survey import MANAGER, RULES, SIEM
from integrations.contract import Feed, Manifest, Organisation, Permission, RateLimit, SetUpStep

_DOCS: Final = "https://documentation.wazuh.com/current/user-manual"
_RBAC: Final = f"{_DOCS}/api/rbac/reference.html"
_API: Final = f"{_DOCS}/api/reference.html"
_INDEXER: Final = f"{_DOCS}/user-administration/rbac.html"
_INTEGRATION: Final = f"{_DOCS}/manager/integration-with-external-apis.html"
_OF_API: Final = (
    AGENTS, feeds.INVENTORY, groups.MODIFY, scans.RUN, scans.READ, blocking.COMMAND,
    file_changes.READ, RULES, MANAGER,
)  # fmt: skip
# For the audit of the rules: these are of the manager, not of agents.
_WHERE: Final = {RULES: "", MANAGER: ""}

PERMISSIONS = (
    *(
        Permission(
            name,
            f"In the Wazuh dashboard, under Server management, Security, Policies, allow {name} "
            f"{_WHERE.get(name, 'for the computers of the client ')}in a policy of the API user's "
            "role.",
            _RBAC,
        )
        for name in _OF_API
    ),
    *(
        Permission(
            name,
            "In the dashboard, under Indexer management, Security, Roles, give the indexer user's "
            f"role the permission read on {name.rpartition(' ')[2]}.",
            _INDEXER,
        )
        for name in (READ_ALERTS, READ_VULNERABILITIES)
    ),
)

_ASKED = frozenset(one.name for one in PERMISSIONS)

FEEDS = (
    Feed(
        name="agents", title="Computers", permissions=(AGENTS,), normalise=normalise,
        fetch=feeds.agents, interval_seconds=900, documentation=_API, lists=("device",),
    ),
    Feed(
        name="alerts", title="Alerts of rules", permissions=(READ_ALERTS, AGENTS),
        normalise=normalise, configured=configured,
        fetch=feeds.alerts, is_pushed=True, interval_seconds=60,
        documentation=_INTEGRATION,
    ),
    Feed(
        name="vulnerabilities", title="Holes in programs",
        permissions=(READ_VULNERABILITIES, AGENTS), normalise=normalise,
        fetch=feeds.vulnerabilities, interval_seconds=3600, lists=("vulnerability",),
        states=vulnerabilities.state,
        documentation=f"{_DOCS}/capabilities/vulnerability-detection/index.html",
    ),
    Feed(
        name="inventory", title="Programs and updates on computers",
        permissions=(feeds.INVENTORY, AGENTS), normalise=normalise, fetch=feeds.inventory,
        interval_seconds=86_400, lists=("software",),
        documentation=f"{_DOCS}/capabilities/system-inventory/index.html",
    ),
)  # fmt: skip

MANIFEST = Manifest(
    id="wazuh",
    vendor="Wazuh",
    title="Wazuh",
    documentation=_API,
    settings={
        "endpoint": "The manager's API, such as https://wazuh.example.com:55000.",
        "username": "The API user's name.",
        "indexer": "Optional: the indexer, such as https://wazuh.example.com:9200; for "
        "vulnerabilities, and to read back what was blocked.",
        "indexer_username": "Optional: the indexer user's name.",
        "group": "Optional: the agent group of the client's computers, where the manager has "
        "several clients. Only what belongs to it is read and acted upon.",
        "authority": "Optional: the certificate authority that signed Wazuh's certificates, as "
        "PEM, if it is your own.",
        "alert_from": "Optional: the lowest rule level, 0 to 16, that is an alert; 7 where it is "
        "empty. Everything below is kept as events.",
    },
    secrets={
        "password": "The API user's password.",
        "indexer_password": "Optional: the indexer user's password.",
        signing.KEY: "Optional: the key with which Wazuh's integration signs (whsec_…); where it "
        "is empty Holdfast makes one.",
    },
    permissions=PERMISSIONS,
    rate_limits=(
        RateLimit("manager", 300, 60, f"{_DOCS}/api/configuration.html"),
    ),
    set_up=(
        SetUpStep(
            "On the manager make an API user with a role that allows the permissions of the feeds "
            "and actions that you want, for the client's agent group only.",
            _RBAC,
        ),
        SetUpStep(
            "If Holdfast may ask the indexer, make a user there that reads the indices of alerts "
            "and vulnerabilities, and nothing else.",
            _INDEXER,
        ),
        SetUpStep(
            "To have alerts at once, copy integrations/connectors/wazuh/custom-holdfast to "
            "/var/ossec/integrations on the manager, with owner root:wazuh and mode 750.",
            _INTEGRATION,
        ),
        SetUpStep(
            "Add an integration named custom-holdfast to ossec.conf, with the connection's address "
            "as hook_url, its signing key as api_key, json as alert_format and the lowest level "
            "that you want, and restart the manager. `manage.py webhook show` prints both.",
            _INTEGRATION,
        ),
    ),
    feeds=FEEDS,
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    standing=lambda client: standing(client, _ASKED),
    organisation=Organisation(at=("endpoint",), part="group"),
    explode=explode,
    siem=SIEM,
)  # fmt: skip
