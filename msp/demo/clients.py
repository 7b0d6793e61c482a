"""The demo's clients: brought in as a technician would, once."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from django.db.models import Q

from integrations import problems, registry
from integrations.siem import auditing
from msp.onboarding import actions as onboarding
from msp.onboarding.actions import ClientDetails
from msp.onboarding.models import Onboarding
from msp.staff.models import Role, Technician
from playbooks.adoption import activation
from playbooks.quality import case_quality
from tenants import directory, protection, scope
from tenants.models import Account, Installation, PlaybookMode, Tenant

ACTOR = "demo"
USERNAME = "demo"
SECOND = "second"
# Whoever did the first part of the shift; nobody signs in as her.
COLLEAGUE = "casey"
_TIME_ZONE = "Europe/London"
_BREAK_GLASS = "emergency.access@"
# What may go further than shadow: everything else only says what it would do.
_ADOPTED = (
    "contain-cloud-account", "contain-hybrid-account", "undo-mailbox-tampering",
    "remove-message-everywhere", "offboard-leaver",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Known:
    """What an MSP knows of a client: who decides there, its trade, what it uses besides.

    `sample`: of how many percent of its closed cases a second technician makes sure.
    """

    contact: str
    sector: str
    also: tuple[str, ...] = ()
    sample: int = 10


# What is asked of the simulated Microsoft 365, with the same application.
_AT_MICROSOFT = ("microsoft365", "intune")
_KNOWN: Mapping[str, _Known] = {
    "northwind-dental": _Known("Anna Berg", "health", ("intune",), sample=100),
    "harbour-law": _Known("James Whitfield", "law", ("microsoft_sentinel",)),
    "mill-lane-bakery": _Known("Daniel Meyer", "retail"),
}


def connect_all(microsoft: str, sentinel: str) -> list[Tenant]:
    """Bring in every organisation that the simulator has; return the tenants."""
    Installation.objects.get_or_create(
        id=1, defaults={"msp_name": "Lighthouse IT", "msp_contact": "help@lighthouse-it.example"}
    )
    return [_bring_in(told, microsoft, sentinel) for told in _organisations(microsoft)]


def _organisations(simulator: str) -> list[dict]:
    answer = httpx.get(f"{simulator}/_simulator/tenants", timeout=30).raise_for_status()
    found: list[dict] = answer.json()
    return found


def _bring_in(told: dict, microsoft: str, sentinel: str) -> Tenant:
    slug = told["domain"].split(".")[0]
    known = _KNOWN[slug]
    details = ClientDetails(
        slug=slug, name=told["name"], time_zone=_TIME_ZONE, country="GB",
        contact_name=known.contact, contact_email=contact_of(told["domain"], known.contact),
    )  # fmt: skip
    row, _ = onboarding.register(details, actor=ACTOR)
    _grant(told, microsoft, [one for one in ("microsoft365", *known.also) if one in _AT_MICROSOFT])
    with scope.tenant(row.tenant_id):
        _connect(row, "microsoft365", _microsoft_settings(told, microsoft), told)
        for connector in known.also:
            if connector == "intune":
                _connect(row, connector, _intune_settings(told, microsoft), told)
            else:
                _connect_sentinel(row, sentinel)
        if not row.rules:
            case_quality.set_process({"sample_percent": known.sample}, actor=ACTOR)
            _adopt()
            onboarding.choose_rules(row, None, actor=ACTOR)
    return row.tenant


def _adopt() -> None:
    """Let the playbooks that this MSP trusts act as the rules of engagement say."""
    for playbook_id in _ADOPTED:
        activation.set_mode(
            playbook_id, PlaybookMode.AUTOMATIC, actor=ACTOR, reason="used at other clients"
        )


def contact_of(domain: str, name: str) -> str:
    """Return the address of somebody who works at a client."""
    return f"{name.lower().replace(' ', '.')}@{domain}"


def _grant(told: dict, simulator: str, connectors: list[str]) -> None:
    """Grant the application exactly what the connectors ask for, as their set-up steps say."""
    needed = {one for name in connectors for one in problems.needed(registry.connector(name))}
    body = {"tenant": told["id"], "granted": sorted(needed)}
    answer = httpx.post(f"{simulator}/_simulator/permissions", json=body, timeout=30)
    answer.raise_for_status()


def _connect(row: Onboarding, connector: str, settings: dict[str, str], told: dict) -> None:
    """Connect, or correct: the simulator may listen on another port than the last time."""
    hidden = {"client_secret": told["apps"][0]["secret"]}
    onboarding.connect(row, connector, settings=settings, secrets=hidden, actor=ACTOR)


def _intune_settings(told: dict, simulator: str) -> dict[str, str]:
    return {
        "tenant_id": told["id"],
        "client_id": told["apps"][0]["client_id"],
        "login_endpoint": simulator,
        "graph_endpoint": simulator,
    }


def _microsoft_settings(told: dict, simulator: str) -> dict[str, str]:
    return {
        **_intune_settings(told, simulator),
        "exchange_endpoint": simulator,
        "activity_endpoint": simulator,
    }


def _connect_sentinel(row: Onboarding, simulator: str) -> None:
    [told] = _organisations(simulator)
    state = httpx.get(f"{simulator}/_simulator/state?collection=workspaces", timeout=30)
    [workspace] = state.raise_for_status().json().values()
    settings = {
        "tenant_id": told["id"],
        "client_id": told["apps"][0]["client_id"],
        "login_endpoint": simulator,
        "workspace_id": workspace["id"],
        "subscription_id": workspace["subscription"],
        "resource_group": workspace["resourceGroup"],
        "workspace_name": workspace["name"],
        "query_endpoint": simulator,
        "arm_endpoint": simulator,
    }
    _connect(row, "microsoft_sentinel", settings, told)
    [siem] = auditing.siems()
    if not auditing.newest([siem]):
        auditing.soon(siem)


def start_all(tenants: list[Tenant]) -> None:
    """Start each client, now that what it is connected to has been seen to work.

    OnboardingError says what is still to be done.
    """
    for tenant in tenants:
        with scope.tenant(tenant.id):
            onboarding.finish(onboarding.current(tenant, ACTOR), actor=ACTOR)


def sector_of(tenant: Tenant) -> str:
    """Return a client's trade."""
    return _KNOWN[tenant.slug].sector


def name_special_accounts(tenants: list[Tenant]) -> None:
    """Name each client's break-glass and service accounts, as an MSP does with a new client.

    Asked again and again while feeds are read, so what is still to be named is one question.
    """
    with scope.reading(tenant.id for tenant in tenants):
        unnamed = list(
            Account.objects.filter(
                Q(username__startswith=_BREAK_GLASS, is_break_glass=False)
                | Q(username__startswith="svc.", kind_set_by="")
            )
        )
    for account in unnamed:
        with scope.tenant(account.tenant_id):
            if account.username.startswith(_BREAK_GLASS):
                protection.change(
                    account, is_break_glass=True, is_excluded=False, actor=ACTOR,
                    reason="break-glass account",
                )  # fmt: skip
            else:
                directory.set_kind(account, Account.Kind.SERVICE, actor=ACTOR)


def technicians() -> dict[str, str]:
    """Give the demo's technicians new passwords, and return these by name, the first one first.

    There are two, since whoever asks for an undoing can't approve it.
    """
    return {USERNAME: _technician(USERNAME), SECOND: _technician(SECOND)}


def _technician(username: str) -> str:
    password = secrets.token_urlsafe(9)
    user = _with_role(username)
    user.set_password(password)
    user.save()
    return password


def colleague() -> Technician:
    """Return the technician who did the first part of the shift, and whose account is closed."""
    user = _with_role(COLLEAGUE)
    user.set_unusable_password()
    user.save()
    return user


def _with_role(username: str) -> Technician:
    user, _ = Technician.objects.get_or_create(username=username)
    user.role = Role.ADMIN
    user.is_staff = True
    return user
