"""What technicians change: decisions, kill switches, cases closed by hand."""

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.test import Client
from django.utils import timezone

from msp.staff.models import Role, Technician
from playbooks.models import Approval, Plan, Step
from tenants import scope
from tenants.models import Case, Installation, LedgerEntry, Tenant
from tests.msp.console.rows import Rows

pytestmark = pytest.mark.django_db


def _decide(client: Client, rows: Rows, decision: str, **form: str) -> str:
    response = client.post(
        f"/admin/approvals/{rows.approval.id}/decide/",
        {"decision": decision, "sha256": rows.plan.sha256, **form},
        follow=True,
    )
    assert response.status_code == 200
    return response.content.decode()


def _approval(rows: Rows) -> Approval:
    with scope.tenant(rows.tenant.id):
        return Approval.objects.get(id=rows.approval.id)


def _ledger(rows: Rows) -> list[tuple[str, str]]:
    with scope.tenant(rows.tenant.id):
        return list(LedgerEntry.objects.order_by("id").values_list("kind", "actor"))


@pytest.mark.usefixtures("no_mfa_demanded")
def test_approving_frees_the_steps_and_is_in_the_ledger(browser, rows: Rows) -> None:
    page = _decide(browser(Role.APPROVER, "mira"), rows, "approve", comment="Called her: not her.")
    assert "Approved. The plan goes on now." in page
    approval = _approval(rows)
    assert (approval.decision, approval.decided_by) == ("approved", "technician:mira")
    assert approval.decided_sha256 == rows.plan.sha256
    with scope.tenant(rows.tenant.id):
        assert not Step.objects.filter(status=Step.Status.AWAITING_APPROVAL).exists()
    assert ("approval.approved", "technician:mira") in _ledger(rows)


@pytest.mark.usefixtures("no_mfa_demanded")
def test_rejecting_drops_the_steps(browser, rows: Rows) -> None:
    web = browser(Role.APPROVER)
    assert "Say why you reject it" in _decide(web, rows, "reject", comment=" ")
    assert _approval(rows).decision == "pending"
    page = _decide(web, rows, "reject", comment="It was her, from her hotel.")
    assert "Rejected: nothing of it" in page
    assert "“It was her, from her hotel.”" in page
    assert _approval(rows).decision == "rejected"
    with scope.tenant(rows.tenant.id):
        assert Step.objects.filter(status=Step.Status.SKIPPED).count() == 2
        entry = LedgerEntry.objects.get(kind="approval.rejected")
    assert entry.body["comment"] == "It was her, from her hotel."


@pytest.mark.usefixtures("no_mfa_demanded")
def test_another_hash_is_refused_with_words(browser, rows: Rows) -> None:
    page = _decide(browser(Role.APPROVER), rows, "approve", sha256="0" * 64)
    assert "The plan is not the one you saw." in page
    assert _approval(rows).decision == "pending"


@pytest.mark.usefixtures("no_mfa_demanded")
def test_deciding_twice_is_refused_with_words(browser, rows: Rows) -> None:
    _decide(browser(Role.APPROVER, "first"), rows, "approve")
    assert "already approved" in _decide(
        browser(Role.APPROVER, "second"), rows, "reject", comment="No."
    )
    assert _approval(rows).decided_by == "technician:first"


@pytest.mark.usefixtures("no_mfa_demanded")
def test_a_decision_needs_a_choice_and_a_post(browser, rows: Rows) -> None:
    client = browser(Role.APPROVER)
    assert "Choose Approve or Reject." in _decide(client, rows, "perhaps")
    assert client.get(f"/admin/approvals/{rows.approval.id}/decide/").status_code == 405
    assert _approval(rows).decision == "pending"


@pytest.mark.usefixtures("no_mfa_demanded")
def test_a_decision_needs_the_forms_token(technician, rows: Rows) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(
        technician(Role.APPROVER), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    response = client.post(
        f"/admin/approvals/{rows.approval.id}/decide/",
        {"decision": "approve", "sha256": rows.plan.sha256},
    )
    assert response.status_code == 403
    assert _approval(rows).decision == "pending"


def test_without_a_second_factor_nothing_is_decided(browser, rows: Rows) -> None:
    client = browser(Role.APPROVER)
    assert "need a second sign-in factor" in client.get("/admin/queue/").content.decode()
    response = client.post(
        f"/admin/approvals/{rows.approval.id}/decide/",
        {"decision": "approve", "sha256": rows.plan.sha256},
    )
    assert (response.status_code, response.url) == (302, "/accounts/2fa/totp/activate/")
    assert _approval(rows).decision == "pending"


def test_with_a_second_factor_a_plan_is_approved(browser, rows: Rows) -> None:
    client = browser(Role.APPROVER, "mira")
    totp.TOTP.activate(Technician.objects.get(username="mira"), totp.generate_totp_secret())
    assert "Approved." in _decide(client, rows, "approve")


@pytest.mark.usefixtures("no_mfa_demanded")
def test_undoing_is_asked_for_planned_and_waits_for_somebody_else(browser, rows: Rows) -> None:
    with scope.tenant(rows.tenant.id):
        done = Step.objects.get(key="disable")
        done.status, done.snapshot = Step.Status.VERIFIED, {"account_enabled": True}
        done.intended_at = timezone.now()
        done.save()
        Step.objects.filter(key="reset").update(status=Step.Status.SKIPPED)
        Approval.objects.update(decision="approved", decided_by="technician:someone")
        Plan.objects.update(status=Plan.Status.DONE, finished_at=timezone.now())
    client = browser(Role.APPROVER, "mira")
    assert "Undo this" in client.get(f"/admin/cases/{rows.case.id}/").content.decode()
    address = f"/admin/plans/{rows.plan.id}/roll-back/"
    asked = {"what": "chosen", "step": ["disable"]}
    page = client.post(address, asked, follow=True).content.decode()
    assert "Waits for an approver: Undo: Contain a cloud account" in page
    assert "Enable sign-in" in page
    assert "Undo this" not in page
    with scope.tenant(rows.tenant.id):
        plan = Plan.objects.get(document__reverses=rows.plan.sha256)
        approval = plan.approvals.get()
    page = client.post(
        f"/admin/approvals/{approval.id}/decide/",
        {"decision": "approve", "sha256": plan.sha256},
        follow=True,
    ).content.decode()
    assert "somebody else has to approve it" in page


@pytest.mark.usefixtures("no_mfa_demanded")
def test_what_cannot_be_undone_is_said(browser, rows: Rows) -> None:
    address = f"/admin/plans/{rows.plan.id}/roll-back/"
    page = browser(Role.TECHNICIAN).post(address, {"what": "all"}, follow=True)
    assert "Nothing of this plan can be undone" in page.content.decode()


@pytest.mark.usefixtures("no_mfa_demanded")
def test_the_kill_switch_of_a_client_is_off_on_and_in_the_ledger(browser, rows: Rows) -> None:
    address = f"/admin/clients/{rows.tenant.slug}"
    technician = browser(Role.TECHNICIAN, "tom")
    assert technician.post(f"{address}/stop/", {"reason": "Strange"}).status_code == 302
    assert Tenant.objects.get(id=rows.tenant.id).actions_stopped
    assert ("tenant.actions_stopped", "technician:tom") in _ledger(rows)
    assert technician.post(f"{address}/start/").status_code == 403
    assert browser(Role.ADMIN).post(f"{address}/start/").status_code == 302
    assert not Tenant.objects.get(id=rows.tenant.id).actions_stopped


@pytest.mark.usefixtures("no_mfa_demanded")
def test_the_kill_switch_for_all_stands_in_every_ledger(
    browser, rows: Rows, other_rows: Rows
) -> None:
    client = browser(Role.ADMIN, "ada")
    client.post("/admin/clients/stop/", {"reason": "Update gone wrong"})
    assert Installation.objects.get().actions_stopped
    for told in (rows, other_rows):
        assert ("installation.actions_stopped", "technician:ada") in _ledger(told)
    assert "The kill switch is on for every client." in client.get("/admin/queue/").content.decode()
    client.post("/admin/clients/start/")
    assert not Installation.objects.get().actions_stopped


def test_an_admin_of_some_clients_cannot_stop_all(browser, rows: Rows) -> None:
    client = browser(Role.ADMIN, tenants=[rows.tenant])
    page = client.post("/admin/clients/stop/", follow=True).content.decode()
    assert "ask an administrator who does" in page.replace("&#x27;", "'")
    assert not Installation.objects.filter(actions_stopped=True).exists()


@pytest.mark.usefixtures("no_mfa_demanded")
def test_a_case_is_taken_and_closed_by_hand(browser, rows: Rows) -> None:
    client = browser(Role.TECHNICIAN, "tom")
    address = f"/admin/cases/{rows.quiet_case.id}"
    client.post(f"{address}/take/")
    page = client.post(f"{address}/close/", {"verdict": "benign", "note": " "}, follow=True)
    assert "Say in the note" in page.content.decode()
    client.post(f"{address}/close/", {"verdict": "benign", "note": "She was on holiday."})
    with scope.tenant(rows.tenant.id):
        case = Case.objects.get(id=rows.quiet_case.id)
    assert (case.status, case.verdict, case.assignee) == ("closed", "benign", "tom")
    assert not case.closed_with_proof
    assert ("case.closed", "technician:tom") in _ledger(rows)


@pytest.mark.usefixtures("no_mfa_demanded")
def test_a_case_whose_plan_waits_is_not_closed_by_hand(browser, rows: Rows) -> None:
    client = browser(Role.TECHNICIAN)
    response = client.post(
        f"/admin/cases/{rows.case.id}/close/", {"verdict": "benign", "note": "Fine."}, follow=True
    )
    assert "can be closed by hand" in response.content.decode()
    with scope.tenant(rows.tenant.id):
        assert Case.objects.get(id=rows.case.id).status == Case.Status.AWAITING_APPROVAL


@pytest.mark.parametrize("address", ["/admin/clients/start/", "/admin/clients/{slug}/start/"])
def test_without_a_second_factor_actions_are_not_started_again(
    browser, rows: Rows, address: str
) -> None:
    client = browser(Role.ADMIN)
    client.post(f"/admin/clients/{rows.tenant.slug}/stop/", {"reason": "Strange"})
    client.post(address.format(slug=rows.tenant.slug))
    assert Tenant.objects.get(id=rows.tenant.id).actions_stopped
