"""A quarantined record is taken in once what kept it out is mended."""

import hashlib
import json

import pytest
from django.utils import timezone

from msp.staff.models import Role
from tenants import scope
from tenants.models import Event, LedgerEntry, RawRecord, Tenant
from tests.msp.console.rows import Rows

pytestmark = pytest.mark.django_db


def _sign_in(uid: str) -> bytes:
    """A sign-in as Microsoft tells it, from the recorded ones."""
    told = {
        "id": uid,
        "createdDateTime": "2026-11-20T08:00:00Z",
        "userPrincipalName": "priya.shah@northwind-dental.example",
        "userId": "5b1c9d1e-0000-4000-8000-000000000001",
        "ipAddress": "203.0.113.7",
        "status": {"errorCode": 0},
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def _kept(tenant: Tenant, body: bytes, context: dict[str, str]) -> RawRecord:
    with scope.tenant(tenant.id):
        return RawRecord.objects.create(
            connector="microsoft365", feed="sign_ins", received_at=timezone.now(), body=body,
            context=context, content_hash=hashlib.sha256(body).hexdigest(), outcome="quarantined",
            reason_code="normaliser_error", reason="Reading this record failed (KeyError).",
        )  # fmt: skip


@pytest.mark.parametrize("context", [{"url": "https://graph.example/v1.0/auditLogs/signIns"}, {}])
def test_what_can_be_read_now_is_taken_in_once(browser, tenant, context) -> None:
    record = _kept(tenant, _sign_in("one"), context)
    web = browser(Role.TECHNICIAN, "tom")
    address = f"/admin/quarantine/{record.id}/"
    assert str(record.id) in web.get("/admin/quarantine/").content.decode()
    page = web.post(f"{address}take/", follow=True).content.decode()
    assert "It is taken in." in page
    assert "Taken in by tom" in page
    assert 'class="hf-button hf-button-main"' not in page
    assert "It was taken in before." in web.post(f"{address}take/", follow=True).content.decode()
    assert str(record.id) not in web.get("/admin/quarantine/").content.decode()
    with scope.tenant(tenant.id):
        assert Event.objects.get().actor == "priya.shah@northwind-dental.example"
        assert RawRecord.objects.filter(outcome="quarantined").count() == 1
        entry = LedgerEntry.objects.get(kind="record.taken_again")
    assert (entry.actor, entry.body["record"]) == ("technician:tom", str(record.id))


def test_what_still_can_not_be_read_stays_with_the_reason(browser, rows: Rows) -> None:
    web = browser(Role.TECHNICIAN)
    address = f"/admin/quarantine/{rows.quarantined.id}/take/"
    page = web.post(address, follow=True).content.decode()
    assert "It still can&#x27;t be read:" in page
    assert "Take it in again" in page
    with scope.tenant(rows.tenant.id):
        assert RawRecord.objects.filter(outcome="quarantined").count() == 1
        assert not LedgerEntry.objects.filter(kind="record.taken_again").exists()


def test_a_viewer_is_offered_nothing(browser, rows: Rows) -> None:
    page = browser(Role.VIEWER).get(f"/admin/quarantine/{rows.quarantined.id}/").content.decode()
    assert "Take it in again" not in page
