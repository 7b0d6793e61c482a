"""A hole that was closed is missing from Wazuh's index, and told as closed; one that comes back is
open again."""

import pytest

from tenants import scope
from tenants.models import Event
from tests.integrations.conformance.test_deletions import Directory
from tests.integrations.wazuh.subject import SUBJECT

FEED = "vulnerabilities"


@pytest.fixture(autouse=True)
def _private(settings) -> None:
    settings.HOLDFAST_ALLOW_PRIVATE_ENDPOINTS = True


def told(tenant, cve: str, computer: str) -> list[str]:
    """What was told of a hole, in the order of its time."""
    with scope.tenant(tenant.id):
        rows = Event.objects.filter(entities__contains=[f"cve:{cve.lower()}"], target=computer)
        return [row.ocsf["status"] for row in rows.order_by("time")]


def test_a_hole_that_is_missing_is_closed_and_one_that_comes_back_is_open(vendor, tenant) -> None:
    kept = Directory(SUBJECT, vendor, tenant)
    kept.poll(FEED)
    holes = vendor.records("vulnerabilities")
    key, hole = next(iter(holes.items()))
    source = hole["_source"]
    cve, computer = source["vulnerability"]["id"], source["agent"]["name"]
    assert told(tenant, cve, computer) == ["Active"]
    with scope.tenant(tenant.id):
        before = Event.objects.count()
    vendor.act("remove", collection="vulnerabilities", id=key)
    kept.poll(FEED)
    assert told(tenant, cve, computer) == ["Active", "Solved"]
    kept.poll(FEED)
    with scope.tenant(tenant.id):
        assert Event.objects.count() == before + 1
    vendor.act("put", collection="vulnerabilities", record=hole)
    kept.poll(FEED)
    assert told(tenant, cve, computer) == ["Active", "Solved", "Active"]
    kept.poll(FEED)
    with scope.tenant(tenant.id):
        assert Event.objects.count() == before + 2
