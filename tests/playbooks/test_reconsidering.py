"""An indicator that comes later than the cases that name it weighs in them all the same."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations.intelligence import sightings, store
from integrations.intelligence.found import Found
from playbooks import reconsidering, triage
from playbooks.cases import looking
from playbooks.cases.risk_table import RiskTable
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


@pytest.mark.parametrize(
    ("before", "named", "later"),
    [
        # The alert itself called something bad, which nobody named.
        ([], ["indicator:file:a", "domain:evil.test"], "domain:evil.test"),
        # More are known already than a reason names.
        (
            [f"domain:{one}.test" for one in "abc"],
            [f"domain:{one}.test" for one in "abcd"],
            "domain:d.test",
        ),
        # Part of the name of another.
        (
            ["domain:notevil.test"], ["domain:notevil.test", "domain:evil.test"],
            "domain:evil.test",
        ),
    ],
)  # fmt: skip
def test_whatever_else_was_known_before_what_has_become_known_is_looked_at(
    tenant, before, named, later
) -> None:
    _know(*before)
    with scope.tenant(tenant.id):
        case = _case(*named, status=Case.Status.CLOSED, verdict="benign")
    reconsidering.reconsider(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        case.refresh_from_db()
        assert case.status == Case.Status.CLOSED
    _know(later)
    reconsidering.reconsider(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        case.refresh_from_db()
        assert case.status == Case.Status.INVESTIGATING


@pytest.mark.parametrize(
    ("reason", "is_looked_at"),
    [
        ("known indicators of attacks: 2", False),
        ("known indicators of attacks: 4 (185.220.101.1, 185.220.101.2, 185.220.101.3, …)", False),
        ("known indicators of attacks: 1", True),
        ("known indicators of attacks: 1 (185.220.101.55)", True),
        ("known indicators of attacks: 2 (185.220.101.5)", False),
    ],
)
def test_what_an_earlier_release_counted_is_not_new(tenant, reason, is_looked_at) -> None:
    with scope.tenant(tenant.id):
        case = _case(BAD, "indicator:file:a", status=Case.Status.CLOSED, verdict="benign")
        told = {"name": "intelligence", "points": 15, "reason": reason}
        Case.objects.filter(id=case.id).update(risk_terms=[told])
    _know(BAD)
    reconsidering.reconsider(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        case.refresh_from_db()
        assert (case.status == Case.Status.INVESTIGATING) is is_looked_at


def test_what_weighs_nothing_is_looked_at_once_all_the_same(tenant, monkeypatch) -> None:
    of = RiskTable.of
    monkeypatch.setattr(
        RiskTable, "of",
        lambda self, term, key: 0 if key == "known_indicator" else of(self, term, key),
    )  # fmt: skip
    with scope.tenant(tenant.id):
        case = _case(BAD, status=Case.Status.CLOSED, verdict="benign")
    _know(BAD)
    for _ in range(2):
        reconsidering.reconsider(tenant.id, tenant.id)
        with scope.tenant(tenant.id):
            Case.objects.filter(id=case.id).update(status=Case.Status.CLOSED)
    with scope.tenant(tenant.id):
        assert LedgerEntry.objects.filter(kind="case.known_anew").count() == 1


def test_what_is_for_own_eyes_is_counted_and_kept_by_no_ledger(tenant) -> None:
    with scope.tenant(tenant.id):
        case = _case(BAD, "domain:evil.test")
    _know(BAD, tlp="red")
    _know("domain:evil.test")
    told = ["known indicators of attacks: 2 (evil.test)"]
    assert _reconsidered(tenant, case)[1] == told
    with scope.tenant(tenant.id):
        entries = LedgerEntry.objects.filter(kind="case.rescored")
        assert [BAD.removeprefix("ip:") in str(one.body) for one in entries] == [False]


def test_no_more_closed_cases_are_looked_at_than_there_is_room_for(tenant, monkeypatch) -> None:
    monkeypatch.setattr(looking, "AT_ONCE", 1)
    with scope.tenant(tenant.id):
        for _ in range(2):
            _case(BAD, status=Case.Status.CLOSED, verdict="benign")
        Work.objects.all().delete()
    _know(BAD)
    for done in (1, 2):
        # While one is on its way, the other waits.
        for _ in range(2):
            reconsidering.reconsider(tenant.id, tenant.id)
            again = Case.objects.filter(status=Case.Status.INVESTIGATING)
            with scope.tenant(tenant.id):
                assert again.count() == done
        waits = Work.objects.filter(kind="reconsider", due_at__gt=timezone.now())
        assert waits.count() == 2 - done
        with scope.tenant(tenant.id):
            Work.objects.all().delete()
