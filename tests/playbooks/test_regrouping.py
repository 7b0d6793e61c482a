"""Two cases become one, by rule or by hand, and are put back; nothing under way is lost."""

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from playbooks import approvals, regrouping, response, triage
from playbooks.correlating import case_entities, joining, merging
from playbooks.errors import CaseError
from playbooks.investigating import facts as case_facts
from playbooks.models import Approval, Plan, Step
from tenants import evidence, intake, scope
from tenants.models import Case, CaseChange, CaseEntity, Finding, LedgerEntry, Work
from tenants.records import Finding as NormalisedFinding
from tenants.records import SourceRecord
from tests.playbooks.cases import give_evidence, make_account, make_plan

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
ANN, BOB, PC = "account:ann@acme.example", "account:bob@acme.example", "device:pc-1"
WHO = {"actor": "technician:kim", "reason": "They are one attack."}


def _arrive(*told: tuple[str, tuple[str, ...]]) -> None:
    alerts = {
        uid: NormalisedFinding(
            uid=uid, class_uid=2004, title=f"Alert {uid}", time=NOON, severity_id=3, ocsf={},
            entities=entities,
        )
        for uid, entities in told
    }  # fmt: skip
    intake.take(
        connector="test", feed="alerts", records=[SourceRecord({"id": uid}) for uid in alerts],
        normalise=lambda record: alerts[record.body["id"]],
    )  # fmt: skip
    triage.triage(scope.require_tenant_id(), scope.require_tenant_id())


def _two() -> tuple[Case, Case]:
    _arrive(("a", (ANN,)), ("b", (BOB, PC)))
    one, other = Case.objects.order_by("number")
    return one, other


def _bridge() -> None:
    _arrive(("bridge", (ANN, PC)))


def _state() -> dict[str, Any]:
    """Everything that undoing has to put back."""
    return {
        "cases": list(Case.objects.order_by("number").values()),
        "findings": list(Finding.objects.order_by("uid").values("uid", "case", "entities")),
        "plans": list(Plan.objects.order_by("id").values("id", "case", "status", "sha256")),
        "shared": sorted(CaseEntity.objects.values_list("case", "entity")),
    }


def _decided(case: Case, **fields: Any) -> Case:
    account = make_account(f"{case.number}@acme.example")
    told = {"playbook": "investigate-account-takeover", "confidence": "high"}
    Case.objects.filter(id=case.id).update(
        account=account, verdict="true_positive", verdict_detail=told, decided_at=timezone.now(),
        **fields,
    )  # fmt: skip
    case.refresh_from_db()
    give_evidence(case)
    return case


def test_a_bridge_merges_two_open_cases_into_the_older(in_tenant) -> None:
    one, other = _two()
    _bridge()
    one.refresh_from_db()
    other.refresh_from_db()
    assert {finding.uid for finding in one.findings.all()} == {"a", "b", "bridge"}
    assert set(one.entities) == {ANN, BOB, PC}
    assert (other.status, other.merged_into) == (Case.Status.CLOSED, one)
    assert not CaseEntity.objects.filter(case=other).exists()
    for case in (one, other):
        assert LedgerEntry.objects.filter(kind="case.merged", case_id=case.id).count() == 1
    assert Work.objects.filter(kind="investigate", subject=one.id).exists()


def test_a_response_under_way_goes_on_in_the_case_that_stays(in_tenant) -> None:
    one, other = _two()
    plan = make_plan(_decided(other))
    approval = plan.approvals.get(decision=Approval.Decision.PENDING)
    answers = set(evidence.of_case(other).values_list("id", flat=True))
    _bridge()
    plan.refresh_from_db()
    one.refresh_from_db()
    assert plan.case == one
    assert one.verdict == "true_positive"
    assert set(evidence.of_case(one).values_list("id", flat=True)) == answers
    assert case_facts.of_case(one)["evidence"]
    # What people were asked can still be answered, on the hash that they saw.
    approvals.decide(approval.id, approve=True, actor="technician:kim", sha256=plan.sha256)
    assert plan.run.steps.filter(status="pending").exists()
    assert Work.objects.filter(kind="run", subject=plan.run.id).exists()
    # An earlier message about the other one does nothing any more.
    response.respond(in_tenant.id, other.id)
    assert Plan.objects.get() == plan


def test_the_case_that_stays_stands_as_the_one_that_is_further(in_tenant) -> None:
    one, other = _two()
    _decided(other, status=Case.Status.NEEDS_TECHNICIAN, needs="Look at it.")
    _bridge()
    one.refresh_from_db()
    assert (one.verdict, one.status, one.needs) == (
        "true_positive", Case.Status.NEEDS_TECHNICIAN, "Look at it.",
    )  # fmt: skip
    assert Work.objects.filter(kind="investigate", subject=one.id).exists()


def test_what_both_cases_need_is_said_once(in_tenant) -> None:
    one, other = _two()
    Case.objects.filter(id=one.id).update(needs="Ask Ann. Look at pc-1.")
    Case.objects.filter(id=other.id).update(needs="Look at pc-1. Ask Bob.")
    _bridge()
    one.refresh_from_db()
    assert one.needs == "Ask Ann. Look at pc-1. Ask Bob."


def test_a_graver_verdict_stands_before_one_that_is_acted_upon(in_tenant) -> None:
    one, other = _two()
    begun = make_plan(_decided(one))
    Step.objects.filter(run__plan=begun, position=0).update(status=Step.Status.VERIFIED)
    Case.objects.filter(id=one.id).update(verdict="suspicious")
    waiting = make_plan(_decided(other))
    _bridge()
    one.refresh_from_db()
    assert one.verdict == "true_positive"
    assert set(Plan.objects.filter(case=one)) == {begun, waiting}


def test_what_looked_into_the_other_does_not_decide_on_it(in_tenant) -> None:
    one, other = _two()
    Case.objects.filter(id=other.id).update(status=Case.Status.INVESTIGATING)
    Work.objects.filter(kind="investigate").delete()
    _bridge()
    assert Work.objects.filter(kind="investigate", subject=one.id).exists()


def test_a_merged_case_can_never_be_opened_again(in_tenant) -> None:
    _, other = _two()
    _bridge()
    from_before = Case.objects.get(id=other.id)
    from_before.status = Case.Status.NEEDS_TECHNICIAN
    with pytest.raises(IntegrityError, match="merged_case_is_closed"), transaction.atomic():
        from_before.save()


@pytest.mark.parametrize("stands", ["new", "decided", "awaiting"])
def test_undoing_a_merge_by_hand_restores_exactly(in_tenant, stands) -> None:
    one, other = _two()
    if stands == "decided":
        _decided(one, status=Case.Status.NEEDS_TECHNICIAN, needs="Look at it.")
    elif stands == "awaiting":
        make_plan(_decided(other))
        response.set_status(Case.objects.get(id=other.id))
    before = _state()
    change = regrouping.merge(other.id, one.id, **WHO)
    assert {finding.case for finding in Finding.objects.all()} == {one}
    regrouping.undo(change.id, actor="technician:kim", reason="They are two after all.")
    assert _state() == before
    assert LedgerEntry.objects.filter(kind="case.merge_undone").count() == 2


def test_a_merge_by_rule_that_was_undone_is_never_done_again(in_tenant) -> None:
    one, other = _two()
    _bridge()
    regrouping.undo(CaseChange.objects.get().id, **WHO)
    _arrive(("again", (ANN, PC)))
    one.refresh_from_db()
    other.refresh_from_db()
    assert other.merged_into is None
    assert {finding.uid for finding in other.findings.all()} == {"b"}
    assert {finding.uid for finding in one.findings.all()} == {"a", "bridge", "again"}


def test_what_came_after_a_merge_stays_when_it_is_undone(in_tenant) -> None:
    one, other = _two()
    _decided(other, status=Case.Status.NEEDS_TECHNICIAN, needs="Look at it.")
    change = regrouping.merge(one.id, other.id, **WHO)
    _arrive(("later", (ANN,)))
    regrouping.undo(change.id, **WHO)
    one.refresh_from_db()
    other.refresh_from_db()
    assert {finding.uid for finding in one.findings.all()} == {"a", "later"}
    assert (one.verdict, one.status, set(one.entities)) == ("", Case.Status.NEW, {ANN})
    assert (other.verdict, other.status) == ("true_positive", Case.Status.NEEDS_TECHNICIAN)


def test_a_split_finding_is_a_case_of_its_own_and_stays_one(in_tenant) -> None:
    _arrive(("a", (ANN,)), ("b", (ANN, PC)))
    case = Case.objects.get()
    moved = Finding.objects.get(uid="b")
    change = regrouping.split(case.id, [moved.id], **WHO)
    case.refresh_from_db()
    assert (set(case.entities), set(change.other.entities)) == ({ANN}, {ANN, PC})
    assert Work.objects.filter(kind="investigate", subject=change.other_id).exists()
    _arrive(("again", (ANN, PC)))
    moved.refresh_from_db()
    assert moved.case == change.other
    assert Case.objects.filter(merged_into=None).count() == 2


def test_undoing_a_split_restores_exactly(in_tenant) -> None:
    _arrive(("a", (ANN,)), ("b", (ANN, PC)))
    case = _decided(Case.objects.get(), status=Case.Status.NEEDS_TECHNICIAN, needs="Look at it.")
    before = _state()
    change = regrouping.split(case.id, [Finding.objects.get(uid="b").id], **WHO)
    regrouping.undo(change.id, **WHO)
    after = _state()
    gone = [one for one in after["cases"] if one["id"] == change.other_id]
    after["cases"] = [one for one in after["cases"] if one["id"] != change.other_id]
    assert after == before
    assert gone[0]["merged_into_id"] == case.id
    _arrive(("again", (PC,)))
    assert Finding.objects.get(uid="again").case == case


def _awaiting(case: Case) -> Plan:
    plan = make_plan(_decided(case))
    response.set_status(Case.objects.get(id=case.id))
    case.refresh_from_db()
    assert case.status == Case.Status.AWAITING_APPROVAL
    return plan


def test_a_verdict_that_read_what_was_split_off_is_looked_at_again_before_people_decide(
    in_tenant,
) -> None:
    _arrive(("a", (ANN,)), ("b", (ANN, PC)))
    case = Case.objects.get()
    plan = _awaiting(case)
    before = _state()
    Work.objects.all().delete()
    change = regrouping.split(case.id, [Finding.objects.get(uid="b").id], **WHO)
    case.refresh_from_db()
    assert case.status == Case.Status.INVESTIGATING
    assert Work.objects.filter(kind="investigate", subject=case.id).exists()
    regrouping.undo(change.id, **WHO)
    after = _state()
    after["cases"] = [one for one in after["cases"] if one["id"] != change.other_id]
    assert after == before
    plan.refresh_from_db()
    assert plan.status == Plan.Status.AWAITING_APPROVAL


def test_a_verdict_on_two_cases_that_are_two_again_is_looked_at_again(in_tenant) -> None:
    one, other = _two()
    change = regrouping.merge(one.id, other.id, **WHO)
    one.refresh_from_db()
    _awaiting(one)
    Work.objects.all().delete()
    regrouping.undo(change.id, **WHO)
    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.status, set(one.entities)) == (Case.Status.INVESTIGATING, {ANN})
    assert (other.status, other.verdict, set(other.entities)) == (Case.Status.NEW, "", {BOB, PC})
    looked_into = set(Work.objects.filter(kind="investigate").values_list("subject", flat=True))
    assert looked_into == {one.id, other.id}


def test_cases_that_name_the_same_keep_their_account_when_they_are_two_again(in_tenant) -> None:
    """Also where what came since changed the verdict."""
    account = make_account("ann@acme.example")
    _arrive(("a", (ANN,)), ("b", (ANN,)))
    case = Case.objects.get()
    split = regrouping.split(case.id, [Finding.objects.get(uid="b").id], **WHO)
    merged = regrouping.merge(case.id, split.other_id, **WHO)
    Case.objects.filter(id=case.id).update(
        status=Case.Status.NEEDS_TECHNICIAN, verdict="suspicious", decided_at=timezone.now()
    )
    regrouping.undo(merged.id, **WHO)
    assert {one.account for one in Case.objects.all()} == {account}
    assert {one.findings.count() for one in Case.objects.all()} == {1}


def test_a_merge_by_hand_ends_that_they_are_kept_apart_and_its_undoing_brings_it_back(
    in_tenant,
) -> None:
    _arrive(("a", (ANN,)), ("b", (ANN, PC)))
    case = Case.objects.get()
    change = regrouping.split(case.id, [Finding.objects.get(uid="b").id], **WHO)
    merged = regrouping.merge(case.id, change.other_id, **WHO)
    assert not CaseChange.objects.filter(keeps_apart=True).exists()
    with pytest.raises(CaseError, match="undo the later change first"):
        regrouping.undo(change.id, **WHO)
    regrouping.undo(merged.id, **WHO)
    with scope.tenant(in_tenant.id):
        cases = list(Case.objects.filter(merged_into=None))
        assert merging.kept_apart(cases) == {frozenset(one.id for one in cases)}


def test_cases_that_were_merged_are_kept_apart_from_what_their_parts_were(in_tenant) -> None:
    """A decision about a case holds for the case that it is part of by now."""
    _arrive(("a", (ANN,)), ("b", (ANN, PC)), ("c", (BOB,)))
    first, third = Case.objects.order_by("number")
    change = regrouping.split(first.id, [Finding.objects.get(uid="b").id], **WHO)
    regrouping.merge(third.id, change.other_id, **WHO)
    _arrive(("again", (ANN, BOB)))
    assert Case.objects.filter(merged_into=None).count() == 2


@pytest.mark.parametrize("what", ["reason", "itself", "closed", "all", "none", "strangers"])
def test_what_can_not_be_done_is_said(in_tenant, what) -> None:
    one, other = _two()
    told = [Finding.objects.get(uid="a").id]
    if what == "closed":
        Case.objects.filter(id=other.id).update(status=Case.Status.CLOSED)
    before = _state()
    asked: dict[str, Any] = {
        "reason": lambda: regrouping.merge(one.id, other.id, actor="x", reason="  "),
        "itself": lambda: regrouping.merge(one.id, one.id, **WHO),
        "closed": lambda: regrouping.merge(one.id, other.id, **WHO),
        "all": lambda: regrouping.split(one.id, told, **WHO),
        "none": lambda: regrouping.split(one.id, [], **WHO),
        "strangers": lambda: regrouping.split(other.id, told, **WHO),
    }
    with pytest.raises(
        CaseError, match=r"Say why|another case|closed|at least one|Choose findings"
    ):
        asked[what]()
    assert _state() == before


def test_a_closed_case_keeps_what_it_shares_for_late_alerts(in_tenant) -> None:
    _arrive(("a", (ANN,)))
    Case.objects.update(status=Case.Status.CLOSED, decided_at=timezone.now(), verdict="benign")
    _arrive(("late", (ANN,)))
    case = Case.objects.get()
    assert {finding.uid for finding in case.findings.all()} == {"a", "late"}
    assert case.status == Case.Status.INVESTIGATING
    assert set(case_entities.of([case.id])) == {(case.id, ANN)}
    assert joining.ENGINE == "engine"
