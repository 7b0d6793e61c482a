"""A simulated SentinelOne and a client connected to it, over real HTTP."""

from collections.abc import Iterator

import pytest

from integrations.connectors.sentinelone.client import SentinelOneClient
from tests.integrations.conformance.subject import Simulated
from tests.integrations.sentinelone.subject import SUBJECT


@pytest.fixture
def vendor(tmp_path) -> Iterator[Simulated]:
    """The simulator of one console."""
    with SUBJECT.running(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor) -> Iterator[SentinelOneClient]:
    """A client of it."""
    connected = vendor.connect()
    yield connected
    connected.close()
