"""What was used in a month, through the selector and the command."""

import csv
import datetime as dt
import io
import json
import re

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from msp.licensing import exports
from msp.licensing.errors import PeriodError
from msp.licensing.periods import Period
from msp.licensing.selectors import usage
from tenants import scope
from tenants.models import Tenant
from tests.msp.licensing.rows import person, seats


@pytest.fixture
def used(tenant) -> Tenant:
    """A client with three people: two on the first day, three later, none on the last."""
    with scope.tenant(tenant.id):
        a, b, c = person("A"), person("B"), person("C")
        seats(dt.date(2026, 10, 31), [a, b, c])
        seats(dt.date(2026, 11, 1), [a, b])
        seats(dt.date(2026, 11, 2), [a, c])
        seats(dt.date(2026, 11, 3), [a, b, c])
        seats(dt.date(2026, 11, 30), [])
        seats(dt.date(2026, 12, 1), [a])
    return tenant


def run(*arguments: str) -> str:
    """Run the command, and return what it printed."""
    out = io.StringIO()
    call_command("usage", *arguments, stdout=out)
    return out.getvalue()


def test_the_selector_adds_up(used):
    with scope.reading(scope.ALL):
        (told,) = usage("2026-11", [used.id])
    assert (told.seats, told.seat_days, told.peak_seats, told.days_counted) == (3, 7, 3, 4)
    assert told.average_seats == 1.75
    assert [day.seats for day in told.daily] == [2, 2, 3, 0]


def test_in_a_tenants_scope_only_that_tenant_is_told(used, other_tenant):
    with scope.tenant(used.id):
        assert [one.slug for one in usage("2026-11")] == [used.slug]


def test_the_command_tells_every_client_as_json(used, other_tenant):
    told = json.loads(run("2026-11", "--json"))
    by_slug = {one["slug"]: one for one in told["tenants"]}
    assert by_slug[used.slug]["seats"] == 3
    assert by_slug[other_tenant.slug]["seats"] == 0
    assert by_slug[other_tenant.slug]["daily"] == []
    assert (told["seats"], told["seat_days"]) == (3, 7)


def test_the_command_tells_one_client(used, other_tenant):
    told = json.loads(run("2026-11", "--tenant", other_tenant.slug, "--json"))
    assert [one["slug"] for one in told["tenants"]] == [other_tenant.slug]


def test_csv_and_table_have_the_same_numbers(used):
    (row,) = csv.DictReader(io.StringIO(run("2026-11", "--csv")))
    assert row["tenant"] == used.slug
    assert (row["seats"], row["seat_days"], row["average_seats"]) == ("3", "7", "1.75")
    assert used.slug in run("2026-11")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "  =cmd|' /C calc'!A0", "＝1"])
def test_csv_cells_are_no_formulas(db, name):
    Tenant.objects.create(slug="evil", name=name)
    (row,) = csv.DictReader(io.StringIO(run("2026-11", "--csv")))
    assert row["name"] == f"'{name}"


@pytest.mark.parametrize(
    "text",
    ["2026-13", "2026-00", "2026", "11-2026", "2026-1", "1999-12", "", "２０２６-11", "x" * 999],
)
def test_what_is_no_month_is_refused_with_exit_code_2(db, text):
    with pytest.raises(CommandError, match="is not a month") as refused:
        run(text)
    assert refused.value.returncode == 2


def test_an_unknown_client_is_refused(db):
    with pytest.raises(CommandError, match="There is no client"):
        run("2026-11", "--tenant", "nobody")


@given(st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)))
def test_every_day_is_in_the_month_it_names(day):
    period = Period.parse(day.strftime("%Y-%m"))
    assert str(period) == day.strftime("%Y-%m")
    assert period.first_day <= day <= period.last_day
    assert period.end(dt.UTC) - period.start(dt.UTC) == dt.timedelta(days=period.days)


@given(
    st.text(max_size=12).filter(lambda text: not re.fullmatch("20[0-9]{2}-(0[1-9]|1[0-2])", text))
)
def test_any_other_text_is_a_clear_error(text):
    with pytest.raises(PeriodError, match="such as 2026-11"):
        Period.parse(text)


def test_an_empty_month_is_told_with_zeros(tenant):
    with scope.reading(scope.ALL):
        told = exports.as_json(Period(2026, 2), usage("2026-02"))
    assert told["seats"] == 0
    assert told["tenants"][0]["average_seats"] == 0.0
