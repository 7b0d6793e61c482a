"""Routines in the console: chosen, filled in, begun now or later, shown as a case, cancelled."""

import datetime as dt
import re
from types import MappingProxyType
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations import registry
from integrations.models import Connection
from msp.console.routine_pages import moment
from msp.staff.models import Role
from playbooks import language, routines
from playbooks.adoption import activation
from playbooks.adoption.versions import remember
from tenants import scope
from tenants.models import Account, Case, LedgerEntry, Tenant, Work
from tests.msp.console.forms import form_of
from tests.pipeline import drain, make_due
from tests.playbooks.cases import make_account

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
EVERYTHING = """\
id: everything
version: "1"
kind: routine
title: Every kind of input
summary: We tried it.
inputs:
  text: {type: string, title: A text, default: hello}
  must: {type: string, title: A text that is needed, required: true}
  flag: {type: boolean, title: A flag, default: true}
  count: {type: integer, title: A number, default: 90}
  names: {type: list, title: Names, default: [a, b]}
  more: {type: object, title: More}
steps:
  - id: sessions
    uses: identity.revoke_sessions
    target: account
    why: Asked for by ${ inputs.must }.
tests:
  - name: one
    change: {inputs: {must: x}}
    expect: {tier: technician}
"""


@pytest.fixture
def client(tenant: Tenant) -> Tenant:
    """A client in London with an account, who has a routine with every kind of input."""
    tenant.time_zone = "Europe/London"
    tenant.save()
    with scope.tenant(tenant.id):
        make_account()
        playbook = language.load(EVERYTHING, "everything.yaml")
        activation.activate(remember(playbook), "approve", actor="technician:ann")
    return tenant


def _address(tenant: Tenant, playbook_id: str = "everything") -> str:
    return f"/admin/clients/{tenant.slug}/routines/{playbook_id}/"


def _form(web: Client, tenant: Tenant, playbook_id: str = "everything") -> dict[str, Any]:
    address = _address(tenant, playbook_id)
    return form_of(web.get(address).content.decode(), address)


def _start(web: Client, tenant: Tenant, **more: Any) -> str:
    form = _form(web, tenant) | {"account": "priya.shah@acme.example", "input-must": "x"} | more
    answer = web.post(_address(tenant), form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def _cases(tenant: Tenant) -> list[Case]:
    with scope.tenant(tenant.id):
        return list(Case.objects.filter(kind="routine").order_by("number"))


def test_a_clients_routines_are_listed_with_what_they_lack(
    browser, client, other_tenant, monkeypatch
) -> None:
    web = browser(Role.TECHNICIAN)
    address = f"/admin/routines/?client={client.slug}"
    assert "Every kind of input" not in web.get("/admin/routines/").content.decode()
    with scope.tenant(client.id):
        Connection.objects.create(connector="microsoft365", name="Microsoft 365")
    assert "Needs:" not in _listed(web, address)
    monkeypatch.setattr(registry, "CONNECTORS", MappingProxyType({}))
    lacks = "a connector that can do “Revoke all sign-in sessions”"
    assert f"Needs: {lacks}" in _listed(web, address)
    assert f"Needs: {lacks}." in web.get(_address(client)).content.decode()


def _listed(web: Client, address: str) -> str:
    """Return what the list says of the routine with every kind of input."""
    page = web.get(address).content.decode()
    return page[page.index("Every kind of input") :].partition("</li>")[0]


def test_a_viewer_reads_of_routines_and_starts_none(browser, client) -> None:
    page = browser(Role.VIEWER).get(f"/admin/routines/?client={client.slug}").content.decode()
    assert "Every kind of input" in page
    assert _address(client) not in page


def test_the_fields_have_the_playbooks_types_and_defaults(browser, client) -> None:
    form = _form(browser(Role.TECHNICIAN), client)
    del form["once"]
    assert form == {
        "account": [""], "at": [""], "input-text": ["hello"], "input-must": [""],
        "input-flag": ["1"], "input-count": ["90"], "input-names": ["a\nb"], "input-more": [""],
    }  # fmt: skip


def test_what_is_filled_in_begins_now_and_its_case_is_shown(browser, client) -> None:
    page = _start(
        browser(Role.TECHNICIAN, "tom"), client,
        **{"input-count": "7", "input-names": "c\r\n\r\n d \r\n", "input-more": '{"k": [1]}'},
    )  # fmt: skip
    assert "It begins now." in page
    assert "Every kind of input: priya.shah" in page
    assert "Routine" in page
    assert "No verdict yet" not in page
    [case] = _cases(client)
    assert case.request["inputs"] == {
        "text": "hello", "must": "x", "flag": True, "count": 7, "names": ["c", "d"],
        "more": {"k": [1]},
    }  # fmt: skip
    assert case.request["by"] == "technician:tom"
    with scope.tenant(client.id):
        assert LedgerEntry.objects.get(kind="routine.started").actor == "technician:tom"
        assert Work.objects.get(kind="routine").due_at <= timezone.now()


def test_an_unticked_box_is_no_and_an_emptied_field_is_empty(browser, client) -> None:
    web = browser(Role.TECHNICIAN)
    form = _form(web, client) | {"account": "PRIYA.shah@acme.example", "input-must": "x"}
    del form["input-flag"]
    web.post(_address(client), form | {"input-text": "", "input-count": "", "input-names": ""})
    inputs = _cases(client)[0].request["inputs"]
    assert (inputs["flag"], inputs["text"]) == (False, "")
    assert (inputs["count"], inputs["names"]) == (90, [])


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"input-must": " "}, "A text that is needed: fill this in."),
        ({"input-count": "many"}, "A number: “many” is no whole number."),
        ({"input-count": "9" * 40}, "is no whole number."),
        ({"input-more": "[1]"}, "More: write a JSON object"),
        ({"input-more": "{" * 5000}, "More: write a JSON object"),
        ({"account": ""}, "Say which account it is about."),
        ({"account": "no\x00body"}, "This client has no account"),
        ({"at": "tomorrow"}, "“tomorrow” is no date and time"),
        ({"at": "2020-01-01T10:00"}, "The time has passed"),
        ({"at": "2199-01-01T10:00"}, "more than a year ahead"),
        ({"at": "0001-01-01T00:00"}, "The time has passed"),
    ],
)
def test_what_cant_begin_is_refused_and_stays_in_the_form(browser, client, form, told) -> None:
    web = browser(Role.TECHNICIAN)
    page = _start(web, client, **{"input-text": "<i>kept", **form})
    assert told in page
    assert form_of(page, _address(client))["input-text"] == ["<i>kept"]
    assert "<i>kept" not in page
    assert _cases(client) == []


def test_everything_that_is_wrong_is_told_at_once(browser, client) -> None:
    page = _start(browser(Role.TECHNICIAN), client, account="x", at="y", **{"input-must": ""})
    assert page.count("<li>") >= 3
    for told in ("fill this in", "no account “x”", "“y” is no date"):
        assert told in page


def test_a_clients_own_defaults_stand_in_the_form_and_are_kept_from_it(browser, client) -> None:
    admin = browser(Role.ADMIN, "mira")
    form = _form(admin, client) | {"input-count": "30", "input-text": "", "what": "defaults"}
    del form["input-flag"]
    page = admin.post(_address(client), form, follow=True).content.decode()
    assert "has these defaults now. Nothing was started." in page
    assert _cases(client) == []
    with scope.tenant(client.id):
        assert LedgerEntry.objects.get(kind="routine.defaults_set").actor == "technician:mira"
    technician = browser(Role.TECHNICIAN)
    form = _form(technician, client)
    assert form["input-count"] == ["30"]
    assert "input-flag" not in form
    _start(technician, client)
    assert _cases(client)[0].request["inputs"]["count"] == 30


def test_defaults_that_are_none_of_the_type_are_refused(browser, client) -> None:
    form = {"input-count": "x", "what": "defaults"}
    page = browser(Role.ADMIN).post(_address(client), form, follow=True).content.decode()
    assert "A number: “x” is no whole number." in page
    with scope.tenant(client.id):
        assert not LedgerEntry.objects.filter(kind="routine.defaults_set").exists()


@pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.APPROVER])
def test_only_an_administrator_says_a_clients_defaults(browser, client, role) -> None:
    web = browser(role)
    assert "Only keep these as the defaults" not in web.get(_address(client)).content.decode()
    assert web.post(_address(client), {"what": "defaults"}).status_code == 403


def test_a_form_that_is_sent_twice_begins_one_routine(browser, client) -> None:
    web = browser(Role.TECHNICIAN)
    form = _form(web, client) | {"account": "priya.shah@acme.example", "input-must": "x"}
    addresses = [web.post(_address(client), form).url for _ in range(2)]
    assert addresses[0] == addresses[1]
    assert len(_cases(client)) == 1
    _start(web, client)
    assert [case.number for case in _cases(client)] == [1, 2]


def test_an_account_of_two_providers_is_told_apart(browser, client) -> None:
    with scope.tenant(client.id):
        Account.objects.create(
            provider="active_directory", external_id="S-1", username="Priya.Shah@acme.example"
        )
    web = browser(Role.TECHNICIAN)
    page = web.get(_address(client)).content.decode()
    assert "Priya.Shah@acme.example (active_directory)" in page
    assert "There is more than one account" in _start(web, client)
    _start(web, client, account="priya.shah@acme.example (microsoft365)")
    with scope.tenant(client.id):
        assert Case.objects.select_related("account").get().account.provider == "microsoft365"


def test_a_routine_about_the_whole_client_asks_for_no_account(browser, client) -> None:
    web = browser(Role.TECHNICIAN)
    form = _form(web, client, "access-review")
    assert "account" not in form
    web.post(_address(client, "access-review"), form)
    assert _cases(client)[0].account_id is None


def test_it_begins_at_the_clients_own_time_and_is_listed_until_then(browser, client) -> None:
    at = (timezone.now() + dt.timedelta(days=40)).replace(hour=12, minute=30, second=0)
    local = moment(f"{at:%Y-%m-%dT%H:%M}", "Europe/London")
    web = browser(Role.TECHNICIAN, "tom")
    page = _start(web, client, at=f"{at:%Y-%m-%dT%H:%M}")
    assert f"{at:%b %Y} 12:30 (Europe/London)" in page
    with scope.tenant(client.id):
        assert abs(Work.objects.get(kind="routine").due_at - local) < dt.timedelta(minutes=1)
    listed = web.get("/admin/routines/").content.decode()
    still = listed[listed.index("Still to begin") :]
    assert f"{at:%b %Y} 12:30 (Europe/London)" in still
    assert "priya.shah@acme.example" in still
    drain(["routine"])
    assert _cases(client)[0].status == "new"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("2026-12-01T17:00", "2026-12-01T17:00+00:00"),
        ("2026-07-01T17:00", "2026-07-01T16:00+00:00"),
        # When the clocks go back there are two: the first one.
        ("2026-10-25T01:30", "2026-10-25T00:30+00:00"),
        ("  ", None),
    ],
)
def test_a_moment_is_what_the_clients_clocks_show(told: str, expected: str | None) -> None:
    at = moment(told, "Europe/London")
    assert at == (dt.datetime.fromisoformat(expected) if expected else None)


def test_a_moment_that_the_clocks_leave_out_is_refused() -> None:
    with pytest.raises(ValueError, match="leave out 29 Mar 2026 01:30"):
        moment("2026-03-29T01:30", "Europe/London")


def _scheduled(web: Client, tenant: Tenant) -> Case:
    _start(web, tenant, at=f"{timezone.now() + dt.timedelta(days=3):%Y-%m-%dT%H:%M}")
    return _cases(tenant)[0]


def test_one_that_has_not_begun_is_cancelled_and_does_nothing_at_its_time(browser, client) -> None:
    web = browser(Role.TECHNICIAN, "tom")
    case = _scheduled(web, client)
    address = f"/admin/routines/{case.id}/cancel/"
    assert "Say why it is cancelled" in web.post(address, follow=True).content.decode()
    page = web.post(address, {"reason": "She stays."}, follow=True).content.decode()
    assert "nothing of it was done" in page
    assert "Cancelled before it began: She stays." in page
    make_due("routine")
    drain(["routine"])
    case = _cases(client)[0]
    assert (case.status, case.closed_with_proof) == ("closed", False)
    with scope.tenant(client.id):
        assert not case.evidence.exists()
        assert not case.plans.exists()
        entry = LedgerEntry.objects.get(kind="routine.cancelled")
    assert (entry.actor, entry.body["reason"]) == ("technician:tom", "She stays.")
    assert (
        "It has begun already" in web.post(address, {"reason": "x"}, follow=True).content.decode()
    )


def test_one_that_is_cancelled_while_it_asks_its_questions_is_not_planned(
    browser, client, monkeypatch
) -> None:
    web = browser(Role.TECHNICIAN)
    _start(web, client)
    [case] = _cases(client)

    def gather(*args: Any, **kwargs: Any) -> bool:
        with scope.tenant(client.id):
            routines.cancel(case.id, actor="technician:ann", reason="Wrong person.")
        return True

    monkeypatch.setattr(routines, "gather", gather)
    drain(["routine"])
    with scope.tenant(client.id):
        assert not case.plans.exists()
    assert _cases(client)[0].status == "closed"


def test_one_that_has_begun_is_not_cancelled(browser, client) -> None:
    web = browser(Role.TECHNICIAN)
    _start(web, client)
    drain(["routine"])
    [case] = _cases(client)
    assert case.status != "new"
    page = web.post(f"/admin/routines/{case.id}/cancel/", {"reason": "x"}, follow=True)
    assert "It has begun already" in page.content.decode()
    assert _cases(client)[0].status == case.status


def test_an_incidents_case_is_no_routine_to_cancel(browser, rows) -> None:
    web = browser(Role.TECHNICIAN)
    page = web.post(f"/admin/routines/{rows.case.id}/cancel/", {"reason": "x"}, follow=True)
    assert "It has begun already" in page.content.decode()


def test_a_routine_that_needs_a_technician_is_closed_with_a_note_and_no_verdict(
    browser, client
) -> None:
    web = browser(Role.TECHNICIAN)
    _start(web, client)
    with scope.tenant(client.id):
        Case.objects.update(status=Case.Status.NEEDS_TECHNICIAN, needs="Do it by hand.")
    [case] = _cases(client)
    assert 'name="verdict"' not in web.get(f"/admin/cases/{case.id}/").content.decode()
    web.post(f"/admin/cases/{case.id}/close/", {"note": "Did it in the portal."})
    case = _cases(client)[0]
    assert (case.status, case.verdict, case.closing_note) == (
        "closed", "", "Did it in the portal.",
    )  # fmt: skip


@pytest.mark.parametrize("address", ["/admin/clients/{slug}/routines/everything/", "cancel"])
def test_starting_and_cancelling_need_a_second_factor(browser, client, settings, address) -> None:
    case = _scheduled(browser(Role.TECHNICIAN), client)
    settings.REQUIRE_MFA = True
    path = f"/admin/routines/{case.id}/cancel/" if address == "cancel" else _address(client)
    answer = browser(Role.TECHNICIAN).post(path, {"reason": "x"})
    assert (answer.status_code, "2fa" in answer.url) == (302, True)
    assert [case.status for case in _cases(client)] == ["new"]


def test_lists_name_no_client_that_the_technician_does_not_see(
    browser, client, other_tenant
) -> None:
    case = _scheduled(browser(Role.TECHNICIAN), client)
    web = browser(Role.ADMIN, tenants=[other_tenant])
    page = web.get(f"/admin/routines/?client={client.slug}").content.decode()
    assert client.name not in page
    assert str(case.id) not in page
    assert web.get(_address(client)).status_code == 404
    assert web.post(f"/admin/routines/{case.id}/cancel/", {"reason": "x"}).status_code == 404


def test_an_account_of_another_client_is_not_found(browser, client, other_tenant) -> None:
    with scope.tenant(other_tenant.id):
        make_account("theirs@beta.example")
    page = _start(browser(Role.TECHNICIAN), client, account="theirs@beta.example")
    assert "This client has no account" in page


def test_only_routines_are_started_here(browser, client) -> None:
    web = browser(Role.TECHNICIAN)
    assert web.get(_address(client, "contain-cloud-account")).status_code == 404
    assert not re.search("contain-cloud-account", web.get(
        f"/admin/routines/?client={client.slug}").content.decode())  # fmt: skip


def test_what_a_routine_found_is_shown_with_what_is_left_to_do(browser, client) -> None:
    web = browser(Role.TECHNICIAN)
    _start(web, client)
    found = {"id": "unused", "says": "3 accounts are <unused>.", "to_do": "Block them by hand."}
    with scope.tenant(client.id):
        Case.objects.update(verdict_detail={"playbook": "everything", "results": [found]})
    page = web.get(f"/admin/cases/{_cases(client)[0].id}/").content.decode()
    assert "3 accounts are &lt;unused&gt;." in page
    assert "Block them by hand." in page


def test_one_that_is_still_to_come_does_not_count_as_going_on(browser, client) -> None:
    web = browser(Role.TECHNICIAN)
    _scheduled(web, client)
    assert "<b>0</b><span>cases going on without you" in web.get("/admin/queue/").content.decode()
    _start(web, client)
    assert "<b>1</b><span>case going on without you" in web.get("/admin/queue/").content.decode()
