"""A simulated Wazuh and a client connected to it, over real HTTP."""

from collections.abc import Iterator

import pytest

from integrations.connectors.wazuh.client import WazuhClient
from tests.integrations.conformance.subject import Simulated
from tests.integrations.wazuh.subject import SUBJECT


@pytest.fixture
def vendor(tmp_path) -> Iterator[Simulated]:
    """The simulator of one manager."""
    with SUBJECT.running(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor) -> Iterator[WazuhClient]:
    """A client of it."""
    connected = vendor.connect()
    yield connected
    connected.close()
