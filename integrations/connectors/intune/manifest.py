"""What the Intune connector brings and what it can do, with the least permission for each.

Permissions are Graph's application permissions.
Source: https://learn.microsoft.com/graph/permissions-reference.
"""

from integrations.connectors.intune import feeds
from integrations.connectors.intune.actions import ACTIONS
from integrations.connectors.intune.client import GRAPH, READ_DEVICES, canary, connect
from integrations.connectors.intune.gatherers import GATHERERS
from integrations.connectors.intune.normalise import normaliser
from integrations.contract import Feed, Manifest, Organisation, Permission, RateLimit, SetUpStep
from integrations.envelopes import Exploder
from integrations.microsoft import registration
from integrations.microsoft.standing import of_roles
from tenants.records import DirectoryKind

_LEARN = "https://learn.microsoft.com"
_API = f"{_LEARN}/graph/api"
_PERMISSIONS = (
    READ_DEVICES,
    feeds.READ_CONFIGURATION,
    feeds.READ_APPS,
    "DeviceManagementManagedDevices.PrivilegedOperations.All",
)


def _permission(name: str) -> Permission:
    return Permission(
        name,
        f"In the app registration, under API permissions, add the application permission {name} "
        "of Microsoft Graph, then grant admin consent.",
        f"{_LEARN}/graph/permissions-reference#{name.lower().replace('.', '')}",
    )


def _feed(
    name: str, title: str, *permissions: str, fetch: feeds.Fetch, every: int, page: str,
    lists: tuple[DirectoryKind, ...] = (),
) -> Feed:  # fmt: skip
    return Feed(
        name=name,
        title=title,
        permissions=permissions,
        normalise=normaliser(name),
        fetch=fetch,
        interval_seconds=every,
        documentation=f"{_API}/{page}",
        lists=lists,
    )


MANIFEST = Manifest(
    id="intune",
    vendor="Microsoft",
    title="Microsoft Intune",
    documentation=f"{_LEARN}/intune/intune-service/developer/intune-graph-apis",
    settings={
        **registration.SETTINGS,
        "graph_endpoint": f"Optional: Graph, default {GRAPH}.",
    },
    secrets=registration.SECRETS,
    permissions=tuple(_permission(name) for name in _PERMISSIONS),
    rate_limits=(
        RateLimit("app and tenant, Intune", 2_000, 20,
                  f"{_LEARN}/graph/throttling-limits#intune-service-limits"),
        RateLimit("tenant, all apps, Intune", 4_000, 20,
                  f"{_LEARN}/graph/throttling-limits#intune-service-limits"),
    ),
    set_up=(
        SetUpStep("Use the client's app registration of Microsoft 365, or register another in the "
                  "client's Entra ID, and note its tenant ID and client ID.",
                  f"{_LEARN}/graph/auth-register-app-v2"),
        SetUpStep("Add the application permissions of the feeds and actions that you want, then "
                  "grant admin consent. The tenant needs an Intune licence.",
                  f"{_LEARN}/entra/identity-platform/quickstart-configure-app-access-web-apis"),
        SetUpStep("Create a client secret and note its Value; it is shown once.",
                  f"{_LEARN}/entra/identity-platform/how-to-add-credentials"),
    ),
    feeds=(
        _feed("devices", "Managed devices", READ_DEVICES, fetch=feeds.devices, every=3_600,
              page="intune-devices-manageddevice-list", lists=("device",)),
        _feed("compliance", "Policies, and which devices keep to them", READ_DEVICES,
              feeds.READ_CONFIGURATION, fetch=feeds.compliance, every=21_600,
              page="intune-deviceconfig-devicecompliancepolicystate-list", lists=("policy",)),
        _feed("apps", "Programs found on devices", READ_DEVICES, fetch=feeds.apps, every=86_400,
              page="intune-devices-detectedapp-list", lists=("software",)),
        _feed("audit", "Changes made in Intune", feeds.READ_APPS, fetch=feeds.audit, every=600,
              page="intune-auditing-auditevent-list"),
    ),
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    organisation=Organisation(at=("tenant_id",), told=lambda client: client.directory()),
    # The app registration may be that of Microsoft 365, which has other permissions of Graph.
    standing=lambda client: of_roles(client.granted(), _PERMISSIONS, own="DeviceManagement"),
    explode=Exploder(lists=("value", "records", "results")),
)  # fmt: skip
