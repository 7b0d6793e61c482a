"""Which job titles make a person important, or more critical than others."""

import pytest

from tenants.important_titles import handles_money, is_important


@pytest.mark.parametrize(
    "title",
    ["Owner", "CEO", "Chief Financial Officer", "Managing Director", "President", "Co-Founder",
     "Finance Manager", "Geschäftsführerin", "Gérant", "Head of Payroll", "Chairwoman & Owner"],
)  # fmt: skip
def test_who_signs_for_the_firm_is_important(title) -> None:
    assert is_important(title)


@pytest.mark.parametrize(
    "title",
    ["", "Accountant", "Assistant to the CEO", "Vice President, Sales", "Product Owner",
     "Executive Assistant", "Nurse", "Homeowner services", "Cooperative worker"],
)  # fmt: skip
def test_who_does_not_is_not(title) -> None:
    assert not is_important(title)


@pytest.mark.parametrize(
    ("title", "is_so"),
    [("Bookkeeper", True), ("Accounts Payable Clerk", True), ("Lohnbuchhalterin", True),
     ("Senior Accountant", True), ("Payroll", True), ("", False), ("Account Executive", False),
     ("Nurse", False), ("Accounting software developer", False), ("Bookkeeping trainer", False)],
)  # fmt: skip
def test_who_pays_bills_is_more_critical_than_others(title, is_so) -> None:
    assert handles_money(title) is is_so
