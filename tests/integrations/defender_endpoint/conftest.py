"""The simulated clinic's computers, and a client connected to them."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.connectors.defender_endpoint.client import DefenderClient
from integrations.contract import Target
from tests.integrations.conformance.subject import Simulated
from tests.integrations.defender_endpoint.subject import SUBJECT, file, machine


@pytest.fixture
def vendor(tmp_path) -> Iterator[Simulated]:
    """The clinic."""
    with SUBJECT.running(tmp_path) as running:
        yield running


@pytest.fixture
def client(vendor: Simulated) -> Iterator[DefenderClient]:
    """A client connected to it."""
    connected: Any = vendor.connect()
    yield connected
    connected.close()


@pytest.fixture
def computer(vendor: Simulated) -> Target:
    """A computer of the clinic."""
    return machine(vendor)


@pytest.fixture
def harmful_file(vendor: Simulated) -> Target:
    """A harmful file on a computer of the clinic."""
    return file(vendor)
