"""Questions about what an account was given: apps, roles, groups and licences."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from integrations.connectors.microsoft365 import roles
from integrations.connectors.microsoft365.actions.groups import can_be_left
from integrations.connectors.microsoft365.client import GraphClient, address
from integrations.connectors.microsoft365.gatherers.words import (
    AUDIT,
    changes_of,
    initiator,
    iso,
    now,
    recent_since,
)
from integrations.connectors.microsoft365.normalise.privileged import is_privileged
from integrations.contract import Json, Target
from integrations.errors import NotFound, PermissionMissing
from integrations.values import Fields

_GRANTS = "DelegatedPermissionGrant.Read.All"
_APPS = "Application.Read.All"
# Delegated permissions that let an app read or change what matters: mail, files, the directory.
_FAR_REACHING = (
    "mail.", "mailboxsettings.readwrite", "imap.", "pop.", "smtp.send", "ews.accessasuser.all",
    "full_access_as_user", "files.read", "sites.read", "sites.manage", "sites.fullcontrol",
    "notes.", "contacts.read", "people.read.all", "chat", "user.readwrite.all", "group.read",
    "directory.", "rolemanagement.", "application.read", "user_impersonation",
)  # fmt: skip
# Tenants in which Microsoft's own applications are registered:
# https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in
_MICROSOFT = frozenset(
    {"f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47"}
)
_CONSENTS = frozenset({"consent to application", "add delegated permission grant"})
_LOOK_BACK = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ListGrants:
    """Apps that the account allowed something."""

    name: str = "identity.list_oauth_grants"
    permissions: tuple[str, ...] = (_GRANTS, _APPS, AUDIT)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``grants`` in the account's own name.

        What an administrator allowed for everybody is not in it: taking that back would hit all.
        Recent: allowed since ``inputs.since`` (ISO), else in 48 hours, by the directory audit.
        Risky: reaches far, and its maker isn't verified, or it is recent; never Microsoft's own.
        """
        since = recent_since(inputs)
        path = address("/users/{}/oauth2PermissionGrants", target.external_id)
        found = [Fields(grant) for grant in client.all(path, _GRANTS)]
        apps = _apps(client, sorted({grant.text("clientId") for grant in found}))
        lately = _consented(client, target.external_id, since) if found else set()
        return {
            "grants": [
                _grant(grant, apps.get(grant.text("clientId"), Fields({})), client, lately)
                for grant in found
            ]
        }


def _apps(client: GraphClient, ids: list[str]) -> dict[str, Fields]:
    """The applications by the id of their service principal; one that is gone is left out."""
    select = "id,appId,displayName,appOwnerOrganizationId,verifiedPublisher"
    paths = {one: address("/servicePrincipals/{}", one, select=select) for one in ids}
    found = {}
    for one, answer in (client.batch(paths, _APPS) if paths else {}).items():
        if answer.status != 404:
            client.raise_for(answer, paths[one], _APPS)
            found[one] = Fields(answer.body)
    return found


def _consented(client: GraphClient, user_id: str, since: dt.datetime) -> set[str]:
    """The service principals that the user consented to, by the directory audit."""
    return {
        target.text("id")
        for entry in changes_of(client, user_id, since)
        if entry.word("activityDisplayName") in _CONSENTS
        for target in entry.objects("targetResources")
    }


def _grant(grant: Fields, app: Fields, client: GraphClient, lately: set[str]) -> dict[str, Any]:
    publisher = app.nested("verifiedPublisher").text("displayName")
    owner = app.text("appOwnerOrganizationId").lower()
    is_microsofts = owner in _MICROSOFT
    is_verified = bool(publisher) or is_microsofts or owner == client.tenant_id.lower()
    is_recent = grant.text("clientId") in lately
    allowed = sorted(grant.text("scope").split())
    reaches_far = any(scope.lower().startswith(_FAR_REACHING) for scope in allowed)
    return {
        "id": grant.text("id"),
        "external_id": grant.text("id"),
        "name": app.text("displayName") or grant.text("clientId"),
        "publisher": publisher or ("Microsoft" if is_microsofts else ""),
        "is_verified": is_verified,
        "scopes": allowed,
        "is_recent": is_recent,
        "is_risky": reaches_far and not is_microsofts and (is_recent or not is_verified),
    }


@dataclass(frozen=True, slots=True)
class ListRoleAssignments:
    """Administrator roles that the account holds, or may switch on."""

    name: str = "identity.list_role_assignments"
    permissions: tuple[str, ...] = ("RoleManagement.Read.Directory", AUDIT)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``assignments`` to the account itself; those through a group belong to the group.

        Activated: in force now only because the holder, who may ask for the role, has done so, as
        Microsoft says. Recent: given since ``inputs.since`` (ISO), else in 48 hours, by the
        directory audit.
        """
        since = recent_since(inputs)
        wanted = [
            (one, is_eligible)
            for is_eligible, read in ((False, roles.assigned), (True, roles.eligible))
            for one in read(client, target.external_id, self.permissions[0])
        ]
        names = roles.names(client) if wanted else {}
        given = _given(client, target.external_id) if wanted else []
        activated: set[tuple[str, str]] = set()
        if {is_eligible for _, is_eligible in wanted} == {True, False}:
            activated = roles.activated(client, target.external_id, self.permissions[0])
        return {
            "assignments": [
                _assignment(Fields(one), names, given, since, is_eligible=is_eligible)
                | {"is_activated": not is_eligible and roles.role_at(one) in activated}
                for one, is_eligible in wanted
            ]
        }


def _given(client: GraphClient, user_id: str) -> list[tuple[str, Fields]]:
    """Each role that the audit says was given lately, newest first, with the entry."""
    found = []
    for entry in changes_of(client, user_id, now() - _LOOK_BACK):
        activity = entry.word("activityDisplayName")
        if not activity.startswith(("add member to role", "add eligible member to role")):
            continue
        changed = [p for t in entry.objects("targetResources")
                   for p in t.objects("modifiedProperties")]  # fmt: skip
        found += [
            (prop.text("newValue").strip('" '), entry)
            for prop in changed
            if prop.word("displayName") in {"role.displayname", "role.templateid"}
        ]
        # Entries of Privileged Identity Management name the role as a target of its own.
        found += [
            (target.text("displayName"), entry)
            for target in entry.objects("targetResources")
            if target.word("type") == "role"
        ]
    return found


def _assignment(
    one: Fields,
    names: dict[str, roles.Role],
    given: list[tuple[str, Fields]],
    since: dt.datetime,
    *,
    is_eligible: bool,
) -> dict[str, Any]:
    role = names.get(one.text("roleDefinitionId")) or roles.Role(one.text("roleDefinitionId"), "")
    kind = "add eligible member" if is_eligible else "add member"
    entry = next(
        (
            e
            for told, e in given
            if told in {role.name, role.template_id}
            and e.word("activityDisplayName").startswith(kind)
        ),
        Fields({}),
    )
    at = entry.time("activityDateTime") or one.time("startDateTime")
    return {
        "id": one.text("id"),
        "external_id": roles.eligible_id(one) if is_eligible else one.text("id"),
        "name": role.name,
        "scope": one.text("directoryScopeId") or "/",
        "is_privileged": is_privileged(role.template_id, role.name),
        "is_recent": at is not None and at >= since,
        "granted_by": initiator(entry),
        "granted_at": iso(at),
        "is_eligible": is_eligible,
    }


@dataclass(frozen=True, slots=True)
class ListGroups:
    """Groups that the account is in."""

    name: str = "identity.list_groups"
    permissions: tuple[str, ...] = ("GroupMember.Read.All",)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``groups`` that the account is a direct member of.

        Not removable: filled by a rule, or governed by Active Directory.
        """
        path = address("/users/{}/memberOf", target.external_id, top=100)
        found = [Fields(one) for one in client.all(path, self.permissions[0])]
        return {
            "groups": [
                {
                    "id": group.text("id"),
                    "external_id": f"{group.text('id')}/{target.external_id}",
                    "name": group.text("displayName", "mail"),
                    "mail": group.text("mail"),
                    "is_removable": can_be_left(group),
                }
                for group in found
                if group.word("@odata.type").endswith("group")
            ]
        }


@dataclass(frozen=True, slots=True)
class ListLicences:
    """Licences that were assigned to the account itself."""

    name: str = "identity.list_licences"
    permissions: tuple[str, ...] = ("User.Read.All",)

    def gather(self, client: GraphClient, target: Target, inputs: Json) -> Json:
        """Return ``licences``. One that comes with a group goes with the group, and isn't here."""
        path = address(
            "/users/{}", target.external_id, select="id,assignedLicenses,licenseAssignmentStates"
        )
        user = Fields(client.get(path, self.permissions[0]))
        direct = {
            state.text("skuId")
            for state in user.objects("licenseAssignmentStates")
            if not state.text("assignedByGroup")
        }
        states_told = user.has_any("licenseAssignmentStates")
        names = self._names(client, target)
        return {
            "licences": [
                {
                    "id": sku,
                    "external_id": f"{target.external_id}/{sku}",
                    "name": names.get(sku, sku),
                }
                for sku in (one.text("skuId") for one in user.objects("assignedLicenses"))
                if sku in direct or not states_told
            ]
        }

    def _names(self, client: GraphClient, target: Target) -> dict[str, str]:
        path = address("/users/{}/licenseDetails", target.external_id)
        try:
            found = client.all(path, self.permissions[0])
        except (NotFound, PermissionMissing):
            return {}
        return {str(one.get("skuId")): str(one.get("skuPartNumber")) for one in found}
