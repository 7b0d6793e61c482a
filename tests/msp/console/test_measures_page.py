"""The page of measures: of the month and the client that are chosen."""

from django.utils import timezone

from msp.console.templatetags.console import took
from msp.staff.models import Role
from tests.msp.console.rows import Rows


def test_the_page_tells_the_chosen_month_and_client(browser, rows: Rows) -> None:
    web = browser(Role.VIEWER)
    page = web.get("/admin/measures/").content.decode()
    assert f'value="{timezone.now():%Y-%m}"' in page
    assert "Client by client" in page
    past = web.get(f"/admin/measures/?client={rows.tenant.slug}&month=2001-02").content.decode()
    assert "0, 0 of them closed" in past
    assert "not measured" in past
    assert "Client by client" not in past


def test_an_administrator_declares_what_takes_how_long(browser, rows: Rows, settings) -> None:
    settings.REQUIRE_MFA = False
    web, address = browser(Role.ADMIN), "/admin/measures/by-hand/"
    told = {"playbook": "scan-endpoint", "minutes": "17", "reason": "Timed on <b>ten</b> cases."}
    assert "17 min" not in web.get(address).content.decode()
    web.post(f"{address}declare/", told)
    page = browser(Role.VIEWER).get(address).content.decode()
    assert "17 min" in page
    assert "Timed on &lt;b&gt;ten&lt;/b&gt; cases." in page
    assert "by-hand/declare" not in page
    refused = web.post(f"{address}declare/", {**told, "minutes": "x"}, follow=True)
    assert "from 1 to 480" in refused.content.decode()
    of_one = browser(Role.ADMIN, "lea", tenants=[rows.tenant])
    refused = of_one.post(f"{address}declare/", told, follow=True)
    assert "ask an administrator" in refused.content.decode()


def test_what_is_no_month_is_said(browser, rows: Rows) -> None:
    answer = browser(Role.VIEWER).get("/admin/measures/?month=2026-13&client=a%00b")
    assert answer.status_code == 200
    assert "is not a month" in answer.content.decode()


def test_lengths_are_said_briefly() -> None:
    told = {None: "not measured", 0: "0 s", 59.6: "1 min", 3600: "1 h", 11100: "3 h 5 min",
            187200: "2 d 4 h"}  # fmt: skip
    assert {seconds: took(seconds) for seconds in told} == told
