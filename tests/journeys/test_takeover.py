"""The main job: a compromised mailbox is found, investigated, contained with proof, and undone."""

from collections.abc import Iterator

import pytest
from django.utils import timezone

from msp import scheduler
from playbooks import approvals, rollback
from playbooks.models import Approval, Plan, Run, Step
from playbooks.running import undo_choices
from tenants import evidence, ledger, protection, scope, work
from tenants.models import Case, Finding, LedgerEntry, Verdict, Work
from tests.integrations.simulators.fixtures import running_simulator
from tests.journeys.clinic import Clinic, connect
from tests.pipeline import drain, make_due

pytestmark = pytest.mark.usefixtures("committed_database")


@pytest.fixture
def clinic(make_tenant, settings) -> Iterator[Clinic]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    settings.SETTLE_SECONDS = 0.2
    with running_simulator(seed="bec") as simulator:
        yield connect(make_tenant("contoso-clinic"), simulator)


def _steps(clinic: Clinic) -> dict[str, Step]:
    with scope.tenant(clinic.tenant.id):
        return {step.action: step for step in Step.objects.order_by("position")}


def test_found_investigated_contained_and_closed_with_proof(clinic) -> None:
    drain()
    case = clinic.case()
    assert case.status == Case.Status.CLOSED, case.needs
    assert case.verdict == Verdict.TRUE_POSITIVE
    assert case.closed_with_proof
    assert case.contained_at is not None
    steps = _steps(clinic)
    assert {step.status for step in steps.values()} == {"verified"}
    assert {
        "identity.disable_sign_in",
        "identity.reset_password",
        "identity.revoke_sessions",
        "identity.remove_auth_method",
        "mailbox.disable_inbox_rule",
        "mailbox.remove_forwarding",
    } <= steps.keys()
    assert all(step.read_back["holds"] for step in steps.values())
    user = _vendors_user(clinic)
    assert user["accountEnabled"] is False
    effects = clinic.effects()
    assert len(effects) == len(set(effects)) == len(steps)


def _vendors_user(clinic: Clinic) -> dict:
    graph = clinic.simulator.graph()
    answer = graph.get(f"/users/{clinic.account().external_id}?$select=id,accountEnabled")
    return answer.json()


def test_evidence_and_ledger_can_be_checked(clinic) -> None:
    drain()
    scheduler.seal_ledgers()
    case = clinic.case()
    with scope.tenant(clinic.tenant.id):
        rows = list(case.evidence.all())
        assert len(rows) == 12
        assert all(row.sha256 == evidence.content_hash(row) for row in rows)
        assert ledger.verify().is_ok
        kinds = list(LedgerEntry.objects.filter(case_id=case.id).values_list("kind", flat=True))
        text = str(list(LedgerEntry.objects.values_list("body", flat=True)))
    for kind in ("case.opened", "case.verdict", "plan.proposed", "step.intended", "case.closed"):
        assert kind in kinds
    assert kinds.count("step.verified") == len(_steps(clinic))
    assert "new_password" not in text
    assert "client_secret" not in text


def test_an_alert_that_comes_late_joins_the_closed_case(clinic) -> None:
    drain()
    case = clinic.case()
    before = clinic.effects()
    with scope.tenant(clinic.tenant.id):
        late = case.findings.order_by("time").last()
        assert late is not None
        Finding.objects.filter(id=late.id).update(case=None, needs_triage=True)
        work.schedule("triage", clinic.tenant.id)
    drain()
    with scope.tenant(clinic.tenant.id):
        late.refresh_from_db()
    assert late.case_id == case.id
    assert clinic.case().status == Case.Status.CLOSED
    assert clinic.effects() == before


def test_a_second_look_changes_nothing(clinic) -> None:
    drain()
    before = clinic.effects()
    make_due("poll")
    drain()
    assert clinic.effects() == before
    assert clinic.case().status == Case.Status.CLOSED


def _stop_actions(clinic: Clinic, is_stopped: bool) -> None:
    clinic.tenant.actions_stopped = is_stopped
    clinic.tenant.save()


def test_a_protected_account_is_never_touched(clinic) -> None:
    _stop_actions(clinic, True)
    drain()
    with scope.tenant(clinic.tenant.id):
        protection.change(
            clinic.account(), is_break_glass=False, is_excluded=True, actor="test",
            reason="named exclusion",
        )  # fmt: skip
    _stop_actions(clinic, False)
    make_due("run")
    drain()
    assert clinic.effects() == []
    case = clinic.case()
    assert case.status == Case.Status.NEEDS_TECHNICIAN
    assert "protected account" in case.needs.lower()


def test_the_kill_switch_stops_before_the_first_step_and_lets_go_on(clinic) -> None:
    _stop_actions(clinic, True)
    drain()
    assert clinic.effects() == []
    with scope.tenant(clinic.tenant.id):
        assert {run.status for run in Run.objects.all()} == {"waiting"}
        assert "kill switch" in Run.objects.first().note
    _stop_actions(clinic, False)
    make_due("run")
    drain()
    assert clinic.case().status == Case.Status.CLOSED


def test_a_privileged_account_waits_for_a_technician(make_tenant, settings) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    with running_simulator(seed="quiet") as simulator:
        simulator.control.act(
            "vip_compromise", tenant=simulator.control.tenants()[0]["id"], user="sam.adeyemi"
        )
        clinic = connect(make_tenant("contoso-clinic"), simulator)
        drain()
        assert clinic.effects() == []
        with scope.tenant(clinic.tenant.id):
            case = Case.objects.get(account__username__startswith="sam.adeyemi@")
            assert case.status == Case.Status.AWAITING_APPROVAL
            for approval in Approval.objects.filter(decision="pending"):
                approvals.decide(
                    approval.id,
                    approve=True,
                    actor="technician:kim",
                    sha256=approval.plan.sha256,
                )
        drain()
        with scope.tenant(clinic.tenant.id):
            case.refresh_from_db()
        assert case.status == Case.Status.CLOSED, case.needs
        assert case.closed_with_proof


def test_everything_reversible_is_undone_and_read_back(clinic) -> None:
    drain()
    with scope.tenant(clinic.tenant.id):
        plans = list(Plan.objects.all())
        for plan in plans:
            undoing = rollback.request(
                plan.id, actor="technician:kim", chosen=undo_choices.everything(plan)
            )
            assert undoing.status == Plan.Status.AWAITING_APPROVAL
            assert all(step["tier"] != "automatic" for step in undoing.document["steps"])
            approval = undoing.approvals.get()
            with pytest.raises(Exception, match="somebody else"):
                approvals.decide(
                    approval.id, approve=True, actor="technician:kim", sha256=undoing.sha256
                )
            approvals.decide(
                approval.id, approve=True, actor="technician:ali", sha256=undoing.sha256
            )
    drain()
    steps = _steps(clinic)
    for action in (
        "identity.disable_sign_in",
        "identity.remove_auth_method",
        "mailbox.disable_inbox_rule",
        "mailbox.remove_forwarding",
    ):
        assert steps[action].status == Step.Status.ROLLED_BACK, action
    for action in ("identity.enable_sign_in", "mailbox.restore_forwarding"):
        assert steps[action].status == Step.Status.VERIFIED, steps[action].error
    assert steps["identity.reset_password"].status == Step.Status.VERIFIED
    assert _vendors_user(clinic)["accountEnabled"] is True


def test_the_kill_switch_counts_for_a_second_try_too(clinic) -> None:
    _stop_actions(clinic, True)
    drain()
    _stop_actions(clinic, False)
    # No call reaches the vendor, and nobody knows.
    clinic.simulator.control.fault("drop_before_effect", method="PATCH")
    make_due("run")
    drain()
    assert ("user.disable", clinic.account().external_id) not in clinic.effects()
    _stop_actions(clinic, True)
    clinic.simulator.control.clear_faults()
    before = clinic.effects()
    for _ in range(3):
        make_due("run")
        drain()
    assert clinic.effects() == before
    _stop_actions(clinic, False)
    _go_on_until_closed(clinic)


def test_an_attack_that_goes_on_is_looked_at_again(clinic) -> None:
    _stop_actions(clinic, True)
    drain()
    clinic.simulator.control.clear_faults()
    clinic.simulator.control.act(
        "add_forwarding_rule", tenant=clinic.directory_id, user="priya.shah",
        to="second@collector.example", name="second",
    )  # fmt: skip
    with scope.tenant(clinic.tenant.id):
        case = clinic.case()
        # The vendor tells the alert again.
        now = timezone.now()
        Finding.objects.filter(case=case).update(last_activity_at=now, updated_at=now)
    _stop_actions(clinic, False)
    make_due("run")
    drain({"run"})
    with scope.tenant(clinic.tenant.id):
        assert Step.objects.filter(
            action="mailbox.disable_inbox_rule", target_name="second", status="verified"
        ).exists()


def test_a_deleted_account_reopens_the_case_instead_of_trying_for_ever(clinic) -> None:
    drain()
    account = clinic.account()
    clinic.simulator.simulator.store.tenants[clinic.directory_id].remove(
        "users", account.external_id
    )
    make_due("recheck")
    drain({"recheck"})
    assert clinic.case().status == Case.Status.NEEDS_TECHNICIAN
    with scope.tenant(clinic.tenant.id):
        due = Work.objects.filter(kind="recheck", due_at__lte=timezone.now())
        assert not due.exists()
        assert not Work.objects.exclude(last_error="").exists()


def test_a_case_reopens_when_the_effect_is_gone_later(clinic) -> None:
    drain()
    clinic.simulator.control.act(
        "set_enabled", tenant=clinic.directory_id, user="priya.shah", is_enabled=True
    )
    make_due("recheck")
    drain({"recheck"})
    case = clinic.case()
    assert case.status == Case.Status.NEEDS_TECHNICIAN
    assert not case.closed_with_proof
    assert case.reopened_count == 1
    assert "no longer holds" in case.needs


def _go_on_until_closed(clinic: Clinic) -> None:
    for _ in range(30):
        drain()
        with scope.tenant(clinic.tenant.id):
            if Case.objects.filter(status=Case.Status.CLOSED).exists():
                break
        for kind in ("poll", "triage", "investigate", "respond", "run", "close"):
            make_due(kind)
    case = clinic.case()
    assert case.status == Case.Status.CLOSED, case.needs
    effects = clinic.effects()
    assert len(effects) == len(set(effects)) == len(_steps(clinic))


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("throttle", {"times": 5, "retry_after": 1}),
        ("throttle", {"method": "PATCH", "times": 2, "retry_after": 1}),
        ("server_error", {"times": 3, "status": 503}),
        ("expired_tokens", {}),
        ("stale_reads", {"path": "/users/", "reads": 2}),
        ("broken_json", {"times": 2}),
        ("drop_before_effect", {"method": "PATCH", "times": 2}),
        # The answer never comes: settled by reading back, never by a blind retry.
        ("drop_after_effect", {"method": "PATCH", "times": 2}),
        ("drop_after_effect", {"path": "revokeSignInSessions", "times": 1}),
    ],
)
def test_a_misbehaving_vendor_delays_but_loses_nothing(clinic, fault, options) -> None:
    clinic.simulator.control.fault(fault, **options)
    _go_on_until_closed(clinic)
