"""Console, API and report tell the same of random months, whatever became of the cases."""

import datetime as dt
import random
import re
import uuid
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from msp.licensing.periods import Period
from msp.reports import measures as reported
from msp.reports import selectors
from msp.staff.actions import create_api_key
from msp.staff.models import Role
from playbooks import regrouping
from playbooks.models import Plan
from tenants import intake, scope
from tenants.models import Case, CaseChange, Finding, LedgerEntry, Tenant
from tenants.records import Finding as NormalisedFinding
from tenants.records import SourceRecord
from tests.msp.console.test_one_measure import text_of
from tests.playbooks.cases import give_evidence, make_account, make_case, make_plan

MONTHS = [Period(2026, month) for month in (2, 3, 4)]
ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles")
MADE_AT = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
WHO = {"actor": "technician:kim", "reason": "As they are."}


class World:
    """One client's cases, made at random around the ends of its months and of UTC's."""

    def __init__(self, tenant: Tenant, seed: int) -> None:
        self.zone = ZoneInfo(tenant.time_zone)
        self.random = random.Random(seed)
        for number in range(14):
            self._case(number)
        self._regroup()

    def _instant(self) -> dt.datetime:
        first = self.random.choice(MONTHS[1:]).first_day
        zone = self.random.choice((dt.UTC, self.zone))
        edge = dt.datetime.combine(first, dt.time(), zone)
        return edge + dt.timedelta(minutes=self.random.choice((-900, -1, 0, 1, 700)))

    def _case(self, number: int) -> None:
        opened = self._instant()
        # Clocks differ: some is noted as done before the case was opened.
        moments = {
            name: opened + dt.timedelta(minutes=self.random.randint(-90, 600))
            for name in ("acknowledged_at", "decided_at", "contained_at", "closed_at")
            if self.random.random() < 0.8
        }
        case = make_case(
            make_account(f"{number}@acme.example"), opened_at=opened,
            kind=self.random.choice((Case.Kind.INCIDENT,) * 5 + (Case.Kind.ROUTINE,)),
            verdict=self.random.choice(("true_positive", "benign", "false_positive", "")),
            **moments,
        )  # fmt: skip
        self._alerts(case, opened)
        if self.random.random() < 0.5:
            give_evidence(case)
        if self.random.random() < 0.4:
            plan = make_plan(case)
            Plan.objects.filter(id=plan.id).update(status=self.random.choice(Plan.Status.values))
        for kind, actor in (("case.needs_technician", "engine"), ("case.taken", "technician:kim"),
                            ("case.closed", "technician:kim")):  # fmt: skip
            if self.random.random() < 0.3:
                at = opened + dt.timedelta(minutes=self.random.randint(0, 300))
                LedgerEntry.objects.create(
                    at=at, kind=kind, actor=actor, case_id=case.id, subject="x", body={}
                )
        closed = "closed_at" in moments and self.random.random() < 0.5
        status = Case.Status.CLOSED if closed else Case.Status.NEEDS_TECHNICIAN
        # One that is open again keeps what it had, as reopening leaves it.
        Case.objects.filter(id=case.id).update(status=status)

    def _alerts(self, case: Case, at: dt.datetime) -> None:
        names = [f"{case.number}-{number}" for number in range(self.random.randint(1, 3))]
        told = {
            uid: NormalisedFinding(
                uid=uid, class_uid=2004, title=uid, time=at, severity_id=3, ocsf={},
                entities=(f"account:{uid}@acme.example",),
            )
            for uid in names
        }  # fmt: skip
        intake.take(
            connector="test", feed="alerts", records=[SourceRecord({"id": uid}) for uid in names],
            normalise=lambda record: told[record.body["id"]],
        )  # fmt: skip
        for uid in names:
            late = at + dt.timedelta(minutes=self.random.choice((0, 0, 45)))
            Finding.objects.filter(uid=uid).update(case=case, received_at=late)

    def _regroup(self) -> None:
        """Merge, split and put back, as technicians do; some of it more than once."""
        wishes = ["merge"] * 5 + ["split"] * 3 + ["undo"] * 3
        self.random.shuffle(wishes)
        for wish in wishes:
            still = Case.objects.exclude(status=Case.Status.CLOSED)
            open_ones = list(still.filter(kind=Case.Kind.INCIDENT, merged_into=None))
            if wish == "merge" and len(open_ones) > 1:
                one, other = self.random.sample(open_ones, 2)
                regrouping.merge(one.id, other.id, **WHO)
            elif wish == "split":
                several = [case for case in open_ones if case.findings.count() > 1]
                if several:
                    case = self.random.choice(several)
                    change = regrouping.split(case.id, [case.findings.first().id], **WHO)
                    Case.objects.filter(id=change.other_id).update(opened_at=self._instant())
            elif wish == "undo":
                last = CaseChange.objects.filter(undone_at=None).order_by("-id").first()
                if last and not regrouping.why_not_undone(last):
                    regrouping.undo(last.id, **WHO)


def _share(told: dict) -> str:
    return f"{told['part']} of {told['of']} ({told['percent']} %)" if told["of"] else "not measured"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_case_counts_once_and_everywhere_the_same(browser, make_tenant, db, seed) -> None:
    tenants = [make_tenant(f"w{seed}-{place}-{uuid.uuid4().hex[:4]}") for place in range(3)]
    for place, tenant in enumerate(tenants):
        Tenant.objects.filter(id=tenant.id).update(time_zone=ZONES[place])
        tenant.refresh_from_db()
        with scope.tenant(tenant.id):
            World(tenant, 100 * seed + place)
    key = create_api_key("board", scopes=["measures:read"])[1]
    api = Client(headers={"Authorization": f"Bearer {key}"})
    web = browser(Role.VIEWER)
    counted = dict.fromkeys((tenant.slug for tenant in tenants), 0)
    for month in MONTHS:
        told = api.get("/api/v1/measures", {"period": str(month)}).json()
        ours = [one for one in told["tenants"] if one["slug"] in counted]
        for name in ("cases", "closed"):
            assert told[name] == sum(one[name] for one in told["tenants"])
        for tenant in tenants:
            (own,) = [one for one in ours if one["slug"] == tenant.slug]
            counted[tenant.slug] += own["cases"]
            alone = api.get("/api/v1/measures", {"period": str(month), "tenant": tenant.slug})
            assert alone.json()["tenants"] == [own]
            _console_tells(web, tenant, month, own)
            _report_tells(tenant, month, own)
    for tenant in tenants:
        with scope.tenant(tenant.id):
            real = Case.objects.filter(kind=Case.Kind.INCIDENT, merged_into=None).count()
            assert CaseChange.objects.count() > 3
        assert counted[tenant.slug] == real


def _console_tells(web: Client, tenant: Tenant, month: Period, own: dict) -> None:
    address = f"/admin/measures/?client={tenant.slug}&month={month}"
    page = text_of(web.get(address).content.decode())
    assert f"Cases opened {own['cases']}, {own['closed']} of them closed" in page
    assert f"Closed without escalation {_share(own['without_escalation'])}" in page
    assert f"Plans that technicians let be {_share(own['plans_agreed'])}" in page
    assert f"Verdicts that technicians kept {_share(own['verdicts_kept'])}" in page
    assert f"Questions answered {_share(own['evidence_answered'])}" in page
    saved = own["minutes_saved"]
    assert f"Time saved {'not measured' if saved is None else f'{saved} minutes'}" in page
    for title, stage in (("Acknowledge", "acknowledge"), ("Investigate", "investigate"),
                         ("Contain", "contain"), ("Remediate", "remediate")):  # fmt: skip
        found = re.search(rf"\b{title} [a-z ]+? (\d+) ", page)
        assert found, stage
        assert int(found[1]) == own["times"][stage]["cases"]


def _report_tells(tenant: Tenant, month: Period, own: dict) -> None:
    with scope.tenant(tenant.id):
        report = selectors.outcome(tenant.id, month, MADE_AT)
        measured = reported.of_period(month, [tenant])
    assert report.numbers.cases == own["cases"]
    assert report.performance.minutes_saved == own["minutes_saved"]
    share = report.performance.without_escalation
    assert (share.part, share.of) == (
        own["without_escalation"]["part"], own["without_escalation"]["of"]
    )  # fmt: skip
    stages = zip(report.performance.stages, own["times"].values(), strict=True)
    for stage, told in stages:
        assert stage.cases == told["cases"]
        median = stage.median.total_seconds() if stage.median is not None else None
        assert median == told["median"]
    assert report.numbers.evidence.of == own["evidence_answered"]["of"]
    for case in measured.cases:
        for took in case.times.values():
            assert 0 <= took.without_waiting <= took.seconds
