"""What technicians see."""

import json
import re

import pytest
from django.test import Client

from msp.staff import actions
from msp.staff.models import Role
from playbooks.models import Approval
from tenants import scope
from tenants.evidence import content_hash
from tenants.models import Case, Contact, Evidence, Tenant
from tests.msp.console.rows import HOSTILE, Rows

pytestmark = pytest.mark.django_db


def _text(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status, (address, response.status_code)
    return response.content.decode()


def test_the_start_page_is_the_queue(browser) -> None:
    client = browser(Role.VIEWER)
    response = client.get("/", follow=True)
    assert response.redirect_chain[-1][0] == "/admin/queue/"
    assert "Nothing needs you now." in response.content.decode()


def test_the_demos_settings_are_told_on_every_page(browser, settings) -> None:
    client = browser(Role.VIEWER)
    assert "Less is protected here." not in _text(client, "/admin/queue/")
    settings.DEMO_SETTINGS = {"HOLDFAST_REQUIRE_MFA": "0"}
    for address in ("/admin/queue/", "/admin/health/"):
        page = _text(client, address)
        assert "The settings of the demo are on" in page
        assert "private networks" not in page
    assert re.search(r">\s*Demo\s*<", _text(client, "/admin/approvals/"))


def test_the_queue_begins_with_the_worst(browser, rows: Rows) -> None:
    client = browser(Role.VIEWER)
    page = _text(client, "/admin/queue/")
    assert rows.quiet_case.risk > rows.case.risk
    assert page.index(rows.quiet_case.title) < page.index(rows.case.title)
    with scope.tenant(rows.tenant.id):
        Case.objects.filter(id=rows.case.id).update(risk=rows.quiet_case.risk)
    equal = _text(client, "/admin/queue/")
    assert equal.index(rows.case.title) < equal.index(rows.quiet_case.title)
    assert "Approve or reject: an approver is asked." in page
    assert "The client secret has expired" in page
    assert "Priya Shah" in page


def test_the_case_page_says_what_happened_why_and_what_waits(browser, rows: Rows) -> None:
    page = _text(browser(Role.APPROVER), f"/admin/cases/{rows.case.id}/")
    for said in (
        rows.case.title,
        "Practice manager, important person",
        rows.tenant.name,
        "high confidence",
        "A sign-in from a country never seen before",
        "foreign-sign-in-then-hidden-rule",
        "3 different alerts agree",
        "Read back: No session is older than 09:14.",
        "Important people are touched only with consent",
        "Waits for an approver: Contain a cloud account",
        "Keeps them out.",
        "the permission is missing",
        "2 rules; suspicious: “..” deletes the mail.",
        "Revoke all sign-in sessions: priya.shah@northwind-dental.example",
        rows.plan.sha256,
        f"An approver, for plan {rows.plan.sha256[:12]}",
    ):
        assert said in page, said


def test_an_empty_list_says_where_its_rows_come_from(browser, db) -> None:
    client = browser(Role.ADMIN)
    assert "manage.py apikey create NAME" in _text(client, "/admin/staff/apikey/")
    assert "opened by the first alert" in _text(client, "/admin/tenants/case/")
    page = _text(client, "/admin/tenants/case/?q=nothing")
    assert "Nothing matches." in page
    assert "opened by the first alert" not in page


def test_people_read_of_clients_not_of_tenants(browser, rows: Rows) -> None:
    client = browser(Role.ADMIN)
    for address in (
        "/admin/clients/",
        f"/admin/tenants/finding/{rows.finding.id}/",
        f"/admin/tenants/account/{rows.account.id}/",
    ):
        words = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", _text(client, address), flags=re.S)
        assert not re.search(r"\btenants?\b", words, re.IGNORECASE), address


def test_how_many_plans_wait_is_counted_now(browser, rows: Rows) -> None:
    client = browser(Role.VIEWER)
    address = f"/admin/cases/{rows.case.id}/"
    with scope.tenant(rows.tenant.id):
        needs = "Look at the mailbox. Approve or reject 2 plans."
        Case.objects.filter(id=rows.case.id).update(needs=needs)
    assert "Look at the mailbox. Approve or reject 1 plan." in _text(client, address)
    with scope.tenant(rows.tenant.id):
        Approval.objects.filter(id=rows.approval.id).update(decision="approved")
    page = _text(client, address)
    assert "Look at the mailbox." in page
    assert "Approve or reject" not in page


def test_an_approval_that_nobody_could_be_reached_for_says_so(browser, rows: Rows) -> None:
    client = browser(Role.APPROVER)
    addresses = ("/admin/queue/", "/admin/approvals/", f"/admin/cases/{rows.case.id}/")
    for address in addresses:
        assert "Nobody could be reached" not in _text(client, address)
    with scope.tenant(rows.tenant.id):
        rows.approval.send_error = "No mail server is set (HOLDFAST_SMTP_URL)."
        rows.approval.save()
    for address in addresses:
        assert "Nobody could be reached" in _text(client, address)
    assert "No mail server is set" in _text(client, f"/admin/cases/{rows.case.id}/")


def test_who_can_be_asked_is_said_also_where_it_is_nobody(browser, rows: Rows) -> None:
    client, address = browser(Role.TECHNICIAN), f"/admin/cases/{rows.case.id}/"
    assert "Olive Owner, olive@" in _text(client, address)
    with scope.tenant(rows.tenant.id):
        Contact.objects.update(is_active=False)
    assert "Nobody can be asked" in _text(client, address)
    assert "Nobody can be asked" not in _text(browser(Role.VIEWER), address)


def test_what_a_vendor_wrote_is_shown_as_text(browser, rows: Rows) -> None:
    client = browser(Role.VIEWER)
    for address in (f"/admin/cases/{rows.case.id}/", f"/admin/quarantine/{rows.quarantined.id}/"):
        page = _text(client, address)
        assert HOSTILE not in page
        assert "&lt;script&gt;" in page


def test_evidence_is_one_click_away_and_keeps_its_hash(browser, rows: Rows) -> None:
    client = browser(Role.VIEWER)
    page = _text(client, f"/admin/evidence/{rows.evidence.id}/")
    for said in ("2 rules; suspicious: “..” deletes the mail.", rows.evidence.sha256, "Unchanged"):
        assert said in page
    assert f"/admin/cases/{rows.case.id}/" in page
    told = json.loads(_text(client, f"/admin/evidence/{rows.evidence.id}/?raw=1"))
    with scope.tenant(rows.tenant.id):
        kept = Evidence.objects.get(id=rows.evidence.id)
        assert told["sha256"] == content_hash(kept)
    assert told["answer"]["facts"]["rules"][0]["name"] == ".."


def test_a_finding_is_told_in_words(browser, rows: Rows) -> None:
    page = _text(browser(Role.VIEWER), f"/admin/tenants/finding/{rows.finding.id}/")
    for said in (
        "Suspicious inbox manipulation rule", "Microsoft 365", "T1564.008 Hide Artifacts",
        "account:priya.shah@", f"/admin/cases/{rows.case.id}/",
    ):  # fmt: skip
        assert said in page, said
    assert "Needs triage" not in page


def test_evidence_that_was_changed_is_marked(browser, rows: Rows) -> None:
    client = browser(Role.VIEWER)
    address = f"/admin/cases/{rows.case.id}/"
    assert "Changed since" not in _text(client, address)
    with scope.tenant(rows.tenant.id):
        # What nobody may change can be inserted wrong: the effect on the page is the same.
        Evidence.objects.create(
            case=rows.case, gatherer="x.y", question="Forged", asked_of="nobody",
            asked_at=rows.evidence.asked_at, answered_at=rows.evidence.answered_at,
            is_available=True, answer={}, sha256="f" * 64,
        )  # fmt: skip
    assert "Changed since" in _text(client, address)


def test_the_ledger_shows_seals_and_verifies(browser, rows: Rows) -> None:
    client = browser(Role.VIEWER)
    page = _text(client, f"/admin/ledger/{rows.tenant.slug}/")
    assert "Not sealed yet" in page
    assert "Verified" not in page
    page = _text(client, f"/admin/ledger/{rows.tenant.slug}/?verify=1")
    assert "Verified: all 2 sealed entries" in page


def test_the_quarantine_shows_a_bounded_body(browser, rows: Rows) -> None:
    client = browser(Role.VIEWER)
    listed = _text(client, "/admin/quarantine/?reason=not_json")
    assert "Ask for the export again." in listed
    assert "Every record could be read." in _text(client, "/admin/quarantine/?reason=other")
    page = _text(client, f"/admin/quarantine/{rows.quarantined.id}/")
    assert "\x00" not in page
    assert "more are kept and not shown" in page
    assert len(page) < 60_000


@pytest.mark.parametrize(
    "address",
    [
        "tenants/case/", "tenants/finding/", "tenants/account/", "integrations/connection/",
        "reports/report/", "staff/technician/", "staff/apikey/",
    ],
)  # fmt: skip
def test_lists_can_be_searched_and_filtered(browser, rows: Rows, address: str) -> None:
    client = browser(Role.ADMIN)
    _text(client, f"/admin/{address}")
    if "staff" not in address:
        _text(client, f"/admin/{address}?client={rows.tenant.slug}")
    if "report" not in address:
        _text(client, f"/admin/{address}?q=priya")


def test_a_list_filter_names_no_client_that_the_technician_does_not_see(
    browser, rows: Rows, other_rows: Rows
) -> None:
    client = browser(Role.ADMIN, tenants=[rows.tenant])
    for address in ("tenants/case/", "tenants/finding/", "integrations/connection/"):
        page = _text(client, f"/admin/{address}")
        assert rows.tenant.name in page
        assert other_rows.tenant.name not in page


def test_connection_secrets_and_key_hashes_are_shown_to_nobody(browser, rows: Rows) -> None:
    client = browser(Role.ADMIN)
    key, _ = actions.create_api_key("billing", scopes=["licensing:read"])
    page = _text(client, f"/admin/integrations/connection/{rows.connection.id}/")
    assert "The client secret has expired" in page
    assert rows.secret not in page
    page = _text(client, "/admin/staff/apikey/")
    assert key.prefix in page
    assert key.sha256 not in page
    page = _text(client, f"/admin/staff/apikey/{key.id}/")
    assert key.prefix in page
    assert key.sha256 not in page


def test_a_technician_without_clients_sees_nothing(browser, rows: Rows) -> None:
    client = browser(Role.ADMIN, tenants=[])
    assert rows.case.title not in _text(client, "/admin/queue/")
    assert rows.tenant.name not in _text(client, "/admin/clients/")
    _text(client, f"/admin/cases/{rows.case.id}/", status=404)


def test_health_says_nothing_about_anybody(client: Client, tenant: Tenant) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
