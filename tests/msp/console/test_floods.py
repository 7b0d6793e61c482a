"""What people see of a flood of one client's alerts: that it is one, and everything beside it."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from msp.staff.models import Role
from playbooks.cases import case_alerts, looking
from tenants import ledger, scope
from tenants.models import Case, Finding, RawRecord, Tenant

pytestmark = pytest.mark.django_db
NOISE = "Port scan from inside"


def _cases(tenant: Tenant, number: int, **fields: Any) -> None:
    now = timezone.now()
    with scope.tenant(tenant.id):
        first = Case.objects.count()
        Case.objects.bulk_create(
            Case(
                tenant_id=tenant.id, number=first + place, title=NOISE, opened_at=now,
                first_activity_at=now, last_activity_at=now, risk=40, **fields,
            )
            for place in range(1, number + 1)
        )  # fmt: skip


def _queue(browser) -> str:
    page = browser(Role.TECHNICIAN).get("/admin/queue/").content.decode()
    return " ".join(page.split())


def test_new_cases_beyond_what_has_room_are_told(browser, tenant, monkeypatch) -> None:
    monkeypatch.setattr(looking, "AT_ONCE", 3)
    _cases(tenant, 3)
    assert "wait their turn" not in _queue(browser)
    _cases(tenant, 1)
    told = _queue(browser)
    assert f"{tenant.name}: 4 new cases wait their turn." in told
    assert f"4 of them are “{NOISE}”" in told


def test_many_cases_of_a_kind_leave_room_for_other_clients(browser, tenant, other_tenant) -> None:
    _cases(tenant, 240, status=Case.Status.NEEDS_TECHNICIAN)
    _cases(other_tenant, 1, status=Case.Status.NEEDS_TECHNICIAN)
    told = _queue(browser)
    assert told.count(f">{NOISE}</a>") == 5 + 1
    assert "235 more of the same kind" in told
    assert other_tenant.name in told


def test_decisions_that_wait_are_all_listed(browser, tenant) -> None:
    _cases(tenant, 7, status=Case.Status.AWAITING_APPROVAL)
    told = _queue(browser)
    assert told.count(f">{NOISE}</a>") == 7
    assert "more of the same kind" not in told


def test_the_page_of_a_case_with_a_flood_says_so(browser, tenant, monkeypatch) -> None:
    monkeypatch.setattr(case_alerts, "MOST", 60)
    _cases(tenant, 1, status=Case.Status.NEEDS_TECHNICIAN)
    now = timezone.now()
    with scope.tenant(tenant.id):
        case = Case.objects.get()
        raw = RawRecord.objects.create(
            connector="webhook", feed="json", received_at=now, body=b"{}", outcome="finding"
        )
        Finding.objects.bulk_create(
            Finding(
                tenant_id=tenant.id, raw=raw, case=case, connector="webhook", uid=str(number),
                class_uid=2004, title=NOISE, time=now + dt.timedelta(seconds=number),
                severity_id=3, ocsf={}, received_at=now, updated_at=now, needs_triage=False,
                times_seen=2,
            )
            for number in range(61)
        )  # fmt: skip
        for _ in range(61):
            ledger.append("case.finding_joined", actor="engine", case_id=case.id, subject="x")
        ledger.append(
            "case.looked_into_again", actor="engine", case_id=case.id, subject="The last."
        )
    page = browser(Role.TECHNICIAN).get(f"/admin/cases/{case.id}/").content.decode()
    assert "verdicts read the last told of each kind" in page
    assert "told 2 times, last" in page
    assert "The last." in page
