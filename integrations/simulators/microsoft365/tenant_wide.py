"""What a tenant has beside its people: roles, groups, domains, licences, applications, policies."""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.simulators.base.store import Record, Tenant, stable_id

from .entra import initial_domain, object_id
from .graph import instant
from .people import BUSINESS_PREMIUM
from .roles import role_assignment

# Template ids are the same in every tenant:
# https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference
ROLES = {
    "Global Administrator": "62e90394-69f5-4237-9190-012177145e10",
    "Exchange Administrator": "29232cdf-9323-42fd-ade2-1d097af3e4de",
    "User Administrator": "fe930be7-5e62-47db-91af-98c3a49a38b1",
    "Security Reader": "5d6b6bb7-de71-4623-b4af-96380a352509",
}


def fill(tenant: Tenant, now: datetime, country: str) -> None:
    """Create what does not depend on people."""
    for name, template in ROLES.items():
        _role(tenant, name, template)
    for name, description in (
        ("All Staff", "Everybody who works here"),
        ("Finance", "Invoices and payments"),
        ("MFA Exclusions", "Accounts outside the multifactor policy"),
    ):
        tenant.put("groups", _group(tenant, name, description, now))
    _organisation(tenant, now, country)
    _domains(tenant)
    _applications(tenant)
    _policies(tenant, now)


def finish(tenant: Tenant) -> None:
    """Create what counts people, or names some."""
    _conditional_access(tenant)
    holders = [u for u in tenant.true_all("users") if u["assignedLicenses"]]
    plan = {
        "servicePlanId": "9aaf7827-d63c-4b61-89c3-182f06f82e5c",
        "servicePlanName": "EXCHANGE_S_STANDARD",
        "provisioningStatus": "Success",
        "appliesTo": "User",
    }
    tenant.put(
        "subscribedSkus",
        {
            "id": f"{tenant.id}_{BUSINESS_PREMIUM}",
            "accountId": tenant.id,
            "accountName": tenant.name,
            "appliesTo": "User",
            "capabilityStatus": "Enabled",
            "consumedUnits": len(holders),
            "prepaidUnits": {
                "enabled": len(holders) + 3,
                "suspended": 0,
                "warning": 0,
                "lockedOut": 0,
            },
            "servicePlans": [plan],
            "skuId": BUSINESS_PREMIUM,
            "skuPartNumber": "SPB",
            "subscriptionIds": [stable_id(tenant.id, "subscription")],
        },
    )


def _conditional_access(tenant: Tenant) -> None:
    """Policies for everybody but the account that is kept for emergencies."""
    emergency = [
        u["id"] for u in tenant.true_all("users") if u["jobTitle"] == "Break-glass account"
    ]
    created = next(iter(tenant.true_all("organization")))["createdDateTime"]
    for name, clients, controls in (
        ("Block legacy authentication", ["exchangeActiveSync", "other"], ["block"]),
        ("Require multifactor authentication", ["all"], ["mfa"]),
    ):
        tenant.put("conditionalAccessPolicies", {
            "id": stable_id(tenant.id, "conditional-access", name),
            "displayName": name,
            "createdDateTime": created,
            "modifiedDateTime": created,
            "state": "enabled",
            "templateId": None,
            "conditions": {
                "clientAppTypes": clients,
                "userRiskLevels": [],
                "signInRiskLevels": [],
                "servicePrincipalRiskLevels": [],
                "applications": {"includeApplications": ["All"], "excludeApplications": [],
                                 "includeUserActions": []},
                "users": {"includeUsers": ["All"], "excludeUsers": emergency,
                          "includeGroups": [], "excludeGroups": [],
                          "includeRoles": [], "excludeRoles": []},
            },
            "grantControls": {"operator": "OR", "builtInControls": controls,
                              "customAuthenticationFactors": [], "termsOfUse": []},
            "sessionControls": None,
        })  # fmt: skip


def assign_role(tenant: Tenant, user: Record, role: str) -> None:
    """Give a user a directory role for the whole tenant."""
    assignment_id = stable_id(tenant.id, "assignment", user["id"], role)
    tenant.put("roleAssignments", role_assignment(assignment_id, user, ROLES[role]))


def join_groups(tenant: Tenant, user: Record) -> None:
    """Put a member into the groups of the department."""
    for group in tenant.true_all("groups"):
        if group["displayName"] in {"All Staff", user["department"]}:
            tenant.put(f"members:{group['id']}", {"id": user["id"]})


def device(detail: Record, now: datetime) -> Record:
    """The directory's entry of a computer from a sign-in's device detail."""
    return {
        "id": stable_id(detail["deviceId"], "object"),
        "deviceId": detail["deviceId"],
        "displayName": detail["displayName"],
        "accountEnabled": True,
        "approximateLastSignInDateTime": instant(now - timedelta(hours=6)),
        "isCompliant": True,
        "isManaged": True,
        "operatingSystem": "MacMDM" if detail["operatingSystem"] == "MacOs" else "Windows",
        "operatingSystemVersion": "10.0.26200.7171",
        "profileType": "RegisteredDevice",
        "registrationDateTime": instant(now - timedelta(days=300)),
        "trustType": "AzureAd",
    }


def _role(tenant: Tenant, name: str, template: str) -> None:
    text = f"Members hold the {name} role."
    tenant.put(
        "directoryRoles",
        {
            "id": stable_id(tenant.id, "role", template),
            "deletedDateTime": None,
            "description": text,
            "displayName": name,
            "roleTemplateId": template,
        },
    )
    common = {"id": template, "deletedDateTime": None, "description": text, "displayName": name}
    tenant.put("directoryRoleTemplates", common)
    tenant.put(
        "roleDefinitions",
        {
            "id": template,
            "description": text,
            "displayName": name,
            "isBuiltIn": True,
            "isEnabled": True,
            "resourceScopes": ["/"],
            "templateId": template,
            "version": "1",
            "rolePermissions": [
                {"allowedResourceActions": ["microsoft.directory/users/standard/read"],
                 "condition": None}
            ],
        },
    )  # fmt: skip


def _group(tenant: Tenant, name: str, description: str, now: datetime) -> Record:
    created = instant(now - timedelta(days=600))
    return {
        "id": stable_id(tenant.id, "group", name),
        "deletedDateTime": None,
        "classification": None,
        "createdDateTime": created,
        "description": description,
        "displayName": name,
        "expirationDateTime": None,
        "groupTypes": [],
        "isAssignableToRole": None,
        "mail": None,
        "mailEnabled": False,
        "mailNickname": name.replace(" ", ""),
        "membershipRule": None,
        "onPremisesSyncEnabled": None,
        "proxyAddresses": [],
        "renewedDateTime": created,
        "securityEnabled": True,
        "securityIdentifier": None,
        "visibility": None,
    }


def _organisation(tenant: Tenant, now: datetime, country: str) -> None:
    names = [(tenant.domain, True, False), (initial_domain(tenant), False, True)]
    tenant.put(
        "organization",
        {
            "id": tenant.id,
            "deletedDateTime": None,
            "businessPhones": [],
            "city": None,
            "country": None,
            "countryLetterCode": country,
            "createdDateTime": instant(now - timedelta(days=1500)),
            "defaultUsageLocation": country,
            "displayName": tenant.name,
            "onPremisesLastSyncDateTime": None,
            "onPremisesSyncEnabled": None,
            "preferredLanguage": "en",
            "technicalNotificationMails": [f"it@{tenant.domain}"],
            "securityComplianceNotificationMails": [],
            "tenantType": "AAD",
            "assignedPlans": [],
            "verifiedDomains": [
                {
                    "capabilities": "Email, OfficeCommunicationsOnline",
                    "isDefault": is_default,
                    "isInitial": is_initial,
                    "name": name,
                    "type": "Managed",
                }
                for name, is_default, is_initial in names
            ],
        },
    )


def _domains(tenant: Tenant) -> None:
    for name, is_default in ((tenant.domain, True), (initial_domain(tenant), False)):
        tenant.put(
            "domains",
            {
                "id": name,
                "authenticationType": "Managed",
                "availabilityStatus": None,
                "isAdminManaged": True,
                "isDefault": is_default,
                "isInitial": not is_default,
                "isRoot": True,
                "isVerified": True,
                "supportedServices": ["Email", "OfficeCommunicationsOnline"],
                "passwordValidityPeriodInDays": 2147483647,
                "passwordNotificationWindowInDays": 14,
                "state": None,
            },
        )


def _service_principal(tenant: Tenant, name: str, app_id: str, principal_id: str) -> Record:
    return {
        "id": principal_id,
        "accountEnabled": True,
        "appDisplayName": name,
        "appId": app_id,
        "appOwnerOrganizationId": None,
        "appRoleAssignmentRequired": False,
        "displayName": name,
        "servicePrincipalNames": [app_id],
        "servicePrincipalType": "Application",
        "signInAudience": "AzureADMultipleOrgs",
        "tags": [],
    }


def _applications(tenant: Tenant) -> None:
    graph_id = stable_id(tenant.id, "principal", "Microsoft Graph")
    graph = "00000003-0000-0000-c000-000000000000"
    tenant.put("servicePrincipals", _service_principal(tenant, "Microsoft Graph", graph, graph_id))
    for app in tenant.apps.values():
        record = _service_principal(tenant, app.name, app.client_id, object_id(app))
        tenant.put("servicePrincipals", record)
    name = "Calendar Helper"
    client = stable_id(tenant.id, "principal", name)
    app_id = stable_id("third-party", name)
    tenant.put("servicePrincipals", _service_principal(tenant, name, app_id, client))
    tenant.put(
        "oauth2PermissionGrants",
        {
            "id": stable_id(tenant.id, "grant", name).replace("-", ""),
            "clientId": client,
            "consentType": "AllPrincipals",
            "principalId": None,
            "resourceId": graph_id,
            "scope": "Calendars.Read User.Read",
        },
    )


def _policies(tenant: Tenant, now: datetime) -> None:
    tenant.put(
        "policies",
        {
            "id": "identitySecurityDefaultsEnforcementPolicy",
            "displayName": "Security Defaults",
            "description": "Security defaults is a set of basic identity security mechanisms.",
            "isEnabled": False,
        },
    )
    tenant.put(
        "policies",
        {
            "id": "authorizationPolicy",
            "displayName": "Authorization Policy",
            "description": "Used to manage authorization related settings across the company.",
            "allowInvitesFrom": "adminsAndGuestInviters",
            "allowedToSignUpEmailBasedSubscriptions": False,
            "allowedToUseSSPR": True,
            "allowEmailVerifiedUsersToJoinOrganization": False,
            "allowUserConsentForRiskyApps": None,
            "blockMsolPowerShell": True,
            "guestUserRoleId": "10dae51f-b6af-4016-8d66-8c2a99b929b3",
            "defaultUserRolePermissions": {
                "allowedToCreateApps": False,
                "allowedToCreateSecurityGroups": False,
                "allowedToCreateTenants": False,
                "allowedToReadOtherUsers": True,
                "permissionGrantPoliciesAssigned": [],
            },
        },
    )
    tenant.put(
        "policies",
        {
            "id": "adminConsentRequestPolicy",
            "isEnabled": True,
            "notifyReviewers": True,
            "remindersEnabled": True,
            "requestDurationInDays": 30,
            "version": 0,
            "reviewers": [],
        },
    )
    tenant.put(
        "policies",
        {
            "id": "authenticationMethodsPolicy",
            "displayName": "Authentication Methods Policy",
            "description": "Which methods users may register.",
            "lastModifiedDateTime": instant(now - timedelta(days=90)),
            "policyVersion": "1.5",
            "policyMigrationState": "migrationComplete",
        },
    )
