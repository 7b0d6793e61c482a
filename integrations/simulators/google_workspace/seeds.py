"""The named seeds: what the simulated organisation starts with, and what befell it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from integrations.simulators.base.routes import instant
from integrations.simulators.base.simulator import Seed
from integrations.simulators.base.store import App, Store, Tenant, stable_id

from .directory import new_user
from .keys import key_file
from .memberships import new_assignment, new_member
from .takeover import takeover

ROLES: tuple[tuple[str, str, bool, list[str]], ...] = (
    ("10", "_SEED_ADMIN_ROLE", True, []),
    ("11", "_GROUPS_ADMIN_ROLE", False, ["GROUPS_ALL"]),
    ("12", "_HELP_DESK_ADMIN_ROLE", False, ["USERS_RETRIEVE", "ORGANIZATION_UNITS_RETRIEVE"]),
)
_BASE = "https://www.googleapis.com/auth"
SCOPES = tuple(
    f"{_BASE}/{name}"
    for name in (
        "admin.directory.user", "admin.directory.user.readonly", "admin.directory.user.security",
        "admin.directory.domain.readonly", "admin.directory.rolemanagement",
        "admin.directory.rolemanagement.readonly", "admin.directory.group.readonly",
        "admin.directory.group.member", "admin.reports.audit.readonly", "apps.alerts",
        "gmail.settings.basic", "gmail.settings.sharing", "gmail.readonly", "gmail.modify",
    )
)  # fmt: skip
_NAMES = (
    "Priya Shah", "Ben Cole", "Anna Berg", "Omar Haddad", "Marta Kowalska", "Liam Murphy",
    "Sofia Rossi", "Noah Klein", "Emma Novak", "Lucas Silva", "Mia Andersen", "Elias Lund",
    "Chloe Martin", "Hugo Moreau", "Nina Petrov", "Adam Levy", "Ida Holm", "Jonas Weber",
    "Clara Fischer", "Oscar Nilsson", "Leah Cohen", "Felix Braun",
)  # fmt: skip


def organisation(store: Store, domain: str, name: str, now: datetime, seed: int) -> Tenant:
    """An organisation with an administrator, people, groups and ordinary activity."""
    customer = f"C{stable_id('google', domain, seed).replace('-', '')[:8]}"
    tenant = store.add_tenant(customer, name, domain)
    client_id = str(10**20 + int(stable_id("client", domain, seed)[:8], 16))
    project = domain.split(".")[0]
    tenant.apps[client_id] = App(
        client_id, "Holdfast", key_file(client_id, f"holdfast-{project}"), list(SCOPES)
    )
    tenant.put("domains", {"kind": "admin#directory#domain", "etag": '"d"', "domainName": domain,
                           "isPrimary": True, "verified": True, "creationTime": "1500000000000"},
               domain)  # fmt: skip
    for role_id, role, is_super, privileges in ROLES:
        tenant.put("roles", {
            "kind": "admin#directory#role", "etag": f'"{role_id}"', "roleId": role_id,
            "roleName": role, "isSystemRole": True, "isSuperAdminRole": is_super,
            "rolePrivileges": [{"privilegeName": p, "serviceId": "00haapch16h1ysv"}
                               for p in privileges],
        }, role_id)  # fmt: skip
    for number, person in enumerate(("Ada Admin", *_NAMES)):
        _add_person(tenant, person, number, now, seed)
    _add_admins_and_groups(tenant)
    return tenant


def _add_person(tenant: Tenant, person: str, number: int, now: datetime, seed: int) -> None:
    mail = f"{person.lower().replace(' ', '.')}@{tenant.domain}"
    user_id = str(10**20 + int(stable_id("user", tenant.domain, number, seed)[:8], 16))
    user = new_user(
        user_id=user_id, mail=mail, name=person, customer=tenant.id,
        created=now - timedelta(days=900 - number), seen=now - timedelta(hours=number),
    )  # fmt: skip
    user["isEnrolledIn2Sv"] = number % 4 != 3
    # The last one is a login without a mailbox, the one before left long ago.
    user["isMailboxSetup"] = number != len(_NAMES)
    if number == len(_NAMES) - 1:
        user["lastLoginTime"] = instant(now - timedelta(days=200)).replace("Z", ".000Z")
    tenant.put("users", user)


def _add_admins_and_groups(tenant: Tenant) -> None:
    people = tenant.true_all("users")
    tenant.update("users", people[0]["id"], {"isAdmin": True})
    tenant.update("users", people[2]["id"], {"isDelegatedAdmin": True})
    for number, (role_id, user) in enumerate((("10", people[0]), ("11", people[2]))):
        assignment = new_assignment(str(10**14 + number), role_id, user["id"])
        tenant.put("role_assignments", assignment, assignment["roleAssignmentId"])
    for number, name in enumerate(("all", "finance")):
        mail = f"{name}@{tenant.domain}"
        group_id = f"0{number}{stable_id(tenant.id, name).replace('-', '')[:13]}"
        tenant.put("groups", {
            "kind": "admin#directory#group", "etag": f'"{group_id}"', "id": group_id,
            "email": mail, "name": name.capitalize(), "directMembersCount": str(len(people)),
            "description": "", "adminCreated": True,
        })  # fmt: skip
        for user in people if name == "all" else people[1:4]:
            tenant.put(f"members:{group_id}", new_member(user, "MEMBER"))
    left = {
        "kind": "admin#directory#user", "id": "100000000000000000001", "etag": '"gone"',
        "primaryEmail": f"old.hand@{tenant.domain}", "customerId": tenant.id, "orgUnitPath": "/",
        "name": {"givenName": "Old", "familyName": "Hand", "fullName": "Old Hand"},
        "isAdmin": False, "isDelegatedAdmin": False, "suspended": False, "isMailboxSetup": True,
        "creationTime": "2020-01-01T00:00:00.000Z", "deletionTime": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip
    tenant.put("users", left)


def demo(store: Store, now: datetime, seed: int) -> None:
    """One client whose mailbox was taken over three hours ago."""
    tenant = organisation(store, "contoso-clinic.example", "Contoso Clinic", now, seed)
    takeover(tenant, "priya.shah", now - timedelta(hours=3))


def quiet(store: Store, now: datetime, seed: int) -> None:
    """One client, nothing wrong."""
    organisation(store, "fabrikam-farm.example", "Fabrikam Farm", now, seed)


SEEDS: Mapping[str, Seed] = {"demo": demo, "quiet": quiet}
