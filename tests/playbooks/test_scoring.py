"""Open cases are scored anew once an hour, and no alert waits behind all of them."""

import datetime as dt

import pytest
from django.utils import timezone

from playbooks.cases import scoring
from tenants import scope, turns, work
from tenants.models import Case, Work
from tests.playbooks.cases import make_account, make_case

pytestmark = pytest.mark.django_db


def test_the_hourly_scoring_is_spread_and_takes_turns(tenant, monkeypatch) -> None:
    monkeypatch.setattr(scoring.random, "uniform", lambda first, last: last)
    with scope.tenant(tenant.id):
        make_case(make_account(), status=Case.Status.NEEDS_TECHNICIAN)
        Work.objects.all().delete()
    assert scoring.plan() == 1
    row = Work.objects.get(kind=scoring.KIND)
    assert row.due_at - timezone.now() > dt.timedelta(minutes=9)
    # What was planned already is not planned again; a technician's word has it done at once.
    assert scoring.plan() == 0
    with scope.tenant(tenant.id):
        work.schedule(scoring.KIND, tenant.id)
    claim = turns.claim_next()
    assert claim is not None
    assert claim.kind == scoring.KIND
