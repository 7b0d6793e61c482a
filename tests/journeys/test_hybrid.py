"""The hybrid promise: an account that Active Directory governs is contained on both sides, and
read back on both. A real domain controller, and the simulated Microsoft 365."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from integrations import connections, polling
from integrations.connectors.active_directory import ids
from integrations.models import FeedState
from playbooks import approvals
from playbooks.models import Approval, Plan, Step
from tenants import scope
from tenants.models import Account, Case
from tests.integrations.active_directory.domain import OLD_PASSWORD, PRIYA
from tests.integrations.active_directory.subject import RealDomain, running_domain
from tests.integrations.simulators.fixtures import running_simulator
from tests.journeys.clinic import Clinic, connect
from tests.pipeline import drain, make_due

pytestmark = pytest.mark.usefixtures("committed_database")
SIGN_IN = "priya.shah@ad.clinic.example"


@dataclass
class Hybrid:
    """A client with a domain of its own, from which Priya's account is synced."""

    clinic: Clinic
    vendor: RealDomain

    def approve(self) -> None:
        """Let a technician approve whatever waits."""
        with scope.tenant(self.clinic.tenant.id):
            for approval in Approval.objects.filter(decision="pending"):
                approvals.decide(
                    approval.id, approve=True, actor="technician:kim", sha256=approval.plan.sha256
                )

    def steps(self) -> dict[str, Step]:
        """The steps of the plan that contains the account, by their names in the playbook."""
        with scope.tenant(self.clinic.tenant.id):
            plans = Plan.objects.filter(document__playbook__id="contain-hybrid-account")
            plan = plans.earliest("created_at")
            names = [step["id"] for step in plan.document["steps"]]
            rows = Step.objects.filter(run__plan=plan).order_by("position")
            return dict(zip(names, rows, strict=True))

    def in_cloud(self) -> dict:
        """The account as Microsoft shows it."""
        graph = self.clinic.simulator.graph()
        user = self.clinic.account().external_id
        return graph.get(f"/users/{user}?$select=id,accountEnabled").json()


@pytest.fixture
def hybrid(make_tenant, settings, tmp_path) -> Iterator[Hybrid]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    settings.SETTLE_SECONDS = 0.2
    with running_domain(tmp_path) as vendor, running_simulator(seed="bec") as simulator:
        _sync(simulator, vendor)
        tenant = make_tenant("contoso-clinic")
        with scope.tenant(tenant.id):
            connections.create(
                connector="active_directory", name="Domain of the clinic",
                settings=vendor.settings, secrets=vendor.secrets, actor="test",
            )  # fmt: skip
        # Both directories are read before any alert, as they are when a client is connected.
        drain({"poll"})
        clinic = connect(tenant, simulator)
        with scope.tenant(tenant.id):
            users = FeedState.objects.get(connection__connector="microsoft365", feed="users")
        polling.poll(tenant.id, users.id)
        yield Hybrid(clinic, vendor)


def _sync(simulator, vendor: RealDomain) -> None:
    """Say in the cloud what Entra Connect says there of an account that it synchronises."""
    directory = simulator.simulator.store.tenants[simulator.control.tenants()[0]["id"]]
    user = next(
        one for one in directory.true_all("users")
        if one["userPrincipalName"].startswith("priya.shah@")
    )  # fmt: skip
    directory.update(
        "users", user["id"],
        {
            "onPremisesSyncEnabled": True,
            "onPremisesSecurityIdentifier": ids.sid_text(vendor.domain.value(PRIYA, "objectSid")),
            "onPremisesSamAccountName": "priya.shah",
            "onPremisesDistinguishedName": PRIYA,
            "onPremisesImmutableId": vendor.domain.guid(PRIYA),
        },
        unseen=True,
    )  # fmt: skip


def test_a_synced_account_is_contained_on_both_sides_and_read_back_on_both(hybrid) -> None:
    drain()
    assert hybrid.clinic.case().status == Case.Status.AWAITING_APPROVAL
    assert hybrid.vendor.requests("MODIFY") == []
    hybrid.approve()
    drain()

    case = hybrid.clinic.case()
    assert case.status == Case.Status.CLOSED, case.needs
    assert case.closed_with_proof
    steps = hybrid.steps()
    assert {step.status for step in steps.values()} == {"verified"}
    assert all(step.read_back["holds"] for step in steps.values())
    assert steps["disable_on_premises"].read_back["observed"] == {"account_enabled": False}
    assert steps["disable_in_cloud"].read_back["observed"] == {"account_enabled": False}
    on_premises = steps["disable_on_premises"]
    assert on_premises.target_external_id == hybrid.vendor.domain.guid(PRIYA)
    assert steps["reset_on_premises"].called_at < steps["disable_in_cloud"].called_at

    # What both really hold, asked past the product: 533 is "disabled", 52e "wrong password".
    domain = hybrid.vendor.domain
    assert int(domain.value(PRIYA, "userAccountControl")) & 2
    assert domain.sign_in_code(SIGN_IN, OLD_PASSWORD) == "52e"
    assert hybrid.in_cloud()["accountEnabled"] is False


def test_one_person_owns_both_accounts(hybrid) -> None:
    drain()
    with scope.tenant(hybrid.clinic.tenant.id):
        cloud = hybrid.clinic.account()
        twin = Account.objects.get(
            provider="active_directory", on_premises_sid=cloud.on_premises_sid
        )
    assert twin.username == "CLINIC\\priya.shah"
    assert cloud.source_of_authority == "active_directory"


def test_a_domain_that_refuses_does_not_keep_the_cloud_open(hybrid) -> None:
    drain()
    hybrid.vendor.fault("refuse", method="MODIFY", status=403)
    hybrid.approve()
    drain()
    steps = hybrid.steps()
    assert steps["disable_on_premises"].status == "failed"
    assert "Write userAccountControl" in steps["disable_on_premises"].error
    assert steps["disable_in_cloud"].status == "verified"
    assert hybrid.in_cloud()["accountEnabled"] is False
    case = hybrid.clinic.case()
    assert case.status == Case.Status.NEEDS_TECHNICIAN
    assert "“Disable sign-in” for CLINIC\\priya.shah failed" in case.needs
    assert not case.closed_with_proof


def test_a_block_that_is_undone_in_the_domain_later_reopens_the_case(hybrid) -> None:
    drain()
    hybrid.approve()
    drain()
    assert hybrid.clinic.case().status == Case.Status.CLOSED
    hybrid.vendor.domain.change(PRIYA, "userAccountControl", "512")
    make_due("recheck")
    drain({"recheck"})
    case = hybrid.clinic.case()
    assert case.status == Case.Status.NEEDS_TECHNICIAN
    assert "no longer holds" in case.needs
