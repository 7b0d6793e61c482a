"""What belongs together becomes one case, in whatever order it comes; the risk can be read."""

import datetime as dt
import itertools
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import TestCase
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from integrations.indicator_models import Indicator
from playbooks import triage
from playbooks.cases import risk, risk_table, scoring
from playbooks.errors import PlaybookError
from tenants import intake, scope, work
from tenants.models import Account, Case, Finding, LedgerEntry, Person, Tenant, Work
from tenants.records import Event as NormalisedEvent
from tenants.records import Finding as NormalisedFinding
from tenants.records import SourceRecord
from tests.playbooks.cases import make_account

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
ANN, BOB = "account:ann@acme.example", "account:bob@acme.example"


def _alert(uid: str, hours: float = 0, *entities: str, **told: Any) -> NormalisedFinding:
    return NormalisedFinding(
        uid=uid,
        class_uid=told.pop("class_uid", 2004),
        title=told.pop("title", f"Alert {uid}"),
        time=told.pop("time", None) or NOON + dt.timedelta(hours=hours),
        severity_id=told.pop("severity", 3),
        ocsf={},
        entities=entities or (ANN,),
        **told,
    )


def _arrive(*alerts: NormalisedFinding) -> None:
    """Take findings in together, and triage them."""
    told = {alert.uid: alert for alert in alerts}
    intake.take(
        connector="test",
        feed="alerts",
        records=[SourceRecord({"id": uid}) for uid in told],
        normalise=lambda record: told[record.body["id"]],
    )
    tenant_id = scope.require_tenant_id()
    triage.triage(tenant_id, tenant_id)


def _cases() -> list[set[str]]:
    """Return the uids of each case, in the order of the cases' numbers."""
    return [
        {finding.uid for finding in case.findings.all()} for case in Case.objects.order_by("number")
    ]


THREE = [_alert("a", 0), _alert("b", 10), _alert("c", 23)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("together", [True, False])
def test_the_order_of_arrival_does_not_count(in_tenant, order, together) -> None:
    arrivals = [[THREE[i] for i in order]] if together else [[THREE[i]] for i in order]
    for alerts in arrivals:
        _arrive(*alerts)
    assert _cases() == [{"a", "b", "c"}]
    case = Case.objects.get()
    assert (case.first_activity_at, case.last_activity_at) == (
        NOON, NOON + dt.timedelta(hours=23),
    )  # fmt: skip
    assert case.number == 1
    assert Work.objects.filter(kind="investigate", subject=case.id).count() == 1


@pytest.mark.parametrize(("hours", "cases"), [(24, 1), (24.1, 2), (-24, 1), (-24.1, 2)])
def test_the_window_is_a_day_around_what_the_case_has_seen(in_tenant, hours, cases) -> None:
    _arrive(_alert("a"))
    _arrive(_alert("b", hours))
    assert len(_cases()) == cases


def test_the_window_moves_with_the_case(in_tenant) -> None:
    for number in range(4):
        _arrive(_alert(str(number), 20 * number))
    assert _cases() == [{"0", "1", "2", "3"}]


def test_the_activity_counts_and_not_when_the_alert_was_made(in_tenant) -> None:
    first = NOON - dt.timedelta(hours=20)
    _arrive(_alert("a", 30, first_activity_at=first, last_activity_at=NOON))
    _arrive(_alert("b", -30))
    assert _cases() == [{"a", "b"}]


@pytest.mark.parametrize(
    "entity",
    [
        "account:x@y.example",
        "account_id:7",
        "device:pc",
        "device_id:wazuh:1",
        "message:m",
        "mailbox:b",
        "incident:5",
    ],
)
def test_what_joins(in_tenant, entity) -> None:
    _arrive(_alert("a", 0, entity, "ip:192.0.2.1"))
    _arrive(_alert("b", 1, "ip:192.0.2.2", entity))
    assert _cases() == [{"a", "b"}]


@pytest.mark.parametrize("entity", ["ip:192.0.2.1", "url:https://x.example", "file:abc"])
def test_what_many_people_share_never_joins(in_tenant, entity) -> None:
    _arrive(_alert("a", 0, entity), _alert("b", 0, entity))
    _arrive(_alert("c", 0, entity, ANN))
    assert _cases() == [{"a"}, {"b"}, {"c"}]


def test_a_closed_case_is_not_joined(in_tenant) -> None:
    _arrive(_alert("a"))
    Case.objects.update(status=Case.Status.CLOSED)
    _arrive(_alert("b", 1))
    assert _cases() == [{"a"}, {"b"}]
    assert list(Case.objects.order_by("number").values_list("number", flat=True)) == [1, 2]


def test_another_clients_case_is_never_joined(tenant, other_tenant) -> None:
    for one in (tenant, other_tenant):
        with scope.tenant(one.id):
            _arrive(_alert("a"))
            assert _cases() == [{"a"}]
            assert Case.objects.get().number == 1


@pytest.mark.parametrize(
    "status",
    [
        "resolved",
        "Resolved",
        "remediated",
        "dismissed",
        "Dismissed",
        "confirmedSafe",
        "closed",
        "CLOSED",
        "DELETED",
        "Suppressed",
        "archived",
    ],
)
def test_what_the_vendor_has_settled_needs_no_case(in_tenant, status) -> None:
    _arrive(_alert("a", vendor_status=status), _alert("b", vendor_status="new"))
    assert _cases() == [{"b"}]
    assert Finding.objects.get(uid="a").case is None


def test_what_the_vendor_opens_again_gets_its_case(in_tenant) -> None:
    _arrive(_alert("a", vendor_status="closed"))
    assert _cases() == []
    told = {"a": _alert("a", vendor_status="reopened")}
    intake.take(
        connector="test", feed="alerts", records=[SourceRecord({"id": "a", "changed": True})],
        normalise=lambda record: told["a"],
    )  # fmt: skip
    triage.triage(in_tenant.id, in_tenant.id)
    assert _cases() == [{"a"}]


def test_a_finding_that_is_told_again_stays_in_its_case(in_tenant) -> None:
    _arrive(_alert("a"))
    told = {"a": _alert("a", severity=5)}
    intake.take(
        connector="test", feed="alerts", records=[SourceRecord({"id": "a", "changed": True})],
        normalise=lambda record: told["a"],
    )  # fmt: skip
    triage.triage(in_tenant.id, in_tenant.id)
    assert _cases() == [{"a"}]


@pytest.mark.parametrize(
    "time",
    [
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
    ],
)
def test_a_date_at_the_end_of_time_stops_nothing(in_tenant, time) -> None:
    _arrive(_alert("odd", time=time), _alert("a"))
    _arrive(_alert("odd too", time=time), _alert("b"))
    assert sorted(map(sorted, _cases())) == [["a", "b"], ["odd", "odd too"]]


def test_every_finding_that_joins_stands_in_the_ledger(in_tenant) -> None:
    _arrive(*THREE)
    case = Case.objects.get()
    kinds = LedgerEntry.objects.filter(case_id=case.id).values_list("kind", flat=True)
    assert sorted(kinds) == ["case.finding_joined"] * 3 + ["case.opened"]


def test_more_findings_than_one_batch(in_tenant, monkeypatch) -> None:
    monkeypatch.setattr(triage, "_BATCH", 3)
    _arrive(*[_alert(str(n), n / 10) for n in range(7)])
    for _ in range(2):
        assert Work.objects.filter(kind="triage").exists()
        triage.triage(in_tenant.id, in_tenant.id)
    assert [len(uids) for uids in _cases()] == [7]


# Whom a case is about


def test_a_case_is_about_the_account_that_it_names(in_tenant) -> None:
    account = make_account("ann@acme.example")
    _arrive(_alert("a", 0, "account:ANN@acme.example".lower()))
    assert Case.objects.get().account == account


def test_an_id_beats_a_name_and_an_administrator_comes_first(in_tenant) -> None:
    make_account("ann@acme.example")
    admin = make_account("root@acme.example", is_privileged=True)
    user = make_account("bob@acme.example")
    _arrive(
        _alert("a", 0, ANN, f"account_id:{admin.external_id}", f"account_id:{user.external_id}")
    )
    assert Case.objects.get().account == admin


def test_a_deleted_account_is_nobody_any_more(in_tenant) -> None:
    """A leaver's account had the name that an employee's has now."""
    gone = make_account("ann@acme.example", deleted_upstream_at=NOON)
    Account.objects.filter(id=gone.id).update(external_id="id-gone")
    live = make_account("ann@acme.example")
    _arrive(_alert("a"), _alert("b", 0, ANN, "account_id:id-gone"))
    assert Case.objects.get().account == live


def test_an_id_that_the_database_writes_small_otherwise_than_python_stops_nobody(in_tenant) -> None:
    """Greek has two small letters for one: the end of a word decides in Python alone."""
    account = make_account()
    Account.objects.filter(id=account.id).update(external_id="ΑΣ")
    _arrive(_alert("a", 0, "account_id:ασ"))
    assert Case.objects.get().account_id in (account.id, None)


@pytest.mark.parametrize("entity", [ANN, "account_id:7"])
@pytest.mark.parametrize("connectors", [("alpha", "test"), ("test", "zeta")])
def test_the_account_is_that_of_the_provider_that_the_alert_came_from(
    in_tenant, entity, connectors
) -> None:
    for provider in connectors:
        Account.objects.create(provider=provider, external_id="7", username="ann@acme.example")
    _arrive(_alert("a", 0, entity))
    account = Case.objects.get().account
    assert account is not None
    assert account.provider == "test"


def test_a_case_about_nobody_known_is_a_case_all_the_same(in_tenant) -> None:
    _arrive(_alert("a", 0, "account:ghost@acme.example"))
    assert Case.objects.get().account is None


def test_the_worst_finding_gives_the_case_its_name(in_tenant) -> None:
    _arrive(_alert("a", severity=2, title="Low"), _alert("b", severity=5, title="Critical"))
    _arrive(_alert("c", severity=99, title="Other"))
    case = Case.objects.get()
    assert (case.title, case.severity_id) == ("Critical", 5)


def test_an_incident_that_joins_alerts_gives_the_case_its_name(in_tenant) -> None:
    """However late it comes; the ledger says under which name the case was opened."""
    _arrive(_alert("a", severity=4, title="Atypical travel"))
    Case.objects.update(status=Case.Status.AWAITING_APPROVAL)
    _arrive(_alert("b", severity=4, title="Multi-stage incident", class_uid=2005))
    _arrive(_alert("c", severity=3, title="Another incident", class_uid=2005))
    assert Case.objects.get().title == "Multi-stage incident"
    assert "Atypical travel" in LedgerEntry.objects.get(kind="case.opened").subject


# Risk


def test_the_risk_of_a_case_is_the_sum_of_its_terms(in_tenant) -> None:
    account = make_account(
        "ann@acme.example", is_privileged=True, roles=["Global Administrator"],
        is_mfa_registered=False, risk_level="High",
    )  # fmt: skip
    Person.objects.filter(id=account.person_id).update(is_vip=True)
    _arrive(_alert("a", severity=3), _alert("b", severity=2, confidence=90))
    case = Case.objects.get()
    assert {term["name"]: term["points"] for term in case.risk_terms} == {
        "severity": 25, "several signals": 5, "confidence": 5, "privilege": 20,
        "criticality": 10, "exposure": 10, "provider's own risk": 15,
    }  # fmt: skip
    assert case.risk == 90
    reasons = " ".join(term["reason"] for term in case.risk_terms)
    for word in ("Medium", "2 different", "90 %", "Global Administrator", "sign-in factor", "high"):
        assert word in reasons


@given(
    severities=st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 99]), min_size=1, max_size=6),
    confidence=st.none() | st.integers(0, 100),
    privileged=st.booleans(),
    vip=st.booleans(),
    criticality=st.integers(1, 4),
    factor=st.none() | st.booleans(),
    level=st.sampled_from(["", "none", "low", "medium", "high", "HIGH", "hidden"]),
)
def test_every_term_has_points_and_a_reason_and_they_add_up(
    severities, confidence, privileged, vip, criticality, factor, level
) -> None:
    tenant = Tenant(slug="x", name="X")
    person = Person(tenant=tenant, display_name="Ann", is_vip=vip, criticality=criticality)
    account = Account(
        tenant=tenant, username="ann", person=person, is_privileged=privileged,
        is_mfa_registered=factor, risk_level=level,
    )  # fmt: skip

    def signals(told: list[int]) -> risk.Signals:
        worst = max(told, key=risk.points_of)
        return risk.Signals(f"Alert {worst}", worst, len(set(told)), confidence or 0)

    parts = risk.terms(signals(severities), account)
    assert all(part["points"] > 0 and part["reason"] and part["name"] for part in parts)
    assert risk.total(parts) == min(100, sum(part["points"] for part in parts))
    assert risk.total(risk.terms(signals([*severities, 5]), account)) >= risk.total(parts)
    assert risk.total(risk.terms(signals(severities), None)) <= risk.total(parts)
    for devices in (risk.Devices(["DC1"]), risk.Devices((), ["PC-7 (CVE-2026-1)"])):
        assert risk.total(risk.terms(signals(severities), account, devices)) >= risk.total(parts)
    attacked = risk.terms(signals(severities), account, history=risk.History(1, 9))
    harmless = risk.terms(signals(severities), account, history=risk.History(0, 3))
    assert risk.total(harmless) <= risk.total(parts) <= risk.total(attacked)
    assert all(part["points"] and part["reason"] for part in [*attacked, *harmless])


def test_the_past_of_the_same_person_raises_or_lowers_the_risk(in_tenant) -> None:
    account = make_account("ann@acme.example")
    _arrive(_alert("a", title="Odd"))
    case = Case.objects.get()
    before = case.risk
    past = {
        "title": "Odd", "account": account, "status": Case.Status.CLOSED, "opened_at": NOON,
        "first_activity_at": NOON, "last_activity_at": NOON, "closed_at": timezone.now(),
    }  # fmt: skip
    for number in (10, 11, 12):
        Case.objects.create(number=number, verdict="benign", **past)
    triage.assess([case])
    assert (case.risk, case.risk_terms[-1]["points"]) == (before - 10, -10)
    Case.objects.create(number=13, verdict="true_positive", **past)
    triage.assess([case])
    assert (case.risk, case.risk_terms[-1]["points"]) == (before + 10, 10)
    long_ago = timezone.now() - dt.timedelta(days=91)
    Case.objects.filter(status=Case.Status.CLOSED).update(closed_at=long_ago)
    triage.assess([case])
    assert case.risk == before


def _told_of_hole(device: str, cve: str, at: dt.datetime, *, is_closed: bool = False) -> None:
    """Let a vendor say that a computer has a hole, or has it no more."""
    told = NormalisedEvent(
        uid=f"{device} {cve} {at}", class_uid=2002, activity=cve, time=at, target=device.upper(),
        ocsf={"activity_id": 3 if is_closed else 1},
        entities=(f"device:{device}", f"cve:{cve.lower()}"),
    )  # fmt: skip
    intake.take(
        connector="test", feed="holes", records=[SourceRecord({"uid": told.uid})],
        normalise=lambda record: told,
    )  # fmt: skip


def test_a_device_with_a_hole_that_attackers_use_raises_the_risk_until_it_is_closed(
    in_tenant,
) -> None:
    Indicator.objects.create(
        source="KEV", external_id="CVE-2026-1", entity="cve:cve-2026-1", told="CVE-2026-1",
        confidence=100,
    )  # fmt: skip
    _told_of_hole("pc-7", "CVE-2026-1", NOON)
    _told_of_hole("pc-7", "CVE-2026-2", NOON)
    _told_of_hole("pc-8", "CVE-2026-1", NOON)
    _arrive(_alert("a", 0, "device:pc-7"))
    case = Case.objects.get()
    term = next(one for one in case.risk_terms if one["name"] == "exposed device")
    assert term["points"] == risk_table.in_force().of("exposure", "known_exploited_hole")
    assert term["reason"].endswith("open on PC-7 (CVE-2026-1)")
    _told_of_hole("pc-7", "CVE-2026-1", NOON + dt.timedelta(hours=1), is_closed=True)
    triage.assess([case])
    assert "exposed device" not in {one["name"] for one in case.risk_terms}


def test_the_same_table_has_the_same_hash_and_a_wrong_one_says_what_is_wrong() -> None:
    text = Path(risk_table.__file__).with_suffix(".yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    told = risk_table.load("# Written otherwise.\n" + "\n".join(lines))
    assert told.sha256 == risk_table.in_force().sha256
    assert risk_table.load(text.replace("low: 10", "low: 11")).sha256 != told.sha256
    wrong = text.replace("high: 40", "high: much").replace("most: 15", "least: 15")
    with pytest.raises(PlaybookError) as error:
        risk_table.load(wrong + "\nweather:\n  rain: 5\n")
    assert error.value.problems == (
        "weather: there is no such group.",
        "severity.high: give a whole number from 0 to 100.",
        "several_signals.least: there is no such line.",
        "several_signals.most: give a whole number from 0 to 100.",
    )


def test_what_the_vendor_sends_in_a_flood_takes_turns_with_other_clients(
    tenant, other_tenant, monkeypatch
) -> None:
    """One worker, one queue: another client's alert waits for one batch of a flood, not for all."""
    monkeypatch.setattr(triage, "_BATCH", 10)
    queue: list[tuple[uuid.UUID, str]] = []
    work.on_send(lambda work_id, kind: queue.append((work_id, kind)))
    done: list[uuid.UUID] = []

    def one_batch(tenant_id: uuid.UUID, subject: uuid.UUID) -> None:
        done.append(tenant_id)
        triage.triage(tenant_id, subject)

    with TestCase.captureOnCommitCallbacks(execute=True):
        _take_in(tenant, 95)
        _take_in(other_tenant, 1)
    while queue:
        work_id, kind = queue.pop(0)
        if kind == "triage":
            with TestCase.captureOnCommitCallbacks(execute=True):
                work.perform(work_id, {"triage": one_batch})
    assert done.index(other_tenant.id) <= 1
    assert done.count(tenant.id) == 10
    with scope.tenant(tenant.id):
        assert [len(uids) for uids in _cases()] == [95]
    with scope.tenant(other_tenant.id):
        assert [len(uids) for uids in _cases()] == [1]


def _take_in(tenant: Tenant, number: int) -> None:
    alerts = {str(n): _alert(str(n)) for n in range(number)}
    with scope.tenant(tenant.id):
        intake.take(
            connector="test", feed="alerts", records=[SourceRecord({"id": uid}) for uid in alerts],
            normalise=lambda record: alerts[record.body["id"]],
        )  # fmt: skip


def test_a_case_without_alerts_stays_as_it_is_beside_others(in_tenant) -> None:
    _arrive(_alert("a"), _alert("b", 0, BOB))
    one, other = Case.objects.order_by("number")
    Finding.objects.filter(case=one).update(case=other)
    before = Case.objects.filter(id=one.id).values().get()
    triage.assess([one, other])
    scoring.rescore([one.id, other.id])
    assert Case.objects.filter(id=one.id).values().get() == before
