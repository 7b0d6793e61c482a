"""Marking what is expected, and what the page says of each pattern."""

import datetime as dt

import pytest
from django.utils import timezone

from msp.staff.models import Role
from playbooks.models import KnownGood
from playbooks.patterns import known_good
from tenants import scope
from tests.msp.console.rows import Rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]


def _newest(rows: Rows) -> KnownGood:
    with scope.tenant(rows.tenant.id):
        return KnownGood.objects.order_by("-created_at", "-version").first()


def test_a_pattern_is_made_from_a_case(browser, rows: Rows) -> None:
    web = browser(Role.TECHNICIAN, "sam")
    address = f"/admin/cases/{rows.case.id}/known-good/"
    page = web.get(address).content.decode()
    assert "ip:203.0.113.9" in page
    told = {
        "title": "Office move", "alert": "Suspicious inbox manipulation rule",
        "entity": "ip:203.0.113.9", "reason": "They told us.", "owner": "sam",
        "review_at": "2026-12-01", "expires_at": "soon",
    }  # fmt: skip
    again = web.post(address, told).content.decode()
    assert "Enter both days" in again
    assert "They told us." in again
    row = rows.known_good
    days = {"review_at": f"{row.review_at:%Y-%m-%d}", "expires_at": f"{row.expires_at:%Y-%m-%d}"}
    listed = web.post(address, {**told, **days}, follow=True).content.decode()
    assert "Office move" in listed
    assert "address 203.0.113.9" in listed
    assert _newest(rows).created_by == "technician:sam"


def test_it_is_approved_by_somebody_else_renewed_ended_and_no_more_renewed(
    browser, rows: Rows
) -> None:
    address = f"/admin/known-good/{rows.known_good.pattern}/change/"
    mira, sam = browser(Role.TECHNICIAN, "mira"), browser(Role.TECHNICIAN, "sam")
    assert (
        "somebody else has to approve"
        in mira.post(address, {"do": "approve"}, follow=True).content.decode()
    )
    assert "approved by sam" in sam.post(address, {"do": "approve"}, follow=True).content.decode()
    until = f"{rows.known_good.expires_at:%Y-%m-%d}"
    told = {"do": "renew", "expires_at": until, "reason": "Still so."}
    sam.post(address, told)
    assert (_newest(rows).is_active, _newest(rows).version) == (True, 3)
    sam.post(address, {"do": "end"})
    assert not _newest(rows).is_active
    assert "Ended" in sam.get("/admin/known-good/").content.decode()
    refused = sam.post(address, told, follow=True).content.decode()
    assert "make it anew from a case" in refused
    assert (_newest(rows).is_active, _newest(rows).version) == (False, 4)


def test_a_pattern_that_is_due_stands_on_the_work_queue_until_it_is_renewed(
    browser, rows: Rows
) -> None:
    sam = browser(Role.TECHNICIAN, "sam")
    assert "known-good pattern is due" not in sam.get("/admin/queue/").content.decode()
    row, day = rows.known_good, dt.timedelta(days=1)
    fields = [one.attname for one in KnownGood._meta.concrete_fields if one.attname != "id"]
    with scope.tenant(rows.tenant.id):
        past = {"version": row.version + 1, "review_at": timezone.now() - day}
        KnownGood.objects.create(**{**{name: getattr(row, name) for name in fields}, **past})
    assert "1 known-good pattern is due" in sam.get("/admin/queue/").content.decode()
    with scope.tenant(rows.tenant.id):
        until = timezone.now() + 30 * day
        known_good.renew(row.pattern, until, actor="technician:sam", reason="Still so.")
    assert "known-good pattern is due" not in sam.get("/admin/queue/").content.decode()


def test_a_pattern_that_covers_doubts_only_says_so_while_it_holds(browser, rows: Rows) -> None:
    web, said = browser(Role.TECHNICIAN, "sam"), "It covers doubts only"
    with scope.tenant(rows.tenant.id):
        row = known_good.current(rows.known_good.pattern)
        kept = {one.attname: getattr(row, one.attname) for one in KnownGood._meta.concrete_fields}
        del kept["id"]
        KnownGood.objects.create(**{**kept, "version": 2, "excuses": ["rule p: r"]})
    assert said not in web.get("/admin/known-good/").content.decode()
    with scope.tenant(rows.tenant.id):
        KnownGood.objects.create(**{**kept, "version": 3, "excuses": []})
    assert said in web.get("/admin/known-good/").content.decode()
    web.post(f"/admin/known-good/{row.pattern}/change/", {"do": "end"})
    assert said not in web.get("/admin/known-good/").content.decode()
