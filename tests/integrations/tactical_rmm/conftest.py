"""A simulated Tactical RMM and a client connected to it, over real HTTP."""

from collections.abc import Iterator

import pytest

from integrations.connectors.tactical_rmm.client import TacticalRmmClient
from tests.integrations.conformance.subject import Simulated
from tests.integrations.tactical_rmm.subject import SUBJECT


@pytest.fixture
def vendor(tmp_path) -> Iterator[Simulated]:
    """The simulator of one server."""
    with SUBJECT.running(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor) -> Iterator[TacticalRmmClient]:
    """A client of one client's computers on it."""
    connected = vendor.connect()
    yield connected
    connected.close()
