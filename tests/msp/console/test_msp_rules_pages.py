"""The MSP-wide rules of engagement in the console: read, tried on every client's past, changed."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from msp.console import actions
from msp.console.errors import ConsoleError
from msp.staff.models import Role
from playbooks.errors import PlaybookError
from playbooks.models import MspRules
from playbooks.policy import rules
from tenants import scope
from tenants.models import LedgerEntry, Tenant
from tests.conftest import new_tenant
from tests.msp.console.forms import form_of
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import policy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
EDIT = "/admin/rules/edit/"
NO_PASSWORDS = """\
default: technician
rules:
  - id: no-passwords
    title: We never reset passwords
    actions: [identity.reset_password]
    tier: forbidden
"""


def _send(client: Client, **form: Any) -> str:
    answer = client.post(EDIT, {"version": "1", **form}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def _save(client: Client, **form: Any) -> str:
    """Look at the preview, as one has to, and save."""
    previewed = re.findall(r'name="previewed" value="(\w+)"', _send(client, **form, what="preview"))
    return _send(client, **form, what="save", previewed=previewed)


def _form(client: Client) -> dict[str, Any]:
    return form_of(client.get(EDIT).content.decode(), EDIT)


def _past_of(*tenants: Tenant) -> None:
    """Give clients a plan each, made when everything was automatic."""
    for tenant in tenants:
        with scope.tenant(tenant.id):
            make_plan(make_case(make_account()), policy(default="automatic"))


def _own(tenant: Tenant, document: dict[str, Any]) -> None:
    with scope.tenant(tenant.id):
        rules.save(document, actor="technician:ann")


def test_everybody_reads_what_holds_and_whose_rules_differ(browser, tenant, other_tenant) -> None:
    _own(tenant, {"extends": "msp", "without": ["wide"], "rules": [
        {"id": "x", "title": "X", "tier": "client"}]})  # fmt: skip
    _own(other_tenant, {"default": "client"})
    page = browser(Role.VIEWER).get("/admin/rules/").content.decode()
    for said in (
        "These are the rules that come with Holdfast",
        "A server is touched only with a technician&#x27;s consent",
        "With more than 5 targets one goes first",
        "48 h to answer, reminded after 4 h, the next contact after 8 h",
        "24 h to answer, reminded after 2 h, administrators too after 4 h",
        "1 own rule, 1 rule switched off",
        "stand alone: the MSP-wide rules do not hold here",
        f"/admin/clients/{tenant.slug}/rules/",
    ):
        assert said in page, said
    assert EDIT not in page


def test_whose_rules_differ_is_told_of_seen_clients_only(browser, tenant, other_tenant) -> None:
    for one in (tenant, other_tenant):
        _own(one, {"extends": "msp", "default": "client"})
    page = browser(Role.ADMIN, tenants=[tenant]).get("/admin/rules/").content.decode()
    assert tenant.name in page
    assert other_tenant.name not in page
    assert EDIT not in page


def test_a_form_sent_back_as_it_is_changes_nothing(browser) -> None:
    client = browser(Role.ADMIN)
    before = rules.msp_wide()
    _save(client, **_form(client))
    after = rules.msp_wide()
    assert after.version == before.version + 1
    assert {**after.document, "version": 0} == {**before.document, "version": 0}


def test_what_is_filled_in_is_in_force_for_every_client_and_in_their_ledgers(
    browser, tenant, other_tenant
) -> None:
    client = browser(Role.ADMIN, "mira")
    form = _form(client) | {
        "default": "client",
        "wait-client-hours": "36",
        "wait-client-on_timeout": "end",
        "freeze-0-title": "Holidays",
        "freeze-0-from": "2026-12-24",
        "freeze-0-to": "2026-12-26",
        "freeze-0-except": "identity.*",
        "budget-0-action": "mailbox.*",
        "budget-0-count": "7",
        "canary_above": "2",
    }
    assert "Version 2 of the MSP-wide rules is in force." in _save(client, **form)
    for one in (tenant, other_tenant):
        with scope.tenant(one.id):
            told = rules.in_force()
            assert LedgerEntry.objects.get(kind="rules.msp_changed").actor == "technician:mira"
        assert (told.default, told.canary_above, told.budgets) == ("client", 2, {"mailbox.*": 7})
        assert [freeze.title for freeze in told.freezes] == ["Holidays"]
        assert (told.approvals["client"].hours, told.approvals["client"].on_timeout) == (36, "end")
    page = client.get("/admin/rules/").content.decode()
    assert "Version 2, by mira" in page


def test_a_preview_looks_at_every_client_under_its_own_rules_and_keeps_nothing(
    browser, make_tenant
) -> None:
    plain, differing, apart = (make_tenant(slug) for slug in ("plain", "differing", "apart"))
    _past_of(plain, differing, apart)
    _own(differing, {"extends": "msp", "rules": [
        {"id": "no-passwords", "title": "Ours", "tier": "client",
         "actions": ["identity.reset_password"]}]})  # fmt: skip
    _own(apart, {"default": "automatic"})
    page = _send(browser(Role.ADMIN), what="preview", yaml=NO_PASSWORDS)
    past = page[page.index('id="past"') : page.index("<form", page.index('id="past"'))]
    assert "Plain, 1: Suspicious inbox rule" in past
    assert "We never reset passwords" in past
    assert "Differing, 1: Suspicious inbox rule" in past
    assert "Ours" in past
    assert "Apart" not in past
    assert "1 client has rules that stand alone" in past
    assert "2 plans with" in past
    assert rules.newest_msp_wide() is None


def test_a_preview_asks_as_much_of_the_database_for_many_clients_as_for_few(browser) -> None:
    client = browser(Role.ADMIN)
    asked = []
    for number in range(6):
        _past_of(new_tenant(f"client-{number}"))
        if number in (0, 5):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                _send(client, what="preview", yaml=NO_PASSWORDS)
            asked.append(len(queries))
    assert asked[0] == asked[1]


def test_nothing_is_saved_that_was_not_looked_at_before(browser) -> None:
    page = _send(browser(Role.ADMIN), what="save", yaml=NO_PASSWORDS, previewed="0" * 64)
    assert "Look at what these rules would have changed" in page
    assert rules.newest_msp_wide() is None


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"yaml": "default: ["}, "not YAML"),
        ({"yaml": "extends: msp"}, "unknown key &#x27;extends&#x27;"),
        ({"rule-0-title": "X", "rule-0-tier": "king"}, "king"),
        ({"default": "client", "budget-0-action": "nothing.*", "budget-0-count": "1"}, "nothing.*"),
    ],
)
def test_what_cant_be_kept_is_refused_with_the_reason(browser, form, told) -> None:
    page = _send(browser(Role.ADMIN), what="preview", **form)
    assert "can't be kept" in page
    assert told in page
    assert rules.newest_msp_wide() is None


def test_who_was_overtaken_by_somebody_else_is_told(browser) -> None:
    MspRules.objects.create(version=2, document={"default": "client"}, author="technician:bob")
    assert "bob made version 2" in _send(browser(Role.ADMIN), what="preview", yaml=NO_PASSWORDS)


def test_rules_made_at_the_same_moment_do_not_overwrite_each_other(technician, tenant) -> None:
    """Between the page's look and the saving somebody else may have saved."""
    ann, bob = technician(Role.ADMIN, "ann"), technician(Role.ADMIN, "bob")
    actions.save_msp_rules({"default": "client"}, actor=ann, after=1)
    with pytest.raises(PlaybookError, match="ann made version 2"):
        actions.save_msp_rules({"default": "automatic"}, actor=bob, after=1)
    actions.save_rules(tenant, {"extends": "msp"}, actor=ann, after=0)
    with pytest.raises(PlaybookError, match="ann made version 1"):
        actions.save_rules(tenant, {"default": "automatic"}, actor=bob, after=0)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.TECHNICIAN, Role.APPROVER])
def test_only_an_administrator_changes_them(browser, role) -> None:
    answer = browser(role).post(EDIT, {"what": "save", "yaml": NO_PASSWORDS})
    assert answer.status_code == 403


def test_changing_them_needs_a_second_factor(browser, settings) -> None:
    settings.REQUIRE_MFA = True
    answer = browser(Role.ADMIN).post(EDIT, {"what": "preview", "yaml": NO_PASSWORDS})
    assert (answer.status_code, "2fa" in answer.url) == (302, True)


def test_who_does_not_see_every_client_changes_nothing_for_them(
    browser, technician, tenant
) -> None:
    answer = browser(Role.ADMIN, tenants=[tenant]).post(EDIT, {"yaml": NO_PASSWORDS})
    assert answer.status_code == 403
    with pytest.raises(ConsoleError, match="ask an administrator who does"):
        actions.save_msp_rules(
            {"default": "automatic"}, actor=technician(Role.ADMIN, tenants=[tenant]), after=1
        )
    assert rules.newest_msp_wide() is None
