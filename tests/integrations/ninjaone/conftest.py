"""A simulated NinjaOne and a client connected to it, over real HTTP."""

from collections.abc import Iterator

import pytest

from integrations.connectors.ninjaone.client import NinjaoneClient
from tests.integrations.conformance.subject import Simulated
from tests.integrations.ninjaone.subject import SUBJECT


@pytest.fixture
def vendor(tmp_path) -> Iterator[Simulated]:
    """The simulator of one account."""
    with SUBJECT.running(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor) -> Iterator[NinjaoneClient]:
    """A client of one organisation in it."""
    connected = vendor.connect()
    yield connected
    connected.close()
