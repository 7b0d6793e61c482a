"""What is deleted at the vendor is marked, and only that."""

import datetime as dt
from typing import Any

import pytest

from integrations import connections, polling
from integrations.models import Connection, FeedState
from tenants import directory, scope
from tests.integrations.conformance.driving import sweep

TOPIC = "deletion"


@pytest.fixture(autouse=True)
def _private(settings) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True


class Directory:
    """What a tenant's directory holds of a connection's feeds."""

    def __init__(self, subject, vendor, tenant) -> None:
        self.manifest, self.vendor, self.tenant = subject.manifest, vendor, tenant
        with scope.tenant(tenant.id):
            self.connection = connections.create(
                connector=subject.manifest.id, name="the vendor", settings=vendor.settings,
                secrets=vendor.secrets, actor="test",
            )  # fmt: skip

    def poll(self, name: str) -> None:
        """Read a feed to its end, as after a day."""
        a_day_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=1, minutes=1)
        with scope.tenant(self.tenant.id):
            Connection.objects.update(settings=dict(self.vendor.settings))
            state = FeedState.objects.get(connection=self.connection, feed=name)
            if "whole_at" in state.cursor:
                state.cursor["whole_at"] = a_day_ago.isoformat()
                state.save()
        polling.poll(self.tenant.id, state.id)
        with scope.tenant(self.tenant.id):
            state.refresh_from_db()
        assert not state.error, state.error

    def rows(self, name: str) -> dict[tuple[str, str], Any]:
        """When each thing that the feed lists was deleted, by kind and id; None where it wasn't."""
        with scope.tenant(self.tenant.id):
            return {
                (kind, row.external_id): row.deleted_upstream_at
                for kind in self.manifest.feed(name).lists
                for row in directory.rows_of(kind, self.manifest.id)
            }

    def at_vendor(self, name: str) -> set[tuple[str, str]]:
        """What the vendor lists now, read past the database."""
        client = self.vendor.connect()
        feed = self.manifest.feed(name)
        if feed.states is None:
            found, _ = sweep(self.manifest, client, name)
        else:
            pages = feed.fetch(client, {})
            found = [feed.states(record) for page in pages for record in page.records]
        client.close()
        lists = feed.lists
        return {
            (item.kind, item.external_id)
            for item in found
            if getattr(item, "kind", "") in lists and not item.is_deleted
        }


def test_each_feed_marks_what_is_deleted_and_nothing_else(subject, vendor, tenant) -> None:
    kept = Directory(subject, vendor, tenant)
    for name, delete in subject.deletions.items():
        kept.poll(name)
        before = {key for key, gone in kept.rows(name).items() if gone is None}
        delete(vendor)
        left = kept.at_vendor(name)
        assert before - left, f"{name}: nothing was deleted"
        kept.poll(name)
        rows = kept.rows(name)
        assert {
            key for key, gone in rows.items() if gone is None and key in before
        } == left & before, name
        assert rows.keys() >= before, f"{name}: what is gone was removed"


def test_every_feed_that_lists_things_is_tried(subject) -> None:
    listing = {feed.name for feed in subject.manifest.feeds if feed.fetch and feed.lists}
    assert subject.deletions.keys() == listing
