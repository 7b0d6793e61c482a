"""A simulated Google Workspace and a client connected to it, over real HTTP."""

from collections.abc import Iterator

import pytest

from integrations.connectors.google_workspace.client import WorkspaceClient
from integrations.contract import Target
from tests.integrations.conformance.subject import Simulated
from tests.integrations.google_workspace.subject import account, running, simulated


@pytest.fixture
def vendor() -> Iterator[Simulated]:
    """The clinic in which priya.shah's mailbox was taken over three hours ago."""
    with running() as served:
        yield simulated(served)


@pytest.fixture
def client(vendor: Simulated) -> Iterator[WorkspaceClient]:
    """A client connected to it."""
    connected = vendor.connect()
    yield connected
    connected.close()


@pytest.fixture
def victim(vendor: Simulated) -> Target:
    """The account that was taken over."""
    return account(vendor)
