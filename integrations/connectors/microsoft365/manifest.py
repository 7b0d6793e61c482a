"""What the Microsoft 365 connector brings and what it can do."""

from integrations.connectors.microsoft365.actions import ACTIONS
from integrations.connectors.microsoft365.client import canary, connect
from integrations.connectors.microsoft365.gatherers import GATHERERS
from integrations.contract import Manifest

MANIFEST = Manifest(
    id="microsoft365",
    vendor="Microsoft",
    title="Microsoft 365",
    documentation="https://learn.microsoft.com/graph/api/overview?view=graph-rest-1.0",
    settings={
        "tenant_id": "Directory (tenant) ID of the client, from the app registration's overview.",
        "client_id": "Application (client) ID of the app registration.",
        "login_endpoint": "Optional: sign-in service, default https://login.microsoftonline.com.",
        "graph_endpoint": "Optional: Graph, default https://graph.microsoft.com.",
        "exchange_endpoint": "Optional: Exchange admin API, default https://outlook.office365.com.",
    },
    secrets={"client_secret": "A client secret of the app registration (its Value, not its ID)."},
    feeds=(),
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
)
