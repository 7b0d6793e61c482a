"""One client's trouble never stops the scheduler's work for the others."""

import pytest

from msp import scheduler
from msp.licensing.models import SeatCount
from tenants import ledger, scope
from tenants.models import LedgerEntry, LedgerSeal

pytestmark = pytest.mark.usefixtures("committed_database")


def test_a_wrong_time_zone_costs_nobody_else_the_count(make_tenant) -> None:
    make_tenant("a-broken", time_zone="Nowhere/Land")
    healthy = make_tenant("b-healthy")
    scheduler.count_todays_seats()
    with scope.tenant(healthy.id):
        assert SeatCount.objects.count() == 1


def test_every_ledger_is_sealed_to_its_end(make_tenant, monkeypatch) -> None:
    monkeypatch.setattr(ledger, "_BATCH", 3)
    tenants = [make_tenant("one"), make_tenant("two")]
    for tenant in tenants:
        with scope.tenant(tenant.id):
            for number in range(8):
                ledger.append("test.entry", actor="test", subject=str(number))
    assert scheduler.seal_ledgers() == 16
    for tenant in tenants:
        with scope.tenant(tenant.id):
            assert LedgerSeal.objects.count() == LedgerEntry.objects.count() == 8
            assert ledger.verify().is_ok
