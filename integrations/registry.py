"""The explicit list of connectors, frozen at start."""

from functools import cache
from types import MappingProxyType
from typing import Final

from integrations import catalog
from integrations.connectors.active_directory.manifest import MANIFEST as ACTIVE_DIRECTORY
from integrations.connectors.ansible_hosts.manifest import MANIFEST as ANSIBLE_HOSTS
from integrations.connectors.crowdstrike.manifest import MANIFEST as CROWDSTRIKE
from integrations.connectors.defender_endpoint.manifest import MANIFEST as DEFENDER_ENDPOINT
from integrations.connectors.dns.manifest import MANIFEST as DNS
from integrations.connectors.google_workspace.manifest import MANIFEST as GOOGLE_WORKSPACE
from integrations.connectors.imap.manifest import MANIFEST as IMAP
from integrations.connectors.intune.manifest import MANIFEST as INTUNE
from integrations.connectors.microsoft365.manifest import MANIFEST as MICROSOFT365
from integrations.connectors.microsoft_sentinel.manifest import MANIFEST as MICROSOFT_SENTINEL
from integrations.connectors.ninjaone.manifest import MANIFEST as NINJAONE
from integrations.connectors.sentinelone.manifest import MANIFEST as SENTINELONE
from integrations.connectors.siem_query.manifest import MANIFEST as SIEM_QUERY
from integrations.connectors.tactical_rmm.manifest import MANIFEST as TACTICAL_RMM
from integrations.connectors.wazuh.manifest import MANIFEST as WAZUH
from integrations.connectors.webhook.manifest import MANIFEST as WEBHOOK
from integrations.contract import Action, Gatherer, Manifest
from integrations.errors import UnknownAction, UnknownConnector

_MANIFESTS: Final = (
    # One line for each.
    MICROSOFT_SENTINEL,
    SIEM_QUERY,
    DNS,
    WAZUH,
    ANSIBLE_HOSTS,
    WEBHOOK,
    TACTICAL_RMM,
    NINJAONE,
    GOOGLE_WORKSPACE,
    SENTINELONE,
    CROWDSTRIKE,
    INTUNE,
    DEFENDER_ENDPOINT,
    MICROSOFT365,
    ACTIVE_DIRECTORY,
    IMAP,
)
CONNECTORS: Final = MappingProxyType({manifest.id: manifest for manifest in _MANIFESTS})


def connector(connector_id: str) -> Manifest:
    """Return the connector of that id; UnknownConnector lists those there are."""
    try:
        return CONNECTORS[connector_id]
    except KeyError:
        raise UnknownConnector(
            f"There is no connector {connector_id!r}. Connectors: {', '.join(sorted(CONNECTORS))}."
        ) from None


@cache
def action(connector_id: str, name: str) -> Action:
    """Return the connector's implementation of a changing action; UnknownAction if it has none."""
    for implementation in connector(connector_id).actions:
        if implementation.name == name:
            return implementation
    raise UnknownAction(f"{connector(connector_id).title} can't do “{_called(name)}”.")


@cache
def gatherer(connector_id: str, name: str) -> Gatherer:
    """Return the connector's implementation of a read-only action; UnknownAction if none."""
    for implementation in connector(connector_id).gatherers:
        if implementation.name == name:
            return implementation
    raise UnknownAction(f"{connector(connector_id).title} can't answer “{_called(name)}”.")


def _called(name: str) -> str:
    """Return what people call an action; its name where the catalog doesn't know it."""
    try:
        return catalog.get(name).title
    except UnknownAction:
        return name


def offers(connector_id: str, name: str) -> bool:
    """Whether there is such a connector and it implements the action, changing or read-only."""
    return connector_id in CONNECTORS and (
        can_do(connector_id, name) or can_answer(connector_id, name)
    )


def can_answer(connector_id: str, name: str) -> bool:
    """Whether the connector implements a read-only action."""
    return any(one.name == name for one in connector(connector_id).gatherers)


def can_do(connector_id: str, name: str) -> bool:
    """Whether the connector implements a changing action."""
    return any(one.name == name for one in connector(connector_id).actions)
