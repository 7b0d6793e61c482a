"""A technician merges and splits cases on the page of a case, and puts it back."""

import pytest

from msp.staff.models import Role
from tenants import scope
from tenants.models import Case, CaseChange, Finding
from tests.msp.console.rows import Rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]


def _post(web, address: str, **form: object) -> str:
    answer = web.post(address, form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_two_cases_are_merged_split_and_put_back(browser, rows: Rows) -> None:
    web = browser(Role.TECHNICIAN, "kim")
    with scope.tenant(rows.tenant.id):
        Case.objects.filter(id=rows.quiet_case.id).update(
            status=Case.Status.NEEDS_TECHNICIAN, merged_into=None
        )
        Finding.objects.create(
            case=rows.quiet_case, raw=rows.finding.raw, connector="test", uid="other",
            class_uid=2004, title="Another", time=rows.finding.time, severity_id=3, ocsf={},
            content_hash="0", received_at=rows.finding.received_at,
            updated_at=rows.finding.updated_at,
        )  # fmt: skip
    address = f"/admin/cases/{rows.case.id}/"
    assert "Say why" in _post(web, f"{address}merge/", other=rows.quiet_case.number)
    assert "number of another case" in _post(web, f"{address}merge/", other="x", reason="y")
    page = _post(web, f"{address}merge/", other=rows.quiet_case.number, reason="One attack.")
    assert "They are one case now" in page
    assert "One attack." in page
    with scope.tenant(rows.tenant.id):
        change = CaseChange.objects.get(kind="merge")
        told = str(Finding.objects.get(uid="other").id)
        Case.objects.filter(id=change.case_id).update(status=Case.Status.CLOSED)
    page = web.get(f"/admin/cases/{change.case_id}/").content.decode()
    assert "It can't be undone now. The case is closed" in page
    with scope.tenant(rows.tenant.id):
        Case.objects.filter(id=change.case_id).update(status=Case.Status.AWAITING_APPROVAL)
    page = _post(web, f"/admin/cases/changes/{change.id}/undo/", reason="Two after all.")
    assert "The cases are as they were." in page
    assert "Two after all." in page
    assert "part of this case for a while." in page
    page = _post(web, f"/admin/cases/{rows.quiet_case.id}/split/", finding=told, reason="z")
    assert "Leave at least one finding" in page
    page = _post(web, f"{address}split/", finding="no id", reason="z")
    assert "Choose the findings on the page" in page
