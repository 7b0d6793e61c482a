"""What Microsoft tells of the app registration: what it may do, and when its secret runs out."""

import datetime as dt
import re

from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.setting_up import PERMISSIONS
from integrations.contract import Standing
from integrations.errors import NotFound, PermissionMissing, Rejected
from integrations.values import instant

_ASKED = frozenset(one.name for one in PERMISSIONS)
# Directory.Read.All lets an application read all that these do
# (https://learn.microsoft.com/graph/permissions-reference#directoryreadall).
_OF_DIRECTORY = frozenset(
    {
        "Application.Read.All", "DelegatedPermissionGrant.Read.All", "GroupMember.Read.All",
        "Organization.Read.All", "RoleManagement.Read.Directory", "User.Read.All",
    }
)  # fmt: skip
_APPLICATIONS = "Application.Read.All"


def standing(client: GraphClient) -> Standing:
    """Return what the app registration may do, and when the connection's secret runs out."""
    granted = client.granted()
    covered = frozenset(name for name in _ASKED if _covers(granted, name))
    return Standing(covered, granted - _ASKED, _expiry(client))


def _covers(granted: frozenset[str], name: str) -> bool:
    """Whether a permission is granted, or a wider one that holds it."""
    wider = {name, re.sub(r"\.Read(?=\.|$)", ".ReadWrite", name)}
    if name in _OF_DIRECTORY:
        wider |= {"Directory.Read.All", "Directory.ReadWrite.All"}
    if name == "Mail.ReadBasic.All":
        wider |= {"Mail.Read", "Mail.ReadWrite"}
    return bool(granted & wider)


def _expiry(client: GraphClient) -> dt.datetime | None:
    """Return when the secret runs out; None where Microsoft doesn't tell.

    A multi-tenant application stands in the MSP's own tenant and not in the client's. A secret is
    told by its first three characters (`hint` of passwordCredential); where none fits, the one
    that runs out first counts.
    """
    filtered = f"appId eq '{client.client_id}'"
    path = address("/applications", filter=filtered, select="id,appId,passwordCredentials")
    try:
        found = client.all(path, _APPLICATIONS, most=1)
    except (PermissionMissing, NotFound, Rejected):
        return None
    told = [one for app in found for one in app.get("passwordCredentials") or ()]
    own = [one for one in told if one.get("hint") == client.secret_hint] or told
    ends = [at for one in own if (at := instant(one.get("endDateTime"))) is not None]
    return min(ends, default=None)
