"""A simulated workspace and a client connected to it, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.connectors.microsoft_sentinel.client import SentinelClient
from tests.integrations.conformance.subject import Simulated
from tests.integrations.microsoft_sentinel.subject import SUBJECT


@pytest.fixture
def vendor(tmp_path) -> Iterator[Simulated]:
    """The simulator of one workspace."""
    with SUBJECT.running(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor: Simulated) -> Iterator[SentinelClient]:
    """A client of it."""
    connected: Any = vendor.connect()
    yield connected
    connected.close()
