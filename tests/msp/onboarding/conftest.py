"""A simulated Microsoft with the MSP's own tenant, in which its application stands, and clients."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from msp.onboarding import actions
from msp.onboarding.actions import ClientDetails
from msp.onboarding.models import Onboarding
from tenants import scope
from tenants.models import Tenant
from tests.integrations.simulators.fixtures import RunningSimulator, running_simulator


@dataclass
class Microsoft:
    """The simulator; `msp` is the MSP's own organisation, `client` the one to be brought in."""

    simulator: RunningSimulator
    msp: dict[str, Any]
    client: dict[str, Any]

    @property
    def own_app(self) -> dict[str, str]:
        """Settings and secret of an app registration of the client's own."""
        app, base = self.client["apps"][0], self.simulator.base_url
        return {
            "tenant_id": self.client["id"],
            "client_id": app["client_id"],
            "client_secret": app["secret"],
            "login_endpoint": base,
            "graph_endpoint": base,
            "exchange_endpoint": base,
            "activity_endpoint": base,
        }


@pytest.fixture
def microsoft(settings) -> Iterator[Microsoft]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    with running_simulator(seed="quiet") as simulator:
        msp, client = simulator.control.tenants()
        yield Microsoft(simulator, msp, client)


@pytest.fixture
def entra(microsoft: Microsoft, settings) -> Microsoft:
    """The MSP has a multi-tenant application, to which clients consent."""
    base, app = microsoft.simulator.base_url, microsoft.msp["apps"][0]
    settings.PUBLIC_URL = "https://holdfast.example"
    settings.ENTRA_APP = {
        "client_id": app["client_id"],
        "client_secret": app["secret"],
        "tenant_id": microsoft.msp["id"],
        "login_endpoint": base,
        "graph_endpoint": base,
        "exchange_endpoint": base,
        "activity_endpoint": base,
    }
    return microsoft


@pytest.fixture
def begun(db) -> Callable[..., Onboarding]:
    """Registers a client: `begun("fabrikam")`."""

    def make(slug: str = "fabrikam", **fields: str) -> Onboarding:
        details = ClientDetails(slug, fields.pop("name", slug.title()), **fields)
        return actions.register(details, actor="technician:ada")[0]

    return make


def of(row: Onboarding) -> Tenant:
    return Tenant.objects.get(id=row.tenant_id)


def in_scope(row: Onboarding) -> Any:
    return scope.tenant(row.tenant_id)
