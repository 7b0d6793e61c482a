"""The ledger can't be rewritten without `verify` naming the row."""

import pytest

from tenants import ledger, scope
from tenants.models import LedgerEntry, LedgerSeal

pytestmark = pytest.mark.usefixtures("committed_database")


@pytest.fixture
def sealed(make_tenant):
    tenant = make_tenant("ledger-test")
    with scope.tenant(tenant.id):
        for number in range(5):
            ledger.append("test.entry", actor="test", subject=f"entry {number}", body={"n": number})
        assert ledger.seal() == 5
    return tenant


def _verify(tenant) -> ledger.Verification:
    with scope.tenant(tenant.id):
        return ledger.verify()


def test_an_untouched_ledger_verifies(sealed) -> None:
    found = _verify(sealed)
    assert (found.is_ok, found.sealed, found.unsealed) == (True, 5, 0)


def test_the_unsealed_tail_is_shown(sealed) -> None:
    with scope.tenant(sealed.id):
        ledger.append("test.entry", actor="test", subject="late")
    found = _verify(sealed)
    assert (found.is_ok, found.sealed, found.unsealed) == (True, 5, 1)


@pytest.mark.parametrize(
    ("tampering", "named"),
    [
        ("UPDATE tenants_ledgerentry SET body = '{\"n\": 9}' WHERE subject = 'entry 2'", "entry 3"),
        ("UPDATE tenants_ledgerentry SET actor = 'x' WHERE subject = 'entry 0'", "entry 1"),
        ("DELETE FROM tenants_ledgerseal WHERE sequence = 4", "entry 4"),
        (
            "UPDATE tenants_ledgerseal SET chain_hash = repeat('a', 64) WHERE sequence = 2",
            "entry 2",
        ),
    ],
)
def test_tampering_is_named(sealed, owner_connection, tampering, named) -> None:
    with owner_connection.transaction():
        owner_connection.execute("ALTER TABLE tenants_ledgerentry NO FORCE ROW LEVEL SECURITY")
        owner_connection.execute("ALTER TABLE tenants_ledgerseal NO FORCE ROW LEVEL SECURITY")
        changed = owner_connection.execute(tampering).rowcount
        owner_connection.execute("ALTER TABLE tenants_ledgerentry FORCE ROW LEVEL SECURITY")
        owner_connection.execute("ALTER TABLE tenants_ledgerseal FORCE ROW LEVEL SECURITY")
    assert changed == 1
    found = _verify(sealed)
    assert not found.is_ok
    assert named in found.broken


def test_sealing_goes_on_where_it_stopped(sealed) -> None:
    with scope.tenant(sealed.id):
        for number in range(3):
            ledger.append("test.entry", actor="test", subject=f"more {number}")
        assert ledger.seal() == 3
        assert ledger.seal() == 0
        assert LedgerSeal.objects.count() == LedgerEntry.objects.count() == 8
    assert _verify(sealed).is_ok
