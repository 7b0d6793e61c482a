"""A connection that is removed: nothing goes on through it, and nothing that was done is lost."""

import dataclasses
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from django.db import connections as database

from integrations import checking, connections, polling, registry, removing
from integrations.contract import Page
from integrations.errors import ConnectionMisconfigured, RemovalError
from integrations.models import Connection, Delivery, FeedState, HealthAlarm
from tenants import scope, work
from tenants.models import Device, LedgerEntry, RawRecord, Secret, Tenant, Work
from tenants.records import SourceRecord
from tests.conftest import new_tenant
from tests.integrations.test_organisations import ORGANISATIONS, connect, poll
from tests.pipeline import make_due
from tests.waiting import wait_for_lock

OWN = ORGANISATIONS["crowdstrike"][0]


def remove(row: Connection, reason: str = "They moved to another product.") -> int:
    return removing.remove(row.id, reason=reason, actor="technician:ann")


@pytest.fixture
def before_page(monkeypatch) -> list[Any]:
    """CrowdStrike with one host; what is put in here is called before its page comes."""
    calls: list[Any] = []
    manifest = registry.connector("crowdstrike")
    hosts = manifest.feed("hosts")

    def fetch(client: Any, cursor: Mapping[str, Any]) -> Iterator[Page]:
        for call in calls:
            call()
        yield Page((SourceRecord({"device_id": "d1", "hostname": "PC-1"}),), {"since": "x"}, True)

    told_of = dataclasses.replace(
        manifest,
        canary=lambda client: "It answers.",
        feeds=(dataclasses.replace(hosts, fetch=fetch),),
        organisation=dataclasses.replace(manifest.organisation, told=None),
    )
    monkeypatch.setattr(registry, "CONNECTORS", MappingProxyType({"crowdstrike": told_of}))
    return calls


@pytest.mark.usefixtures("before_page")
def test_nothing_goes_on_and_nothing_is_lost(tenant: Tenant, other_tenant: Tenant) -> None:
    with scope.tenant(tenant.id):
        row = connect("crowdstrike", OWN)
        state = FeedState.objects.get()
    poll(tenant)
    with scope.tenant(tenant.id):
        HealthAlarm.objects.create(
            connection=row, kind=HealthAlarm.Kind.LATE, words="Late.", began_at=row.created_at
        )
        Delivery.objects.create(connection=row, delivery_id="msg_1", received_at=row.created_at)
        assert remove(row) == 1
        assert not Connection.objects.exists()
        kept = Connection.ever.get()
        assert (kept.id, kept.secret_id, kept.state) == (row.id, None, "paused")
        assert not Secret.objects.exists()
        assert not Delivery.objects.exists()
        assert HealthAlarm.objects.exclude(ended_at=None).count() == 1
        assert Device.objects.get().deleted_upstream_at is not None
        assert RawRecord.objects.count() == 1
        told = LedgerEntry.objects.get(kind="connection.removed")
        assert told.actor == "technician:ann"
        assert told.body["reason"] == "They moved to another product."
        assert told.body["marked_deleted"] == 1
    make_due("poll")
    held = work.claim(Work.objects.get(kind="poll", subject=state.id).id)
    assert held is not None
    polling.poll(tenant.id, state.id)
    work.complete(held)
    checking.check(tenant.id, row.id)
    assert not Work.objects.filter(kind="poll").exists()
    with (
        pytest.raises(ConnectionMisconfigured, match="was removed"),
        connections.client(tenant.id, row.id),
    ):
        pass
    # It is free for another client, and for the same one again, under the same name.
    with scope.tenant(tenant.id):
        again = connect("crowdstrike", OWN)
        assert again.id != row.id
        remove(again)
    with scope.tenant(other_tenant.id):
        connect("crowdstrike", OWN)


def test_a_page_that_was_being_read_is_not_kept(tenant: Tenant, before_page) -> None:
    with scope.tenant(tenant.id):
        row = connect("crowdstrike", OWN)

    def meanwhile() -> None:
        with scope.tenant(tenant.id):
            remove(row)

    before_page.append(meanwhile)
    poll(tenant)
    with scope.tenant(tenant.id):
        assert not Device.objects.exists()
        assert not RawRecord.objects.exists()


def test_it_takes_a_reason_and_happens_once(in_tenant) -> None:
    row = connect("crowdstrike", OWN)
    with pytest.raises(RemovalError, match="Say why"):
        remove(row, "  ")
    assert Connection.objects.exists()
    remove(row)
    with pytest.raises(RemovalError, match="already"):
        remove(row)
    assert LedgerEntry.objects.filter(kind="connection.removed").count() == 1


def test_what_another_connection_of_its_kind_knows_stays(in_tenant, before_page) -> None:
    row = connect("crowdstrike", OWN)
    other = connections.create(
        connector="crowdstrike", name="Second", settings={"client_id": "c" * 32},
        secrets={"client_secret": "s"}, actor="test",
    )  # fmt: skip
    Device.objects.create(provider="crowdstrike", external_id="d9", hostname="PC-9")
    assert remove(row) == 0
    assert Device.objects.get().deleted_upstream_at is None
    assert remove(other) == 1


def test_nobody_removes_another_clients_connection(tenant: Tenant, other_tenant: Tenant) -> None:
    with scope.tenant(tenant.id):
        row = connect("crowdstrike", OWN)
    with scope.tenant(other_tenant.id), pytest.raises(RemovalError):
        remove(row)
    with scope.tenant(tenant.id):
        assert Connection.objects.get().secret_id


def test_of_two_that_are_removed_at_once_one_is_the_last(committed_database) -> None:
    """Whoever removes the second waits for the first, so that what was known is marked as gone."""
    tenant = new_tenant("racing")
    with scope.tenant(tenant.id):
        first, second = (
            connections.create(
                connector="crowdstrike", name=name, settings={"client_id": "c" * 32},
                secrets={"client_secret": "s"}, actor="test",
            )
            for name in ("First", "Second")
        )  # fmt: skip
        Device.objects.create(provider="crowdstrike", external_id="d9", hostname="PC-9")
    marked: list[int] = []

    def remove_second() -> None:
        try:
            with scope.tenant(tenant.id):
                marked.append(remove(second))
        finally:
            database.close_all()

    other = threading.Thread(target=remove_second)
    with scope.tenant(tenant.id):
        assert remove(first) == 0
        other.start()
        wait_for_lock(other)
    other.join(20)
    assert marked == [1]
