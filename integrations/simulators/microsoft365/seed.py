"""Made-up organisations with an ordinary month behind them. See `scenarios` for what befalls them.

Everything is decided by the name of the organisation, its `seed` and the given `now`: the same
arguments give the same ids, people and times. Domains, addresses and phone numbers are from the
ranges reserved for documentation and drama.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.simulators.base.store import App, Record, Store, stable_id

from . import ordinary, tenant_wide
from .entra import initial_domain
from .graph import instant
from .misuse import Misuse
from .people import (
    NAMES,
    OFFICES,
    inbox_rule,
    mailbox_record,
    method_records,
    sign_in,
    user_record,
    usual_device,
)

BASELINE_DAYS = 30
APP_NAME = "Holdfast"
# What the product's connector may need, all application permissions.
DEFAULT_PERMISSIONS = [
    "ActivityFeed.Read",
    "AuditLog.Read.All",
    "Application.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
    "Domain.Read.All",
    "Exchange.ManageAsApp",
    "GroupMember.ReadWrite.All",
    "IdentityRiskEvent.Read.All",
    "LicenseAssignment.ReadWrite.All",
    "IdentityRiskyUser.ReadWrite.All",
    "Mail.ReadBasic.All",
    "Mail.ReadWrite",
    "MailboxSettings.ReadWrite",
    "Organization.Read.All",
    "Policy.Read.All",
    "Policy.ReadWrite.AuthenticationMethod",
    "Policy.ReadWrite.Authorization",
    "Policy.ReadWrite.ConditionalAccess",
    "RoleManagement.ReadWrite.Directory",
    "SecurityAlert.ReadWrite.All",
    "SecurityIncident.ReadWrite.All",
    "ThreatHunting.Read.All",
    "User.Read.All",
    "User.EnableDisableAccount.All",
    "User.RevokeSessions.All",
    "User-LifeCycleInfo.Read.All",
    "User-PasswordProfile.ReadWrite.All",
    "UserAuthenticationMethod.ReadWrite.All",
]


class Organisation(Misuse):
    """A tenant with its people, and verbs for what happens to them."""

    @property
    def app(self) -> App:
        """The application that a client signs in as."""
        return next(iter(self.tenant.apps.values()))


def organisation(
    store: Store,
    domain: str,
    *,
    name: str = "",
    people: int = 8,
    now: datetime | None = None,
    seed: int = 1,
    country: str = "GB",
    is_hybrid: bool = False,
) -> Organisation:
    """Add an organisation to a store.

    Beside `people` ordinary members (1 to 16) it has a guest, a shared mailbox, a service account,
    a disabled leaver, a global administrator and a break-glass account. `is_hybrid` makes the
    members synced from Active Directory.
    """
    now = now or datetime.now(UTC)
    tenant_id = stable_id("tenant", domain, seed)
    tenant = store.add_tenant(tenant_id, name or domain, domain)
    client_id = stable_id("app", domain, seed)
    secret = "sim-" + stable_id("secret", domain, seed).replace("-", "")
    tenant.apps[client_id] = App(client_id, APP_NAME, secret, list(DEFAULT_PERMISSIONS))
    org = Organisation(tenant, now, OFFICES[country])
    tenant_wide.fill(org.tenant, now, country)
    _members(org, people, seed, is_hybrid)
    _others(org)
    tenant_wide.finish(org.tenant)
    _baseline(org, random.Random(f"{domain}/{seed}"))  # noqa: S311
    ordinary.fill(org.tenant, now)
    return org


def _members(org: Organisation, people: int, seed: int, is_hybrid: bool) -> None:
    joined = org.now - timedelta(days=400)
    for number in range(max(1, min(people, len(NAMES)))):
        given, surname, title, department = NAMES[(number + seed - 1) % len(NAMES)]
        user = _user(org, (given, surname), title, department, joined, number)
        if is_hybrid:
            org.tenant.update("users", user["id"], _synced(org, user), unseen=True)
        _work_things(org, user, number)


def _user(
    org: Organisation,
    name: tuple[str, str],
    title: str,
    department: str,
    joined: datetime,
    number: int,
    **changes: Any,
) -> Record:
    tenant = org.tenant
    record = user_record(tenant.id, tenant.domain, name, title, department, joined)
    record |= {
        "usageLocation": org.office.country,
        "country": org.office.country,
        "city": org.office.city,
        "companyName": tenant.name,
        "officeLocation": org.office.city,
    }
    record.update(changes)
    tenant.put("users", record)
    for method in method_records(record, joined, number=number, phone=number % 2 == 0):
        tenant.put(f"methods:{record['id']}", method)
    return record


def _synced(org: Organisation, user: Record) -> Record:
    account = str(user["mailNickname"]).replace(".", "")[:20]
    parts = org.tenant.domain.split(".")
    relative_id = 1000 + int(stable_id(user["id"], "relative id")[:6], 16)
    return {
        "onPremisesSyncEnabled": True,
        "onPremisesDomainName": f"ad.{org.tenant.domain}",
        "onPremisesSamAccountName": account,
        "onPremisesUserPrincipalName": user["userPrincipalName"],
        "onPremisesDistinguishedName": f"CN={user['displayName']},OU=Staff,DC=ad,"
        + ",".join(f"DC={part}" for part in parts),
        "onPremisesLastSyncDateTime": instant(org.now - timedelta(minutes=20)),
        "onPremisesSecurityIdentifier": f"S-1-5-21-1004336348-1177238915-682003330-{relative_id}",
        "onPremisesImmutableId": stable_id(user["id"], "anchor")[:22] + "==",
    }


def _work_things(org: Organisation, user: Record, number: int) -> None:
    tenant = org.tenant
    tenant.put("mailboxes", mailbox_record(user), user["id"])
    if number % 3 == 0:
        folder = {"moveToFolder": stable_id(user["id"], "newsletters"), "stopProcessingRules": True}
        conditions = {"senderContains": ["newsletter@"]}
        rule = inbox_rule(user, "Newsletters", 1, conditions=conditions, actions=folder)
        tenant.put(f"rules:{user['id']}", rule)
    device = usual_device(user, number)
    tenant.put("devices", tenant_wide.device(device, org.now))
    tenant_wide.join_groups(tenant, user)


def _others(org: Organisation) -> None:
    """The accounts that are nobody's daily work, and so are not protected people."""
    tenant, joined = org.tenant, org.now - timedelta(days=500)
    unlicensed: Record = {"assignedLicenses": []}
    admin = _user(org, ("Sam", "Adeyemi"), "IT Administrator", "IT", joined, 20)
    _work_things(org, admin, 20)
    tenant_wide.assign_role(tenant, admin, "Global Administrator")
    emergency = _user(
        org, ("Emergency", "Access"), "Break-glass account", "IT", joined, 21,
        employeeType=None, **unlicensed,
    )  # fmt: skip
    for method in tenant.true_all(f"methods:{emergency['id']}")[1:]:
        tenant.remove(f"methods:{emergency['id']}", method["id"])
    tenant_wide.assign_role(tenant, emergency, "Global Administrator")
    shared = _user(
        org, ("Reception", ""), "Shared mailbox", "Front Desk", joined, 22,
        accountEnabled=False, surname=None, **unlicensed,
    )  # fmt: skip
    tenant.put("mailboxes", mailbox_record(shared, "SharedMailbox"), shared["id"])
    _user(
        org, ("svc", "Backup"), "Service account", "IT", joined, 23,
        employeeType="Service", **unlicensed,
    )  # fmt: skip
    leaver = _user(
        org, ("Peter", "Gone"), "Former employee", "Sales", joined, 24,
        accountEnabled=False, employeeLeaveDateTime=instant(org.now - timedelta(days=40)),
        **unlicensed,
    )  # fmt: skip
    tenant.put("mailboxes", mailbox_record(leaver), leaver["id"])
    _guest(org, joined)


def _guest(org: Organisation, joined: datetime) -> None:
    home, domain = "kate.miller@partner.example", initial_domain(org.tenant)
    upn = f"kate.miller_partner.example#EXT#@{domain}"
    _user(
        org, ("Kate", "Miller"), "External consultant", "", joined, 25,
        userType="Guest", externalUserState="Accepted", creationType="Invitation",
        externalUserStateChangeDateTime=instant(joined), mail=home, userPrincipalName=upn,
        assignedLicenses=[], otherMails=[home], employeeType=None,
        mailNickname=upn.split("@")[0], proxyAddresses=[f"SMTP:{home}"],
    )  # fmt: skip


def _baseline(org: Organisation, draw: random.Random) -> None:
    """A month of ordinary sign-ins on working days, and when each account was last seen."""
    first = (org.now - timedelta(days=BASELINE_DAYS)).replace(minute=0, second=0, microsecond=0)
    records: list[Record] = []
    people = [user for user in org.tenant.true_all("users") if _works(user)]
    for number, user in enumerate(people):
        for day in range(BASELINE_DAYS + 1):
            start = (first + timedelta(days=day)).replace(hour=8)
            when = start + timedelta(minutes=draw.randrange(0, 90), seconds=draw.randrange(60))
            if when.weekday() < 5 and when < org.now - timedelta(minutes=5):
                records.append(_ordinary(org, user, number, when))
    newest: dict[str, Record] = {}
    for record in sorted(records, key=lambda item: item["createdDateTime"]):
        org.tenant.put("signIns", record)
        newest[record["userId"]] = record
    for user_id, record in newest.items():
        org.tenant.update("users", user_id, {"signInActivity": _seen(record)})


def _seen(record: Record) -> Record:
    """When an account was last seen, by its newest sign-in."""
    last = record["createdDateTime"]
    return {
        "lastSignInDateTime": last,
        "lastSignInRequestId": record["id"],
        "lastNonInteractiveSignInDateTime": last,
        "lastNonInteractiveSignInRequestId": record["id"],
        "lastSuccessfulSignInDateTime": last,
        "lastSuccessfulSignInRequestId": record["id"],
    }


def _works(user: Record) -> bool:
    return bool(user["accountEnabled"] and user["assignedLicenses"])


def _ordinary(org: Organisation, user: Record, number: int, when: datetime) -> Record:
    record_id = stable_id(user["id"], "sign-in", when.date())
    address = f"{org.office.network}{10 + number}"
    return sign_in(record_id, user, when, org.office, address, usual_device(user, number))
