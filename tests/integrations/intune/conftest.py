"""The simulated clinic's managed devices, and a client connected to them."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.connectors.intune.client import IntuneClient
from integrations.contract import Target
from tests.integrations.conformance.subject import Simulated
from tests.integrations.intune.subject import SUBJECT, device


@pytest.fixture
def vendor(tmp_path) -> Iterator[Simulated]:
    """The clinic."""
    with SUBJECT.running(tmp_path) as running:
        yield running


@pytest.fixture
def client(vendor: Simulated) -> Iterator[IntuneClient]:
    """A client connected to it."""
    connected: Any = vendor.connect()
    yield connected
    connected.close()


@pytest.fixture
def laptop(vendor: Simulated) -> Target:
    """A device of the clinic."""
    return device(vendor)
