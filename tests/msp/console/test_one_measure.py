"""The console, the API and the owner's report tell the same measures: they share one selector."""

import datetime as dt
import html
import re

from django.test import Client

from msp.licensing.periods import Period
from msp.reports import actions, selectors
from msp.staff.actions import create_api_key
from msp.staff.models import Role
from playbooks.models import Approval, CaseQuality, Plan
from playbooks.quality import baselines
from tenants import scope
from tenants.models import Case, LedgerEntry, Tenant
from tests.playbooks.cases import give_evidence, make_account, make_case, make_plan

MONTH = Period(2026, 3)
START = dt.datetime(2026, 3, 12, 8, tzinfo=dt.UTC)
MADE_AT = dt.datetime(2026, 4, 2, tzinfo=dt.UTC)


def _at(minutes: int) -> dt.datetime:
    return START + dt.timedelta(minutes=minutes)


def _month() -> None:
    """An attack with 37 minutes of waiting, and a false alarm that a technician had to close."""
    case = make_case(
        make_account(), status=Case.Status.CLOSED, opened_at=START, acknowledged_at=_at(2),
        decided_at=_at(10), contained_at=_at(100), closed_at=_at(130),
    )  # fmt: skip
    give_evidence(case)
    plan = make_plan(case)
    Approval.objects.filter(plan=plan).delete()
    Approval.objects.create(
        plan=plan, tier="client", requested_at=_at(20), decided_at=_at(57), expires_at=_at(999),
        decision=Approval.Decision.APPROVED,
    )  # fmt: skip
    Plan.objects.filter(id=plan.id).update(status=Plan.Status.DONE)
    Case.objects.filter(id=case.id).update(status=Case.Status.CLOSED)
    other = make_case(
        make_account("b@acme.example"), status=Case.Status.CLOSED, opened_at=_at(0),
        verdict="benign", acknowledged_at=_at(6), decided_at=_at(30), closed_at=_at(60),
    )  # fmt: skip
    for minutes, kind, actor in (
        (30, "case.needs_technician", "engine"), (60, "case.closed", "technician:mira"),
    ):  # fmt: skip
        LedgerEntry.objects.create(
            at=_at(minutes), kind=kind, actor=actor, case_id=other.id, subject="x", body={}
        )
    CaseQuality.objects.create(
        case=other, closed_at=_at(60), process_version=0, items=[], is_passed=True,
        is_sampled=True, verdict="benign", review_verdict="suspicious", reviewed_at=_at(900),
    )  # fmt: skip


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_console_api_and_report_tell_the_same(browser, tenant: Tenant) -> None:
    with scope.tenant(tenant.id):
        _month()
        report = text_of(actions.as_html(selectors.outcome(tenant.id, MONTH, MADE_AT)))
    key = create_api_key("board", scopes=["measures:read"])[1]
    api = Client(headers={"Authorization": f"Bearer {key}"})
    told = api.get("/api/v1/measures", {"period": str(MONTH), "tenant": tenant.slug}).json()
    page = browser(Role.VIEWER).get(f"/admin/measures/?client={tenant.slug}&month={MONTH}")
    console = text_of(page.content.decode())
    names = ("investigate-account-takeover", "contain-cloud-account")
    asked, contained = (baselines.supplied()[name] for name in names)
    saved = 2 * asked + contained

    assert told["times"]["contain"]["median"] == 100 * 60
    assert told["times"]["contain"]["median_without_waiting"] == 63 * 60
    assert "Contain the last containment step was read back 1 1 h 40 min 1 h 40 min 1 h 3 min" in (
        console
    )
    assert "Contained and checked 1 hour 40 minutes 1 hour 40 minutes 63 minutes 1" in report
    assert "Within 1 hour 40 minutes ; 63 minutes without the time in which we waited" in report

    assert told["times"]["acknowledge"]["median"] == 4 * 60
    assert "somebody or something looked at it 2 4 min 6 min 4 min" in console
    assert "Looked at 4 minutes 6 minutes 4 minutes 2" in report

    assert (told["without_escalation"]["part"], told["without_escalation"]["of"]) == (1, 2)
    assert "Closed without escalation 1 of 2 (50 %)" in console
    assert "One case of two that are closed needed no technician." in report

    assert told["minutes_saved"] == saved
    assert f"Time saved {saved} minutes" in console
    assert "1 hour 50 minutes of work by hand. This is counted, not measured" in report
    assert saved == 110
    by = [(one["playbook"], one["times"], one["minutes_each"]) for one in told["saved_by"]]
    assert by == [(names[0], 2, asked), (names[1], 1, contained)]
    assert f"{names[0]} 2 {asked} min as Holdfast brings it {2 * asked} min" in console
    assert f"Account takeover and business e-mail compromise 2 {asked} minutes" in report

    assert told["opinions_weighted_percent"] == 50
    assert "0 of 1 agreed (0 %); weighted 50 %" in console
    assert "looked at one closed case, and came to the same answer 0 of 1 times" in report

    evidence = told["evidence_answered"]
    assert f"Questions answered {evidence['part']} of {evidence['of']}" in console
    assert "were answered and kept as evidence" in report
