"""An account that Active Directory governs is contained once, on both sides, in the right order."""

from collections.abc import Iterator

import pytest

from playbooks import approvals
from playbooks.engagement import TIERS
from playbooks.models import Approval, Plan
from playbooks.response import respond
from tenants import scope
from tenants.models import Account, Case, PlaybookMode, Tenant
from tests.pipeline import drain
from tests.playbooks.cases import give_evidence, make_account, make_case
from tests.playbooks.vendor import Vendor, connect, vendors

pytestmark = pytest.mark.django_db

SID = "S-1-5-21-1-2-3-1104"


@pytest.fixture
def both(monkeypatch) -> Iterator[dict[str, Vendor]]:
    with vendors(monkeypatch, "microsoft365", "active_directory") as made:
        yield made


@pytest.fixture
def client(tenant: Tenant, both) -> Tenant:
    Tenant.objects.filter(id=tenant.id).update(playbook_mode=PlaybookMode.AUTOMATIC)
    with scope.tenant(tenant.id):
        for name in both:
            connect(name)
    return tenant


def attacked(client: Tenant, *, authority: str, has_twin: bool) -> Case:
    """Let the account of a case be proven to be taken over, and plan what follows."""
    with scope.tenant(client.id):
        case = make_case(make_account(source_of_authority=authority, on_premises_sid=SID))
        if has_twin:
            Account.objects.create(
                provider="active_directory", external_id=SID, username="ACME\\priya.shah",
                on_premises_sid=SID, is_enabled=True, source_of_authority="active_directory",
            )  # fmt: skip
        give_evidence(case)
    respond(client.id, case.id)
    return case


def planned(client: Tenant) -> list[str]:
    with scope.tenant(client.id):
        return [plan.document["playbook"]["id"] for plan in Plan.objects.order_by("created_at")]


def approve_all(client: Tenant) -> None:
    while True:
        with scope.tenant(client.id):
            waiting = list(Approval.objects.filter(decision="pending"))
            if not waiting:
                return
            first = min(waiting, key=lambda row: TIERS.index(row.tier))
            told = {"actor": "technician:ann", "sha256": first.plan.sha256}
            approvals.decide(first.id, approve=True, **told)
        drain()


@pytest.mark.parametrize(
    ("authority", "has_twin", "containment"),
    [
        ("cloud", False, "contain-cloud-account"),
        ("cloud", True, "contain-cloud-account"),
        ("active_directory", True, "contain-hybrid-account"),
        ("active_directory", False, "contain-cloud-account"),
        ("unknown", False, "contain-cloud-account"),
    ],
)
def test_exactly_one_containment_is_planned(client, authority, has_twin, containment) -> None:
    attacked(client, authority=authority, has_twin=has_twin)
    assert planned(client) == [containment, "undo-mailbox-tampering"]


def test_the_server_is_dealt_with_first_and_each_step_is_had_once(client, both) -> None:
    case = attacked(client, authority="active_directory", has_twin=True)
    order: list[tuple[str, str]] = []
    for name, vendor in both.items():
        vendor.on_call = lambda action, target, name=name: order.append((name, action))
    drain()
    approve_all(client)
    contained = [one for one in order if not one[1].startswith("mailbox.")]
    assert contained[:3] == [
        ("active_directory", "identity.disable_sign_in"),
        ("active_directory", "identity.reset_password"),
        ("microsoft365", "identity.disable_sign_in"),
    ]
    assert ("microsoft365", "identity.revoke_sessions") in contained[3:]
    assert len(order) == len(set(order))
    with scope.tenant(client.id):
        closed = Case.objects.get(id=case.id)
        assert (closed.status, closed.closed_with_proof) == ("closed", True)


def test_blocked_in_the_cloud_only_the_case_says_what_is_left(client) -> None:
    case = attacked(client, authority="active_directory", has_twin=False)
    drain()
    approve_all(client)
    with scope.tenant(client.id):
        left = Case.objects.get(id=case.id)
    assert left.status == "needs_technician"
    assert left.needs == (
        "priya.shah@acme.example: governed by Active Directory. Block it there too, or the next "
        "sync lets it in again."
    )
