"""Protected accounts and the MSP's own identities: who may name them, and what it does."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from msp.staff.models import Role
from tenants import protection, scope
from tenants.models import Account, Device, Installation, LedgerEntry, Tenant
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


@pytest.fixture
def device(tenant: Tenant) -> Device:
    with scope.tenant(tenant.id):
        return Device.objects.create(
            provider="defender_endpoint", external_id="m-1", hostname="XRAY-01.acme.example"
        )


def _still(device: Device) -> Device:
    with scope.tenant(device.tenant_id):
        return Device.objects.get(id=device.id)


def test_a_technician_excludes_a_device_at_every_connector(browser, tenant, device) -> None:
    with scope.tenant(tenant.id):
        other = Device.objects.create(provider="crowdstrike", external_id="aid", hostname="xray-01")
    web = browser(Role.TECHNICIAN, "mira")
    day = (timezone.now() + dt.timedelta(days=40)).date()
    form = {"device": "xray-01", "device_reason": "A patient is on it", "until": str(day)}
    page = web.post(_address(tenant, "devices/"), form, follow=True).content.decode()
    assert f"{day:%-d %B %Y}" in page
    assert page.count("A patient is on it") == 2
    assert _still(device).is_protected
    assert _still(other).is_protected
    with scope.tenant(tenant.id):
        entry = LedgerEntry.objects.filter(kind="device.excluded").first()
    assert (entry.actor, entry.body["reason"]) == ("technician:mira", "A patient is on it")
    # Its end comes by itself.
    with scope.tenant(tenant.id):
        Device.objects.update(excluded_until=timezone.now() - dt.timedelta(seconds=1))
    assert not _still(device).is_protected
    assert "A patient is on it" not in web.get(_address(tenant)).content.decode()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"device": "nowhere"}, "knows no device"),
        ({"device_reason": " "}, "Say why"),
        ({"until": "soon"}, "is no day"),
        ({"until": "2020-01-01"}, "is over"),
    ],
)
def test_what_is_wrong_with_an_exclusion_is_said(browser, tenant, device, told, says) -> None:
    form = {"device": "xray-01", "device_reason": "why", "until": "", **told}
    page = browser(Role.TECHNICIAN).post(_address(tenant, "devices/"), form).content.decode()
    assert says in page
    assert 'role="alert"' in page
    assert not _still(device).is_excluded


def test_only_an_administrator_ends_an_exclusion(browser, tenant, other_tenant, device) -> None:
    _run("device", tenant.slug, "XRAY-01", "--exclude", "--reason", "as agreed")
    end = _address(tenant, f"devices/{device.id}/end/")
    assert browser(Role.APPROVER).post(end, {"reason": "x"}).status_code == 403
    web = browser(Role.ADMIN)
    elsewhere = f"/admin/clients/{other_tenant.slug}/protected/devices/{device.id}/end/"
    assert web.post(elsewhere, {"reason": "x"}).status_code == 404
    assert "Say why" in web.post(end, {"reason": " "}, follow=True).content.decode()
    assert _still(device).is_protected
    page = web.post(end, {"reason": "It was replaced"}, follow=True).content.decode()
    assert "like any other now" in page
    assert not _still(device).is_protected


def test_the_command_excludes_a_device_as_well(tenant, device) -> None:
    told = _run("device", tenant.slug, "m-1", "--exclude", "--reason", "line 3 stops")
    assert told == "XRAY-01.acme.example (defender_endpoint): excluded\n"
    assert _run("list", tenant.slug) == told
    with scope.tenant(tenant.id):
        Tenant.objects.filter(id=tenant.id).update(time_zone="Europe/London")
    until = _run(
        "device", tenant.slug, "m-1", "--exclude", "--until", "2999-12-31", "--reason", "x"
    )
    assert "excluded until 2999-12-31 23:59 UTC" in until
    cleared = _run("device", tenant.slug, "m-1", "--clear", "--reason", "no more")
    assert "not protected" in cleared


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
