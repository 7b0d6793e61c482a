"""How cases went: times with and without waiting, escalations, agreement, evidence, minutes."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from playbooks import library
from playbooks.errors import PlaybookError
from playbooks.models import Agreement, Approval, CaseQuality, Plan, PlaybookVersion
from playbooks.quality import baselines, measures, measuring
from playbooks.quality.measures import CaseMeasures, Measures, Saved, Share, Took
from playbooks.quality.opinions import compared
from tenants import evidence, scope
from tenants.models import Case, Finding, LedgerEntry, RawRecord, Tenant
from tests.playbooks.cases import give_evidence, make_account, make_case, make_plan

START = dt.datetime(2026, 11, 3, 8, tzinfo=dt.UTC)
MONTH = (dt.datetime(2026, 11, 1, tzinfo=dt.UTC), dt.datetime(2026, 12, 1, tzinfo=dt.UTC))


def _at(minutes: int) -> dt.datetime:
    return START + dt.timedelta(minutes=minutes)


@pytest.fixture
def case(in_tenant) -> Case:
    """An attack: seen after 2 minutes, decided after 10, contained after 100, closed after 130."""
    return make_case(
        make_account(), status=Case.Status.CLOSED, opened_at=START, acknowledged_at=_at(2),
        decided_at=_at(10), contained_at=_at(100), closed_at=_at(130),
    )  # fmt: skip


def _entry(case: Case, minutes: int, kind: str, actor: str = "engine") -> None:
    LedgerEntry.objects.create(
        at=_at(minutes), kind=kind, actor=actor, case_id=case.id, subject="x", body={}
    )


def _asked(plan: Plan, asked: int, answered: int | None) -> None:
    Approval.objects.filter(plan=plan).delete()
    Approval.objects.create(
        plan=plan, tier="technician", requested_at=_at(asked), expires_at=_at(9999),
        decided_at=None if answered is None else _at(answered),
    )  # fmt: skip


def _alert(case: Case, minutes: int) -> None:
    raw = RawRecord.objects.create(
        connector="test", feed="alerts", received_at=_at(minutes), body=b"{}", content_hash="x",
        outcome="finding",
    )  # fmt: skip
    Finding.objects.create(
        raw=raw, connector="test", uid=str(minutes), class_uid=2004, title="x", time=_at(minutes),
        severity_id=3, ocsf={}, case=case, received_at=_at(minutes), updated_at=_at(minutes),
    )  # fmt: skip


def _cases(tenant: Tenant) -> list[CaseMeasures]:
    return measuring.of_cases({tenant.id: MONTH})


def _only(tenant: Tenant) -> CaseMeasures:
    (found,) = _cases(tenant)
    return found


def _saved(tenant: Tenant) -> int | None:
    return measures.summarise(_cases(tenant), baselines.supplied()).minutes_saved


def _minutes(found: CaseMeasures) -> dict[str, tuple[float, float]]:
    return {
        name: (took.seconds / 60, took.without_waiting / 60) for name, took in found.times.items()
    }


def test_times_are_those_of_the_case(case, tenant) -> None:
    assert _minutes(_only(tenant)) == {
        "acknowledge": (2, 2), "investigate": (10, 10), "contain": (100, 100),
        "remediate": (130, 130),
    }  # fmt: skip


def test_waiting_for_people_is_left_out_once(case, tenant) -> None:
    # Approval 20-60, technician needed 50-80: an hour together.
    _asked(make_plan(case), 20, 60)
    Case.objects.filter(id=case.id).update(status=Case.Status.CLOSED)
    _entry(case, 50, "case.needs_technician")
    _entry(case, 80, "case.taken", "technician:mira")
    # It has a technician by now: nobody is waited for.
    _entry(case, 90, "case.needs_technician")
    found = _minutes(_only(tenant))
    assert found["investigate"] == (10, 10)
    assert found["contain"] == (100, 40)
    assert found["remediate"] == (130, 70)


def test_who_had_to_approve_was_needed_but_not_who_undoes_something(case, tenant) -> None:
    plan = make_plan(case)
    Case.objects.filter(id=case.id).update(status=Case.Status.CLOSED)
    assert _only(tenant).is_escalated
    document = {**plan.document, "reverses": str(plan.id)}
    Plan.objects.filter(id=plan.id).update(document=document)
    assert _only(tenant).is_escalated is False
    Plan.objects.filter(id=plan.id).update(document=plan.document)
    Approval.objects.filter(plan=plan).update(tier="client")
    assert _only(tenant).is_escalated is False


def test_what_came_before_the_first_alert_has_no_time(case, tenant) -> None:
    """After a split, or where the clocks of two machines differ: by seconds they may."""
    _alert(case, 10)
    assert _minutes(_only(tenant)) == {
        "investigate": (0, 0), "contain": (90, 90), "remediate": (120, 120),
    }  # fmt: skip
    Case.objects.filter(id=case.id).update(decided_at=_at(10) - dt.timedelta(seconds=2))
    assert _minutes(_only(tenant))["investigate"] == (0, 0)


def test_a_thousand_cases_take_no_more_statements_than_one(case, tenant) -> None:
    with CaptureQueriesContext(connection) as few:
        _cases(tenant)
    Case.objects.bulk_create(
        Case(number=number, title="x", opened_at=START, first_activity_at=START,
             last_activity_at=START, status=Case.Status.CLOSED, closed_at=_at(5))
        for number in range(100, 1100)
    )  # fmt: skip
    with CaptureQueriesContext(connection) as many:
        assert len(_cases(tenant)) == 1001
    assert len(many) == len(few) <= 10


def test_what_is_still_waited_for_counts_until_the_stage(case, tenant) -> None:
    _asked(make_plan(case), 20, None)
    Case.objects.filter(id=case.id).update(status=Case.Status.CLOSED)
    assert _minutes(_only(tenant))["contain"] == (100, 20)


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"status": "responding", "contained_at": None}, {"acknowledge", "investigate"}),
        ({"verdict": "benign", "contained_at": None}, {"acknowledge", "investigate"}),
        ({"verdict": "", "decided_at": None, "acknowledged_at": None}, {"contain"}),
        # Whoever closed it gave the verdict.
        ({"verdict": "benign", "decided_at": None}, {"acknowledge", "investigate", "contain"}),
    ],
)
def test_what_was_not_reached_has_no_time(case, tenant, change: dict[str, Any], stages) -> None:
    Case.objects.filter(id=case.id).update(**change)
    assert set(_only(tenant).times) == stages


def test_a_merged_case_is_a_part_of_the_one_that_goes_on(case, tenant) -> None:
    other = make_case(
        make_account("b@acme.example"), status=Case.Status.CLOSED, merged_into=case, opened_at=START
    )
    _entry(other, 50, "case.needs_technician")
    give_evidence(other)
    found = _only(tenant)
    assert (found.case_id, found.is_escalated) == (case.id, True)
    assert found.evidence == Share(*[len(library.get("investigate-account-takeover").steps)] * 2)


def test_evidence_counts_the_last_answer_of_each_question(case, tenant) -> None:
    give_evidence(case)
    steps = library.get("investigate-account-takeover").steps
    evidence.record(
        case, gatherer="q", question="q", asked_of="nobody", asked_at=_at(5),
        answer={"step": steps[0].id, "facts": {}, "reason": "no"}, is_available=False,
    )  # fmt: skip
    assert _only(tenant).evidence == Share(len(steps) - 1, len(steps))


def test_agreement_is_by_plan_and_overridden_prevails(case, tenant) -> None:
    plan = make_plan(case)
    for kind in ("agreed", "overridden", "reopened"):
        Agreement.objects.create(plan=plan, playbook_id="contain-cloud-account", kind=kind)
        expected = Share(int(kind == "agreed"), 1)
        assert _only(tenant).plans == expected
    CaseQuality.objects.create(
        case=case, closed_at=_at(130), process_version=0, items=[], is_passed=True,
        is_sampled=True, verdict="true_positive", review_verdict="benign", reviewed_at=_at(200),
    )  # fmt: skip
    assert _only(tenant).opinions == (("true_positive", "benign"),)
    told = measures.summarise(_cases(tenant), baselines.supplied()).opinions
    assert (told.given, told.agreed, told.weighted_percent) == (1, 0, 0)


def test_a_verdict_is_kept_or_not_by_whom_closes_the_case(case, tenant) -> None:
    detail = {**case.verdict_detail, "verdict": "true_positive"}
    Case.objects.filter(id=case.id).update(verdict_detail=detail)
    _entry(case, 130, "case.closed")
    assert _only(tenant).verdicts == Share(0, 0)
    _entry(case, 140, "case.closed", "technician:mira")
    assert _only(tenant).verdicts == Share(1, 1)
    Case.objects.filter(id=case.id).update(verdict="benign")
    assert _only(tenant).verdicts == Share(0, 1)


def test_minutes_are_saved_by_what_was_done(case, tenant) -> None:
    asked, contained = (
        baselines.supplied()[name]
        for name in ("investigate-account-takeover", "contain-cloud-account")
    )
    plan = make_plan(case)
    assert _saved(tenant) == asked
    Plan.objects.filter(id=plan.id).update(status=Plan.Status.DONE)
    assert _saved(tenant) == asked + contained
    Case.objects.filter(id=case.id).update(verdict="insufficient_data")
    assert _saved(tenant) == contained
    Plan.objects.filter(id=plan.id).update(status=Plan.Status.FAILED)
    assert _saved(tenant) is None


def test_only_the_interval_and_the_tenants_asked_for(case, tenant, other_tenant) -> None:
    with scope.tenant(other_tenant.id):
        make_case(make_account(), opened_at=MONTH[0])
    Case.objects.filter(id=case.id).update(opened_at=MONTH[1])
    with scope.reading([tenant.id, other_tenant.id]):
        assert measuring.of_cases({}) == []
        assert _cases(tenant) == []
        found = measuring.of_cases({tenant.id: MONTH, other_tenant.id: MONTH})
    assert [one.tenant_id for one in found] == [other_tenant.id]


def _case_measures(minutes: int, **fields: Any) -> CaseMeasures:
    told: dict[str, Any] = {
        "case_id": None, "tenant_id": None, "is_incident": True, "is_closed": True,
        "is_escalated": False, "times": {"contain": Took(minutes * 60, 0)}, "plans": Share(1, 2),
        "verdicts": Share(0, 0), "opinions": (), "evidence": Share(3, 4), "done": (),
        "verdict": "benign", **fields,
    }  # fmt: skip
    return CaseMeasures(**told)


def test_median_and_90th_percentile() -> None:
    together = measures.summarise(
        [
            *(_case_measures(minutes) for minutes in range(1, 10)),
            _case_measures(1000, is_escalated=True, done=("scan-endpoint", "none-such")),
            _case_measures(0, is_closed=False, is_escalated=None, times={}),
            _case_measures(
                0, is_incident=False, times={}, done=("scan-endpoint", "release-endpoint")
            ),
        ],
        baselines.supplied(),
    )
    contain = together.times["contain"]
    assert (contain.cases, contain.median, contain.p90) == (10, 330, 540)
    assert (contain.median_without_waiting, contain.p90_without_waiting) == (0, 0)
    minutes = baselines.supplied()
    assert together.saved == (
        Saved("scan-endpoint", 2, minutes["scan-endpoint"]),
        Saved("release-endpoint", 1, minutes["release-endpoint"]),
    )
    assert (together.cases, together.closed) == (11, 10)
    assert together.minutes_saved == 2 * minutes["scan-endpoint"] + minutes["release-endpoint"]
    assert together.by_verdict == {"benign": 11}
    assert together.without_escalation == Share(9, 10)
    assert (together.plans, together.evidence.percent) == (Share(11, 22), 75)


def test_second_opinions_are_weighed_by_how_near_they_come() -> None:
    first = ["benign"] * 4 + ["true_positive"] * 4
    second = ["benign", "false_positive", "suspicious", "true_positive"] + ["true_positive"] * 4
    told = compared(zip(first, second, strict=True))
    assert (told.given, told.agreed, told.percent) == (8, 5, 62)
    # Harmless twice, half a step, and from one end to the other; then the same four times.
    assert told.weighted_percent == int(100 * (1 + 1 + 0.5 + 0 + 4) / 8)
    # By chance: halves first; a quarter, an eighth and five eighths second.
    chance = 0.5 * (0.25 + 0.125 * 0.5) + 0.5 * (0.625 + 0.125 * 0.5)
    assert told.kappa == round((6.5 / 8 - chance) / (1 - chance), 2)
    assert compared([]).kappa is None
    assert compared([("benign", "benign")]).kappa is None


def test_what_was_not_measured_is_none() -> None:
    nothing: Measures = measures.summarise([], {})
    assert nothing.minutes_saved is None
    assert nothing.without_escalation.percent is None
    assert {spread.median for spread in nothing.times.values()} == {None}


def test_a_month_that_is_over_keeps_its_baseline(case, tenant) -> None:
    name, start = "investigate-account-takeover", timezone.now()
    before = baselines.supplied()[name]
    for minutes in (before + 7, before + 9):
        baselines.declare(name, minutes, "Timed on ten cases.", actor="technician:mira")
    later = timezone.now() + dt.timedelta(seconds=1)
    assert baselines.in_force(start)[name] == before
    assert baselines.in_force(later)[name] == before + 9
    [one] = [one for one in baselines.declared(later) if one.playbook == name]
    assert (one.minutes, one.row and one.row.author) == (before + 9, "technician:mira")
    assert [row.minutes for row in baselines.history()] == [before + 9, before + 7]
    assert LedgerEntry.objects.filter(kind="baseline.declared", subject=name).count() == 2


@pytest.mark.parametrize(
    ("playbook", "minutes", "reason", "told"),
    [("none-such", 5, "x", "no playbook"), ("scan-endpoint", 0, "x", "from 1 to"),
     ("scan-endpoint", 481, "x", "from 1 to"), ("scan-endpoint", 5, " ", "Say where")],
)  # fmt: skip
def test_a_baseline_that_makes_no_sense_is_refused(
    db, playbook: str, minutes: int, reason: str, told: str
) -> None:
    with pytest.raises(PlaybookError, match=told):
        baselines.declare(playbook, minutes, reason, actor="technician:mira")


def test_every_playbook_has_a_baseline() -> None:
    assert set(baselines.supplied()) == set(library.playbooks())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 5\nb: 6\nc: 7", "c: there is no such playbook"),
        ("a: 5", "b: say its minutes"),
        ("a: 5\nb: 0", "b: the minutes have to be"),
        ("a: 5\nb: true", "b: the minutes have to be"),
        ("a: [", "no YAML"),
        ("- a", "have to be lines"),
    ],
)
def test_bad_baselines_are_named(text: str, told: str) -> None:
    with pytest.raises(PlaybookError, match=told):
        baselines.load(text, ["a", "b"])


@pytest.mark.django_db
def test_a_playbook_that_this_release_can_not_read_has_its_id_as_title() -> None:
    PlaybookVersion.objects.create(
        sha256="a" * 64, playbook_id="our-own", version="1", kind="response", source="kind: no"
    )
    assert baselines.title_of("our-own") == "our-own"
    assert "our-own" in [one.title for one in baselines.declared(START)]
