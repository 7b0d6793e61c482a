"""Which job titles make a person important."""

import pytest

from tenants.important_titles import is_important


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
