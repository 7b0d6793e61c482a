"""A client's contacts: who is asked, in which order, and what a change does at once."""

import re

import pytest
from django.test import Client

from msp.staff.models import Role
from playbooks.ladder import reminders
from playbooks.models import ClientLink
from tenants import scope
from tenants.models import Contact, LedgerEntry, Tenant, Work
from tests.msp.approval.conftest import Asked, ask
from tests.pipeline import drain

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
OLIVE = {"name": "Olive Owner", "email": "olive@acme.example", "can_approve": "1"}


@pytest.fixture
def asked(tenant: Tenant) -> Asked:
    """A client who is asked: Olive by a link, and Sam after her."""
    return ask(tenant)


def _address(tenant: Tenant, more: str = "add/") -> str:
    return f"/admin/clients/{tenant.slug}/contacts/{more}"


def _add(client: Client, tenant: Tenant, **form: str) -> str:
    return client.post(_address(tenant), form, follow=True).content.decode()


def _row(tenant: Tenant, name: str) -> Contact:
    with scope.tenant(tenant.id):
        return Contact.objects.get(name__startswith=name)


def _do(client: Client, tenant: Tenant, who: str, what: str, **form: str) -> str:
    address = _address(tenant, f"{_row(tenant, who).id}/{what}")
    answer = client.post(address, form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def _order(client: Client, tenant: Tenant) -> list[str]:
    page = client.get(f"/admin/clients/{tenant.slug}/").content.decode()
    section = page[page.index('id="contacts"') :]
    return re.findall(r'<div class="hf-muted">([^<@]+)@', section)


def _ledger(tenant: Tenant, kind: str) -> LedgerEntry:
    with scope.tenant(tenant.id):
        return LedgerEntry.objects.filter(kind=kind).latest("id")


def _recipients(asked: Asked) -> list[str]:
    """Return who at the client can answer by a link now."""
    with scope.tenant(asked.tenant.id):
        links = ClientLink.objects.filter(revoked_at=None).order_by("created_at")
        return [link.recipient for link in links]


def test_a_contact_is_added_shown_and_in_the_ledger(browser, tenant) -> None:
    client = browser(Role.ADMIN, "mira")
    assert "Nobody is named yet" in client.get(f"/admin/clients/{tenant.slug}/").content.decode()
    page = _add(client, tenant, **OLIVE)
    assert "Olive Owner is a contact of" in page
    assert "olive@acme.example" in page
    entry = _ledger(tenant, "contact.added")
    assert (entry.actor, entry.body["email"]) == ("technician:mira", "olive@acme.example")


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"name": " "}, "Enter the contact&#x27;s name."),
        ({"name": "x" * 300}, "longer than 200"),
        ({"email": "olive"}, "Enter an e-mail address"),
        ({"email": f"{'x' * 300}@acme.example"}, "Enter an e-mail address"),
        ({"email": "o\x00@acme.example"}, "Enter an e-mail address"),
        ({"email": "OLIVE@acme.example"}, "Olive Owner has this address already"),
    ],
)
def test_what_cant_be_kept_is_refused_and_stays_in_the_form(browser, tenant, form, told) -> None:
    client = browser(Role.ADMIN)
    _add(client, tenant, **OLIVE)
    page = _add(client, tenant, **{"name": "<b>Sam", "email": "sam@acme.example", **form})
    assert told in page
    assert "<b>Sam" not in page
    with scope.tenant(tenant.id):
        assert Contact.objects.count() == 1


def test_a_name_may_hold_any_character_but_a_nul(browser, tenant) -> None:
    _add(browser(Role.ADMIN), tenant, **{**OLIVE, "name": "Olive\x00\n 🙂"})
    assert _row(tenant, "Olive").name == "Olive\ufffd 🙂"


def test_contacts_are_moved_and_whoever_is_asked_no_more_comes_last(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    for name in ("ann", "bob", "cid"):
        _add(client, tenant, name=name, email=f"{name}@acme.example", can_approve="1")
    _do(client, tenant, "cid", "move/", direction="earlier")
    assert _order(client, tenant) == ["ann", "cid", "bob"]
    _do(client, tenant, "ann", "move/", direction="later")
    assert _order(client, tenant) == ["cid", "ann", "bob"]
    _do(client, tenant, "cid", "move/", direction="earlier")
    _do(client, tenant, "bob", "move/", direction="later")
    assert _order(client, tenant) == ["cid", "ann", "bob"]
    _do(client, tenant, "cid", "active/", asked="no")
    assert _order(client, tenant) == ["ann", "bob", "cid"]
    assert "not asked at present" in _do(client, tenant, "cid", "move/", direction="earlier")
    _do(client, tenant, "cid", "active/", asked="yes")
    assert _order(client, tenant) == ["ann", "bob", "cid"]
    assert _row(tenant, "cid").is_active
    moved = _ledger(tenant, "contact.moved")
    assert moved.body["order"] == ["cid@acme.example", "ann@acme.example", "bob@acme.example"]


def test_a_change_is_kept_with_what_was_before(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    _add(client, tenant, **OLIVE)
    form = client.get(_address(tenant, f"{_row(tenant, 'Olive').id}/")).content.decode()
    assert 'value="olive@acme.example"' in form
    _do(client, tenant, "Olive", "", name="Olive Other", email="olive@acme.example")
    contact = _row(tenant, "Olive")
    assert (contact.name, contact.can_approve) == ("Olive Other", False)
    assert _ledger(tenant, "contact.changed").body["before"]["name"] == "Olive Owner"


def test_nothing_is_noted_where_nothing_changed(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    _add(client, tenant, **OLIVE)
    _do(client, tenant, "Olive", "", **OLIVE)
    with scope.tenant(tenant.id):
        assert not LedgerEntry.objects.filter(kind="contact.changed").exists()


@pytest.mark.parametrize(
    ("what", "form"),
    [
        ("active/", {"asked": "no"}),
        ("", {"name": "Olive Owner", "email": "owner@acme.example"}),
    ],
)
def test_who_may_decide_no_more_cant_and_the_next_is_asked_at_once(
    browser, asked: Asked, what, form
) -> None:
    _do(browser(Role.ADMIN), asked.tenant, "Olive", what, **form)
    answer = Client().get(asked.path)
    assert "This is no longer for you to decide" in answer.content.decode()
    drain(["remind"])
    assert _recipients(asked) == ["second.owner@acme.example"]
    with scope.tenant(asked.tenant.id):
        link = ClientLink.objects.get(recipient="second.owner@acme.example")
        assert Work.objects.filter(kind="notify", subject=link.id).exists()


def test_a_decision_by_a_link_made_before_is_refused(browser, asked: Asked) -> None:
    _do(browser(Role.ADMIN), asked.tenant, "Olive", "active/", asked="no")
    form = {"decision": "approve", "name": "Olive", "sha256": asked.plan.sha256}
    assert Client().post(asked.path, form).status_code == 404
    with scope.tenant(asked.tenant.id):
        asked.approval.refresh_from_db()
    assert asked.approval.decision == "pending"


def test_another_address_ends_the_old_link_and_gets_a_new_one(browser, asked: Asked) -> None:
    form = {"name": "Olive Owner", "email": "olive.new@acme.example", "can_approve": "1"}
    _do(browser(Role.ADMIN), asked.tenant, "Olive", "", **form)
    assert Client().get(asked.path).status_code == 404
    drain(["remind"])
    assert _recipients(asked) == ["olive.new@acme.example"]
    _do(browser(Role.ADMIN), asked.tenant, "Olive", "", **{**form, "name": "Olive O."})
    assert _recipients(asked) == ["olive.new@acme.example"]


def test_another_name_leaves_the_link_as_it_is(browser, asked: Asked) -> None:
    form = {"name": "Olive O.", "email": "owner@acme.example", "can_approve": "1"}
    _do(browser(Role.ADMIN), asked.tenant, "Olive", "", **form)
    drain(["remind"])
    assert _recipients(asked) == ["owner@acme.example"]
    assert Client().get(asked.path).status_code == 200


def test_the_first_contact_named_is_asked_what_waits_already(browser, tenant) -> None:
    asked = ask(tenant)
    with scope.tenant(tenant.id):
        ClientLink.objects.all().delete()
        Contact.objects.all().delete()
        reminders.remind(tenant.id, asked.approval.id)
        assert not ClientLink.objects.exists()
    _add(browser(Role.ADMIN), tenant, **OLIVE)
    drain(["remind"])
    assert _recipients(asked) == ["olive@acme.example"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.TECHNICIAN, Role.APPROVER])
def test_only_an_administrator_names_who_decides(browser, tenant, role) -> None:
    client = browser(role)
    assert client.post(_address(tenant), OLIVE).status_code == 403
    page = client.get(f"/admin/clients/{tenant.slug}/").content.decode()
    assert "Add a contact" not in page
    with scope.tenant(tenant.id):
        assert not Contact.objects.exists()


def test_naming_who_decides_needs_a_second_factor(browser, tenant, settings) -> None:
    settings.REQUIRE_MFA = True
    answer = browser(Role.ADMIN).post(_address(tenant), OLIVE)
    assert (answer.status_code, "2fa" in answer.url) == (302, True)
    with scope.tenant(tenant.id):
        assert not Contact.objects.exists()


def test_a_contact_is_reached_by_its_own_client_only(browser, asked: Asked, other_tenant) -> None:
    olive = _row(asked.tenant, "Olive")
    client = browser(Role.ADMIN)
    for what in ("", "move/", "active/"):
        address = _address(other_tenant, f"{olive.id}/{what}")
        assert client.post(address, {"asked": "no", **OLIVE}).status_code == 404
    assert _row(asked.tenant, "Olive").is_active
