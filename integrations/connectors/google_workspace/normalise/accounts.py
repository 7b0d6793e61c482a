"""Users, and what they hold: roles, groups and what apps were allowed.

Sources: https://developers.google.com/workspace/admin/directory/reference/rest/v1/users,
…/tokens, …/roles, …/roleAssignments, …/groups.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from integrations import ocsf
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import DirectoryItem

# Google's system role of super administrators.
SUPER_ADMIN = "_SEED_ADMIN_ROLE"
_OTHERS = {
    "orgUnitPath": "org_unit",
    "recoveryEmail": "recovery_email",
    "recoveryPhone": "recovery_phone",
    "suspensionReason": "suspension_reason",
    "customerId": "customer_id",
}


def user(record: Fields, roles: Iterable[Mapping[str, Any]] | None = None) -> DirectoryItem:
    """Return one user. Only what the record tells is set.

    `roles` are those that the user holds ("name", "is_privileged"), where they were read. A
    suspended or archived user can't sign in. Google doesn't say whether another directory governs
    an account, so the source of authority is left open.
    """
    address = record.text("primaryEmail")
    external_id = record.text("id") or address
    if not external_id:
        raise Quarantine("missing_id", "The user has neither id nor primaryEmail: export it again.")
    if record.time("deletionTime") is not None:
        return DirectoryItem("account", external_id, address or external_id, is_deleted=True)
    attributes: dict[str, Any] = {"username": address, "email": address} if address else {}
    name = record.nested("name").text("fullName")
    if name:
        attributes["display_name"] = name
    for theirs, ours in _OTHERS.items():
        if theirs in record:
            attributes[ours] = record.text(theirs)
    attributes |= _states(record) | _privilege(record, roles) | _work(record)
    aliases = [*record.texts("aliases"), *record.texts("nonEditableAliases")]
    if aliases:
        attributes["aliases"] = sorted(set(aliases))
    return DirectoryItem("account", external_id, address or external_id, attributes=attributes)


def _states(record: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    suspended, archived = record.truth("suspended"), record.truth("archived")
    if suspended is not None or archived is not None:
        found["is_enabled"] = not (suspended or archived)
    if record.truth("isEnrolledIn2Sv") is not None:
        found["is_mfa_registered"] = record.truth("isEnrolledIn2Sv")
    if record.truth("isEnforcedIn2Sv") is not None:
        found["is_mfa_enforced"] = record.truth("isEnforcedIn2Sv")
    if record.truth("isMailboxSetup") is not None:
        found["has_mailbox"] = record.truth("isMailboxSetup")
    if record.truth("isGuestUser") is not None:
        found["kind"] = "guest" if record.truth("isGuestUser") else "member"
    for theirs, ours in (("lastLoginTime", "last_sign_in"), ("creationTime", "created_at")):
        if record.time(theirs) is not None:
            found[ours] = record.time(theirs)
    return found


def _privilege(record: Fields, roles: Iterable[Mapping[str, Any]] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    is_super, is_delegated = record.truth("isAdmin"), record.truth("isDelegatedAdmin")
    if is_super is not None or is_delegated is not None:
        found["is_privileged"] = bool(is_super or is_delegated)
    if roles is not None:
        held = list(roles)
        found["roles"] = sorted({str(role.get("name") or "") for role in held} - {""})
        has_power = any(role.get("is_privileged") for role in held)
        found["is_privileged"] = bool(found.get("is_privileged") or has_power)
    return found


def _work(record: Fields) -> dict[str, str]:
    jobs = record.objects("organizations")
    job = next((j for j in jobs if j.truth("primary")), jobs[0] if jobs else Fields({}))
    found = ocsf.filled(job_title=job.text("title"), department=job.text("department"))
    if "relations" in record:
        # An administrator enters the manager's address as a relation of that type.
        told = record.objects("relations")
        found["manager"] = next((r.text("value") for r in told if r.word("type") == "manager"), "")
    return found


def role(record: Fields) -> DirectoryItem:
    """Return an administrator role."""
    external_id = record.essential("roleId", what="role")
    name = record.text("roleName") or external_id
    return DirectoryItem(
        kind="role",
        external_id=external_id,
        name=name,
        attributes=ocsf.filled(
            description=record.text("roleDescription"),
            is_built_in=record.truth("isSystemRole"),
            privileges=[p.text("privilegeName") for p in record.objects("rolePrivileges")],
        )
        | {"is_privileged": is_privileged(record)},
    )


def is_privileged(role_: Fields) -> bool:
    """Whether a role lets its holder change anything; one that says nothing counts as if it did."""
    if role_.truth("isSuperAdminRole") or role_.text("roleName") == SUPER_ADMIN:
        return True
    names = [p.word("privilegeName") for p in role_.objects("rolePrivileges")]
    return not names or any(not _only_reads(name) for name in names)


def _only_reads(privilege: str) -> bool:
    return any(word in privilege for word in ("retrieve", "read", "view", "report", "dashboard"))


def role_assignment(record: Fields) -> DirectoryItem:
    """Return who holds which administrator role."""
    external_id = record.essential("roleAssignmentId", what="role assignment")
    return DirectoryItem(
        kind="role_assignment",
        external_id=external_id,
        name=record.text("roleId"),
        parent=record.text("assignedTo"),
        attributes=ocsf.filled(
            role_definition_id=record.text("roleId"),
            member_type=record.text("assigneeType"),
            scope=record.text("scopeType"),
            org_unit_id=record.text("orgUnitId"),
            ends_at=record.nested("expirationDetails").time("expireTime"),
        ),
    )


def group(record: Fields) -> DirectoryItem:
    """Return a group."""
    external_id = record.essential("id", "email", what="group")
    return DirectoryItem(
        kind="group",
        external_id=external_id,
        name=record.text("name", "email") or external_id,
        attributes=ocsf.filled(
            mail=record.text("email"),
            description=record.text("description"),
            aliases=record.texts("aliases"),
            members_count=record.number("directMembersCount"),
            is_admin_created=record.truth("adminCreated"),
        ),
    )


def token(record: Fields, user_id: str = "") -> DirectoryItem:
    """Return what an app was allowed to do in a user's name.

    An app is known by its client id, which is the same for every user: the external id is
    ``user/client``.
    """
    client_id = record.essential("clientId", what="token")
    owner = record.text("userKey") or user_id
    return DirectoryItem(
        kind="oauth_grant",
        external_id=f"{owner}/{client_id}" if owner else client_id,
        name=record.text("displayText") or client_id,
        parent=owner,
        attributes=ocsf.filled(
            client_id=client_id,
            scopes=record.texts("scopes"),
            is_anonymous=record.truth("anonymous"),
            is_native=record.truth("nativeApp"),
        ),
    )


def organisation(record: Fields) -> DirectoryItem:
    """Return one of the organisation's domains."""
    name = record.essential("domainName", what="domain")
    return DirectoryItem(
        kind="organisation",
        external_id=name,
        name=name,
        attributes=ocsf.filled(
            is_primary=record.truth("isPrimary"),
            is_verified=record.truth("verified"),
            aliases=[a.text("domainAliasName") for a in record.objects("domainAliases")],
        ),
    )
