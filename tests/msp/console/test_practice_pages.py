"""What practice says about a playbook: counted, shown with its cases, promoted, spread."""

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import Connection
from msp.staff.models import Role
from playbooks import approvals, library
from playbooks.adoption import activation, agreement, importing
from playbooks.models import Agreement, Plan
from tenants import scope
from tenants.models import LedgerEntry, Tenant
from tests.conftest import new_tenant
from tests.msp.console.forms import form_of
from tests.playbooks.cases import CONTAIN, make_account, make_case, make_plan

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
ANN = "technician:ann"


def _set(tenant: Tenant, mode: str) -> None:
    with scope.tenant(tenant.id):
        activation.set_mode(CONTAIN, mode, actor=ANN)


def _held(tenant: Tenant) -> activation.InForce:
    with scope.tenant(tenant.id):
        return activation.in_force(CONTAIN)


def _practice(tenant: Tenant, agreed: int, overridden: int = 0) -> list[Plan]:
    """Plans in the past, each approved or rejected."""
    plans = []
    with scope.tenant(tenant.id):
        for number in range(agreed + overridden):
            plan = make_plan(make_case(make_account(f"p{number}@acme.example")))
            is_approved = number < agreed
            approvals.decide(
                plan.approvals.get().id, approve=is_approved, actor=ANN, sha256=plan.sha256
            )
            plans.append(plan)
    return plans


def _get(web: Client, address: str) -> str:
    answer = web.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def _row(page: str, name: str) -> str:
    """Return the words of the table's row that names something."""
    rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    [found] = [row for row in rows if name in row]
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def test_the_list_counts_clients_by_how_far_it_may_go(browser, make_tenant) -> None:
    tenants = [make_tenant(f"client-{number}") for number in range(4)]
    _practice(tenants[1], agreed=3, overridden=1)
    _set(tenants[0], "shadow")
    _set(tenants[1], "approve")
    page = _get(browser(Role.VIEWER), "/admin/playbooks/")
    row = _row(page, "Contain a cloud account")
    assert "Shadow: plans only 1 An approver decides 1 The rules decide 2" in row
    assert "3 of 4 runs (75 %)" in row
    assert re.search("needs: a connection to [^;]*Microsoft 365", row)
    assert "Only reads 4" in _row(page, "Account takeover")


def test_needs_are_told_with_how_many_clients_have_them(browser, make_tenant) -> None:
    for number in range(3):
        tenant = make_tenant(f"client-{number}")
        if number:
            with scope.tenant(tenant.id):
                Connection.objects.create(connector="microsoft365", name="Microsoft 365")
    row = _row(_get(browser(Role.VIEWER), "/admin/playbooks/"), "Contain a cloud account")
    assert re.search("At 1 of 3 clients, such as: needs: a connection to [^;]*Microsoft 365", row)


def test_one_clients_list_shows_its_own_modes_and_practice(browser, tenant, other_tenant) -> None:
    _set(tenant, "shadow")
    _practice(other_tenant, agreed=2)
    web = browser(Role.VIEWER)
    row = _row(_get(web, f"/admin/playbooks/?client={tenant.slug}"), "Contain a cloud account")
    assert "Shadow: plans only" in row
    assert "No run yet Approve needs 5 runs in 90 days; there are 0." in row
    row = _row(_get(web, f"/admin/playbooks/?client={other_tenant.slug}"), "Contain a cloud acc")
    assert "2 of 2 runs (100 %)" in row


def test_the_page_shows_each_client_with_its_numbers_and_cases(
    browser, tenant, other_tenant
) -> None:
    plans = _practice(tenant, agreed=6, overridden=1)
    page = _get(browser(Role.VIEWER), f"/admin/playbooks/{CONTAIN}/")
    row = _row(page, tenant.name)
    assert "The rules decide" not in row  # the override lowered it
    assert "An approver decides 7 6 1 0" in row
    assert "automatic needs 10 runs in 90 days; there are 7" in row.lower()
    assert f"/admin/cases/{plans[-1].case_id}/" in page
    assert f"/admin/cases/{plans[0].case_id}/" not in page  # only the last five are shown
    assert "The rules decide 0 0 0 0" in _row(page, other_tenant.name)


def test_a_client_sees_no_other_clients_practice(browser, tenant, other_tenant) -> None:
    plans = _practice(other_tenant, agreed=1)
    web = browser(Role.ADMIN, tenants=[tenant])
    for address in ("/admin/playbooks/", f"/admin/playbooks/{CONTAIN}/"):
        page = _get(web, address)
        assert other_tenant.name not in page
        assert str(plans[0].case_id) not in page
        assert "of 1 run" not in page


def test_clients_are_shown_page_by_page(browser) -> None:
    for number in range(27):
        new_tenant(f"client-{number:02}")
    web = browser(Role.VIEWER)
    first, second = (_get(web, f"/admin/playbooks/{CONTAIN}/?page={n}") for n in (1, 2))
    assert "27 clients" in first
    assert ("Client 24" in first, "Client 25" in first) == (True, False)
    assert ("Client 24" in second, "Client 26" in second) == (False, True)
    assert "page 1 of 2" in first


def _queries(do: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        do()
    return len(queries)


BUSY_PAGES = (
    "/admin/playbooks/",
    "/admin/playbooks/?client=client-0",
    f"/admin/playbooks/{CONTAIN}/",
    f"/admin/playbooks/{CONTAIN}/client-0/",
    f"/admin/playbooks/{CONTAIN}/client-0/spread/",
    "/admin/routines/?client=client-0",
    "/admin/rules/",
)


def test_as_much_is_asked_for_many_clients_and_playbooks_as_for_few(browser) -> None:
    web = browser(Role.ADMIN)
    asked = []
    for number in range(8):
        tenant = new_tenant(f"client-{number}")
        with scope.tenant(tenant.id):
            Connection.objects.create(connector="microsoft365", name="Microsoft 365")
            for playbook_id in list(library.playbooks())[: 4 * (number + 1)]:
                activation.set_mode(playbook_id, "approve", actor=ANN)
        _set(tenant, "shadow")
        _practice(tenant, agreed=2, overridden=1)
        if number in (0, 7):
            for address in BUSY_PAGES:
                _get(web, address)  # what is kept in memory is there now
            asked.append({path: _queries(lambda: _get(web, path)) for path in BUSY_PAGES})  # noqa: B023
    assert asked[0] == asked[1]
    assert max(asked[1].values()) < 30


def test_a_clients_page_shows_the_runs_and_what_practice_said_of_each(browser, tenant) -> None:
    _set(tenant, "shadow")
    plans = _practice(tenant, agreed=1, overridden=1)
    with scope.tenant(tenant.id):
        compared = make_plan(make_case(make_account("q@acme.example")))
        steps = [{"title": "Reset the password", "target": "q@acme.example", "holds": False,
                  "words": "The password is the old one."}]  # fmt: skip
        agreement.record(
            compared, Agreement.Kind.OVERRIDDEN, actor="technician:bob",
            detail={"words": "Not done by hand: Reset the password", "steps": steps},
        )  # fmt: skip
        ran = make_plan(make_case(make_account("r@acme.example")))
        Plan.objects.filter(id=ran.id).update(status="done", finished_at=timezone.now())
        open_one = make_plan(make_case(make_account("s@acme.example")))
    page = _get(browser(Role.VIEWER), f"/admin/playbooks/{CONTAIN}/{tenant.slug}/")
    said = {plan: _row(page, f"/admin/plans/{plan.id}/") for plan in [*plans, compared, ran]}
    assert "Agreed The plan was approved. ann" in said[plans[0]]
    assert "Overridden The plan was rejected. ann" in said[plans[1]]
    assert (
        "Reset the password: q@acme.example. Not done by hand. The password is the old"
        in (said[compared])
    )
    assert "Ran by itself, nobody objected" in said[ran]
    assert "Nobody has judged it yet" in _row(page, f"/admin/plans/{open_one.id}/")
    assert "<dt>Agreement</dt> <dd>1 of 3 runs (33 %)</dd>" in page
    assert "It asks for 5 runs and 80 % agreement in 90 days" in " ".join(page.split())
    assert "Shadow: plans only version" in " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_runs_of_another_version_are_shown_as_not_counted(browser, tenant) -> None:
    _practice(tenant, agreed=1)
    ours = library.get(CONTAIN)
    source = ours.source.replace(f'version: "{ours.version}"', 'version: "99"', 1)
    with scope.tenant(tenant.id):
        version = importing.keep(importing.check(source))
        activation.activate(version, "approve", actor=ANN)
    page = _get(browser(Role.VIEWER), f"/admin/playbooks/{CONTAIN}/{tenant.slug}/")
    assert f"version {ours.version}, not counted" in page
    assert "there are 0" in page


def test_what_reads_only_has_no_runs(browser, tenant) -> None:
    address = f"/admin/playbooks/investigate-account-takeover/{tenant.slug}/"
    page = _get(browser(Role.ADMIN), address)
    assert "It asks questions and changes nothing" in page
    assert "Runs of the last" not in page
    assert 'value="lower"' not in page


def _change(web: Client, tenant: Tenant, **form: str) -> str:
    address = f"/admin/playbooks/{CONTAIN}/{tenant.slug}/mode/"
    return web.post(address, form, follow=True).content.decode()


def test_enough_agreement_is_promoted_from_the_page(browser, tenant) -> None:
    _set(tenant, "shadow")
    web = browser(Role.ADMIN, "mira")
    address = f"/admin/playbooks/{CONTAIN}/{tenant.slug}/"
    page = _get(web, address)
    assert 'value="promote"' not in page
    assert 'disabled title="Approve needs 5 runs in 90 days; there are 0."' in page
    _practice(tenant, agreed=5)
    page = _get(web, address)
    assert "Practice supports it." in page
    assert 'value="promote"' in page
    assert "is now in mode approve" in _change(web, tenant, direction="promote")
    assert _held(tenant).mode == "approve"
    with scope.tenant(tenant.id):
        entry = LedgerEntry.objects.filter(kind="playbook.activated").latest("id")
    assert (entry.actor, entry.body["reason"]) == (
        "technician:mira", "100 % agreement in 5 runs",
    )  # fmt: skip


def test_lowering_keeps_the_reason(browser, tenant) -> None:
    page = _change(browser(Role.ADMIN), tenant, direction="lower", reason="A new director.")
    assert "is now in mode approve" in page
    assert "A new director." in page
    assert "Choose Promote or Lower." in _change(browser(Role.ADMIN), tenant, direction="up")


def _spread(web: Client, source: Tenant, **form: object) -> str:
    address = f"/admin/playbooks/{CONTAIN}/{source.slug}/spread/"
    return web.post(address, form, follow=True).content.decode()


def _form(web: Client, source: Tenant) -> dict[str, list[str]]:
    address = f"/admin/playbooks/{CONTAIN}/{source.slug}/spread/"
    return form_of(_get(web, address), address)


@pytest.fixture
def clients(make_tenant) -> list[Tenant]:
    """Three clients in shadow, of which the first has practice enough for approve."""
    made = [make_tenant(f"client-{number}", playbook_mode="shadow") for number in range(3)]
    _set(made[0], "shadow")
    _practice(made[0], agreed=5)
    _set(made[0], "approve")
    return made


def test_what_one_client_has_goes_to_all_at_once(browser, clients) -> None:
    web = browser(Role.ADMIN, "mira")
    form = _form(web, clients[0]) | {"reason": "Agreed with both."}
    assert form["client"] == ["client-1", "client-2"]
    assert "It holds for 2 more clients now." in _spread(web, clients[0], **form)
    for tenant in clients[1:]:
        assert _held(tenant).mode == "approve"
        with scope.tenant(tenant.id):
            entry = LedgerEntry.objects.get(kind="playbook.activated")
        assert entry.actor == "technician:mira"
        assert entry.body["reason"] == (
            "taken over from another client: 100 % agreement in 5 runs. Agreed with both."
        )
        assert clients[0].name not in str(entry.body)
    assert "client" not in _form(web, clients[0])


def test_it_goes_no_further_than_practice_there_unless_a_reason_is_given(browser, clients) -> None:
    _practice(clients[1], agreed=5)
    web = browser(Role.ADMIN)
    page = _get(web, f"/admin/playbooks/{CONTAIN}/{clients[0].slug}/spread/")
    assert "Needs a reason" in _row(page, "Client 2")
    assert "Approve needs 5 runs in 90 days; there are 0." in _row(page, "Client 2")
    assert "Needs a reason" not in _row(page, "Client 1")
    form = _form(web, clients[0])
    said = _spread(web, clients[0], **form | {"reason": " "})
    assert "Client 2: approve needs 5 runs in 90 days; there are 0." in said
    assert [_held(tenant).mode for tenant in clients[1:]] == ["shadow", "shadow"]
    _spread(web, clients[0], **form | {"client": ["client-1"]})
    _spread(web, clients[0], **form | {"client": ["client-2"], "reason": "Agreed there."})
    assert [_held(tenant).mode for tenant in clients[1:]] == ["approve", "approve"]


def test_only_the_chosen_clients_get_it(browser, clients) -> None:
    web = browser(Role.ADMIN)
    form = _form(web, clients[0]) | {"client": ["client-2"], "reason": "Agreed."}
    assert "It holds for 1 more client now." in _spread(web, clients[0], **form)
    assert [_held(tenant).mode for tenant in clients] == ["approve", "shadow", "approve"]


def test_a_version_of_its_own_goes_with_it(browser, clients) -> None:
    ours = library.get(CONTAIN)
    source = ours.source.replace(f'version: "{ours.version}"', 'version: "99"', 1)
    with scope.tenant(clients[0].id):
        version = importing.keep(importing.check(source))
        activation.activate(version, "shadow", actor=ANN)
    web = browser(Role.ADMIN)
    _spread(web, clients[0], **_form(web, clients[0]))
    assert [_held(tenant).playbook.version for tenant in clients] == ["99"] * 3


def test_what_practice_does_not_support_goes_nowhere(browser, clients) -> None:
    _set(clients[0], "automatic")
    web = browser(Role.ADMIN)
    page = _get(web, f"/admin/playbooks/{CONTAIN}/{clients[0].slug}/spread/")
    assert "Practice does not support it yet. Automatic needs 10 runs in 90 days" in page
    form = _form(web, clients[0])
    assert "client" not in form
    said = _spread(web, clients[0], **form, client=["client-1", "client-2"])
    assert "Client 1: Practice does not support it yet." in said
    assert [_held(tenant).mode for tenant in clients[1:]] == ["shadow", "shadow"]


def test_a_clients_own_practice_can_speak_against_it(browser, clients) -> None:
    _practice(clients[1], agreed=0, overridden=2)
    web = browser(Role.ADMIN)
    page = _get(web, f"/admin/playbooks/{CONTAIN}/{clients[0].slug}/spread/")
    assert "Practice here speaks against it: 2 of 2 runs were overridden or came back." in page
    form = _form(web, clients[0])
    assert form["client"] == ["client-2"]
    said = _spread(web, clients[0], **form | {"client": ["client-1", "client-2"]})
    assert "Client 1: Practice here speaks against it" in said
    assert _held(clients[2]).mode == "shadow", "one that may not keeps all from changing"


def test_a_case_that_came_back_speaks_against_it(browser, clients) -> None:
    [plan] = _practice(clients[1], agreed=1)
    with scope.tenant(clients[1].id):
        agreement.reopened(Plan.objects.get(id=plan.id), words="Sign-in is enabled again.")
    page = _get(browser(Role.ADMIN), f"/admin/playbooks/{CONTAIN}/{clients[0].slug}/spread/")
    assert "cases came back lately (1)" in page


def test_going_less_far_needs_no_practice(browser, clients) -> None:
    _set(clients[0], "shadow")
    _set(clients[1], "automatic")
    web = browser(Role.ADMIN)
    page = _get(web, f"/admin/playbooks/{CONTAIN}/{clients[0].slug}/spread/")
    assert "Would go less far than now." in page
    form = _form(web, clients[0])
    assert "client" not in form, "nobody is lowered unless somebody wants it"
    _spread(web, clients[0], **form, client=["client-1"])
    assert _held(clients[1]).mode == "shadow"


def test_what_has_changed_meanwhile_is_not_spread(browser, clients) -> None:
    web = browser(Role.ADMIN)
    form = _form(web, clients[0])
    _set(clients[0], "shadow")
    assert "has something else by now" in _spread(web, clients[0], **form)
    assert _held(clients[1]).mode == "shadow"


def test_a_client_that_is_not_seen_gets_nothing(browser, clients) -> None:
    web = browser(Role.ADMIN, tenants=clients[:2])
    form = _form(web, clients[0])
    assert form["client"] == ["client-1"]
    form["reason"] = "Agreed."
    _spread(web, clients[0], **form | {"client": ["client-1", "client-2"]})
    assert [_held(tenant).mode for tenant in clients] == ["approve", "approve", "shadow"]
    answer = browser(Role.ADMIN, tenants=clients[1:]).post(
        f"/admin/playbooks/{CONTAIN}/client-0/spread/", form
    )
    assert answer.status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.TECHNICIAN, Role.APPROVER])
def test_only_an_administrator_spreads(browser, clients, role) -> None:
    answer = browser(role).post(f"/admin/playbooks/{CONTAIN}/client-0/spread/", {})
    assert answer.status_code == 403


def test_spreading_needs_a_second_factor(browser, clients, settings) -> None:
    settings.REQUIRE_MFA = True
    answer = browser(Role.ADMIN).post(f"/admin/playbooks/{CONTAIN}/client-0/spread/", {})
    assert (answer.status_code, "2fa" in answer.url) == (302, True)
