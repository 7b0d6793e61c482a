"""The demo's clients: registered and connected as a technician would, once."""

import secrets

import httpx
from django.db.models import Q

from integrations import connections, problems, registry
from integrations.models import Connection
from msp.staff.models import Role, Technician
from tenants import directory, ledger, protection, scope
from tenants.models import Account, Installation, PlaybookMode, Tenant

ACTOR = "demo"
USERNAME = "demo"
SECOND = "second"
_TIME_ZONE = "Europe/London"
_BREAK_GLASS = "emergency.access@"


def connect_all(simulator: str) -> list[Tenant]:
    """Register and connect every organisation that the simulator has; return the tenants."""
    Installation.objects.get_or_create(
        id=1, defaults={"msp_name": "Lighthouse IT", "msp_contact": "help@lighthouse-it.example"}
    )
    found = httpx.get(f"{simulator}/_simulator/tenants", timeout=30).raise_for_status().json()
    return [_connect(told, simulator) for told in found]


def _grant(told: dict, simulator: str) -> None:
    """Grant the application exactly what the connector asks for, as its set-up steps say."""
    needed = sorted(problems.needed(registry.connector("microsoft365")))
    body = {"tenant": told["id"], "granted": needed}
    answer = httpx.post(f"{simulator}/_simulator/permissions", json=body, timeout=30)
    answer.raise_for_status()


def _connect(told: dict, simulator: str) -> Tenant:
    _grant(told, simulator)
    slug = told["domain"].split(".")[0]
    tenant, created = Tenant.objects.get_or_create(
        slug=slug,
        defaults={
            "name": told["name"],
            "time_zone": _TIME_ZONE,
            "country": "GB",
            "playbook_mode": PlaybookMode.AUTOMATIC,
        },
    )
    app = told["apps"][0]
    settings = {
        "tenant_id": told["id"],
        "client_id": app["client_id"],
        "login_endpoint": simulator,
        "graph_endpoint": simulator,
        "exchange_endpoint": simulator,
        "activity_endpoint": simulator,
    }
    with scope.tenant(tenant.id):
        if created:
            ledger.append("tenant.created", actor=ACTOR, subject=tenant.name)
        existing = Connection.objects.filter(connector="microsoft365").first()
        if existing is None:
            connections.create(
                connector="microsoft365",
                name="Microsoft 365",
                settings=settings,
                secrets={"client_secret": app["secret"]},
                actor=ACTOR,
            )
        else:
            # The simulator may listen on another port than the last time.
            existing.settings = settings
            existing.save(update_fields=["settings"])
    return tenant


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
    user, _ = Technician.objects.get_or_create(username=username)
    user.role = Role.ADMIN
    user.is_staff = True
    user.set_password(password)
    user.save()
    return password
