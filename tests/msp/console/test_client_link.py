"""A technician makes a link for a client's contact: shown once to be copied, or sent by mail."""

import re

import pytest
from django.test import Client

from msp.staff.models import Role
from playbooks.models import ClientLink, Plan
from tenants import scope
from tenants.models import Contact, LedgerEntry, Work
from tests.msp.approval.conftest import Asked, ask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]


@pytest.fixture
def asked(tenant) -> Asked:
    return ask(tenant)


def _contact(asked: Asked, position: int = 1) -> Contact:
    with scope.tenant(asked.tenant.id):
        return Contact.objects.get(position=position)


def _make(client: Client, asked: Asked, contact: Contact, **form: str):
    path = f"/admin/approvals/{asked.approval.id}/client-link/"
    return client.post(path, {"contact": str(contact.id), **form}, follow=True)


def test_the_box_names_the_contacts_and_the_links_so_far(browser, asked) -> None:
    page = browser(Role.APPROVER).get(f"/admin/cases/{asked.case.id}/").content.decode()
    assert "Ask the client by a link" in page
    assert "Sam Second, second.owner@acme.example" in page
    assert "owner@acme.example: not sent" in page
    assert "No mail server is set" in page
    assert asked.path not in page


def test_a_link_is_shown_once_and_works(browser, asked) -> None:
    client = browser(Role.APPROVER, "mira")
    page = _make(client, asked, _contact(asked, 2))
    assert "no-store" in page["Cache-Control"]
    [path] = re.findall(r"http://testserver(/approve/[^<\s]+)", page.content.decode())
    assert Client().get(path).status_code == 200
    case_page = client.get(f"/admin/cases/{asked.case.id}/").content.decode()
    assert path.split("/")[2] not in case_page
    with scope.tenant(asked.tenant.id):
        entry = LedgerEntry.objects.filter(kind="client_link.created").order_by("id").last()
        assert entry.actor == "technician:mira"


def test_a_newer_link_takes_the_place_of_the_older(browser, asked) -> None:
    _make(browser(Role.APPROVER), asked, _contact(asked))
    assert "There is a newer message" in Client().get(asked.path).content.decode()


def test_a_link_is_sent_where_that_is_asked_for(browser, asked) -> None:
    page = _make(browser(Role.APPROVER), asked, _contact(asked, 2), send="1").content.decode()
    assert "A link is on its way to second.owner@acme.example" in page
    assert "/approve/" not in page
    with scope.tenant(asked.tenant.id):
        link = ClientLink.objects.get(recipient="second.owner@acme.example")
        assert Work.objects.filter(kind="notify", subject=link.id).exists()


def test_only_the_clients_own_contacts_who_may_approve_are_asked(
    browser, asked, other_tenant
) -> None:
    stranger = _contact(ask(other_tenant, "owner@beta.example"))
    client = browser(Role.APPROVER)
    assert "Choose one of the client" in _make(client, asked, stranger).content.decode()
    with scope.tenant(asked.tenant.id):
        Contact.objects.filter(position=2).update(can_approve=False)
    assert "may not approve" in _make(client, asked, _contact(asked, 2)).content.decode()
    with scope.tenant(asked.tenant.id):
        assert ClientLink.objects.count() == 1


def test_what_technicians_approve_is_not_sent_to_the_client(browser, rows) -> None:
    with scope.tenant(rows.tenant.id):
        contact = Contact.objects.create(name="Olive", email="o@acme.example")
    path = f"/admin/approvals/{rows.approval.id}/client-link/"
    page = browser(Role.APPROVER).post(path, {"contact": str(contact.id)}, follow=True)
    assert "Only what the client has to approve" in page.content.decode()


def test_who_asked_for_the_plan_does_not_see_its_link(browser, asked) -> None:
    """He may not approve it in the console, nor by a link that is shown to him."""
    with scope.tenant(asked.tenant.id):
        Plan.objects.filter(id=asked.plan.id).update(requested_by="technician:mira")
    mira = browser(Role.APPROVER, "mira")
    page = _make(mira, asked, _contact(asked)).content.decode()
    assert "have it sent by mail" in page
    assert "/approve/" not in page
    assert "on its way" in _make(mira, asked, _contact(asked), send="1").content.decode()
    shown = _make(browser(Role.APPROVER), asked, _contact(asked, 2)).content.decode()
    assert "/approve/" in shown
