"""The pages of connections' health, and what technicians do there."""

import html

import pytest

from integrations.models import Connection, HealthAlarm
from msp.onboarding.models import Onboarding
from msp.staff.models import Role
from playbooks.models import Step
from tenants import scope, vault
from tenants.models import LedgerEntry, Work
from tests.msp.console.rows import HOSTILE, Rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_mfa_demanded")]
SECRET = "a-new-secret-that-nobody-may-read"


def _page(client, address: str) -> str:
    return html.unescape(client.get(f"/admin/{address}").content.decode())


def _connection(rows: Rows) -> Connection:
    with scope.tenant(rows.tenant.id):
        return Connection.objects.get(id=rows.connection.id)


def test_the_list_says_what_is_wrong_and_what_to_do(browser, rows: Rows) -> None:
    page = _page(browser(Role.VIEWER), "health/")
    assert "Does not work: 1" in page
    assert "The vendor refuses the credentials." in page
    assert "enter them on the connection's page" in page
    assert "1 of 2" in page
    assert rows.tenant.name in _page(browser(Role.VIEWER), "health/?status=broken")
    assert "No connection is in this state." in _page(
        browser(Role.VIEWER), "health/?status=healthy"
    )


def test_the_page_shows_feeds_permissions_alarms_and_never_a_secret(browser, rows: Rows) -> None:
    raw = browser(Role.ADMIN).get(f"/admin/health/{rows.connection.id}/").content.decode()
    assert HOSTILE not in raw
    page = html.unescape(raw.replace("<wbr>", ""))
    for told in (
        "Security alerts", "not known yet", "SecurityAlert.Read.All", "grant admin consent",
        "Sites.FullControl.All", "Accepted by sam: New ones come on Monday.",
        "No mail was sent: No mail server is set.", "Records a day: ",
    ):  # fmt: skip
        assert told in page, told
    for one in ("", "change/"):
        assert "nobody may read this" not in _page(
            browser(Role.ADMIN), f"health/{rows.connection.id}/{one}"
        )


def test_the_work_queue_and_the_client_show_it(browser, rows: Rows) -> None:
    client = browser(Role.TECHNICIAN)
    queue = _page(client, "queue/")
    assert "Microsoft 365: The vendor refuses the credentials." in queue
    assert f"/admin/health/{rows.connection.id}/" in queue
    assert "run out" not in queue
    assert "The vendor refuses the credentials." in _page(client, f"clients/{rows.tenant.slug}/")
    assert "1 needs attention" in _page(client, "clients/")


def test_a_case_says_that_its_evidence_may_be_thin(browser, rows: Rows) -> None:
    page = _page(browser(Role.VIEWER), f"cases/{rows.case.id}/")
    assert "Evidence may be thin" in page
    with scope.tenant(rows.tenant.id):
        HealthAlarm.objects.update(ended_at=rows.case.opened_at)
        Connection.objects.update(state="active", problem="", error="")
    assert "Evidence may be thin" not in _page(browser(Role.VIEWER), f"cases/{rows.case.id}/")


def test_check_now_has_it_checked(browser, rows: Rows) -> None:
    answer = browser(Role.TECHNICIAN).post(
        f"/admin/health/{rows.connection.id}/check/", follow=True
    )
    assert "Being checked" in answer.content.decode()
    assert Work.objects.filter(kind="check", subject=rows.connection.id).exists()


def test_new_credentials_are_kept_in_the_vault_and_nowhere_else(browser, rows: Rows) -> None:
    form = {
        "setting-tenant_id": "northwind.example", "setting-client_id": "abc",
        "secret-client_secret": SECRET, "expires_on": "2027-03-01",
    }  # fmt: skip
    client, address = browser(Role.ADMIN, "ada"), f"/admin/health/{rows.connection.id}/change/"
    page = client.post(address, form).content.decode()
    assert "This names another organisation at Microsoft (tenant_id)" in page
    assert _connection(rows).settings == rows.connection.settings
    answer = client.post(address, {**form, "replaces": "yes"}, follow=True).content.decode()
    assert "All of the other organisation is marked as deleted" in answer
    assert SECRET not in page + answer
    row = _connection(rows)
    assert row.settings == {"tenant_id": "northwind.example", "client_id": "abc"}
    assert f"{row.expires_at:%Y-%m-%d}" == "2027-03-01"
    with scope.tenant(rows.tenant.id):
        assert vault.open_secret(row.secret) == {"client_secret": SECRET}
        entry = LedgerEntry.objects.get(kind="connection.changed")
        assert (entry.actor, entry.body["secrets"]) == ("technician:ada", ["client_secret"])
        assert SECRET not in str(list(LedgerEntry.objects.values()))


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"setting-tenant_id": "!!", "setting-client_id": "abc"}, "tenant_id must be"),
        ({"setting-client_id": "abc"}, "missing: tenant_id"),
        (
            {"setting-tenant_id": "x.example", "setting-client_id": "a", "expires_on": "soon"},
            "2026-12-31",
        ),
    ],
)
def test_what_can_not_work_is_said_and_the_entered_secret_does_not_come_back(
    browser, rows: Rows, form, told
) -> None:
    address = f"/admin/health/{rows.connection.id}/change/"
    page = browser(Role.ADMIN).post(address, {**form, "secret-client_secret": SECRET})
    text = html.unescape(page.content.decode())
    assert told in text
    assert SECRET not in text
    assert _connection(rows).settings == rows.connection.settings


def test_pause_and_go_on(browser, rows: Rows) -> None:
    client, address = browser(Role.ADMIN), f"/admin/health/{rows.connection.id}/pause/"
    client.post(address, {"paused": "yes"})
    assert _connection(rows).state == Connection.State.PAUSED
    assert "Microsoft 365: The vendor" not in _page(client, "queue/")
    client.post(address, {"paused": "no"})
    assert _connection(rows).state == Connection.State.ACTIVE


def test_an_alarm_is_accepted_with_a_reason(browser, rows: Rows) -> None:
    client, address = (
        browser(Role.TECHNICIAN, "tom"),
        f"/admin/health/alarms/{rows.alarm.id}/accept/",
    )
    assert "Say why" in client.post(address, {"reason": " "}, follow=True).content.decode()
    page = client.post(address, {"reason": "Known since Monday."}, follow=True).content.decode()
    assert "Accepted by tom: Known since Monday." in page
    assert "Microsoft 365: The vendor" not in _page(client, "queue/")


def test_a_client_that_is_not_the_technicians_shows_nowhere(
    browser, rows: Rows, other_rows: Rows
) -> None:
    client = browser(Role.ADMIN, tenants=[rows.tenant])
    assert other_rows.tenant.name not in _page(client, "health/")
    assert other_rows.tenant.name not in _page(client, f"health/?client={other_rows.tenant.slug}")
    assert client.get(f"/admin/health/{other_rows.connection.id}/").status_code == 404


def test_removing_says_first_what_stops_and_needs_a_reason(browser, rows: Rows) -> None:
    address = f"/admin/health/{rows.connection.id}/remove/"
    with scope.tenant(rows.tenant.id):
        Step.objects.filter(status="awaiting_approval").update(connection_id=rows.connection.id)
    page = html.unescape(browser(Role.ADMIN).get(address).content.decode())
    for told in (
        "Read no more: Security alerts", "Nothing else here can do: ", "Its credentials are",
        "Marked as gone in the directory: ", "Plans that are withdrawn: 1",
        "Why it is removed",
    ):  # fmt: skip
        assert told in page, told
    assert _connection(rows).secret_id
    refused = browser(Role.ADMIN).post(address, {"reason": " "}).content.decode()
    assert "Say why the connection is removed" in refused
    answer = browser(Role.ADMIN).post(address, {"reason": "They moved."}, follow=True)
    assert "is removed; what was known is kept" in answer.content.decode()
    assert browser(Role.ADMIN).get(f"/admin/health/{rows.connection.id}/").status_code == 404
    with scope.tenant(rows.tenant.id):
        assert not Connection.objects.exists()
        assert LedgerEntry.objects.get(kind="connection.removed").body["reason"] == "They moved."
        assert "microsoft365" not in Onboarding.objects.get().connectors


def test_a_setting_with_choices_is_chosen_and_nothing_else_is_taken(browser, rows: Rows) -> None:
    settings = {"endpoint": "https://siem.example:9200", "product": "opensearch"}
    with scope.tenant(rows.tenant.id):
        row = Connection.objects.create(
            tenant_id=rows.tenant.id, connector="siem_query", name="SIEM", settings=settings,
            secret=vault.put("siem_query SIEM", {"key": "a:b"}),
        )  # fmt: skip
    client, address = browser(Role.ADMIN, "ada"), f"/admin/health/{row.id}/change/"
    page = client.get(address).content.decode()
    assert '<select id="setting-product"' in page
    assert '<option value="opensearch" selected>OpenSearch</option>' in page
    form = {f"setting-{name}": value for name, value in settings.items()}
    answer = client.post(address, {**form, "setting-product": "qradar"}).content.decode()
    assert "product can&#x27;t be &#x27;qradar&#x27;" in answer
    assert "splunk (Splunk)" in answer
