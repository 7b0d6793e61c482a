"""A quarantined record is taken in once what kept it out is mended."""

import hashlib
import json

import pytest
from django.utils import timezone

from integrations import connections
from msp.console import connection_actions
from msp.staff.models import Role
from tenants import scope
from tenants.models import Event, Finding, LedgerEntry, RawRecord, Tenant
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


def _waiting(tenant: Tenant, number: int) -> list[RawRecord]:
    """Records of a source that had no mapping when they came."""
    made = []
    for one in range(number):
        body = json.dumps({"id": one, "at": "2026-11-20T08:00:00Z", "what": "Backup failed"})
        with scope.tenant(tenant.id):
            made.append(RawRecord.objects.create(
                connector="webhook", feed="json", received_at=timezone.now(), body=body.encode(),
                context={}, content_hash=f"{one:064x}", outcome="quarantined",
                reason_code="no_mapping", reason="The connection has no mapping.",
            ))  # fmt: skip
    return made


def _source(tenant: Tenant, name: str, mapping: str = "") -> None:
    mapping = mapping or json.dumps({"uid": "id", "time": "at", "title": "what"})
    with scope.tenant(tenant.id):
        connections.create(
            connector="webhook", name=name, settings={"feed": "json", "mapping": mapping},
            secrets={}, actor="test",
        )  # fmt: skip


@pytest.mark.usefixtures("no_mfa_demanded")
def test_where_several_may_have_sent_it_a_person_says_which(browser, tenant) -> None:
    """Each numbers its own alerts, and has a mapping of its own."""
    [record] = _waiting(tenant, 1)
    for name in ("backup", "door"):
        _source(tenant, name)
    web, address = browser(Role.TECHNICIAN), f"/admin/quarantine/{record.id}/"
    assert "Which of the connections sent it" in web.get(address).content.decode()
    page = web.post(f"{address}take/", {"source": "door"}, follow=True).content.decode()
    assert "It is taken in." in page
    with scope.tenant(tenant.id):
        assert Finding.objects.get().uid == "door 0"


@pytest.mark.usefixtures("no_mfa_demanded")
def test_all_like_it_are_taken_in_at_once_as_far_as_they_can_be_read(
    browser, tenant, monkeypatch
) -> None:
    monkeypatch.setattr(connection_actions, "_AT_ONCE", 2)
    first, *_ = _waiting(tenant, 5)
    _source(tenant, "backup", json.dumps(
        {"uid": "id", "time": "at", "title": "what", "when": {"id": ["0", "1", "3", "4"]}}
    ))  # fmt: skip
    web, address = browser(Role.TECHNICIAN), f"/admin/quarantine/{first.id}/"
    assert "And the 4 others" in web.get(address).content.decode()
    page = web.post(f"{address}take/", {"others": "yes"}, follow=True).content.decode()
    assert "1 are taken in, 1 still can&#x27;t be read, 2 are left" in page
    with scope.tenant(tenant.id):
        assert Finding.objects.count() == 2


@pytest.mark.usefixtures("no_mfa_demanded")
def test_others_that_still_can_not_be_read_keep_nothing_out_that_can(
    browser, tenant, monkeypatch
) -> None:
    """Each click goes on after the last one that was tried, and at the end begins anew."""
    monkeypatch.setattr(connection_actions, "_AT_ONCE", 2)
    first, *_ = _waiting(tenant, 6)
    _source(tenant, "backup", json.dumps(
        {"uid": "id", "time": "at", "title": "what", "when": {"id": ["0", "4"]}}
    ))  # fmt: skip
    web, address = browser(Role.TECHNICIAN), f"/admin/quarantine/{first.id}/"
    answer = web.post(f"{address}take/", {"others": "yes"}, follow=True)
    page = answer.content.decode()
    assert "0 are taken in, 2 still can&#x27;t be read, 3 are left" in page
    assert "Take in the others" in page
    assert "3 others" in page
    after = answer.context["after"]
    answer = web.post(f"{address}take/", {"others": "yes", "after": after}, follow=True)
    page = answer.content.decode()
    assert "1 are taken in, 1 still can&#x27;t be read, 1 are left" in page
    after = answer.context["after"]
    answer = web.post(f"{address}take/", {"others": "yes", "after": after}, follow=True)
    page = answer.content.decode()
    assert "0 are taken in, 1 still can&#x27;t be read, 0 are left" in page
    assert answer.context["after"] == ""
    # What was tried in vain is offered again from the start.
    assert "4 others" in page
    with scope.tenant(tenant.id):
        assert Finding.objects.count() == 2
    assert "It was taken in before." not in page


@pytest.mark.usefixtures("no_mfa_demanded")
@pytest.mark.parametrize("after", ["x", "0197aaaa-0000-7000-8000-000000000001"])
def test_a_place_that_is_none_begins_at_the_start(browser, tenant, after) -> None:
    first, *_ = _waiting(tenant, 2)
    _source(tenant, "backup")
    web, address = browser(Role.TECHNICIAN), f"/admin/quarantine/{first.id}/"
    assert "And the 1 other of" in web.get(address, {"after": after}).content.decode()
    web.post(f"{address}take/", {"others": "yes", "after": after})
    with scope.tenant(tenant.id):
        assert Finding.objects.count() == 2
