"""Roles, groups, sign-in methods, grants, service principals and policies of the directory."""

from integrations import ocsf
from integrations.connectors.microsoft365.normalise.privileged import is_privileged
from integrations.values import Fields, instant
from tenants.errors import Quarantine
from tenants.records import DirectoryItem

# https://learn.microsoft.com/graph/api/resources/authenticationmethods-overview
METHOD_KINDS = {
    "passwordauthenticationmethod": "password",
    "phoneauthenticationmethod": "phone",
    "emailauthenticationmethod": "email",
    "microsoftauthenticatorauthenticationmethod": "authenticator",
    "passwordlessmicrosoftauthenticatorauthenticationmethod": "authenticator",
    "fido2authenticationmethod": "fido2",
    "softwareoathauthenticationmethod": "software_oath",
    "hardwareoathauthenticationmethod": "hardware_oath",
    "temporaryaccesspassauthenticationmethod": "temporary_access_pass",
    "windowshelloforbusinessauthenticationmethod": "windows_hello",
    "platformcredentialauthenticationmethod": "platform_credential",
    "qrcodepinauthenticationmethod": "qr_code_pin",
    "externalauthenticationmethod": "external",
}
_SECRET_WORDS = ("password", "secret", "key", "temporaryaccesspass", "certificate", "blob")


def role(record: Fields) -> DirectoryItem:
    """Return a directory role or role definition, or an assignment of one.

    Sources: https://learn.microsoft.com/graph/api/resources/directoryrole,
    /graph/api/resources/unifiedroleassignment.
    """
    external_id = record.essential("id", what="role")
    if record.has("principalId") and record.has_any("roleDefinitionId"):
        return _assignment(record, external_id)
    template = record.text("roleTemplateId", "templateId")
    if not template and record.has_any("rolePermissions", "isBuiltIn"):
        template = external_id
    name = record.text("displayName")
    return DirectoryItem(
        kind="role",
        external_id=external_id,
        name=name or external_id,
        attributes=ocsf.filled(
            description=record.text("description"),
            template_id=template,
            is_built_in=record.truth("isBuiltIn"),
            is_enabled=record.truth("isEnabled"),
            members=[m.text("id") for m in record.objects("members") if m.text("id")],
        )
        | {"is_privileged": is_privileged(template, name)},
        is_deleted=_is_gone(record),
    )


def _assignment(record: Fields, external_id: str) -> DirectoryItem:
    definition, principal = record.nested("roleDefinition"), record.nested("principal")
    definition_id = record.text("roleDefinitionId")
    name = definition.text("displayName")
    template = definition.text("templateId") or definition_id
    schedule = record.nested("scheduleInfo")
    return DirectoryItem(
        kind="role_assignment",
        external_id=external_id,
        name=name or definition_id,
        parent=record.text("principalId"),
        attributes=ocsf.filled(
            role_definition_id=definition_id,
            role_name=name,
            scope=record.text("directoryScopeId", "resourceScope"),
            principal_name=principal.text("userPrincipalName", "displayName"),
            assignment_type=record.text("assignmentType"),
            member_type=record.text("memberType"),
            status=record.text("status"),
            starts_at=schedule.time("startDateTime"),
            ends_at=schedule.nested("expiration").time("endDateTime"),
        )
        | {"is_privileged": is_privileged(template, name)},
        is_deleted=_is_gone(record),
    )


def group(record: Fields) -> DirectoryItem:
    """Return a group (https://learn.microsoft.com/graph/api/resources/group)."""
    external_id = record.essential("id", what="group")
    return DirectoryItem(
        kind="group",
        external_id=external_id,
        name=record.text("displayName", "mail") or external_id,
        attributes=ocsf.filled(
            description=record.text("description"),
            mail=record.text("mail"),
            group_types=record.texts("groupTypes"),
            is_security=record.truth("securityEnabled"),
            is_mail_enabled=record.truth("mailEnabled"),
            can_hold_roles=record.truth("isAssignableToRole"),
            visibility=record.text("visibility"),
            membership_rule=record.text("membershipRule"),
            is_synced=record.truth("onPremisesSyncEnabled"),
            licences=[licence.text("skuId") for licence in record.objects("assignedLicenses")],
            members=[m.text("id") for m in record.objects("members") if m.text("id")],
            created_at=record.time("createdDateTime"),
        ),
        is_deleted=_is_gone(record),
    )


def method_kind(record: Fields, url: str = "") -> str:
    """The kind of a sign-in method in our words, by its type, its fields or its address."""
    told = record.word("@odata.type").split(".")[-1]
    if told in METHOD_KINDS:
        return METHOD_KINDS[told]
    for names, kind in (
        (("phoneNumber", "phoneType"), "phone"),
        (("emailAddress",), "email"),
        (("aaGuid", "attestationLevel"), "fido2"),
        (("temporaryAccessPass", "lifetimeInMinutes", "isUsableOnce"), "temporary_access_pass"),
        (("phoneAppVersion", "deviceTag"), "authenticator"),
        (("keyStrength",), "windows_hello"),
    ):
        if record.has_any(*names):
            return kind
    lower = url.lower()
    for name, kind in METHOD_KINDS.items():
        if f"/{name.removesuffix('authenticationmethod')}methods" in lower:
            return kind
    return told or "unknown"


def auth_method(record: Fields, user_id: str, url: str = "") -> DirectoryItem:
    """Return one registered sign-in method.

    The ids of phone and password methods are the same for every user, so the external id is
    ``user/method`` where the user is known. No secret of a method is kept.
    """
    method_id = record.essential("id", what="sign-in method")
    kind = method_kind(record, url)
    name = record.text("displayName", "emailAddress", "phoneNumber", "model") or kind
    return DirectoryItem(
        kind="auth_method",
        external_id=f"{user_id}/{method_id}" if user_id else method_id,
        name=name,
        parent=user_id,
        attributes=ocsf.filled(
            method_id=method_id,
            kind=kind,
            phone_number=record.text("phoneNumber"),
            phone_type=record.text("phoneType"),
            sms_sign_in=record.text("smsSignInState"),
            email=record.text("emailAddress"),
            model=record.text("model"),
            device_tag=record.text("deviceTag"),
            is_usable=record.truth("isUsable"),
            created_at=record.time("createdDateTime", "creationDateTime"),
            starts_at=record.time("startDateTime"),
        ),
    )


def oauth_grant(record: Fields) -> DirectoryItem:
    """Return a delegated permission grant, or an application's role assignment.

    Sources: https://learn.microsoft.com/graph/api/resources/oauth2permissiongrant,
    /graph/api/resources/approleassignment.
    """
    external_id = record.essential("id", what="grant")
    is_application = record.has_any("appRoleId")
    scopes = sorted(record.text("scope").split())
    client = record.text("clientId") or record.text("principalId")
    return DirectoryItem(
        kind="oauth_grant",
        external_id=external_id,
        name=record.text("principalDisplayName", "resourceDisplayName") or client or external_id,
        parent=record.text("principalId"),
        attributes=ocsf.filled(
            client_id=client,
            resource_id=record.text("resourceId"),
            resource_name=record.text("resourceDisplayName"),
            principal_type=record.text("principalType"),
            consent_type=record.text("consentType"),
            scopes=scopes,
            app_role_id=record.text("appRoleId"),
            created_at=record.time("createdDateTime"),
        )
        | {"is_application": is_application},
        is_deleted=_is_gone(record),
    )


def service_principal(record: Fields) -> DirectoryItem:
    """Return an application's identity in the tenant, with how long its credentials live.

    Source: https://learn.microsoft.com/graph/api/resources/serviceprincipal
    """
    external_id = record.essential("id", what="service principal")
    credentials = [
        ocsf.filled(
            kind=kind,
            name=item.text("displayName"),
            starts_at=item.time("startDateTime"),
            ends_at=item.time("endDateTime"),
        )
        for kind, field in (("password", "passwordCredentials"), ("key", "keyCredentials"))
        for item in record.objects(field)
    ]
    return DirectoryItem(
        kind="service_principal",
        external_id=external_id,
        name=record.text("displayName", "appDisplayName") or external_id,
        attributes=ocsf.filled(
            app_id=record.text("appId"),
            type=record.text("servicePrincipalType"),
            is_enabled=record.truth("accountEnabled"),
            owner_organisation=record.text("appOwnerOrganizationId"),
            audience=record.text("signInAudience"),
            publisher=record.text("publisherName")
            or record.nested("verifiedPublisher").text("displayName"),
            homepage=record.text("homepage"),
            reply_urls=record.texts("replyUrls"),
            tags=record.texts("tags"),
            disabled_by_microsoft=record.text("disabledByMicrosoftStatus"),
            assignment_required=record.truth("appRoleAssignmentRequired"),
            credentials=credentials,
            created_at=record.time("createdDateTime"),
        ),
        is_deleted=_is_gone(record),
    )


def policy(record: Fields, resource: str) -> DirectoryItem:
    """Return a policy: Conditional Access, named location, mail flow rule, security defaults …

    The settings are kept as the vendor words them, without anything that could be a secret. A
    policy that exists once has no id: its place in Graph (`resource`) is its id.
    """
    kind = _policy_kind(record, resource)
    external_id = record.text("id", "Guid", "ImmutableId") or resource
    if not external_id:
        raise Quarantine("missing_id", "The policy has no id: export it again.")
    settings = {
        str(name): value
        for name, value in record.body.items()
        if not str(name).startswith("@")
        and not any(word in str(name).lower() for word in _SECRET_WORDS)
    }
    return DirectoryItem(
        kind="policy",
        external_id=external_id,
        name=record.text("displayName", "Name") or kind,
        attributes=ocsf.filled(
            policy_kind=kind,
            state=record.text("state", "State"),
            is_enabled=record.truth("isEnabled", "Enabled"),
            description=record.text("description", "Description"),
            created_at=record.time("createdDateTime"),
            modified_at=record.time("modifiedDateTime", "WhenChanged", "lastModifiedDateTime"),
            settings=settings,
        ),
        is_deleted=_is_gone(record),
    )


def _policy_kind(record: Fields, resource: str) -> str:
    told = record.text("@odata.type").split(".")[-1].lstrip("#")
    if told:
        return told
    if record.has("DistinguishedName") or record.has("Priority", "Mode"):
        return "mailFlowRule"
    if record.has_any("grantControls", "sessionControls"):
        return "conditionalAccessPolicy"
    if record.has_any("ipRanges", "countriesAndRegions"):
        return "namedLocation"
    return resource.split("/")[-1] or "policy"


def _is_gone(record: Fields) -> bool:
    if "@removed" in record:
        return True
    try:
        return instant(record.raw("deletedDateTime")) is not None
    except ValueError:
        return False
