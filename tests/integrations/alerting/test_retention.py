"""Hits of rules go after a time, a month as a whole, and the ledger says so."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations.alerting import retention
from integrations.alerting.rows import RuleDay, RuleHit
from tenants import scope
from tenants.models import Finding, LedgerEntry
from tests.conftest import new_tenant
from tests.integrations.alerting.rules import IDS, install, record, rule, take

pytestmark = pytest.mark.django_db


def _age(**fields: object) -> None:
    RuleHit.objects.filter(**fields).update(at=timezone.now() - dt.timedelta(days=140))


def test_what_was_told_is_kept_longer(in_tenant) -> None:
    install(rule("a"))
    install(rule("b"), stage="shadow")
    take(record("a"), record("b"), record("b"))
    assert retention.thin() == 0
    _age()
    RuleHit.objects.filter(id=RuleHit.objects.filter(rule_id=IDS["b"]).first().id).update(
        at=timezone.now()
    )
    assert retention.thin() == 1
    assert sorted(RuleHit.objects.values_list("rule_id", flat=True)) == [IDS["a"], IDS["b"]]
    entry = LedgerEntry.objects.get(kind="detection.hits_removed")
    assert entry.body["shadow_hits"] == 1
    before = timezone.now() - dt.timedelta(days=500)
    RuleHit.objects.update(at=before)
    RuleDay.objects.update(day=before.date())
    assert retention.thin() == 4
    assert (RuleHit.objects.count(), RuleDay.objects.count()) == (0, 0)
    # The finding that was made of a hit is no hit.
    assert Finding.objects.count() == 1
    assert retention.thin() == 0


def test_no_other_client_loses_anything_and_no_month_goes_in_part(in_tenant, monkeypatch) -> None:
    install(rule("a"), stage="shadow")
    with scope.tenant(new_tenant("other").id):
        take(record("a"))
        _age()
    take(record("a"), record("a"))
    # The month of the day that is just old enough is not over for as long.
    edge = timezone.now() - retention.UNTOLD
    RuleHit.objects.update(at=edge.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    assert retention.thin() == 0
    monkeypatch.setattr(retention, "_AT_ONCE", 1)
    _age()
    assert [retention.thin(), retention.thin(), retention.thin()] == [1, 1, 0]
    with scope.reading(scope.ALL):
        assert RuleHit.in_scope().count() == 1
