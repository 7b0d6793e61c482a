"""The page with the audit of a client's SIEM."""

import pytest
from django.test import Client

from integrations.models import SiemAudit
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


def test_a_technician_has_it_audited_now(tenant, browser) -> None:
    with scope.tenant(tenant.id):
        made = siem_audit()
    client: Client = browser(Role.TECHNICIAN)
    assert "Audit now" in client.get(_address(tenant)).content.decode()
    client.post(f"{_address(tenant)}audit/")
    assert Work.objects.filter(kind="siem", subject=made.connection_id).count() == 1
