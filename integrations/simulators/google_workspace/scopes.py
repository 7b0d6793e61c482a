"""Google's scopes, as the discovery documents name them for each method."""

_BASE = "https://www.googleapis.com/auth"
USERS = f"{_BASE}/admin.directory.user"
USERS_READ = f"{_BASE}/admin.directory.user.readonly"
SECURITY = f"{_BASE}/admin.directory.user.security"
DOMAINS = (f"{_BASE}/admin.directory.domain", f"{_BASE}/admin.directory.domain.readonly")
ROLES = f"{_BASE}/admin.directory.rolemanagement"
ROLES_READ = f"{_BASE}/admin.directory.rolemanagement.readonly"
GROUPS = (f"{_BASE}/admin.directory.group", f"{_BASE}/admin.directory.group.readonly")
MEMBERS = (f"{_BASE}/admin.directory.group", f"{_BASE}/admin.directory.group.member")
MEMBERS_READ = (
    *MEMBERS,
    f"{_BASE}/admin.directory.group.readonly",
    f"{_BASE}/admin.directory.group.member.readonly",
)
AUDIT = f"{_BASE}/admin.reports.audit.readonly"
ALERTS = f"{_BASE}/apps.alerts"
MAIL_ALL = "https://mail.google.com/"
MAIL = f"{_BASE}/gmail.modify"
MAIL_READ = f"{_BASE}/gmail.readonly"
MAIL_METADATA = f"{_BASE}/gmail.metadata"
MAIL_SETTINGS = f"{_BASE}/gmail.settings.basic"
MAIL_SHARING = f"{_BASE}/gmail.settings.sharing"
SETTINGS_READ = (MAIL_ALL, MAIL, MAIL_READ, MAIL_SETTINGS)
