"""The clinic's real domain, and a client connected to it through the middleman."""

from collections.abc import Iterator

import pytest

from integrations.connectors.active_directory.client import DirectoryClient
from integrations.contract import Target
from tests.integrations.active_directory.domain import PRIYA
from tests.integrations.active_directory.subject import RealDomain, running_domain


@pytest.fixture
def vendor(tmp_path) -> Iterator[RealDomain]:
    """The domain, with what tests change made anew."""
    with running_domain(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor: RealDomain) -> Iterator[DirectoryClient]:
    """A client connected to the domain."""
    connected = vendor.connect()
    yield connected
    connected.close()


@pytest.fixture
def priya(vendor: RealDomain) -> Target:
    """Priya's account."""
    return Target("account", "row", vendor.domain.guid(PRIYA), "CLINIC\\priya.shah")
