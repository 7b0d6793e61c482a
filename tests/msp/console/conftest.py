"""Technicians with browsers, for the console's tests."""

from collections.abc import Callable

import pytest
from django.test import Client

from msp.staff import actions
from msp.staff.models import Role, Technician
from tenants.models import Tenant
from tests.msp.console import rows as seeded

PASSWORD = "correct horse battery staple"


@pytest.fixture
def rows(tenant: Tenant) -> seeded.Rows:
    """One of everything at `tenant`."""
    return seeded.fill(tenant)


@pytest.fixture
def other_rows(other_tenant: Tenant) -> seeded.Rows:
    """One of everything at another client."""
    return seeded.fill(other_tenant)


@pytest.fixture
def technician(db) -> Callable[..., Technician]:
    """Make technicians: `technician(Role.APPROVER, tenants=[…])`."""

    def make(role: Role, name: str = "", tenants: list[Tenant] | None = None) -> Technician:
        return actions.create_technician(
            name or f"{role}.{len(Technician.objects.all())}",
            role=role,
            password=PASSWORD,
            tenants=tenants,
        )

    return make


@pytest.fixture
def browser(technician) -> Callable[..., Client]:
    """Sign technicians in: `browser(Role.APPROVER, tenants=[…])`."""

    def sign_in(role: Role, name: str = "", tenants: list[Tenant] | None = None) -> Client:
        client = Client()
        client.force_login(
            technician(role, name, tenants),
            backend="allauth.account.auth_backends.AuthenticationBackend",
        )
        return client

    return sign_in


@pytest.fixture
def no_mfa_demanded(settings) -> None:
    """As in the demo: a second factor is not demanded."""
    settings.REQUIRE_MFA = False
