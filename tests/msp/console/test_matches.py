"""The page of doubtful matches: what it shows, and what a technician decides there."""

from html import unescape

import pytest
from django.core.management import call_command
from django.test import Client

from msp.staff.models import Role
from tenants import directory, match_decisions, scope
from tenants.models import Account, LedgerEntry, MatchDecision, MatchDoubt
from tenants.records import DirectoryItem
from tests.msp.console.forms import form_of
from tests.msp.console.rows import Rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]


def _page(client: Client) -> str:
    return unescape(client.get("/admin/matches/").content.decode())


def _decide(client: Client, rows: Rows, decision: str, **more: str) -> str:
    address = f"/admin/matches/{rows.doubt.id}/decide/"
    form = form_of(_page(client), address) | {"decision": decision, "comment": "She told me."}
    return unescape(client.post(address, form | more, follow=True).content.decode())


def _people(rows: Rows) -> int:
    with scope.tenant(rows.tenant.id):
        jo = Account.objects.filter(external_id__in=["jo", "jo-admin"])
        return jo.values("person").distinct().count()


def test_the_page_shows_both_sides_and_why(browser, rows: Rows) -> None:
    page = _page(browser(Role.TECHNICIAN))
    domain = f"{rows.tenant.slug}.example"
    for words in (
        f"adm-jo@{domain}",
        f"Both have the address jo.reed@{domain}.",
        "Both have an account at Microsoft 365",
        "Kim's father has the same name.",
        "Two people",
    ):
        assert words in page


def test_joining_makes_one_person_and_can_be_taken_back(browser, rows: Rows) -> None:
    client = browser(Role.TECHNICIAN, "mira")
    assert _people(rows) == 2
    assert "They are one person from now on." in _decide(client, rows, "join")
    assert _people(rows) == 1
    with scope.tenant(rows.tenant.id):
        decision = MatchDecision.objects.get(is_same=True)
        entry = LedgerEntry.objects.get(kind="person.joined")
    assert (entry.actor, entry.body["comment"]) == ("technician:mira", "She told me.")
    address = f"/admin/matches/decided/{decision.id}/revert/"
    told = client.post(address, follow=True).content.decode()
    assert "The decision is taken back" in told
    assert _people(rows) == 2
    assert "reverted already" in client.post(address, follow=True).content.decode()


def test_keeping_apart_settles_it(browser, rows: Rows) -> None:
    told = _decide(browser(Role.TECHNICIAN), rows, "apart")
    assert "They stay two people" in told
    assert "No match is doubtful." in told
    assert _people(rows) == 2


def test_what_changed_meanwhile_is_looked_at_again(browser, rows: Rows) -> None:
    client = browser(Role.TECHNICIAN)
    address = f"/admin/matches/{rows.doubt.id}/decide/"
    form = form_of(_page(client), address) | {"decision": "join"}
    with scope.tenant(rows.tenant.id):
        jo = Account.objects.get(external_id="jo-admin").username
        told = {"username": jo, "email": jo}
        directory.apply("google_workspace", [(DirectoryItem("account", "g", jo, "", told), "g")])
        assert MatchDoubt.objects.count() >= 1
    assert "Other accounts belong to these people by now" in unescape(
        client.post(address, form, follow=True).content.decode()
    )
    assert "Choose whether" in client.post(address, {}, follow=True).content.decode()


def test_a_viewer_reads_and_has_no_buttons(browser, rows: Rows) -> None:
    page = _page(browser(Role.VIEWER))
    assert "Are these one person?" in page
    assert "keep apart" not in page
    assert "Take back" not in page


def test_the_list_can_be_of_one_client(browser, rows: Rows, other_rows: Rows) -> None:
    client = browser(Role.TECHNICIAN)
    assert other_rows.tenant.slug in _page(client)
    page = client.get(f"/admin/matches/?client={rows.tenant.slug}").content.decode()
    assert other_rows.tenant.slug not in page
    assert f"adm-jo@{rows.tenant.slug}.example" in page


def test_accounts_that_were_joined_wrongly_are_parted(browser, rows: Rows) -> None:
    domain = f"{rows.tenant.slug}.example"
    with scope.tenant(rows.tenant.id):
        lee = {"email": f"lee@{domain}", "display_name": "Lee"}
        told = DirectoryItem("account", "lee", f"lee@{domain}", attributes=lee)
        directory.apply("microsoft365", [(told, "a")])
        directory.apply("google_workspace", [(told, "b")])
        one, other = Account.objects.filter(external_id="lee")
        assert one.person_id == other.person_id
    client = browser(Role.TECHNICIAN, "mira")
    address = f"/admin/matches/accounts/{one.id}/part/"
    page = unescape(client.get("/admin/matches/?q=LEE@").content.decode())
    form = form_of(page, address) | {"other": str(other.id), "comment": "A new Lee."}
    assert "two people from now on" in client.post(address, form, follow=True).content.decode()
    with scope.tenant(rows.tenant.id):
        assert Account.objects.filter(external_id="lee").values("person").distinct().count() == 2
        entry = LedgerEntry.objects.get(kind="person.parted")
        assert (entry.actor, entry.body["comment"]) == ("technician:mira", "A new Lee.")
        # All that is known is weighed again, and the decision holds.
        directory.apply("google_workspace", [(told, "c")])
    call_command("people", "weigh", rows.tenant.slug)
    with scope.tenant(rows.tenant.id):
        assert Account.objects.filter(external_id="lee").values("person").distinct().count() == 2
    assert "not one person's by now" in unescape(
        client.post(address, form, follow=True).content.decode()
    )
    assert "Choose the account" in client.post(address, {}, follow=True).content.decode()


def test_people_that_were_joined_by_older_rules_are_found_anew(rows: Rows) -> None:
    with scope.tenant(rows.tenant.id):
        jo, kim = (Account.objects.get(external_id=one) for one in ("jo", "kim"))
        Account.objects.filter(id=kim.id).update(person=jo.person_id)
        assert match_decisions.weigh_all(actor="operator:test") >= 1
        kim.refresh_from_db()
        assert kim.person_id not in (None, jo.person_id)
