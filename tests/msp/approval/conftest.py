"""A client whose consent is asked for, with people who may give it."""

from dataclasses import dataclass

import pytest

from playbooks.ladder import client_links
from playbooks.models import Approval, ClientLink, Plan
from tenants import scope
from tenants.models import Case, Contact, Tenant
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import policy

_VERDICT = {
    "playbook": "investigate-account-takeover",
    "version": "1",
    "rule": "foreign-sign-in",
    "confidence": "high",
    "because": "Somebody signed in from a country never seen before and hid mail about invoices.",
}


@dataclass
class Asked:
    """One plan that waits for the client, and a link to decide on it."""

    tenant: Tenant
    case: Case
    plan: Plan
    approval: Approval
    link: ClientLink
    path: str


def ask(tenant: Tenant, email: str = "owner@acme.example") -> Asked:
    """Plan for a client account under rules that demand the client's consent."""
    with scope.tenant(tenant.id):
        contact = Contact.objects.create(name="Olive Owner", email=email, position=1)
        Contact.objects.create(name="Sam Second", email=f"second.{email}", position=2)
        case = make_case(make_account(), verdict_detail=_VERDICT)
        plan = make_plan(case, policy(default="client"))
        approval = plan.approvals.get()
        link = client_links.create(approval.id, contact, actor="technician:mira", send=False)
    return Asked(tenant, case, plan, approval, link, f"/approve/{client_links.token(link)}/")


@pytest.fixture
def asked(tenant: Tenant) -> Asked:
    """A client who is asked."""
    return ask(tenant)
