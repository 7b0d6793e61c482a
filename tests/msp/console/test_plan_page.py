"""The page of a plan says why each step has its tier, takes decisions, and follows the plan."""

import pytest
from django.utils import timezone

from integrations.models import Connection
from msp.staff.models import Role
from playbooks import approvals, runner
from playbooks.errors import PlaybookError
from playbooks.models import Agreement, Approval, Plan, Run, Step
from tenants import scope
from tenants.models import Account, Case, LedgerEntry, Tenant
from tests.msp.console.rows import Rows
from tests.pipeline import drain
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import policy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
ANN = "technician:ann"


def _address(plan: Plan, more: str = "") -> str:
    return f"/admin/plans/{plan.id}/{more}"


def test_it_says_why_each_step_has_its_tier_and_what_would_undo_it(browser, rows: Rows) -> None:
    html = browser(Role.VIEWER).get(f"/admin/plans/{rows.plan.id}/").content.decode()
    told = rows.plan.document["steps"][0]
    assert told["title"] in html
    assert told["tier_rule"]["title"] in html
    assert "Why this step is in the plan" in html
    assert "<dt>Touches</dt> <dd>Not known before: the sessions that are open then.</dd>" in html
    assert "a revoked session can&#x27;t be restored" in html
    assert 'id="live" data-live="yes"' in html
    assert rows.plan.sha256 in html


def test_it_stops_to_follow_when_the_plan_is_over(browser, rows: Rows) -> None:
    with scope.tenant(rows.tenant.id):
        Plan.objects.filter(id=rows.plan.id).update(status=Plan.Status.DONE)
    assert b'id="live" data-live="no"' in browser(Role.VIEWER).get(_address(rows.plan)).content


def test_a_plan_that_took_the_place_of_another_is_named(browser, rows: Rows) -> None:
    with scope.tenant(rows.tenant.id):
        old = rows.plan
        fresh = Plan.objects.create(
            tenant_id=old.tenant_id, case=old.case, playbook=old.playbook, engagement_version=1,
            facts={}, document=old.document, sha256="f" * 64, tier=old.tier, replaces=old,
        )  # fmt: skip
        Plan.objects.filter(id=old.id).update(status=Plan.Status.SUPERSEDED)
        steps = list(Step.objects.filter(run__plan=old))
        assert steps
    client = browser(Role.VIEWER)
    page = client.get(f"/admin/cases/{rows.case.id}/").content.decode()
    begun = [one for one in steps if one.status not in ("pending", "awaiting_approval", "skipped")]
    assert (f"of {len(begun)} actions read back" in page) is bool(begun)
    assert f"of {len(steps)} actions read back" not in page
    assert f"/admin/plans/{fresh.id}/" in client.get(f"/admin/plans/{old.id}/").content.decode()
    assert f"/admin/plans/{old.id}/" in client.get(f"/admin/plans/{fresh.id}/").content.decode()


def test_it_is_decided_where_it_is_read_and_the_page_comes_back(browser, rows: Rows) -> None:
    web = browser(Role.APPROVER, "mira")
    page = web.get(_address(rows.plan)).content.decode()
    assert "Waits for an approver: Contain a cloud account" in page
    assert "When nobody answers until then: the plan ends, a technician looks." in page
    answer = web.post(
        f"/admin/approvals/{rows.approval.id}/decide/",
        {"decision": "approve", "sha256": rows.plan.sha256, "back": "plan"},
        follow=True,
    )
    assert answer.redirect_chain[-1][0] == _address(rows.plan)
    page = answer.content.decode()
    assert "Waits for an approver" not in page
    assert 'by <b class="hf-strong">mira</b>' in page


def test_without_a_choice_the_page_comes_back_too(browser, rows: Rows) -> None:
    web = browser(Role.APPROVER)
    form = {"decision": "perhaps", "back": "plan"}
    assert web.post(f"/admin/approvals/{rows.approval.id}/decide/", form).url == _address(rows.plan)
    form = {"decision": "perhaps", "back": "https://evil.example"}
    answer = web.post(f"/admin/approvals/{rows.approval.id}/decide/", form)
    assert answer.url == f"/admin/cases/{rows.case.id}/"


def _waiting(tenant: Tenant, tier: str, requested_by: str = "engine") -> Plan:
    with scope.tenant(tenant.id):
        return make_plan(make_case(make_account()), policy(default=tier), requested_by=requested_by)


def _decide(plan: Plan, tier: str, *, approve: bool, actor: str) -> None:
    with scope.tenant(plan.tenant_id):
        approvals.decide(
            plan.approvals.get(tier=tier).id, approve=approve, actor=actor, sha256=plan.sha256
        )


def test_who_may_not_approve_is_told_why_and_may_reject(browser, tenant) -> None:
    plan = _waiting(tenant, "technician", requested_by="technician:mira")
    own = browser(Role.APPROVER, "mira").get(_address(plan)).content.decode()
    assert "You asked for this plan: somebody else has to approve it." in own
    assert 'value="approve"' not in own
    assert 'value="reject"' in own
    others = browser(Role.APPROVER, "bob").get(_address(plan)).content.decode()
    assert 'value="approve"' in others


def test_the_second_technician_waits_for_the_first_and_is_another(browser, tenant) -> None:
    plan = _waiting(tenant, "second_technician")
    first = browser(Role.APPROVER, "ann")
    page = first.get(_address(plan)).content.decode()
    assert "The first approver has to approve before the second." in page
    assert page.count('value="approve"') == 1
    _decide(plan, "technician", approve=True, actor=ANN)
    page = first.get(_address(plan)).content.decode()
    assert "You approved as the first approver: a second person must." in page
    assert 'value="approve"' not in page
    page = browser(Role.APPROVER, "bob").get(_address(plan)).content.decode()
    assert page.count('value="approve"') == 1


def test_rules_that_cant_be_read_keep_no_page_from_being_seen(
    browser, rows: Rows, monkeypatch
) -> None:
    with scope.tenant(rows.tenant.id):
        tier = approvals.policy("technician")
    assert tier.on_timeout == "end"

    def broken() -> None:
        raise PlaybookError(["They can't be read."])

    monkeypatch.setattr(approvals, "in_force", broken)
    for address in (_address(rows.plan), f"/admin/cases/{rows.case.id}/"):
        page = browser(Role.APPROVER).get(address).content.decode()
        assert "Waits for an approver" in page
        assert "When nobody answers" not in page


def _carry_on(plan: Plan) -> None:
    """Let the workers look at a plan on which something was decided."""
    with scope.tenant(plan.tenant_id):
        run_id = Run.objects.get(plan=plan).id
    runner.advance(plan.tenant_id, run_id)
    drain(["close"])


@pytest.fixture
def rejected(tenant: Tenant) -> Plan:
    """A plan that was rejected, whose case waits for a technician."""
    plan = _waiting(tenant, "technician")
    with scope.tenant(tenant.id):
        Connection.objects.create(connector="microsoft365", name="Tenant of their own")
    _decide(plan, "technician", approve=False, actor=ANN)
    _carry_on(plan)
    with scope.tenant(tenant.id):
        return Plan.objects.select_related("case").get(id=plan.id)


def test_what_was_rejected_is_planned_again_and_asked_for(browser, rejected: Plan) -> None:
    assert (rejected.status, rejected.case.status) == ("rejected", "needs_technician")
    web = browser(Role.APPROVER, "tom")
    for address in (_address(rejected), f"/admin/cases/{rejected.case_id}/"):
        assert "Plan it again, and ask for it" in web.get(address).content.decode()
    answer = web.post(_address(rejected, "ask-again/"), follow=True)
    page = answer.content.decode()
    with scope.tenant(rejected.tenant_id):
        fresh = Plan.objects.get(replaces=rejected)
        assert LedgerEntry.objects.get(kind="plan.asked_again").actor == "technician:tom"
        assert Case.objects.get(id=rejected.case_id).status == "awaiting_approval"
        assert {step["tier"] for step in fresh.document["steps"]} == {"technician"}
    assert answer.redirect_chain[-1][0] == _address(fresh)
    assert "an earlier plan</a>, which nobody approved" in page
    assert 'value="approve"' in page
    old = web.get(_address(rejected)).content.decode()
    assert "It was asked for again." in old
    assert "Plan it again" not in old


def test_it_is_asked_for_again_once(browser, rejected: Plan) -> None:
    web = browser(Role.TECHNICIAN)
    web.post(_address(rejected, "ask-again/"))
    page = web.post(_address(rejected, "ask-again/"), follow=True).content.decode()
    assert "This plan can&#x27;t be asked for again" in page
    with scope.tenant(rejected.tenant_id):
        assert Plan.objects.filter(replaces=rejected).count() == 1


def test_what_expired_again_can_be_asked_for_once_more(browser, rejected: Plan) -> None:
    web = browser(Role.TECHNICIAN)
    web.post(_address(rejected, "ask-again/"))
    with scope.tenant(rejected.tenant_id):
        fresh = Plan.objects.get(replaces=rejected)
        Approval.objects.filter(plan=fresh).update(expires_at=timezone.now())
        approvals.expire(rejected.tenant_id, fresh.approvals.get().id)
    _carry_on(fresh)
    with scope.tenant(rejected.tenant_id):
        assert Plan.objects.get(id=fresh.id).status == "expired"
    web.post(_address(fresh, "ask-again/"))
    with scope.tenant(rejected.tenant_id):
        assert Plan.objects.get(replaces=fresh).status == "awaiting_approval"


def test_what_still_waits_or_is_closed_is_not_asked_for_again(
    browser, rows: Rows, rejected: Plan
) -> None:
    web = browser(Role.TECHNICIAN)
    with scope.tenant(rejected.tenant_id):
        Case.objects.filter(id=rejected.case_id).update(status=Case.Status.CLOSED)
    for plan in (rows.plan, rejected):
        page = web.post(_address(plan, "ask-again/"), follow=True).content.decode()
        assert "This plan can&#x27;t be asked for again" in page
    with scope.tenant(rows.tenant.id):
        assert not Plan.objects.filter(replaces__isnull=False).exists()


def test_what_is_no_longer_connected_is_not_asked_for(browser, rejected: Plan) -> None:
    with scope.tenant(rejected.tenant_id):
        Connection.objects.update(state=Connection.State.PAUSED)
    page = browser(Role.TECHNICIAN).post(_address(rejected, "ask-again/"), follow=True)
    assert "it needs: a connection to Microsoft 365." in page.content.decode()
    with scope.tenant(rejected.tenant_id):
        assert not Plan.objects.filter(replaces=rejected).exists()


def test_asking_again_needs_a_second_factor(browser, rejected: Plan, settings) -> None:
    settings.REQUIRE_MFA = True
    answer = browser(Role.TECHNICIAN).post(_address(rejected, "ask-again/"))
    assert (answer.status_code, "2fa" in answer.url) == (302, True)


def test_a_plan_that_goes_on_is_stopped_and_what_was_done_is_to_be_undone(
    browser, rows: Rows
) -> None:
    with scope.tenant(rows.tenant.id):
        done = Step.objects.get(key="disable")
        done.status, done.snapshot = Step.Status.VERIFIED, {"account_enabled": True}
        done.intended_at = timezone.now()
        done.save()
        Plan.objects.filter(id=rows.plan.id).update(status=Plan.Status.RUNNING)
    web = browser(Role.TECHNICIAN, "tom")
    assert "Stop it, and undo what was done" in web.get(_address(rows.plan)).content.decode()
    form = {"back": "plan", "step": "disable"}
    answer = web.post(_address(rows.plan, "roll-back/"), form, follow=True)
    with scope.tenant(rows.tenant.id):
        undoing = Plan.objects.get(document__reverses=rows.plan.sha256)
        left = Step.objects.get(run__plan=rows.plan, key="reset")
    assert answer.redirect_chain[-1][0] == _address(undoing)
    assert (left.status, left.error) == (
        "skipped", "tom had the plan undone before this step began.",
    )  # fmt: skip


@pytest.fixture
def unknown(rows: Rows) -> Plan:
    """A plan that is over, and of one of whose steps nobody knows whether it was done."""
    with scope.tenant(rows.tenant.id):
        Step.objects.filter(key="disable").update(
            status=Step.Status.UNKNOWN, error="It is not known: cut.", connection_id=None
        )
        Plan.objects.filter(id=rows.plan.id).update(status=Plan.Status.FAILED)
        return Plan.objects.get(id=rows.plan.id)


def test_a_technician_says_what_became_of_a_step_that_nobody_knows_of(browser, unknown) -> None:
    form = {"step": "disable", "was_done": "yes", "note": "Seen in the portal."}
    assert "was it done?" not in browser(Role.VIEWER).get(_address(unknown)).content.decode()
    web = browser(Role.TECHNICIAN, "tom")
    page = web.get(_address(unknown)).content.decode()
    assert page.count("was it done?") == 1
    page = web.post(_address(unknown, "tell/"), form, follow=True).content.decode()
    assert "tom saw at the vendor that it was done: “Seen in the portal.”." in page
    assert "It is being read back once more." in page
    assert "was it done?" not in page
    drain(["recheck"])
    page = web.get(_address(unknown)).content.decode()
    assert "Done, as somebody saw; not read back" in page
    with scope.tenant(unknown.tenant_id):
        assert LedgerEntry.objects.get(kind="step.told").actor == "technician:tom"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"step": "disable", "was_done": "yes", "note": ""}, "Say what you saw at the vendor"),
        ({"step": "disable", "was_done": "perhaps", "note": "x"}, "Choose whether it was done"),
        ({"step": "revoke", "was_done": "yes", "note": "x"}, "It is known by now"),
    ],
)
def test_what_a_technician_says_is_checked(browser, unknown, form, told) -> None:
    answer = browser(Role.TECHNICIAN).post(_address(unknown, "tell/"), form, follow=True)
    assert told in answer.content.decode()
    with scope.tenant(unknown.tenant_id):
        assert not Step.objects.exclude(told={}).exists()


def test_saying_it_needs_a_second_factor(browser, unknown, settings) -> None:
    settings.REQUIRE_MFA = True
    answer = browser(Role.TECHNICIAN).post(_address(unknown, "tell/"), {"step": "disable"})
    assert (answer.status_code, "2fa" in answer.url) == (302, True)


def test_who_decides_on_what_has_changed_is_shown_the_new_plan(browser, tenant) -> None:
    plan = _waiting(tenant, "technician")
    with scope.tenant(tenant.id):
        Account.objects.update(is_enabled=False)
        approval = plan.approvals.get()
    web = browser(Role.APPROVER, "ann")
    form = {"decision": "approve", "sha256": plan.sha256, "back": "plan"}
    page = web.post(f"/admin/approvals/{approval.id}/decide/", form, follow=True).content.decode()
    assert "This plan was made again, because what is known has changed." in page
    with scope.tenant(tenant.id):
        fresh = Plan.objects.get(status="awaiting_approval")
        assert fresh.replaces_id == plan.id
        assert not Agreement.objects.exists()
        approval = fresh.approvals.get()
    form = {"decision": "approve", "sha256": fresh.sha256, "back": "plan"}
    web.post(f"/admin/approvals/{approval.id}/decide/", form)
    with scope.tenant(tenant.id):
        assert Approval.objects.get(id=approval.id).decided_by == ANN
        assert Agreement.objects.count() == 1


def test_a_plan_that_protection_kept_from_being_done_says_so(browser, tenant) -> None:
    with scope.tenant(tenant.id):
        plan = make_plan(make_case(make_account(is_excluded=True)), policy())
    drain(["run"])
    web = browser(Role.VIEWER)
    for address in (_address(plan), f"/admin/cases/{plan.case_id}/"):
        page = web.get(address).content.decode()
        assert "Not done: protected account" in page
        assert "Protected account: no action ever touches it" in page
        assert "Rejected" not in page
        assert "Forbidden by the rules" not in page
