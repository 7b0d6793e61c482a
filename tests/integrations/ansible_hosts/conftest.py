"""Real hosts over SSH and a client connected to them."""

from collections.abc import Iterator

import pytest

from integrations.connectors.ansible_hosts.client import AnsibleHostsClient
from tests.integrations.ansible_hosts.subject import SUBJECT, RealHosts


@pytest.fixture
def vendor(tmp_path) -> Iterator[RealHosts]:
    """The hosts."""
    with SUBJECT.running(tmp_path) as started:
        yield started


@pytest.fixture
def client(vendor) -> Iterator[AnsibleHostsClient]:
    """A client of them."""
    connected = vendor.connect()
    yield connected
    connected.close()
