"""How a client's Microsoft 365 is connected: steps, permissions, and Microsoft's rate limits."""

from integrations.contract import Permission, RateLimit, SetUpStep

_LEARN = "https://learn.microsoft.com"
_REFERENCE = f"{_LEARN}/graph/permissions-reference"

_GRAPH = (
    "Application.Read.All", "AuditLog.Read.All", "DelegatedPermissionGrant.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All", "GroupMember.Read.All", "GroupMember.ReadWrite.All",
    "IdentityRiskEvent.Read.All", "IdentityRiskyUser.Read.All", "LicenseAssignment.ReadWrite.All",
    "Mail.ReadBasic.All", "Mail.ReadWrite", "MailboxSettings.Read", "MailboxSettings.ReadWrite",
    "Organization.Read.All", "Policy.Read.All", "Policy.ReadWrite.AuthenticationMethod",
    "Policy.ReadWrite.Authorization", "Policy.ReadWrite.ConditionalAccess",
    "RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory",
    "SecurityAlert.Read.All", "SecurityIncident.Read.All", "ThreatHunting.Read.All",
    "User-LifeCycleInfo.Read.All", "User-PasswordProfile.ReadWrite.All",
    "User.EnableDisableAccount.All", "User.Read.All", "User.RevokeSessions.All",
    "UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All",
)  # fmt: skip


def _graph(name: str) -> Permission:
    anchor = name.lower().replace(".", "").replace("-", "")
    return Permission(
        name,
        f"In the app registration, under API permissions, add the application permission {name} "
        "of Microsoft Graph, then grant admin consent.",
        f"{_REFERENCE}#{anchor}",
    )


PERMISSIONS: tuple[Permission, ...] = (
    *(_graph(name) for name in _GRAPH),
    Permission(
        "Exchange.ManageAsApp",
        "In the app registration, add the application permission Exchange.ManageAsApp of Office "
        "365 Exchange Online, grant admin consent, and give the app's service principal the "
        "Exchange role group Recipient Management; for blocked senders also the role Tenant "
        "AllowBlockList Manager, for message trace View-Only Recipients, and to tell who was "
        "given access lately View-Only Audit Logs.",
        f"{_LEARN}/powershell/exchange/app-only-auth-powershell-v2",
    ),
    Permission(
        "ActivityFeed.Read",
        "In the app registration, add the application permission ActivityFeed.Read of Office 365 "
        "Management APIs, then grant admin consent.",
        f"{_LEARN}/office/office-365-management-api/get-started-with-office-365-management-apis",
    ),
    Permission(
        "Microsoft.Insights/eventtypes/values/Read",
        "In the Azure portal, export the subscription's activity log to a file, which takes the "
        "role Monitoring Reader.",
        f"{_LEARN}/azure/azure-monitor/roles-permissions-security",
    ),
)

RATE_LIMITS: tuple[RateLimit, ...] = (
    RateLimit("app across all tenants, Graph", 130_000, 10, f"{_LEARN}/graph/throttling-limits"),
    RateLimit(
        "app and tenant, sign-ins and audit", 5, 10,
        f"{_LEARN}/graph/throttling-limits#identity-and-access-reports-service-limits",
    ),
    RateLimit(
        "tenant, unified audit log", 2_000, 60,
        f"{_LEARN}/office/office-365-management-api/office-365-management-activity-api-reference",
    ),
    RateLimit(
        "tenant, message trace", 100, 300,
        f"{_LEARN}/powershell/module/exchange/get-messagetracev2",
    ),
    RateLimit(
        "app and mailbox, Outlook", 10_000, 600,
        f"{_LEARN}/graph/throttling-limits#outlook-service-limits",
    ),
    RateLimit(
        "app and tenant, security alerts and incidents", 150, 60,
        f"{_LEARN}/graph/throttling-limits#security-detections-and-incidents-service-limits",
    ),
)  # fmt: skip

SET_UP: tuple[SetUpStep, ...] = (
    SetUpStep(
        "Register an application in the client's Entra ID (accounts in this directory only) and "
        "note its tenant ID and client ID.",
        f"{_LEARN}/graph/auth-register-app-v2",
    ),
    SetUpStep(
        "Add the application permissions of the feeds and actions that you want, then grant "
        "admin consent.",
        f"{_LEARN}/entra/identity-platform/quickstart-configure-app-access-web-apis",
    ),
    SetUpStep(
        "Create a client secret and note its Value; it is shown once.",
        f"{_LEARN}/entra/identity-platform/how-to-add-credentials",
    ),
    SetUpStep(
        "For the unified audit log, see that auditing is on in the client's Microsoft Purview; "
        "Holdfast subscribes to it, and the first records may take 12 hours.",
        f"{_LEARN}/purview/audit-log-enable-disable",
    ),
    SetUpStep(
        "For forwarding and message trace, give the app an Exchange Online role.",
        f"{_LEARN}/powershell/exchange/app-only-auth-powershell-v2",
    ),
    SetUpStep(
        "To be told at once when an account changes, set HOLDFAST_PUBLIC_URL to the https address "
        "of this installation, and let Microsoft reach /api/v1/notices there.",
        f"{_LEARN}/graph/change-notifications-delivery-webhooks",
    ),
    SetUpStep(
        "To reset administrators' passwords, also give the app the Entra role Privileged "
        "Authentication Administrator.",
        f"{_LEARN}/graph/api/resources/users#who-can-perform-sensitive-actions",
    ),
)
