"""A whole connection: what is stored when pages come double or disordered, and after kill -9."""

import json

import pytest

from integrations import connections, polling
from integrations.models import FeedState
from tenants import scope
from tenants.models import RawRecord
from tests.integrations.conformance.subject import QUICK
from tests.journeys.processes import Processes, wait_until


@pytest.fixture(autouse=True)
def _private(settings) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True


def connected(subject, vendor, tenant):
    """The state of the sample feed of a new connection."""
    with scope.tenant(tenant.id):
        connection = connections.create(
            connector=subject.manifest.id, name="the vendor", settings=vendor.settings,
            secrets=vendor.secrets, actor="test",
        )  # fmt: skip
        return FeedState.objects.get(connection=connection, feed=subject.feed)


def read_through(tenant, state) -> None:
    """Poll once: the sample feed has fewer pages than are read in one turn."""
    polling.poll(tenant.id, state.id)
    with scope.tenant(tenant.id):
        state.refresh_from_db()
    assert not state.error, state.error


def stored(subject, tenant) -> list[str]:
    """Each record as it is kept, with what came beside it."""
    with scope.tenant(tenant.id):
        return sorted(
            bytes(raw.body).decode() + json.dumps(raw.context, sort_keys=True)
            for raw in RawRecord.objects.filter(feed=subject.feed)
        )


def whole(subject, vendor) -> list[str]:
    """The same, read past the database."""
    client = vendor.connect(QUICK)
    found = {
        json.dumps(dict(record.body), sort_keys=True, separators=(",", ":"))
        + json.dumps(dict(record.context), sort_keys=True)
        for page in subject.manifest.feed(subject.feed).fetch(client, {})
        for record in page.records
    }
    client.close()
    return sorted(found)


@pytest.mark.topic("duplicates")
def test_records_that_come_twice_are_kept_once(subject, vendor, tenant) -> None:
    expected = whole(subject, vendor)
    vendor.fault("duplicate_records", path=subject.pages)
    state = connected(subject, vendor, tenant)
    read_through(tenant, state)
    assert stored(subject, tenant) == expected
    assert state.records > len(expected)


@pytest.mark.topic("out_of_order")
def test_the_order_of_records_does_not_matter(subject, vendor, tenant) -> None:
    expected = whole(subject, vendor)
    vendor.fault("out_of_order", path=subject.pages)
    read_through(tenant, connected(subject, vendor, tenant))
    assert stored(subject, tenant) == expected


@pytest.mark.topic("crash")
@pytest.mark.process
def test_a_reader_killed_in_the_middle_goes_on_where_it_was(
    subject, vendor, committed_database, make_tenant, tmp_path
) -> None:
    expected = whole(subject, vendor)
    tenant = make_tenant("killed")
    # The reader hangs at the third page until it is killed.
    vendor.fault("slow", path=subject.pages, after=2, seconds=20)
    state = connected(subject, vendor, tenant)
    processes = Processes(tmp_path)
    try:
        reader = processes.poller(str(tenant.id), str(state.id))
        wait_until(lambda: _records(tenant, state) > 0, 60, lambda: processes.log("poller"))
        processes.kill(reader)
    finally:
        processes.close()
    vendor.clear_faults()
    with scope.tenant(tenant.id):
        state.refresh_from_db()
    assert state.cursor
    assert 0 < state.records < len(expected)
    read_through(tenant, state)
    assert stored(subject, tenant) == expected


def _records(tenant, state) -> int:
    with scope.tenant(tenant.id):
        return FeedState.objects.get(id=state.id).records
