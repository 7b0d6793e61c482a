"""Who has just imported indicators counts at once where a client met them, without losing any."""

import datetime as dt
import io

import pytest
from django.core.management import call_command
from django.utils import timezone

from integrations import ocsf
from integrations.intelligence import sightings, store
from integrations.intelligence.found import Found
from integrations.models import Sighting
from tenants import scope
from tenants.models import Case, Event, RawRecord, Work
from tests.playbooks.cases import make_account, make_case

pytestmark = pytest.mark.django_db
BAD = "domain:bad.test"


def _event(case: Case, minutes_ago: float) -> None:
    at = timezone.now() - dt.timedelta(minutes=minutes_ago)
    raw = RawRecord.objects.create(
        connector="c", feed="f", received_at=at, body=b"", content_hash="", outcome="event"
    )
    Event.objects.create(
        raw=raw, connector="c", uid=str(raw.id), class_uid=ocsf.AUTHENTICATION, time=at,
        entities=[BAD], ocsf={},
    )  # fmt: skip


def test_the_last_minutes_are_counted_and_what_was_being_written_by_the_next_look(
    tenant, monkeypatch
) -> None:
    with scope.tenant(tenant.id):
        case = make_case(make_account(), entities=[BAD])
        _event(case, minutes_ago=0)
    out = io.StringIO()
    call_command("intelligence", "look", tenant.slug, stdout=out)
    assert "has met nothing" in out.getvalue()
    store.keep("feed", [Found(external_id=BAD, told=BAD, entity=BAD)])
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        assert Sighting.objects.get().events == 0
    out = io.StringIO()
    call_command("intelligence", "look", tenant.slug, stdout=out)
    assert "domain:bad.test: 1 events, 1 cases" in out.getvalue()
    with scope.tenant(tenant.id):
        # Written before the look, and committed after it.
        _event(case, minutes_ago=6)
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        assert Sighting.objects.get().events == 1
        assert Work.objects.get(kind="sight").due_at > timezone.now()
    monkeypatch.setattr(sightings, "_SETTLED", dt.timedelta())
    sightings.look(tenant.id, tenant.id)
    with scope.tenant(tenant.id):
        assert Sighting.objects.get().events == 2
