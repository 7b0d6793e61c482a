"""The pages of the playbooks, and the plans that were only made in shadow."""

import pytest
from django.test import Client

from integrations.models import Connection
from msp.staff.models import Role
from playbooks import response
from playbooks.adoption import activation
from playbooks.models import Plan
from tenants import scope
from tenants.models import Case, LedgerEntry, Tenant
from tests.msp.console.rows import Rows
from tests.playbooks.cases import CONTAIN, give_evidence, make_account, make_case

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]


@pytest.fixture
def shadow_plan(tenant: Tenant) -> Plan:
    """A plan in shadow, of a case that waits for a technician."""
    with scope.tenant(tenant.id):
        Connection.objects.create(connector="microsoft365", name="Microsoft 365")
        for playbook_id in (CONTAIN, "undo-mailbox-tampering"):
            activation.set_mode(playbook_id, "shadow", actor="test")
        detail = {"playbook": "investigate-account-takeover", "version": "1", "confidence": "high"}
        case = make_case(make_account(), verdict_detail=detail)
        give_evidence(case)
        response.respond(tenant.id, case.id)
        return Plan.objects.get(playbook__playbook_id=CONTAIN)


def _mode(tenant: Tenant) -> str:
    with scope.tenant(tenant.id):
        return activation.in_force(CONTAIN).mode


def _change(client: Client, tenant: Tenant, direction: str) -> str:
    address = f"/admin/playbooks/{CONTAIN}/{tenant.slug}/mode/"
    return client.post(address, {"direction": direction}, follow=True).content.decode()


def test_the_list_and_the_page_say_what_a_playbook_does(browser, rows: Rows) -> None:
    client = browser(Role.VIEWER)
    listed = client.get("/admin/playbooks/").content.decode()
    assert "Contain a cloud account" in listed
    assert rows.tenant.name in listed
    of_client = client.get(f"/admin/playbooks/?client={rows.tenant.slug}").content.decode()
    assert f"/admin/playbooks/{CONTAIN}/{rows.tenant.slug}/" in of_client
    shown = client.get(f"/admin/playbooks/{CONTAIN}/").content.decode()
    assert f"/admin/playbooks/{CONTAIN}/{rows.tenant.slug}/" in shown
    assert "golden cases pass" in shown
    assert "T1078.004" in shown
    assert ">Promote</button>" not in shown


def test_an_unknown_playbook_is_not_found(browser, rows: Rows) -> None:
    assert browser(Role.VIEWER).get("/admin/playbooks/nothing/").status_code == 404


def test_a_promotion_below_the_minimum_is_refused_with_the_reason(
    browser, tenant: Tenant, shadow_plan: Plan
) -> None:
    page = _change(browser(Role.ADMIN), tenant, "promote")
    assert "approve needs 5 runs in 90 days; there are 0" in page
    assert _mode(tenant) == "shadow"


def test_an_administrator_lowers_and_it_stands_in_the_ledger(browser, tenant: Tenant) -> None:
    _change(browser(Role.ADMIN, "mira"), tenant, "lower")
    assert _mode(tenant) == "approve"
    with scope.tenant(tenant.id):
        assert LedgerEntry.objects.get(kind="playbook.activated").actor == "technician:mira"


def test_a_shadow_plan_is_shown_and_carried_out(browser, shadow_plan: Plan) -> None:
    client = browser(Role.TECHNICIAN)
    page = client.get(f"/admin/cases/{shadow_plan.case_id}/").content.decode()
    assert "Carry out this plan" in page
    assert "Would have been done. Nothing was changed." in page
    client.post(f"/admin/plans/{shadow_plan.id}/carry-out/")
    with scope.tenant(shadow_plan.tenant_id):
        assert Plan.objects.get(replaces=shadow_plan).status == "awaiting_approval"


def test_closing_the_case_as_benign_counts_as_an_override(
    browser, tenant: Tenant, shadow_plan: Plan
) -> None:
    client = browser(Role.TECHNICIAN)
    form = {"verdict": "benign", "note": "It was her."}
    client.post(f"/admin/cases/{shadow_plan.case_id}/close/", form)
    with scope.tenant(tenant.id):
        assert Case.objects.get(id=shadow_plan.case_id).status == "closed"
    page = client.get(f"/admin/playbooks/{CONTAIN}/").content.decode()
    assert "The case was closed as benign." in page
