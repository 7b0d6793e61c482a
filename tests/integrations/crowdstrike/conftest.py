"""A simulated Falcon and a client connected to it, over real HTTP."""

from collections.abc import Iterator

import pytest

from integrations.connectors.crowdstrike.client import FalconClient
from tests.integrations.conformance.subject import Simulated
from tests.integrations.crowdstrike.subject import SUBJECT


@pytest.fixture
def vendor(tmp_path) -> Iterator[Simulated]:
    """The simulator of one organisation."""
    with SUBJECT.running(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor) -> Iterator[FalconClient]:
    """A client of it."""
    connected = vendor.connect()
    yield connected
    connected.close()
