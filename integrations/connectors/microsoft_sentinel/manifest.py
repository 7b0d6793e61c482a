"""What the connector brings: alerts of Sentinel's rules, and an audit of the workspace.

Permissions are operations of Azure's role-based access control on the workspace.
"""

from integrations.connectors.microsoft_sentinel import feeds, normalise
from integrations.connectors.microsoft_sentinel.client import (
    ARM_PUBLIC,
    QUERY,
    QUERY_PUBLIC,
    RULES,
    TITLE,
    canary,
    connect,
)
from integrations.connectors.microsoft_sentinel.survey import SIEM
from integrations.contract import Feed, Manifest, Organisation, Permission, RateLimit, SetUpStep
from integrations.envelopes import Exploder
from integrations.microsoft import registration

_SENTINEL = "https://learn.microsoft.com/azure/sentinel"
_LOGS = "https://learn.microsoft.com/azure/azure-monitor/logs/api"


def _permission(name: str) -> Permission:
    return Permission(
        name,
        "In the Azure portal, on the workspace's resource group, under Access control (IAM), give "
        f"the app registration the role Microsoft Sentinel Reader, which allows {name}.",
        f"{_SENTINEL}/roles",
    )


MANIFEST = Manifest(
    id="microsoft_sentinel",
    vendor="Microsoft",
    title=TITLE,
    documentation=f"{_LOGS}/overview",
    settings={
        **registration.SETTINGS,
        "workspace_id": "Workspace ID (a GUID), from the Log Analytics workspace's overview.",
        "subscription_id": "Subscription ID of the workspace, from the same page.",
        "resource_group": "Resource group of the workspace, from the same page.",
        "workspace_name": "The workspace's name.",
        "query_endpoint": f"Optional: where queries go, default {QUERY_PUBLIC}.",
        "arm_endpoint": f"Optional: Azure Resource Manager, default {ARM_PUBLIC}.",
    },
    secrets=registration.SECRETS,
    permissions=(_permission(QUERY), _permission(RULES)),
    rate_limits=(
        RateLimit("app, queries", 200, 30, "https://learn.microsoft.com/azure/azure-monitor/"
                  "fundamentals/service-limits"),
    ),
    set_up=(
        SetUpStep("Register an app in the directory of the workspace, or use the client's app "
                  "registration of Microsoft 365, and note its tenant ID and client ID.",
                  f"{_LOGS}/register-app-for-token"),
        SetUpStep("Give it the role Microsoft Sentinel Reader on the workspace's resource group, "
                  "and no other: nothing is ever changed there.", f"{_SENTINEL}/roles"),
        SetUpStep("Create a client secret and note its Value; it is shown once.",
                  f"{_LOGS}/register-app-for-token"),
        SetUpStep("In Sentinel, under Settings, switch on auditing and health monitoring, so that "
                  "failing rules show.", f"{_SENTINEL}/enable-monitoring"),
    ),
    feeds=(
        Feed(
            name="alerts", title="Alerts of Sentinel's own rules", permissions=(QUERY,),
            normalise=normalise.alert, fetch=feeds.alerts, interval_seconds=300,
            documentation=f"{_SENTINEL}/security-alert-schema",
        ),
    ),
    actions=(),
    gatherers=(),
    connect=connect,
    canary=canary,
    organisation=Organisation(at=("workspace_id",)),
    standing=lambda client: client.standing(),
    explode=Exploder(lists=("value", "records", "results")),
    siem=SIEM,
)  # fmt: skip
