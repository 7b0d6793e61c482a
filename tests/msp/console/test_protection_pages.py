"""Protected accounts and the MSP's own identities: who may name them, and what it does."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from msp.staff.models import Role
from tenants import protection, scope
from tenants.models import Account, Installation, LedgerEntry, Tenant
from tests.playbooks.cases import make_account

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
NAME = "priya.shah@acme.example"


@pytest.fixture
def account(tenant: Tenant) -> Account:
    with scope.tenant(tenant.id):
        return make_account()


def _address(tenant: Tenant, more: str = "") -> str:
    return f"/admin/clients/{tenant.slug}/protected/{more}"


def _reread(account: Account) -> Account:
    with scope.tenant(account.tenant_id):
        return Account.objects.get(id=account.id)


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command("protect", *arguments, stdout=out)
    return out.getvalue()


def test_a_technician_protects_an_account_at_every_provider(browser, tenant, account) -> None:
    with scope.tenant(tenant.id):
        twin = Account.objects.create(
            provider="active_directory", external_id="guid", username=NAME.upper()
        )
    web = browser(Role.TECHNICIAN, "mira")
    form = {"name": NAME, "kind": "break_glass", "reason": "Opens the door when all else fails"}
    page = web.post(_address(tenant, "add/"), form, follow=True).content.decode()
    assert "No action touches" in page
    assert page.count("Emergency account</span>") == 2
    assert _reread(account).is_break_glass
    assert _reread(twin).is_protected
    with scope.tenant(tenant.id):
        entry = LedgerEntry.objects.filter(kind="account.protected").first()
    assert (entry.actor, entry.body["reason"]) == ("technician:mira", form["reason"])


def test_only_an_administrator_ends_it_and_says_why(browser, tenant, account) -> None:
    _run("account", tenant.slug, NAME, "--exclude", "--reason", "as agreed")
    end = _address(tenant, f"{account.id}/end/")
    assert browser(Role.APPROVER).post(end, {"reason": "x"}).status_code == 403
    web = browser(Role.ADMIN)
    assert "Say why" in web.post(end, {"reason": " "}, follow=True).content.decode()
    assert _reread(account).is_protected
    page = web.post(end, {"reason": "It is a person's now"}, follow=True).content.decode()
    assert "like any other now" in page
    assert not _reread(account).is_protected


def test_another_clients_account_is_not_there(browser, tenant, other_tenant, account) -> None:
    end = f"/admin/clients/{other_tenant.slug}/protected/{account.id}/end/"
    assert browser(Role.ADMIN).post(end, {"reason": "x"}).status_code == 404
    web = browser(Role.TECHNICIAN)
    form = {"name": NAME, "kind": "excluded", "reason": "x"}
    page = web.post(_address(other_tenant, "add/"), form).content.decode()
    assert "The directory knows no account" in page
    assert not _reread(account).is_protected


def test_without_any_the_page_says_what_is_missing(browser, tenant) -> None:
    page = browser(Role.VIEWER).get(_address(tenant)).content.decode()
    assert "No account of this client is protected" in page
    assert "Protect it" not in page


def test_own_identities_are_kept_for_all_clients_and_told_in_each_ledger(
    browser, tenant, other_tenant
) -> None:
    web = browser(Role.ADMIN, "ada")
    told = " Tech@MSP.example \n\n@msp.example\n"
    page = web.post("/admin/own-identities/", {"identities": told}, follow=True).content.decode()
    assert "@msp.example\ntech@msp.example" in page
    assert Installation.objects.get().own_identities == ["@msp.example", "tech@msp.example"]
    for one in (tenant, other_tenant):
        with scope.tenant(one.id):
            entry = LedgerEntry.objects.get(kind="installation.own_identities")
        assert (entry.actor, entry.body["before"]) == ("technician:ada", [])


@pytest.mark.parametrize("told", ["@", "a name with spaces", "x" * 400])
def test_what_is_no_identity_is_refused_and_shown_again(browser, told) -> None:
    page = browser(Role.ADMIN).post("/admin/own-identities/", {"identities": told})
    assert 'role="alert"' in page.content.decode()
    assert told[:300] in page.content.decode()
    assert protection.own_identities() == []


def test_who_does_not_see_every_client_names_no_own_identities(browser, tenant) -> None:
    web = browser(Role.ADMIN, tenants=[tenant])
    web.post("/admin/own-identities/", {"identities": "@msp.example"})
    assert protection.own_identities() == []


def test_the_command_does_the_same(tenant, account) -> None:
    told = _run("account", tenant.slug, NAME, "--break-glass", "--reason", "door")
    assert told == f"{NAME} (microsoft365): emergency account\n"
    assert _run("list", tenant.slug) == told
    assert _run("own", "@MSP.example") == "@msp.example\n"
    assert _run("own") == "@msp.example\n"
    assert _run("own", "--clear") == ""
    cleared = _run("account", tenant.slug, NAME, "--clear", "--reason", "no more")
    assert "not protected" in cleared
    with pytest.raises(CommandError, match="knows no account"):
        _run("account", tenant.slug, "nobody", "--exclude", "--reason", "x")
