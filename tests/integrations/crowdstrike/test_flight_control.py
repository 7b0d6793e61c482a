"""A parent in Flight Control: one API client for many customers, each read by itself."""

from collections.abc import Iterator

import pytest

from integrations.connectors.crowdstrike.client import FalconClient, canary, customer
from integrations.connectors.crowdstrike.manifest import MANIFEST
from integrations.errors import ConnectionMisconfigured, Unauthorised
from integrations.simulators.crowdstrike.simulator import Crowdstrike
from tests.integrations.conformance.driving import sweep
from tests.integrations.conformance.subject import Simulated
from tests.integrations.simulators.serving import serving


@pytest.fixture
def vendor() -> Iterator[Simulated]:
    """A parent with the members acme and bolt."""
    with serving(Crowdstrike(), seed="flight_control") as served:
        app = served.control.tenants()[0]["apps"][0]
        settings = {"client_id": app["client_id"], "endpoint": served.base_url}
        yield Simulated(MANIFEST, served, settings, {"client_secret": app["secret"]})


@pytest.fixture
def members(vendor) -> list[str]:
    return [one["id"] for one in vendor.served.control.tenants()[1:]]


def hosts(client: FalconClient) -> int:
    return len(sweep(MANIFEST, client, "hosts")[0])


def test_each_member_is_read_by_itself(vendor, members) -> None:
    for member in members:
        for written in (member, f" {member.upper()}-0A "):
            client = vendor.connect(member_cid=written)
            assert canary(client).endswith("which shows 3 hosts.")
            assert customer(client) == member
            for feed in ("hosts", "alerts", "vulnerabilities"):
                found, _ = sweep(MANIFEST, client, feed)
                assert len(found) == 3
            client.close()


@pytest.mark.parametrize("feed", ["hosts", "alerts", "vulnerabilities"])
def test_a_parent_without_a_member_is_refused_and_nothing_is_kept(vendor, feed) -> None:
    client = vendor.connect()
    with pytest.raises(ConnectionMisconfigured, match="enter the client's own CID as member_cid"):
        customer(client)
    client.close()
    client = vendor.connect()
    with pytest.raises(ConnectionMisconfigured, match="member_cid"):
        sweep(MANIFEST, client, feed)
    client.close()


def test_all_members_of_one_client_are_read_where_that_is_said(vendor) -> None:
    client = vendor.connect(member_cid="all")
    assert customer(client) == ""
    assert hosts(client) == 6
    client.close()


def test_what_is_no_member_is_refused(vendor) -> None:
    with pytest.raises(ConnectionMisconfigured, match="32 digits"):
        vendor.connect(member_cid="acme")
    client = vendor.connect(member_cid="0" * 32)
    with pytest.raises(Unauthorised):
        canary(client)
    client.close()
