"""Defender for Endpoint's API, for one connection.

Source: https://learn.microsoft.com/defender-endpoint/api/exposed-apis-list. It is another service
than Graph, with permissions of its own (WindowsDefenderATP), behind the same app registration.
"""

from collections.abc import Mapping

from integrations.addresses import private_endpoints_allowed
from integrations.microsoft.odata import ODataClient, address
from integrations.microsoft.registration import (
    Registration,
    endpoint,
    registration,
    session,
)
from integrations.transport import Limits, Transport

PUBLIC = "https://api.securitycenter.microsoft.com"
READ_MACHINES = "Machine.Read.All"
# The addresses near a client (eu.api.security.microsoft.com …) take the tokens of the public one.
_SCOPE = f"{PUBLIC}/.default"


class DefenderClient(ODataClient):
    """One tenant's Defender for Endpoint, ready to be asked. Paths are relative to /api."""

    def __init__(self, app: Registration, *, api: str, transport: Transport) -> None:
        self.tenant_id = app.tenant_id
        self._tokens = app.tokens(transport)
        super().__init__(session(f"{api}/api", self._tokens, _SCOPE, transport))

    def __repr__(self) -> str:
        return f"<DefenderClient {self.tenant_id}>"

    def directory(self) -> str:
        """Return the id of the directory that is read; "" where Microsoft doesn't tell."""
        return self._tokens.directory(_SCOPE)

    def granted(self) -> frozenset[str]:
        """Return the application permissions of Defender for Endpoint, as granted now."""
        return self._tokens.roles(_SCOPE)


def connect(
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    allow_private: bool | None = None,
    limits: Limits | None = None,
) -> DefenderClient:
    """Return a client for a connection's settings; nothing is sent yet.

    ConnectionMisconfigured says which setting can't work.
    """
    private = private_endpoints_allowed() if allow_private is None else allow_private
    return DefenderClient(
        registration(settings, secrets, title="Defender for Endpoint", private=private),
        api=endpoint(settings, "api_endpoint", PUBLIC, private=private),
        transport=Transport(allow_private=private, limits=limits),
    )


def canary(client: DefenderClient) -> str:
    """Read one machine through the whole path; say in a sentence what it saw."""
    machines, _, _ = client.page(address("/machines", top=1), READ_MACHINES)
    if not machines:
        return "Connected to Microsoft Defender for Endpoint, which watches no computer yet."
    name = machines[0].get("computerDnsName") or machines[0].get("id")
    return f"Connected to Microsoft Defender for Endpoint, which watches {name} among others."
