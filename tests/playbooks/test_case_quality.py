"""A closed case is checked against its client's process; some go to a second technician."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.utils import timezone

from msp.console import actions
from msp.staff import actions as staff
from msp.staff.models import Role
from playbooks.errors import PlaybookError
from playbooks.models import Approval, CaseQuality, Plan, Step
from playbooks.quality import case_quality
from tenants import evidence, ledger, scope
from tenants.models import Case, LedgerEntry
from tests.pipeline import drain
from tests.playbooks.cases import give_evidence, make_account, make_case, make_plan
from tests.playbooks.samples import policy

NOW = timezone.now()
KEPT = {
    "evidence", "intact", "approvals", "read_backs", "acknowledge", "decide", "close", "note",
}  # fmt: skip


@pytest.fixture
def case(in_tenant) -> Case:
    made = make_case(
        make_account(), status=Case.Status.CLOSED, opened_at=NOW - dt.timedelta(minutes=30),
        acknowledged_at=NOW - dt.timedelta(minutes=20), decided_at=NOW, closed_at=NOW,
        closing_note="3 actions done and read back.",
    )  # fmt: skip
    give_evidence(made)
    return made


def _failed(case: Case, **asked: int) -> set[str]:
    process = case_quality.set_process(asked, actor="x") if asked else case_quality.process_of()
    return {item.name for item in case_quality.checklist(case, process) if not item.holds}


def test_a_case_that_kept_to_everything_passes(case) -> None:
    items = case_quality.checklist(case, case_quality.process_of())
    assert {item.name for item in items} == KEPT
    assert _failed(case) == set()


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"acknowledged_at": None}, {"acknowledge"}),
        ({"closing_note": "ok"}, {"note"}),
        ({"opened_at": NOW - dt.timedelta(days=4)}, {"acknowledge", "decide", "close"}),
    ],
)
def test_what_is_missing_or_late_is_named(case, change: dict[str, Any], failed) -> None:
    Case.objects.filter(id=case.id).update(**change)
    case.refresh_from_db()
    assert _failed(case) == failed


def test_the_clients_own_times_and_depth_count(case) -> None:
    evidence.record(
        case, gatherer="q", question="q", asked_of="nobody", asked_at=NOW,
        answer={"step": "risk", "facts": {}, "reason": "no"}, is_available=False,
    )  # fmt: skip
    assert _failed(case) == set()
    assert _failed(case, least_evidence=100) == {"evidence"}
    assert _failed(case, least_evidence=50, decide_minutes=29) == {"decide"}
    with pytest.raises(PlaybookError, match="from 0 to 100"):
        case_quality.set_process({"sample_percent": 101}, actor="x")


def _act(case: Case, status: str, **fields: Any) -> Plan:
    plan = make_plan(case, policy(default="technician"))
    Step.objects.filter(run__plan=plan).update(status=status, **fields)
    return plan


def test_what_was_done_without_approval_or_never_seen_is_named(case) -> None:
    plan = _act(case, Step.Status.CALLED)
    assert _failed(case) == {"approvals", "read_backs"}
    Approval.objects.update(decision="approved", decided_sha256=plan.sha256)
    assert _failed(case) == {"read_backs"}
    Step.objects.update(status=Step.Status.VERIFIED, read_back={"holds": True})
    assert _failed(case) == set()


def test_the_sample_follows_from_the_case_and_the_rate() -> None:
    ids = [uuid.UUID(int=number) for number in range(2000)]
    tenth = {one for one in ids if case_quality.is_sampled(one, 10)}
    assert 140 < len(tenth) < 260
    assert tenth < {one for one in ids if case_quality.is_sampled(one, 50)}
    assert not any(case_quality.is_sampled(one, 0) for one in ids)
    assert all(case_quality.is_sampled(one, 100) for one in ids)


def test_closing_by_hand_has_the_case_checked_once(tenant) -> None:
    sam = staff.create_technician("sam", role=Role.TECHNICIAN, password="x" * 20 + "!7")
    with scope.tenant(tenant.id):
        case = make_case(make_account(), status=Case.Status.NEEDS_TECHNICIAN)
    actions.close_case(case, actor=sam, verdict="benign", note="She was on a journey.")
    drain(["quality"])
    case_quality.check_closed(tenant.id, case.id)
    with scope.tenant(tenant.id):
        row = CaseQuality.objects.get()
        assert not row.is_passed
        assert {one["name"] for one in row.items if not one["holds"]} == {
            "evidence", "acknowledge",
        }  # fmt: skip
        assert LedgerEntry.objects.filter(kind="case.quality", case_id=case.id).count() == 1


def test_a_second_technician_reviews_and_agreement_is_measured(case, tenant) -> None:
    case_quality.set_process({"sample_percent": 100}, actor="x")
    Case.objects.filter(id=case.id).update(assignee="ann")
    case_quality.check_closed(tenant.id, case.id)
    row = CaseQuality.objects.get()

    def review(verdict: str, note: str = "", who: str = "ben") -> None:
        case_quality.review(row.id, verdict, note, actor=f"technician:{who}", username=who)

    with pytest.raises(PlaybookError, match="somebody else"):
        review("true_positive", who="ann")
    ledger.append("plan.approved", actor="technician:cid", case_id=case.id, subject="x")
    with pytest.raises(PlaybookError, match="somebody else"):
        review("true_positive", who="cid")
    with pytest.raises(PlaybookError, match="Say why"):
        review("benign")
    review("benign", "It was a test.")
    told = case_quality.agreement()
    assert (told.given, told.agreed) == (1, 0)
    with pytest.raises(PlaybookError, match="a second time"):
        review("true_positive")
    CaseQuality.objects.update(review_verdict="true_positive")
    assert case_quality.agreement().percent == 100


def test_another_clients_checks_are_not_seen(case, tenant, other_tenant) -> None:
    case_quality.check_closed(tenant.id, case.id)
    with scope.tenant(other_tenant.id):
        assert not CaseQuality.objects.exists()
        assert case_quality.process_of().version == 0
