"""The page with the audit of a client's SIEM."""

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import SiemAcceptance, SiemAudit
from msp.licensing.periods import Period
from msp.reports import siem as reported
from msp.reports.selectors import span_of
from msp.staff.models import Role
from tenants import scope
from tenants.models import Tenant, Work
from tests.msp.console.rows import siem_audit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]


def _address(tenant: Tenant) -> str:
    return f"/admin/clients/{tenant.slug}/siem/"


def test_every_gap_stands_there_with_what_to_do_and_nothing_runs(tenant, browser) -> None:
    with scope.tenant(tenant.id):
        made = siem_audit()
    shown = browser(Role.VIEWER).get(_address(tenant)).content.decode()
    assert "31 of 40" in shown
    assert "Never arrived" in shown
    assert "Can&#x27;t fire" in shown
    assert shown.count("&lt;script&gt;alert") >= 3 * len(made.gaps) - 3
    assert "<script>alert('case')" not in shown
    # Hits that differ are named, those that don't aren't.
    assert "dc8adc50-051a-5cd7-8931" in shown
    assert "The same everywhere" not in shown
    assert "2, 1 with other hits" in shown
    assert "Audit now" not in shown


def test_only_the_newest_audit_counts_and_only_of_this_client(
    tenant, other_tenant, browser
) -> None:
    with scope.tenant(tenant.id):
        made = siem_audit()
        SiemAudit.objects.create(
            connection=made.connection, at=made.at.replace(year=2099), days=30,
            error="Enter the secret anew.",
        )  # fmt: skip
    client = browser(Role.VIEWER)
    shown = client.get(_address(tenant)).content.decode()
    assert "Enter the secret anew." in shown
    assert "Never arrived" not in shown
    assert "no SIEM connected" in client.get(_address(other_tenant)).content.decode()


def test_a_technician_accepts_a_gap_and_takes_that_back(tenant, browser) -> None:
    with scope.tenant(tenant.id):
        made = siem_audit()
    gap = next(one for one in made.gaps if one["subject"].startswith("AAD"))
    client: Client = browser(Role.TECHNICIAN)
    told = {"siem": str(made.connection_id), "kind": gap["kind"], "subject": gap["subject"],
            "reason": "No <b>licence</b> for it.",
            "until": str(made.at.date() + dt.timedelta(days=9))}  # fmt: skip
    address = f"{_address(tenant)}accept/"
    before = client.get(_address(tenant)).content.decode()
    assert f"{len(made.gaps)} gaps" in before
    shown = client.post(address, told, follow=True).content.decode()
    assert f"{len(made.gaps) - 1} gaps" in shown
    assert "No &lt;b&gt;licence&lt;/b&gt; for it." in shown
    with scope.tenant(tenant.id):
        one = SiemAcceptance.objects.get()
        now = timezone.now()
        span = span_of(tenant, Period(made.at.year, made.at.month), now)
        assert reported.looks(span)[0].accepted == ((gap["subject"], told["reason"]),)
    shown = client.post(address, {"end": str(one.id)}, follow=True).content.decode()
    assert f"{len(made.gaps)} gaps" in shown
    for wrong in ({"until": "x"}, {"siem": "x"}, {"reason": ""}, {"subject": "other"}):
        client.post(address, {**told, **wrong})
    with scope.tenant(tenant.id):
        assert SiemAcceptance.objects.count() == 1


def test_a_technician_has_it_audited_now(tenant, browser) -> None:
    with scope.tenant(tenant.id):
        made = siem_audit()
    client: Client = browser(Role.TECHNICIAN)
    assert "Audit now" in client.get(_address(tenant)).content.decode()
    client.post(f"{_address(tenant)}audit/")
    assert Work.objects.filter(kind="siem", subject=made.connection_id).count() == 1
