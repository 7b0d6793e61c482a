"""What Google lets the service account do: each scope is tried by asking for a token of it."""

from integrations.connectors.google_workspace.client import WorkspaceClient
from integrations.connectors.google_workspace.setting_up import PERMISSIONS
from integrations.contract import Standing
from integrations.errors import PermissionMissing


def standing(client: WorkspaceClient) -> Standing:
    """Return the delegated scopes. Google tells neither of others nor when a key runs out."""
    return Standing(frozenset(one.name for one in PERMISSIONS if _is_delegated(client, one.name)))


def _is_delegated(client: WorkspaceClient, scope: str) -> bool:
    try:
        client.try_scope(scope)
    except PermissionMissing:
        return False
    return True
