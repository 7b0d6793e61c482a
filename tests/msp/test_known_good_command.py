"""``manage.py known_good``: what is expected, with how it did; nothing applies itself."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from playbooks.models import KnownGood
from playbooks.patterns import known_good
from tenants import scope
from tenants.models import Case, Tenant
from tests.playbooks.cases import make_account, make_case
from tests.playbooks.test_known_good import ANN, BACKUP, IP, NOW, TITLE, WISH, _alert

pytestmark = pytest.mark.django_db
LATER = f"{NOW + dt.timedelta(days=100):%Y-%m-%d}"


def _run(*words: str) -> str:
    out = StringIO()
    call_command("known_good", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def case(tenant: Tenant) -> Case:
    """The last of three that were closed as harmless."""
    with scope.tenant(tenant.id):
        account = make_account("backup@acme.example")
        for number in range(3):
            closed_at = NOW - dt.timedelta(hours=number)
            made = make_case(
                account, entities=[BACKUP, IP], verdict="benign", status="closed",
                closed_at=closed_at,
            )  # fmt: skip
            _alert(made)
    return made


def test_what_could_be_expected_is_proposed_and_not_made(tenant, case) -> None:
    assert f"c: {TITLE}: 3 cases closed as harmless" in _run("propose", tenant.slug)
    assert "Nothing is marked" in _run("list", tenant.slug)


def test_patterns_are_listed_renewed_and_ended(tenant, case) -> None:
    with scope.tenant(tenant.id):
        row = known_good.create(case, WISH, actor=ANN)
        known_good.note_use(row, case, "suspicious")
        Case.objects.filter(id=case.id).update(verdict="true_positive")
    shown = _run("list", tenant.slug)
    for said in (str(row.pattern), "holds until", "used 1 times", "called an attack benign: #3"):
        assert said in shown, shown
    assert "Nothing was closed" in _run("propose", tenant.slug)
    renew = ("renew", tenant.slug, str(row.pattern), "--until", LATER, "--reason")
    assert f"version 2: holds until {LATER}" in _run(*renew, "Still so.")
    assert "version 3: ended" in _run("end", tenant.slug, str(row.pattern))
    with scope.tenant(tenant.id):
        assert KnownGood.objects.count() == 3
    with pytest.raises(CommandError, match="was ended"):
        _run(*renew, "Still so.")


def test_a_pattern_that_covers_doubts_only_says_so(tenant, case) -> None:
    """Those of before what the table had said was kept with them are such."""
    with scope.tenant(tenant.id):
        row = known_good.create(case, WISH, actor=ANN)
    said = "covers doubts only: make it anew from a case that shows it"
    assert said in _run("list", tenant.slug)
    renew = ("renew", tenant.slug, str(row.pattern), "--until", LATER, "--reason", "Still so.")
    assert said in _run(*renew)
    assert said not in _run("end", tenant.slug, str(row.pattern))
    with scope.tenant(tenant.id):
        case.verdict_detail = {"playbook": "p", "rule": "r", "facts": {}}
        known_good.create(case, WISH, actor=ANN)
    assert said not in _run("list", tenant.slug)


def test_no_command_approves_anything_for_privileged_accounts(tenant, case) -> None:
    with scope.tenant(tenant.id):
        made = known_good.create(case, WISH, actor=ANN)
        row = KnownGood.objects.get()
        row.pk, row.version, row.covers_privileged, row.approved_by = None, 2, True, "technician:b"
        row.id = case.id
        row.save(force_insert=True)
    shown = _run("renew", tenant.slug, str(made.pattern), "--until", LATER, "--reason", "So.")
    assert "not for privileged accounts until" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "nobody"), "There is no client"),
        (("end", "SLUG", "seven"), "Give the pattern's id"),
        (("end", "SLUG", "0197aaaa-0000-7000-8000-000000000001"), "no such pattern"),
        (
            ("renew", "SLUG", "0197aaaa-0000-7000-8000-000000000001", "--until", "soon",
             "--reason", "x"),
            "2027-01-31",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_told(tenant, words, said) -> None:
    with pytest.raises(CommandError, match=said):
        _run(*(tenant.slug if one == "SLUG" else one for one in words))
