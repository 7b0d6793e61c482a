"""Every line of the risk table can be read in the console."""

import pytest

from msp.console import risk_page
from msp.staff.models import Role
from playbooks.cases.risk_table import in_force


def test_every_line_of_the_table_is_told() -> None:
    conditions = {"days", "from_percent", "harmless_from_cases"}
    told = sum(name not in conditions for group in in_force().points.values() for name in group)
    assert len(risk_page.lines()) == told


@pytest.mark.django_db
@pytest.mark.usefixtures("no_mfa_demanded")
def test_the_page_shows_the_table_with_its_version(browser) -> None:
    page = browser(Role.VIEWER).get("/admin/risk/").content.decode()
    for line in risk_page.lines():
        assert line.when[:20].lower() in page.lower()
    assert in_force().sha256 in page
