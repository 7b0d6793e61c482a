"""What the Microsoft 365 connector brings and what it can do, with the least permission for each.

Permissions are Graph's application permissions; `Exchange.ManageAsApp` is Exchange Online's, and
needs an Exchange role for the app besides (Mail Recipients).
Source: https://learn.microsoft.com/graph/permissions-reference.
"""

import datetime as dt
from typing import Any

from integrations.connectors.microsoft365 import (
    activity_feed,
    feeds,
    notices,
    trace_feed,
    user_feed,
)
from integrations.connectors.microsoft365.actions import ACTIONS
from integrations.connectors.microsoft365.actions.delegates import delegates_of
from integrations.connectors.microsoft365.client import GraphClient, canary, connect
from integrations.connectors.microsoft365.gatherers import GATHERERS
from integrations.connectors.microsoft365.normalise.dispatch import normaliser
from integrations.connectors.microsoft365.recognise import explode
from integrations.connectors.microsoft365.setting_up import PERMISSIONS, RATE_LIMITS, SET_UP
from integrations.connectors.microsoft365.standing import standing
from integrations.contract import Feed, Manifest, Organisation, Watch
from integrations.errors import NotFound, PermissionMissing, Rejected
from integrations.microsoft import registration
from tenants.records import DirectoryKind, SourceRecord

_API = "https://learn.microsoft.com/graph/api"
# Microsoft shows a sign-in or an audit record up to two hours after it happened, says its training
# "Analyze and investigate sign-in logs".
_LATE = dt.timedelta(hours=3)
# They come by when they were detected, but are dismissed or remediated days later, and are few.
_RISKS_SETTLE = dt.timedelta(days=7)
_POLICIES = (
    "/identity/conditionalAccess/policies",
    "/identity/conditionalAccess/namedLocations",
    "/policies/authorizationPolicy",
    "/policies/identitySecurityDefaultsEnforcementPolicy",
    "/policies/authenticationMethodsPolicy",
    "/policies/adminConsentRequestPolicy",
)


def _feed(
    name: str,
    title: str,
    *permissions: str,
    fetch: feeds.Fetch | None = None,
    every: int = 300,
    page: str,
    watch: Watch | None = None,
    lists: tuple[DirectoryKind, ...] = (),
) -> Feed:
    return Feed(
        name=name,
        title=title,
        permissions=permissions,
        normalise=normaliser(name),
        fetch=fetch,
        interval_seconds=every,
        documentation=page,
        watch=watch,
        lists=lists,
    )


def _rules(user: dict[str, Any], body: Any) -> list[SourceRecord]:
    path = f"users/{user['id']}/mailFolders/inbox/messageRules"
    return [feeds.record(r, path, user_id=user["id"]) for r in _values(body)]


def _methods(user: dict[str, Any], body: Any) -> list[SourceRecord]:
    path = f"users/{user['id']}/authentication/methods"
    return [feeds.record(m, path, user_id=user["id"]) for m in _values(body)]


def _settings(user: dict[str, Any], body: Any) -> list[SourceRecord]:
    """The settings, and the mailbox that they show to exist."""
    if not isinstance(body, dict):
        return []
    path, owner = f"users/{user['id']}/mailboxSettings", user["id"]
    mail = user.get("mail") or user.get("userPrincipalName") or ""
    return [
        feeds.record(body, path, user_id=owner),
        feeds.record(body, path, user_id=owner, address=mail, **{"as": "mailbox"}),
    ]


def _delegates(client: GraphClient, user: dict[str, Any]) -> list[SourceRecord] | None:
    """Who else can open the mailbox; None where Exchange may not be asked."""
    try:
        found = delegates_of(client, str(user["id"]))
    except (NotFound, PermissionMissing, Rejected):
        return None
    told = [{"kind": d.kind, "who": d.who, "rights": list(d.rights)} for d in found]
    path, owner = f"users/{user['id']}/mailboxSettings", str(user["id"])
    mail = str(user.get("mail") or user.get("userPrincipalName") or "")
    body = {"delegates": told}
    return [feeds.record(body, path, user_id=owner, address=mail, **{"as": "delegates"})]


def _values(body: Any) -> list[dict[str, Any]]:
    values = body.get("value") if isinstance(body, dict) else None
    return [v for v in values if isinstance(v, dict)] if isinstance(values, list) else []


FEEDS: tuple[Feed, ...] = (
    _feed(
        "alerts", "Security alerts", "SecurityAlert.Read.All",
        fetch=feeds.windowed("/security/alerts_v2", "lastUpdateDateTime",
                             "SecurityAlert.Read.All", first_days=30,
                             overlap=dt.timedelta(minutes=10), top=100),
        every=60, page=f"{_API}/security-list-alerts_v2",
    ),
    _feed(
        "incidents", "Security incidents", "SecurityIncident.Read.All",
        fetch=feeds.windowed("/security/incidents", "lastUpdateDateTime",
                             "SecurityIncident.Read.All", first_days=30,
                             overlap=dt.timedelta(minutes=10), top=50, expand="alerts"),
        page=f"{_API}/security-list-incidents",
    ),
    _feed(
        "sign_ins", "Sign-ins", "AuditLog.Read.All",
        fetch=feeds.windowed("/auditLogs/signIns", "createdDateTime", "AuditLog.Read.All",
                             first_days=7, overlap=_LATE, top=250),
        page=f"{_API}/signin-list",
    ),
    _feed(
        "risk_detections", "Risk detections", "IdentityRiskEvent.Read.All",
        fetch=feeds.windowed("/identityProtection/riskDetections", "detectedDateTime",
                             "IdentityRiskEvent.Read.All", first_days=30, overlap=_RISKS_SETTLE,
                             top=250),
        page=f"{_API}/riskdetection-list",
    ),
    _feed(
        "risky_users", "Risky users", "IdentityRiskyUser.Read.All",
        fetch=feeds.risky_users, page=f"{_API}/riskyuser-list",
    ),
    _feed(
        "directory_audit", "Directory audit", "AuditLog.Read.All",
        fetch=feeds.windowed("/auditLogs/directoryAudits", "activityDateTime",
                             "AuditLog.Read.All", first_days=7, overlap=_LATE, top=250),
        page=f"{_API}/directoryaudit-list",
    ),
    _feed(
        "unified_audit", "Unified audit log", activity_feed.PERMISSION, fetch=activity_feed.fetch,
        page="https://learn.microsoft.com/office/office-365-management-api/"
             "office-365-management-activity-api-reference",
    ),
    _feed(
        "users", "Users with roles and kind of mailbox", "User.Read.All",
        "RoleManagement.Read.Directory", "GroupMember.Read.All", "MailboxSettings.Read",
        fetch=user_feed.fetch, page=f"{_API}/user-delta",
        watch=notices.watch("users", "User.Read.All"), lists=("account",),
    ),
    _feed(
        "roles", "Directory roles and their assignments", "RoleManagement.Read.Directory",
        fetch=feeds.listed(
            "/directoryRoles", "/roleManagement/directory/roleAssignments?$expand=roleDefinition",
            permission="RoleManagement.Read.Directory",
        ),
        lists=("role", "role_assignment"), every=1800,
        page=f"{_API}/rbacapplication-list-roleassignments",
    ),
    _feed(
        "groups", "Groups", "GroupMember.Read.All",
        fetch=feeds.listed("/groups?$top=200", permission="GroupMember.Read.All"),
        lists=("group",), every=3600, page=f"{_API}/group-list",
    ),
    _feed(
        "auth_methods", "Registered sign-in methods", "UserAuthenticationMethod.Read.All",
        "User.Read.All",
        fetch=feeds.of_each_user(_methods, "/users/{}/authentication/methods",
                                 "UserAuthenticationMethod.Read.All"),
        lists=("auth_method",), every=3600, page=f"{_API}/authentication-list-methods",
    ),
    _feed(
        "inbox_rules", "Inbox rules", "MailboxSettings.Read", "User.Read.All",
        fetch=feeds.of_each_user(_rules, "/users/{}/mailFolders/inbox/messageRules",
                                 "MailboxSettings.Read"),
        lists=("inbox_rule",), every=3600, page=f"{_API}/mailfolder-list-messagerules",
    ),
    _feed(
        "mailbox_settings", "Mailbox settings and delegates", "MailboxSettings.Read",
        "User.Read.All", "Exchange.ManageAsApp",
        # Exchange is asked for each mailbox by itself.
        fetch=feeds.of_each_user(_settings, "/users/{}/mailboxSettings", "MailboxSettings.Read",
                                 more=_delegates, top=5),
        lists=("mailbox_settings", "mailbox", "mailbox_delegates"), every=21600,
        page=f"{_API}/user-get-mailboxsettings",
    ),
    _feed(
        "oauth_grants", "Permissions granted to applications",
        "DelegatedPermissionGrant.Read.All",
        fetch=feeds.listed("/oauth2PermissionGrants",
                           permission="DelegatedPermissionGrant.Read.All"),
        lists=("oauth_grant",), every=3600, page=f"{_API}/oauth2permissiongrant-list",
    ),
    _feed(
        "service_principals", "Applications in the tenant", "Application.Read.All",
        fetch=feeds.listed("/servicePrincipals?$top=100", permission="Application.Read.All"),
        lists=("service_principal",), every=21600, page=f"{_API}/serviceprincipal-list",
    ),
    _feed(
        "policies", "Conditional Access and other policies", "Policy.Read.All",
        fetch=feeds.listed(*_POLICIES, permission="Policy.Read.All"),
        lists=("policy",), every=3600, page=f"{_API}/conditionalaccessroot-list-policies",
    ),
    _feed(
        "message_trace", "Message trace", "Exchange.ManageAsApp", fetch=trace_feed.fetch,
        every=900,
        page="https://learn.microsoft.com/powershell/module/exchange/get-messagetracev2",
    ),
    _feed(
        "azure_activity", "Azure activity log", "Microsoft.Insights/eventtypes/values/Read",
        page="https://learn.microsoft.com/azure/azure-monitor/platform/activity-log-schema",
    ),
)  # fmt: skip

MANIFEST = Manifest(
    id="microsoft365",
    vendor="Microsoft",
    title="Microsoft 365",
    documentation="https://learn.microsoft.com/graph/auth-register-app-v2",
    settings={
        **registration.SETTINGS,
        "graph_endpoint": "Optional: Graph, default https://graph.microsoft.com.",
        "exchange_endpoint": "Optional: Exchange admin API, default https://outlook.office365.com.",
        "activity_endpoint": "Optional: Office 365 Management Activity API, default "
        "https://manage.office.com.",
    },
    secrets=registration.SECRETS,
    permissions=PERMISSIONS,
    rate_limits=RATE_LIMITS,
    set_up=SET_UP,
    feeds=FEEDS,
    actions=ACTIONS,
    gatherers=GATHERERS,
    connect=connect,
    canary=canary,
    organisation=Organisation(at=("tenant_id",), told=lambda client: client.directory()),
    explode=explode,
    standing=standing,
)
