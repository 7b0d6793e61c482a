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


def test_what_is_no_month_is_said(browser, rows: Rows) -> None:
    answer = browser(Role.VIEWER).get("/admin/measures/?month=2026-13&client=a%00b")
    assert answer.status_code == 200
    assert "is not a month" in answer.content.decode()


def test_lengths_are_said_briefly() -> None:
    told = {None: "not measured", 0: "0 s", 59.6: "1 min", 3600: "1 h", 11100: "3 h 5 min",
            187200: "2 d 4 h"}  # fmt: skip
    assert {seconds: took(seconds) for seconds in told} == told
