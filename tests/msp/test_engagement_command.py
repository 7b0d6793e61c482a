"""``manage.py engagement``: what it prints and sets, and one clear message for what can't work."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from playbooks.policy import rules
from tenants import scope
from tests.playbooks.cases import make_account, make_case, make_plan
from tests.playbooks.samples import policy

STRICTER = """\
extends: msp
rules:
  - id: no-passwords
    title: We never reset passwords
    actions: [identity.reset_password]
    tier: forbidden
"""


def _printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("engagement", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def stricter(tmp_path: Path) -> str:
    """A file of overrides."""
    path = tmp_path / "rules.yaml"
    path.write_text(STRICTER)
    return str(path)


def test_the_msp_wide_rules_are_shown(db) -> None:
    assert "wide: More than ten targets need two technicians [second_technician]" in _printed(
        "show"
    )
    assert json.loads(_printed("show", "--json"))["document"]["canary_above"] == 5


def test_a_file_that_was_checked_and_set_is_in_force(tenant, stricter: str) -> None:
    assert "nothing wrong" in _printed("check", stricter)
    assert "We never reset passwords" not in _printed("show", tenant.slug)
    assert "Version 1" in _printed("set", tenant.slug, stricter)
    assert "no-passwords: We never reset passwords [forbidden]" in _printed("show", tenant.slug)
    with scope.tenant(tenant.id):
        assert rules.newest_of_tenant().author == "command line"


@pytest.mark.parametrize("document", [STRICTER, "default: client\n", ""])
def test_what_is_shown_of_a_client_can_be_set_again(tenant, tmp_path: Path, document: str) -> None:
    path = tmp_path / "shown.yaml"
    if document:
        path.write_text(document)
        _printed("set", tenant.slug, str(path))
    with scope.tenant(tenant.id):
        before = rules.in_force()
    path.write_text(_printed("show", tenant.slug))
    _printed("set", tenant.slug, str(path))
    with scope.tenant(tenant.id):
        after = rules.in_force()
    assert (after.rules, after.default, after.budgets) == (
        before.rules, before.default, before.budgets
    )  # fmt: skip


def test_what_is_shown_of_the_msp_can_be_set_again(db, tmp_path: Path) -> None:
    before = rules.msp_wide()
    path = tmp_path / "msp.yaml"
    path.write_text(_printed("show"))
    _printed("set-msp", str(path))
    assert rules.msp_wide().rules == before.rules
    assert rules.msp_wide().approvals == before.approvals


def test_msp_wide_rules_are_set_for_every_client(tenant, tmp_path: Path) -> None:
    path = tmp_path / "msp.yaml"
    path.write_text("default: client\n")
    _printed("set-msp", str(path))
    assert "where no rule matches [client]" in _printed("show", tenant.slug)


def test_what_if_names_what_would_have_changed_and_sets_nothing(tenant, stricter: str) -> None:
    with scope.tenant(tenant.id):
        make_plan(make_case(make_account()), policy(default="automatic"))
    told = json.loads(_printed("what-if", tenant.slug, stricter, "--json"))
    changed = [change for change in told["changes"] if change["rule"] == "no-passwords"]
    assert [(change["before"], change["after"]) for change in changed] == [
        ("automatic", "forbidden")
    ]
    assert "× automatic → forbidden" in _printed("what-if", tenant.slug, stricter)
    with scope.tenant(tenant.id):
        assert rules.newest_of_tenant() is None


def test_what_if_of_the_msp_looks_at_every_client_and_sets_nothing(
    tenant, other_tenant, tmp_path
) -> None:
    for one in (tenant, other_tenant):
        with scope.tenant(one.id):
            make_plan(make_case(make_account()), policy(default="automatic"))
    path = tmp_path / "rules.yaml"
    path.write_text("default: client\n")
    told = json.loads(_printed("what-if-msp", str(path), "--json"))
    assert told["clients"].keys() == {tenant.slug, other_tenant.slug}
    printed = _printed("what-if-msp", str(path))
    assert f"{tenant.slug}:\n" in printed
    assert "× automatic → client" in printed
    assert "2 clients had plans; 0 have rules that stand alone" in printed
    with scope.tenant(tenant.id):
        assert rules.in_force().default == "technician"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("extends: msp\nrules:\n  - {id: x, title: X, tier: king}\n", "rules.yaml:3:5: rule 1 (x)"),
        ("extends: msp\nwithout: [nothing]\n", "rules.yaml:2:10: without: the MSP has no rule"),
        ("default: [", "not YAML"),
        ("- a\n", "a policy is a mapping"),
        ("", "empty"),
    ],
)
@pytest.mark.parametrize("what", ["check", "set", "what-if"])
def test_a_bad_file_is_refused_with_its_place(tenant, tmp_path, what, content, told) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(content)
    arguments = [what, str(path)] if what == "check" else [what, tenant.slug, str(path)]
    with pytest.raises(CommandError) as caught:
        _printed(*arguments)
    assert told in str(caught.value)
    assert caught.value.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "nobody"), "There is no client 'nobody'"),
        (("check", "/no/such/file"), "can't be read"),
    ],
)
def test_what_is_not_there_is_said(tenant, arguments, told) -> None:
    with pytest.raises(CommandError, match=told) as caught:
        _printed(*arguments)
    assert caught.value.returncode == 2
