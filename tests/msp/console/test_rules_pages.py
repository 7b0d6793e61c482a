"""A client's rules of engagement in the console: read, tried on the past, and changed."""

import re
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from msp.staff.models import Role
from playbooks.models import RulesOfEngagement
from playbooks.policy import rules
from tenants import scope
from tenants.models import LedgerEntry, Tenant
from tests.msp.console.forms import form_of
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


def _form(client: Client, tenant: Tenant) -> dict[str, Any]:
    return form_of(_page(client, tenant, "edit/"), f"/admin/clients/{tenant.slug}/rules/edit/")


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
    _save(client, tenant, **_form(client, tenant))
    assert _newest(tenant).version == 2
    assert {**_newest(tenant).document, "version": 0} == before


def test_actions_and_targets_are_chosen_and_come_back_chosen(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    form = _form(client, tenant) | {
        "rule-0-title": "Administrators by two",
        "rule-0-actions": ["identity.*", "mailbox.remove_forwarding"],
        "rule-0-target": "target.is_privileged",
        "rule-0-tier": "second_technician",
        "rule-1-title": "Servers at night",
        "rule-1-target": "target.is_server",
        "rule-1-when": "hour < 7 || hour > 20",
        "rule-1-tier": "forbidden",
        "freeze-0-title": "Weekend",
        "freeze-0-weekdays": ["saturday", "sunday"],
        "freeze-0-except": ["endpoint.isolate"],
    }
    _save(client, tenant, **form)
    first, second = _newest(tenant).document["rules"]
    assert first["actions"] == ["identity.*", "mailbox.remove_forwarding"]
    assert first["when"] == "target.is_privileged"
    assert second["when"] == "target.is_server && (hour < 7 || hour > 20)"
    assert _newest(tenant).document["freezes"] == [
        {"title": "Weekend", "weekdays": ["saturday", "sunday"], "except": ["endpoint.isolate"]}
    ]
    again = _form(client, tenant)
    assert again["rule-0-actions"] == ["identity.*", "mailbox.remove_forwarding"]
    assert again["rule-0-target"] == ["target.is_privileged"]
    assert again["rule-1-when"] == [second["when"]]


def test_a_condition_that_is_none_is_told_at_its_field(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    form = _form(client, tenant) | {
        "rule-0-title": "Fine", "rule-0-tier": "client",
        "rule-1-title": "Wrong", "rule-1-when": "hour <", "rule-1-tier": "client",
    }  # fmt: skip
    page = _send(client, tenant, what="preview", **form)
    first, second = (page.split(f'name="rule-{number}-when"')[1][:900] for number in (0, 1))
    assert "aria-invalid" not in first
    assert 'aria-invalid="true"' in second
    assert "hour &lt;" in second.split("</textarea>")[1]
    assert "[rules/" not in page


def test_what_is_filled_in_becomes_the_rules(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    form = _form(client, tenant)
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


def test_the_waits_of_a_client_show_what_holds_and_keep_what_is_changed(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    form = _form(client, tenant)
    assert (form["wait-client-hours"], form["wait-client-on_timeout"]) == (["48"], ["technician"])
    form |= {"wait-client-hours": "12", "wait-client-remind_after_hours": ""}
    form |= {"wait-technician-on_timeout": "reversible_part"}
    _save(client, tenant, **form)
    assert _newest(tenant).document["approvals"] == {
        "technician": {
            "hours": 24, "remind_after_hours": 2, "escalate_after_hours": 4,
            "on_timeout": "reversible_part",
        },
        "client": {
            "hours": 12, "remind_after_hours": 0, "escalate_after_hours": 8,
            "on_timeout": "technician",
        },
    }  # fmt: skip
    page = _page(client, tenant)
    assert "12 h to answer, the next contact after 8 h; then an approver may answer" in page
    with scope.tenant(tenant.id):
        assert rules.in_force().approvals["client"].hours == 12


def test_a_row_of_waits_that_is_emptied_does_as_the_msp_says(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    _save(client, tenant, yaml="extends: msp\napprovals:\n  client: {hours: 12}\n")
    form = _form(client, tenant)
    assert form["wait-client-remind_after_hours"] == ["4"]
    numbers = ("hours", "remind_after_hours", "escalate_after_hours")
    _save(client, tenant, **form | {f"wait-client-{name}": "" for name in numbers})
    assert "approvals" not in _newest(tenant).document


def test_waits_that_are_set_to_what_the_msp_says_are_the_msps_again(browser, tenant) -> None:
    client = browser(Role.ADMIN)
    _save(client, tenant, yaml="extends: msp\napprovals:\n  client: {hours: 12}\n")
    form = _form(client, tenant) | {"wait-client-hours": "48"}
    _save(client, tenant, **form)
    assert "approvals" not in _newest(tenant).document


def test_waits_are_kept_for_rules_that_no_longer_lie_on_the_msps(browser, tenant) -> None:
    """What the form showed goes on to hold when the MSP-wide rules are switched off."""
    with transaction.atomic():
        rules.save_msp_wide({"approvals": {"client": {"hours": 9}}}, actor="technician:ann")
    client = browser(Role.ADMIN)
    form = _form(client, tenant)
    assert form["wait-client-hours"] == ["9"]
    del form["extends"]
    _save(client, tenant, **form)
    with scope.tenant(tenant.id):
        assert rules.in_force().approvals["client"].hours == 9


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"wait-client-hours": "soon"}, "hours &#x27;soon&#x27; is no whole number"),
        ({"wait-client-hours": "99"}, "hours 99 is no whole number from 1 to 72"),
        ({"wait-client-hours": "3"}, "have to come before the 3 h are over"),
        ({"wait-technician-on_timeout": "technician"}, "only the client&#x27;s answer"),
        ({"wait-technician-on_timeout": "<b>"}, "is none of"),
    ],
)
def test_a_wait_that_cant_be_is_refused_and_shown_as_it_was_entered(
    browser, tenant, form, told
) -> None:
    client = browser(Role.ADMIN)
    page = _send(client, tenant, **_form(client, tenant) | form, what="preview")
    assert told in page
    [(name, value)] = form.items()
    if name.endswith("hours"):
        assert form_of(page, f"/admin/clients/{tenant.slug}/rules/edit/")[name] == [value]
    assert _newest(tenant) is None


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"yaml": "default: ["}, "not YAML"),
        ({"yaml": "- a"}, "write a mapping"),
        ({"yaml": 'default: "\\ud800"'}, "invalid Unicode character escape"),
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
