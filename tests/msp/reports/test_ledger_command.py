"""`ledger verify`: what was tampered with is named."""

import datetime as dt
import io
import json

import pytest
from django.core.management import CommandError, call_command

from msp.reports.actions import make_outcome_report
from tenants import ledger, scope
from tenants.models import LedgerSeal, Tenant
from tests.conftest import new_tenant
from tests.msp.reports.tampering import tamper


@pytest.fixture
def two(committed_database) -> tuple[Tenant, Tenant]:
    """Two clients with three sealed entries each."""
    tenants = new_tenant("alpha"), new_tenant("beta")
    for tenant in tenants:
        with scope.tenant(tenant.id):
            for number in range(3):
                ledger.append("case.opened", actor="engine", subject=f"#{number}")
            ledger.seal()
    return tenants


def verify(*arguments: str) -> str:
    """Run the command, and return what it printed."""
    out = io.StringIO()
    call_command("ledger", "verify", *arguments, stdout=out)
    return out.getvalue()


def verify_broken(*arguments: str) -> tuple[dict, CommandError]:
    """Run the command, which must fail with exit code 1; return its JSON and the error."""
    out = io.StringIO()
    with pytest.raises(CommandError) as failed:
        call_command("ledger", "verify", "--json", *arguments, stdout=out)
    assert failed.value.returncode == 1
    return json.loads(out.getvalue()), failed.value


def test_whole_ledgers_pass_and_nothing_is_sealed(two):
    with scope.tenant(two[0].id):
        ledger.append("case.closed", actor="engine", subject="#0")
        head = ledger.head()
    assert f"alpha: ok, 3 entries, 1 not sealed yet, head {head}" in verify()
    assert "beta: ok, 3 entries, 0 not sealed yet" in verify()
    with scope.tenant(two[0].id):
        assert LedgerSeal.objects.count() == 3


def test_one_client_can_be_verified(two):
    told = json.loads(verify("--tenant", "beta", "--json"))
    assert told["ok"] is True
    assert [one["slug"] for one in told["tenants"]] == ["beta"]


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE tenants_ledgerentry SET subject = 'x' WHERE id = %(entry)s", "was changed"),
        ("UPDATE tenants_ledgerentry SET body = '{\"a\": 1}' WHERE id = %(entry)s", "was changed"),
        ("UPDATE tenants_ledgerentry SET actor = 'x' WHERE id = %(entry)s", "was changed"),
        ("DELETE FROM tenants_ledgerseal WHERE entry_id = %(entry)s", "entry 2 is missing"),
        ("UPDATE tenants_ledgerseal SET chain_hash = 'f' WHERE entry_id = %(entry)s", "entry 2"),
    ],
)
def test_a_changed_row_is_named(two, owner_connection, statement, named):
    with scope.tenant(two[0].id):
        entry = LedgerSeal.objects.get(sequence=2).entry_id
    tamper(owner_connection, statement, {"entry": entry})
    told, error = verify_broken()
    alpha, beta = told["tenants"]
    assert not alpha["ok"]
    assert alpha["entries"] == 1
    assert named in alpha["broken"]
    assert beta["ok"]
    assert "alpha" in str(error)
    assert verify("--tenant", "beta").startswith("beta: ok")


def test_an_end_that_was_cut_off_is_found_by_the_report_that_cited_it(two, owner_connection):
    make_outcome_report(two[0].id, "2026-01", made_at=dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
    with scope.tenant(two[0].id):
        newest = LedgerSeal.objects.order_by("-sequence").first()
    ids = {"seal": newest.id, "entry": newest.entry_id}
    tamper(owner_connection, "DELETE FROM tenants_ledgerseal WHERE id = %(seal)s", ids)
    tamper(owner_connection, "DELETE FROM tenants_ledgerentry WHERE id = %(entry)s", ids)
    told, _ = verify_broken("--tenant", "alpha")
    assert f"cites {newest.chain_hash}" in told["tenants"][0]["broken"]


def test_an_unknown_client_is_exit_code_2(db):
    with pytest.raises(CommandError, match="There is no client 'nobody'") as refused:
        call_command("ledger", "verify", "--tenant", "nobody")
    assert refused.value.returncode == 2
