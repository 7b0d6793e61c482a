"""Intune, through Microsoft Graph's deviceManagement, for one connection.

Source: https://learn.microsoft.com/graph/api/resources/intune-graph-overview
"""

from collections.abc import Mapping

from integrations.addresses import private_endpoints_allowed
from integrations.microsoft.odata import ODataClient, address
from integrations.microsoft.registration import (
    Registration,
    endpoint,
    registration,
    scope,
    session,
)
from integrations.transport import Limits, Transport

GRAPH = "https://graph.microsoft.com"
MANAGED_DEVICES = "/deviceManagement/managedDevices"
READ_DEVICES = "DeviceManagementManagedDevices.Read.All"


class IntuneClient(ODataClient):
    """One tenant's Intune, ready to be asked. Paths are relative to Graph's v1.0."""

    def __init__(self, app: Registration, *, graph: str, transport: Transport) -> None:
        self.tenant_id = app.tenant_id
        self._tokens, self._scope = app.tokens(transport), scope(graph, GRAPH)
        super().__init__(session(f"{graph}/v1.0", self._tokens, self._scope, transport))

    def __repr__(self) -> str:
        return f"<IntuneClient {self.tenant_id}>"

    def directory(self) -> str:
        """Return the id of the directory that is read; "" where Microsoft doesn't tell."""
        return self._tokens.directory(self._scope)

    def granted(self) -> frozenset[str]:
        """Return the application permissions of Graph, as granted now."""
        return self._tokens.roles(self._scope)


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> IntuneClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    return IntuneClient(
        registration(settings, secrets, title="Intune", private=private),
        graph=endpoint(settings, "graph_endpoint", GRAPH, private=private),
        transport=Transport(allow_private=private, limits=limits),
    )


def canary(client: IntuneClient) -> str:
    """Read one device through the whole path; say in a sentence what it saw."""
    devices, _, _ = client.page(address(MANAGED_DEVICES, select="deviceName", top=1), READ_DEVICES)
    if not devices:
        return "Connected to Microsoft Intune, which manages no device yet."
    name = devices[0].get("deviceName")
    return f"Connected to Microsoft Intune, which manages {name} among others."
