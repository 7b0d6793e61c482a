"""A client's rules of engagement in the console: read, tried on the past, and changed."""

import re
from typing import Any

import pytest
from django.test import Client

from msp.staff.models import Role
from playbooks import rules
from playbooks.models import RulesOfEngagement
from tenants import scope
from tenants.models import LedgerEntry, Tenant
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import policy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
STRICTER = """\
extends: msp
without: [wide]
rules:
  - id: no-passwords
    title: We never reset passwords
    actions: [identity.reset_password]
    when: target.is_vip == false
    tier: forbidden
freezes:
  - {title: Nights, weekdays: [friday], hours: "18:00-07:00", except: ["identity.*"]}
budgets: {"mailbox.*": 3}
"""


def _set(tenant: Tenant, document: dict[str, Any], actor: str = "technician:ann") -> None:
    with scope.tenant(tenant.id):
        rules.save(document, actor=actor)


def _newest(tenant: Tenant) -> RulesOfEngagement | None:
    with scope.tenant(tenant.id):
        return rules.newest_of_tenant()


def _page(client: Client, tenant: Tenant, more: str = "") -> str:
    response = client.get(f"/admin/clients/{tenant.slug}/rules/{more}")
    assert response.status_code == 200
    return response.content.decode()


def _send(client: Client, tenant: Tenant, **form: Any) -> str:
    response = client.post(
        f"/admin/clients/{tenant.slug}/rules/edit/", {"version": "0", **form}, follow=True
    )
    assert response.status_code == 200
    return response.content.decode()


def _save(client: Client, tenant: Tenant, **form: Any) -> str:
    """Look at the preview, as one has to, and save."""
    page = _send(client, tenant, **form, what="preview")
    previewed = re.findall(r'name="previewed" value="(\w+)"', page)
    return _send(client, tenant, **form, what="save", previewed=previewed)


def _form_of(page: str) -> dict[str, Any]:
    """Return what a browser would send back for the form as it stands."""
    form: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]+>", page):
        fields = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if fields.get("name", "").startswith(("csrf", "s")) or "name" not in fields:
            continue
        if fields.get("type") != "checkbox" or " checked" in tag:
            form.setdefault(fields["name"], []).append(fields.get("value", ""))
    for name, options in re.findall(r'<select[^>]*name="([^"]+)">(.*?)</select>', page, re.DOTALL):
        chosen = re.findall(r'value="([^"]*)" selected', options)
        form[name] = chosen or re.findall(r'value="([^"]*)"', options)[:1]
    return form


def test_a_viewer_reads_what_holds_and_where_it_comes_from(browser, tenant) -> None:
    _set(
        tenant,
        {
            "extends": "msp",
            "without": ["wide"],
            "rules": [
                {"id": "deletes", "title": "Deleting is ours to allow", "tier": "client"},
                {"id": "own", "title": "Only for us", "tier": "forbidden", "when": "hour < 7"},
            ],
        },
    )
    page = _page(browser(Role.VIEWER), tenant)
    for said in (
        "Administrators and important people are touched only",
        "Deleting is ours to allow",
        "This client, instead of the MSP&#x27;s",
        "Only for us",
        "hour &lt; 7",
        "More than ten targets need two technicians",
        "Version 1",
        "by ann",
    ):
        assert said in page, said
    assert page.index("extends: msp") < page.index("- id: deletes\n  title: Deleting")
    assert page.index("switched off here") < page.index("More than ten targets")
    assert "/rules/edit/" not in page


def test_a_client_without_rules_of_its_own_says_so(browser, tenant) -> None:
    page = _page(browser(Role.ADMIN), tenant)
    assert "has no rules of its own" in page
    assert f"/admin/clients/{tenant.slug}/rules/edit/" in page


def test_the_clients_page_links_to_its_rules(browser, tenant) -> None:
    page = browser(Role.VIEWER).get(f"/admin/clients/{tenant.slug}/").content.decode()
    assert f"/admin/clients/{tenant.slug}/rules/" in page


def test_a_preview_shows_what_would_have_changed_and_keeps_nothing(browser, tenant) -> None:
    with scope.tenant(tenant.id):
        make_plan(make_case(make_account()), policy(default="automatic"))
    page = _send(browser(Role.ADMIN), tenant, what="preview", yaml=STRICTER)
    assert "What would have happened" in page
    assert "We never reset passwords" in page
    assert "Reset the password: priya.shah@acme.example" in page
    assert "Save these rules" in page
    assert _newest(tenant) is None


def test_nothing_is_saved_that_was_not_looked_at_before(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    page = _send(client, tenant, what="preview", yaml="default: client")
    [previewed] = re.findall(r'name="previewed" value="(\w+)"', page)
    page = _send(client, tenant, what="save", yaml="default: automatic", previewed=previewed)
    assert "Look at what these rules would have changed" in page
    assert _newest(tenant) is None


def test_rules_saved_as_yaml_are_in_force_and_in_the_ledger(browser, tenant) -> None:
    page = _save(browser(Role.ADMIN, "mira"), tenant, yaml=STRICTER)
    assert "Version 1 of the rules is in force" in page
    assert "Friday, 18:00 to 07:00" in page
    assert "At most 3 an hour" in page
    assert _newest(tenant).author == "technician:mira"
    with scope.tenant(tenant.id):
        assert LedgerEntry.objects.get(kind="rules.changed").actor == "technician:mira"


def test_a_form_sent_back_as_it_is_changes_nothing(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    document = STRICTER + "approvals:\n  client: {hours: 12}\ncanary_above: 4\ndefault: client\n"
    _save(client, tenant, yaml=document)
    before = {**_newest(tenant).document, "version": 0}
    _save(client, tenant, **_form_of(_page(client, tenant, "edit/")))
    assert _newest(tenant).version == 2
    assert {**_newest(tenant).document, "version": 0} == before


def test_what_is_filled_in_becomes_the_rules(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    form = _form_of(_page(client, tenant, "edit/"))
    form["msp_rule"].remove("wide")
    form |= {
        "default": "client",
        "rule-0-title": "No passwords",
        "rule-0-actions": "identity.reset_password, mailbox.*",
        "rule-0-tier": "forbidden",
        "freeze-1-title": "Christmas",
        "freeze-1-from": "2026-12-24",
        "freeze-1-to": "2026-12-26",
        "budget-0-action": "identity.*",
        "budget-0-count": "7",
        "canary_above": "3",
    }
    _save(client, tenant, **form)
    assert _newest(tenant).document == {
        "version": 1,
        "extends": "msp",
        "without": ["wide"],
        "default": "client",
        "rules": [
            {
                "id": "no-passwords",
                "title": "No passwords",
                "actions": ["identity.reset_password", "mailbox.*"],
                "tier": "forbidden",
            }
        ],
        "freezes": [{"title": "Christmas", "from": "2026-12-24", "to": "2026-12-26"}],
        "budgets": {"identity.*": 7},
        "canary_above": 3,
    }


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"yaml": "default: ["}, "not YAML"),
        ({"yaml": "- a"}, "write a mapping"),
        ({"yaml": 'default: "\\ud800"'}, "is none of"),
        ({"yaml": "rules: 5"}, "is a list of rules"),
        ({"yaml": "extends: msp\nrules: [5]"}, "a rule is a mapping"),
        (
            {"extends": "1", "rule-0-title": "X", "rule-0-when": "1 +", "rule-0-tier": "client"},
            "1 +",
        ),
        ({"extends": "1", "budget-0-action": "mailbox.*", "budget-0-count": "many"}, "many"),
        ({"extends": "1", "rule-0-title": "<b>", "rule-0-tier": "king"}, "king"),
    ],
)
@pytest.mark.parametrize("what", ["preview", "save"])
def test_what_cant_be_kept_is_refused_with_the_reason(browser, tenant, form, told, what) -> None:
    page = _send(browser(Role.ADMIN), tenant, what=what, **form)
    assert "can&#x27;t be kept" in page or "can't be kept" in page
    assert told in page
    assert "<b>&" not in page
    assert _newest(tenant) is None


def test_who_was_overtaken_by_somebody_else_is_told(browser, tenant) -> None:
    _set(tenant, {"extends": "msp"}, actor="technician:bob")
    page = _send(browser(Role.ADMIN), tenant, what="save", yaml="default: client")
    assert "bob made version 1" in page
    assert _newest(tenant).version == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.TECHNICIAN, Role.APPROVER])
def test_only_an_administrator_changes_rules(browser, tenant, role) -> None:
    answer = browser(role).post(
        f"/admin/clients/{tenant.slug}/rules/edit/", {"what": "save", "yaml": "default: automatic"}
    )
    assert answer.status_code == 403
    assert _newest(tenant) is None


def test_changing_rules_needs_a_second_factor(browser, tenant, settings) -> None:
    settings.REQUIRE_MFA = True
    answer = browser(Role.ADMIN).post(
        f"/admin/clients/{tenant.slug}/rules/edit/", {"what": "save", "yaml": "default: automatic"}
    )
    assert (answer.status_code, "2fa" in answer.url) == (302, True)
    assert _newest(tenant) is None


def test_another_clients_rules_do_not_exist(browser, tenant, other_tenant) -> None:
    client = browser(Role.ADMIN, tenants=[tenant])
    for more in ("", "edit/"):
        assert client.get(f"/admin/clients/{other_tenant.slug}/rules/{more}").status_code == 404
    answer = client.post(
        f"/admin/clients/{other_tenant.slug}/rules/edit/",
        {"what": "save", "yaml": "default: client"},
    )
    assert answer.status_code == 404
    assert _newest(other_tenant) is None
