"""The list of cases that did not keep to their process, reviews, and what a client asks."""

import datetime as dt
import uuid

import pytest

from msp.staff.models import Role
from playbooks.models import CaseQuality
from tenants import scope
from tests.msp.console.rows import Rows

pytestmark = pytest.mark.django_db


def test_the_list_says_what_failed_and_what_waits(browser, rows: Rows) -> None:
    web = browser(Role.VIEWER)
    assert "for a second look" in web.get("/admin/queue/").content.decode()
    page = web.get("/admin/quality/").content.decode()
    for said in ("Sign-in from a new country", "0 of 0 questions answered", "Enough evidence"):
        assert said in page, said
    # Whoever gives a second opinion is not led by the first.
    assert f"as {rows.quality.get_verdict_display()}" not in page
    case = web.get(f"/admin/cases/{rows.quality.case_id}/").content.decode()
    assert "Not in all" in case
    assert "It waits for a second technician." in case


def test_a_case_that_was_closed_twice_stands_once(browser, rows: Rows) -> None:
    with scope.tenant(rows.tenant.id):
        again = CaseQuality.objects.get(id=rows.quality.id)
        again.pk, again._state.adding = uuid.uuid4(), True
        again.closed_at += dt.timedelta(hours=1)
        again.save()
    web = browser(Role.TECHNICIAN)
    page = web.get("/admin/quality/").content.decode()
    assert page.count("Your verdict") == 1
    assert f"/admin/quality/{again.id}/review/" in page
    assert page.count("<details><summary><b") == 1
    assert "<b>1 closed case waits for a second look" in web.get("/admin/queue/").content.decode()


def test_a_review_is_kept(browser, rows: Rows) -> None:
    told = {"verdict": "benign"}
    page = browser(Role.TECHNICIAN).post(
        f"/admin/quality/{rows.quality.id}/review/", told, follow=True
    )
    assert "1 of 1 agreed (100 %)" in page.content.decode()


def test_an_administrator_sets_what_a_client_asks(browser, rows: Rows) -> None:
    web = browser(Role.ADMIN)
    address = f"/admin/clients/{rows.tenant.slug}/process/"
    assert (
        "from 0 to 100"
        in web.post(address, {"least_evidence": "101"}, follow=True).content.decode()
    )
    web.post(address, {"least_evidence": "60"})
    page = web.get(f"/admin/quality/?client={rows.tenant.slug}").content.decode()
    assert 'name="least_evidence" value="60"' in page
    with scope.tenant(rows.tenant.id):
        assert CaseQuality.objects.count() == 1
