"""An indicator that comes later than the cases that name it weighs in them all the same."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations.intelligence import sightings, store
from integrations.intelligence.found import Found
from playbooks import reconsidering, triage
from tenants import scope
from tenants.models import Case, Finding, LedgerEntry, RawRecord, Work
from tests.playbooks.cases import make_account, make_case

pytestmark = pytest.mark.django_db
BAD = "ip:185.220.101.5"


def _know(*entities: str, confidence: int = 90, **told) -> None:
    store.keep("feed", [Found(one, one, one, confidence=confidence, **told) for one in entities])


def _case(*entities: str, **fields) -> Case:
    case = make_case(make_account(f"{len(entities)}-{Case.objects.count()}@acme.example"),
                     entities=list(entities), **fields)  # fmt: skip
    at = case.opened_at
    raw = RawRecord.objects.create(
        connector="c", feed="f", received_at=at, body=b"", content_hash="", outcome="finding"
    )
    Finding.objects.create(
        raw=raw, case=case, connector="c", uid=str(raw.id), class_uid=2004, title="Alert",
        severity_id=3, ocsf={}, content_hash="", time=at, received_at=at, updated_at=at,
        entities=list(entities),
    )  # fmt: skip
    status = case.status
    triage.assess([case])
    Case.objects.filter(id=case.id).update(status=status)
    return case


def _reconsidered(tenant, case: Case) -> tuple[int, list[str]]:
    reconsidering.reconsider(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        case.refresh_from_db()
        return case.risk, [
            one["reason"] for one in case.risk_terms if one["name"] == "intelligence"
        ]


def test_a_late_indicator_scores_open_cases_anew_and_one_taken_back_again(tenant) -> None:
    with scope.tenant(tenant.id):
        case = _case(BAD, "domain:other.test", status=Case.Status.RESPONDING)
        before = case.risk
    assert _reconsidered(tenant, case) == (before, [])
    _know("net:185.220.101.0/24")
    told = ["known indicators of attacks: 1 (185.220.101.0/24)"]
    assert _reconsidered(tenant, case) == (before + 15, told)
    assert _reconsidered(tenant, case) == (before + 15, told)
    with scope.tenant(tenant.id):
        entry = LedgerEntry.objects.get(kind="case.rescored")
        assert told[0] in str(entry.body["terms"])
    _know("net:185.220.101.0/24", is_revoked=True)
    assert _reconsidered(tenant, case) == (before, [])


def test_confidence_that_has_aged_weighs_no_more(tenant) -> None:
    with scope.tenant(tenant.id):
        case = _case(BAD)
        before = case.risk
    _know(BAD)
    assert _reconsidered(tenant, case)[0] == before + 15
    _know(BAD, seen_at=timezone.now() - dt.timedelta(days=20))
    assert _reconsidered(tenant, case)[0] == before


def test_what_was_closed_as_harmless_is_looked_into_again_and_an_attack_is_not(tenant) -> None:
    with scope.tenant(tenant.id):
        harmless = _case(BAD, status=Case.Status.CLOSED, verdict="benign")
        attack = _case(BAD, "a", status=Case.Status.CLOSED, verdict="true_positive")
        old = _case(BAD, status=Case.Status.CLOSED, verdict="benign")
        long_ago = timezone.now() - dt.timedelta(days=40)
        Case.objects.filter(id=old.id).update(last_activity_at=long_ago)
        Work.objects.all().delete()
    _know(BAD)
    reconsidering.reconsider(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        for case in (harmless, attack, old):
            case.refresh_from_db()
        assert harmless.status == Case.Status.INVESTIGATING
        assert (attack.status, old.status) == (Case.Status.CLOSED, Case.Status.CLOSED)
        assert [one.subject for one in Work.objects.filter(kind="investigate")] == [harmless.id]
        entry = LedgerEntry.objects.get(kind="case.known_anew")
        assert entry.case_id == harmless.id
        assert BAD.removeprefix("ip:") in entry.body["known"]


def test_of_many_cases_some_are_scored_at_a_time(tenant, monkeypatch) -> None:
    monkeypatch.setattr(reconsidering, "AT_ONCE", 1)
    with scope.tenant(tenant.id):
        cases = [_case(BAD, risk=risk) for risk in (10, 90)]
    _know(BAD)
    for left in (1, 0):
        with scope.tenant(tenant.id):
            Work.objects.filter(kind="reconsider").delete()
        reconsidering.reconsider(tenant.id, tenant.id)
        assert Work.objects.filter(kind="reconsider").count() == left
    with scope.tenant(tenant.id):
        assert all("intelligence" in str(one.risk_terms) for one in Case.objects.all())
        assert len(cases) == 2


def test_each_look_is_followed_by_a_reconsideration(tenant) -> None:
    _know(BAD)
    sightings.look(tenant.id, tenant.id)
    assert Work.objects.filter(kind="reconsider", tenant_id=tenant.id).exists()
