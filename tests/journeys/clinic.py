"""A client with a compromised mailbox, connected to a running simulator."""

from dataclasses import dataclass

from integrations import connections
from integrations.models import Connection
from tenants import scope
from tenants.models import Account, Case, Tenant
from tests.integrations.simulators.fixtures import RunningSimulator


@dataclass
class Clinic:
    """The tenant, and the simulator that stands for its Microsoft 365."""

    tenant: Tenant
    simulator: RunningSimulator
    directory_id: str

    def case(self) -> Case:
        """The one case that is about Priya Shah."""
        with scope.tenant(self.tenant.id):
            return Case.objects.select_related("account").get(
                account__username__startswith="priya.shah@"
            )

    def account(self) -> Account:
        """Priya Shah's account, as the directory has it."""
        with scope.tenant(self.tenant.id):
            return Account.objects.get(username__startswith="priya.shah@")

    def effects(self) -> list[tuple[str, str]]:
        """Every change that was made at the vendor by Holdfast: kind and target."""
        return [
            (effect["kind"], effect["target"])
            for line in self.simulator.control.log(effects=True)
            if line["path"] and not line["path"].startswith("/_simulator")
            for effect in line["effects"]
            # What reading a feed needs is no step's.
            if effect["kind"] != "activity.subscribe"
        ]


def connect(tenant: Tenant, simulator: RunningSimulator) -> Clinic:
    """Connect a tenant to the simulator's first organisation, as a technician would."""
    told = simulator.control.tenants()[0]
    app = told["apps"][0]
    with scope.tenant(tenant.id):
        connections.create(
            connector="microsoft365",
            name="Microsoft 365",
            settings={
                "tenant_id": told["id"],
                "client_id": app["client_id"],
                "login_endpoint": simulator.base_url,
                "graph_endpoint": simulator.base_url,
                "exchange_endpoint": simulator.base_url,
                "activity_endpoint": simulator.base_url,
            },
            secrets={"client_secret": app["secret"]},
            actor="test",
        )
        assert Connection.objects.filter(connector="microsoft365").count() == 1
    return Clinic(tenant, simulator, told["id"])
