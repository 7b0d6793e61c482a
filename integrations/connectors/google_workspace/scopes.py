"""Google's OAuth scopes that the connector asks for, one token for each.

Source: https://developers.google.com/identity/protocols/oauth2/scopes
"""

from typing import Final

_BASE: Final = "https://www.googleapis.com/auth"

USERS_READ: Final = f"{_BASE}/admin.directory.user.readonly"
USERS: Final = f"{_BASE}/admin.directory.user"
SECURITY: Final = f"{_BASE}/admin.directory.user.security"
DOMAINS_READ: Final = f"{_BASE}/admin.directory.domain.readonly"
ROLES_READ: Final = f"{_BASE}/admin.directory.rolemanagement.readonly"
ROLES: Final = f"{_BASE}/admin.directory.rolemanagement"
GROUPS_READ: Final = f"{_BASE}/admin.directory.group.readonly"
MEMBERS: Final = f"{_BASE}/admin.directory.group.member"
AUDIT: Final = f"{_BASE}/admin.reports.audit.readonly"
ALERTS: Final = f"{_BASE}/apps.alerts"
MAIL_SETTINGS: Final = f"{_BASE}/gmail.settings.basic"
MAIL_SHARING: Final = f"{_BASE}/gmail.settings.sharing"
MAIL_READ: Final = f"{_BASE}/gmail.readonly"
MAIL: Final = f"{_BASE}/gmail.modify"
