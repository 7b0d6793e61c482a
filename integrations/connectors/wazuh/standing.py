"""What Wazuh tells of its users' own rights.

The answer has for each action its resources, each with allow or deny, and the mode, white or
black; the documentation shows the user's roles beside them, which a manager of 4.14 leaves out.
Source: https://documentation.wazuh.com/current/user-manual/api/rbac/how-it-works.html
"""

from collections.abc import Mapping
from typing import Any

from integrations.connectors.wazuh.client import (
    ALERTS,
    READ_ALERTS,
    READ_VULNERABILITIES,
    VULNERABILITIES,
    WazuhClient,
)
from integrations.contract import Standing
from integrations.errors import PermissionMissing, Unauthorised

_INDICES = {READ_ALERTS: ALERTS, READ_VULNERABILITIES: VULNERABILITIES}
_MODE = "rbac_mode"


def standing(client: WazuhClient, asked: frozenset[str]) -> Standing:
    """Return which of the rights `asked` the users have, and what the API user has beyond them."""
    told = dict(client.policies())
    mode = str(told.pop(_MODE, "white")).lower()
    allowed = {name for name, resources in told.items() if _is_allowed(resources)}
    if mode == "black":
        # All that no policy denies is allowed; how much that is, is not told.
        granted = asked - _INDICES.keys() - (told.keys() - allowed)
        return Standing(granted | _readable(client))
    return Standing((asked & allowed) | _readable(client), frozenset(allowed - asked))


def _is_allowed(resources: Any) -> bool:
    """Whether an action is allowed on anything; on what, the client's group says."""
    return isinstance(resources, Mapping) and "allow" in resources.values()


def _readable(client: WazuhClient) -> set[str]:
    """Return the indices that can be read; all of them where no indexer is connected."""
    if client.indexer is None:
        return set(_INDICES)
    found = set()
    for name, path in _INDICES.items():
        try:
            client.search(path, name, {"size": 0})
        except (PermissionMissing, Unauthorised):
            continue
        found.add(name)
    return found
