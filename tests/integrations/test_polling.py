"""One feed's turn: when it gives way, when it comes again, and that it waits as it was told."""

import json
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations import connections, polling
from integrations.models import FeedState
from integrations.transport import Call, Transport
from tenants import scope, work
from tenants.models import RawRecord, Work
from tests.integrations.conformance.subject import Vendor
from tests.integrations.microsoft365.subject import SUBJECT

pytestmark = pytest.mark.django_db


@pytest.fixture
def vendor(tmp_path, settings) -> Iterator[Vendor]:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True
    with SUBJECT.running(tmp_path) as running:
        yield running


@pytest.fixture
def state(tenant, vendor) -> FeedState:
    with scope.tenant(tenant.id):
        connections.create(
            connector="microsoft365", name="the vendor", settings=vendor.settings,
            secrets=vendor.secrets, actor="test",
        )  # fmt: skip
        return FeedState.objects.get(feed=SUBJECT.feed)


def _poll(state: FeedState) -> float:
    """Poll in a turn; return in how many seconds the next one is due."""
    held = work.claim(Work.objects.get(subject=state.id).id)
    assert held is not None
    polling.poll(held.tenant_id, held.subject)
    work.complete(held)
    row = Work.objects.get(subject=state.id)
    assert row.began_at is not None
    return (row.due_at - row.began_at).total_seconds()


def _read(state: FeedState) -> FeedState:
    with scope.tenant(state.tenant_id):
        state.refresh_from_db()
    return state


def test_a_feed_takes_its_turns_by_vendor_and_connection(state) -> None:
    row = Work.objects.get(subject=state.id)
    assert (row.lane, row.holder) == ("microsoft365", state.connection_id)
    _poll(state)
    row.refresh_from_db()
    assert (row.lane, row.holder) == ("microsoft365", state.connection_id)


def test_a_turn_that_lasts_too_long_ends_with_its_page_and_goes_on_later(
    state, monkeypatch
) -> None:
    monkeypatch.setattr(polling, "_SECONDS_AT_ONCE", -1.0)
    records = []
    # It is due again at once, behind whoever waits.
    while _poll(state) < 30:
        records.append(_read(state).records)
    assert len(records) >= 2
    assert records == sorted(set(records))
    assert _read(state).error == ""


def test_intervals_are_jittered_and_hold_on_average(state) -> None:
    interval = SUBJECT.manifest.feed(SUBJECT.feed).interval_seconds
    waits = []
    for _ in range(8):
        waits.append(_poll(state))
        Work.objects.filter(subject=state.id).update(due_at="2026-01-01T00:00:00Z")
    assert len(set(waits)) == len(waits)
    assert all(interval * 0.9 <= wait <= interval * 1.1 + 30 for wait in waits)


def test_a_throttled_feed_never_asks_before_its_time(state, vendor) -> None:
    vendor.fault("throttle", retry_after=900)
    assert _poll(state) >= 900
    assert "wait 900 s" in _read(state).error


def test_a_doubled_key_in_a_vendors_answer_is_kept_and_noted(state, monkeypatch) -> None:
    parse = Transport._parse

    def doubling(self: Transport, call: Call, status: int, content: bytes) -> object:
        return parse(self, call, status, content.replace(b'"id"', b'"Data": 1, "Data": 2, "id"'))

    monkeypatch.setattr(Transport, "_parse", doubling)
    _poll(state)
    assert _read(state).records > 0
    with scope.tenant(state.tenant_id):
        raw = RawRecord.objects.exclude(outcome=RawRecord.Outcome.QUARANTINED).first()
    assert raw is not None
    assert json.loads(bytes(raw.body))["Data"] == [1, 2]
    assert ["Data"] in raw.context["doubled_keys"]


def test_what_one_user_refuses_is_told_once_the_others_are_read(tenant, state, vendor) -> None:
    users = vendor.records("users").values()
    refused = next(one for one in users if one["userPrincipalName"].startswith("anna.berg@"))
    vendor.fault("refuse", path=f"/users/{refused['id']}/", status=403)
    with scope.tenant(tenant.id):
        rules = FeedState.objects.get(feed="auth_methods")
    # It comes again at its usual time: all others were read.
    interval = SUBJECT.manifest.feed("auth_methods").interval_seconds
    assert _poll(rules) >= interval * 0.9
    told = _read(rules)
    assert told.records > 0
    assert (told.cursor, told.problem) == ({}, "permission")
    assert told.caught_up_at is None


def _carry_out(state: FeedState) -> list[str]:
    """Poll as a worker does; return the statements, without those of the tests' transaction."""
    held = work.claim(Work.objects.get(subject=state.id).id)
    assert held is not None
    with CaptureQueriesContext(connection) as seen:
        work.carry_out(held, polling.poll, [])
    return [one["sql"] for one in seen if "SAVEPOINT" not in one["sql"]]


def test_a_poll_that_brings_nothing_costs_few_statements(tenant, state) -> None:
    with scope.tenant(tenant.id):
        quiet = FeedState.objects.get(feed="users")
    for _ in range(2):
        _carry_out(quiet)
        assert _read(quiet).last_record_at is not None
        Work.objects.filter(subject=quiet.id).update(due_at="2026-01-01T00:00:00Z")
    before = _read(quiet).records
    statements = _carry_out(quiet)
    assert _read(quiet).records == before
    # Two scopes are set and, in a test's transaction, left again; there it is also freed once more.
    assert len(statements) <= 10, statements


def test_nothing_is_kept_of_a_page_whose_reader_lost_its_lease(state) -> None:
    held = work.claim(Work.objects.get(subject=state.id).id)
    assert held is not None

    def taken_over(tenant_id, subject) -> None:
        Work.objects.filter(id=held.id).update(leased_by="another worker")
        polling.poll(tenant_id, subject)

    with pytest.raises(work.LeaseLost):
        work.carry_out(held, taken_over, [])
    after = _read(state)
    assert (after.cursor, after.records, after.last_success_at) == ({}, 0, None)
    assert Work.objects.get(id=held.id).leased_by == "another worker"
