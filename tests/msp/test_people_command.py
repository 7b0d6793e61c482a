"""``manage.py people``: who is on leave or has left, by hand and from a list of the client's HR."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from playbooks.models import Absence
from tenants import scope
from tenants.models import LedgerEntry
from tests.playbooks.cases import make_account

pytestmark = pytest.mark.django_db
PRIYA, BEN = "priya.shah@acme.example", "ben@acme.example"
HEAD = "person,state,first_day,last_day\n"


@pytest.fixture
def client(tenant):
    with scope.tenant(tenant.id):
        make_account(PRIYA)
        make_account(BEN)
    return tenant


def _run(*words: str) -> str:
    out = StringIO()
    call_command("people", *words, stdout=out)
    return out.getvalue()


def test_who_is_away_is_said_by_hand_and_listed(client) -> None:
    days = ("--from", "2026-12-01", "--until", "2026-12-14")
    assert "on leave from 2026-12-01 until 2026-12-14" in _run("leave", client.slug, PRIYA, *days)
    _run("leaver", client.slug, BEN, "--last-day", "2026-11-30")
    _run("present", client.slug, PRIYA)
    assert _run("absences", client.slug).splitlines() == [
        f"{BEN}: last day 2026-11-30", f"{PRIYA}: works here",
    ]  # fmt: skip
    with scope.tenant(client.id):
        assert LedgerEntry.objects.filter(kind="person.absence").count() == 3


def test_a_list_is_taken_whole_or_not_at_all(client, tmp_path: Path) -> None:
    file = tmp_path / "hr.csv"
    good = f"{HEAD}{PRIYA},on_leave,2026-12-01,\n{BEN},leaver,2026-11-30,\n"
    file.write_text(good + "eve@acme.example,leaver,2026-11-30,\n" + f"{BEN},ill,2026-11-30,\n")
    with pytest.raises(CommandError) as error:
        _run("import", client.slug, str(file))
    assert "Line 4: The directory knows no account" in str(error.value)
    assert "Line 5: the state is one of" in str(error.value)
    with scope.tenant(client.id):
        assert not Absence.objects.exists()
    file.write_text(good)
    assert "2 rows kept" in _run("import", client.slug, str(file))
    assert f"{BEN}: last day 2026-11-30" in _run("absences", client.slug)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has to name the columns"),
        ("name\n", "has to name the columns"),
        (f"{HEAD}{PRIYA},on_leave,soon,\n", "2027-01-31"),
        (f"{HEAD}{PRIYA},on_leave,2026-12-02,2026-12-01\n", "ends before it begins"),
        (f"{HEAD}\0,on_leave,2026-12-02,\n", "holds a NUL"),
    ],
)
def test_a_bad_list_is_refused(client, tmp_path: Path, content, said) -> None:
    file = tmp_path / "hr.csv"
    file.write_text(content)
    with pytest.raises(CommandError, match=said):
        _run("import", client.slug, str(file))
