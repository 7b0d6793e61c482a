"""Important people by hand: who may name them, what it does, and that no feed overwrites it."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from msp.staff.models import Role
from playbooks.investigating import directory_facts
from tenants import intake, scope
from tenants.models import Account, Device, LedgerEntry, Tenant, Work
from tenants.records import DirectoryItem, SourceRecord

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
NAME = "priya.shah@acme.example"


def _told(**attributes: object) -> None:
    item = DirectoryItem("account", "u-1", NAME, attributes={"email": NAME, **attributes})
    intake.take(
        connector="microsoft365",
        feed="users",
        records=[SourceRecord({"id": "u-1", **attributes})],
        normalise=lambda record: item,
    )


@pytest.fixture
def account(tenant: Tenant) -> Account:
    with scope.tenant(tenant.id):
        _told()
        return Account.objects.get()


def _is_vip(tenant: Tenant) -> list[bool]:
    with scope.tenant(tenant.id):
        rows = Account.objects.select_related("person").order_by("provider")
        return [directory_facts.account(row)["is_vip"] for row in rows]


def _run(*arguments: str) -> str:
    out = StringIO()
    call_command("vip", *arguments, stdout=out)
    return out.getvalue()


def _post(browser, tenant: Tenant, role: Role = Role.TECHNICIAN, **form: str) -> str:
    web = browser(role, f"mira-{role}")
    answer = web.post(f"/admin/clients/{tenant.slug}/important/mark/", form, follow=True)
    return answer.content.decode()


def test_a_technicians_word_stands_above_the_feeds(browser, tenant, account) -> None:
    page = _post(browser, tenant, name=NAME, vip="yes", reason="Runs the clinic")
    assert "is an important person now" in page
    assert "by hand" in page
    assert _is_vip(tenant) == [True]
    with scope.tenant(tenant.id):
        _told(is_vip=False)
        entry = LedgerEntry.objects.get(kind="account.vip")
        assert Work.objects.filter(kind="replan").exists()
    assert (entry.subject, entry.body["reason"]) == (NAME, "Runs the clinic")
    assert entry.actor.startswith("technician:mira")
    assert _is_vip(tenant) == [True]
    _post(browser, tenant, Role.ADMIN, name=NAME, vip="no", reason="Has left the board")
    with scope.tenant(tenant.id):
        _told(is_vip=True)
    assert _is_vip(tenant) == [False]
    assert "not important, by hand" in _run("list", tenant.slug)
    assert "important, as the feeds say" in _run(
        "as-told", tenant.slug, NAME, "--reason", "let the feed say it"
    )
    assert _is_vip(tenant) == [True]


def test_the_word_counts_for_all_accounts_of_the_person(tenant, account) -> None:
    with scope.tenant(tenant.id):
        item = DirectoryItem("account", "g-1", NAME, attributes={"email": NAME})
        intake.take(
            connector="google_workspace",
            feed="users",
            records=[SourceRecord({"id": "g-1"})],
            normalise=lambda record: item,
        )
        assert len(set(Account.objects.values_list("person", flat=True))) == 1
    _run("mark", tenant.slug, "u-1", "--reason", "Runs the clinic")
    assert _is_vip(tenant) == [True, True]
    # What nobody tells of any more is over with the word.
    _run("as-told", tenant.slug, "g-1", "--reason", "by mistake")
    assert _is_vip(tenant) == [False, False]


def test_an_account_that_is_no_persons_may_be_important_too(tenant, account) -> None:
    with scope.tenant(tenant.id):
        Account.objects.update(kind="service", person=None)
    _run("mark", tenant.slug, NAME, "--reason", "Moves the money")
    assert _is_vip(tenant) == [True]


def test_without_a_reason_or_an_account_nothing_is_kept(browser, tenant, account) -> None:
    assert "Say why" in _post(browser, tenant, name=NAME, vip="yes", reason=" ")
    with pytest.raises(CommandError, match="knows no account"):
        _run("mark", tenant.slug, "nobody", "--reason", "x")
    assert _is_vip(tenant) == [False]


def test_another_clients_account_is_not_there(browser, tenant, other_tenant, account) -> None:
    page = _post(browser, other_tenant, name=NAME, vip="yes", reason="x")
    assert "The directory knows no account" in page
    assert _is_vip(tenant) == [False]


def test_a_technician_says_whether_the_internet_reaches_a_device(browser, tenant) -> None:
    with scope.tenant(tenant.id):
        for provider in ("ninjaone", "defender_endpoint"):
            Device.objects.create(provider=provider, external_id=provider, hostname="WEB1.acme.lan")
    where = f"/admin/clients/{tenant.slug}/important/devices/"
    web = browser(Role.TECHNICIAN)
    told = {"device": "web1", "exposed": "yes", "device_reason": "Serves the portal"}
    assert "give its whole hostname" in web.post(where, told | {"device": "x"}).content.decode()
    assert "Say why" in web.post(where, told | {"device_reason": " "}).content.decode()
    page = web.post(where, told, follow=True).content.decode()
    assert "weighs more from now on" in page
    assert page.count("Serves the portal") == 2
    assert browser(Role.VIEWER, "vic").post(where, told).status_code == 403
    with scope.tenant(tenant.id):
        assert set(Device.objects.values_list("exposed_by_hand", flat=True)) == {True}
        assert LedgerEntry.objects.filter(kind="device.exposed").count() == 2
        assert Work.objects.filter(kind="replan").exists()
    web.post(where, told | {"exposed": "as_told"})
    with scope.tenant(tenant.id):
        assert set(Device.objects.values_list("exposed_by_hand", flat=True)) == {None}
