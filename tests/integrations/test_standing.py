"""What vendors tell of a connection's permissions: missing, wider, and needless."""

import importlib
from types import SimpleNamespace
from typing import cast

import pytest

from integrations import registry
from integrations.connectors.wazuh.client import WazuhClient
from integrations.connectors.wazuh.standing import standing


@pytest.mark.parametrize(
    ("connector", "reads", "wider", "needless"),
    [
        ("intune", "DeviceManagementManagedDevices.Read.All",
         "DeviceManagementManagedDevices.ReadWrite.All", "DeviceManagementServiceConfig.Read.All"),
        ("defender_endpoint", "Machine.Read.All", "Machine.ReadWrite.All", "File.Read.All"),
    ],
)  # fmt: skip
def test_what_is_missing_and_needless_is_told(tmp_path, connector, reads, wider, needless) -> None:
    manifest = registry.connector(connector)
    asked = {one.name for one in manifest.permissions}
    subject = importlib.import_module(f"tests.integrations.{connector}.subject").SUBJECT
    with subject.running(tmp_path) as vendor:
        client = vendor.connect()
        for granted, covered, beyond in (
            (asked, asked, set()),
            (asked - {reads}, asked - {reads}, set()),
            (asked - {reads} | {wider}, asked, set()),
            (asked | {needless}, asked, {needless}),
        ):
            vendor.grant(sorted(granted))
            told = manifest.standing(client)
            assert told.granted == covered
            assert told.excessive == beyond
        client.close()


@pytest.mark.parametrize(
    ("connector", "missing", "needless"),
    [("ninjaone", "management", "control"), ("wazuh", "rootcheck:run", "security:update")],
)
def test_what_other_vendors_tell(tmp_path, connector, missing, needless) -> None:
    manifest = registry.connector(connector)
    asked = {one.name for one in manifest.permissions}
    subject = importlib.import_module(f"tests.integrations.{connector}.subject").SUBJECT
    with subject.running(tmp_path) as vendor:
        for granted in (asked, asked - {missing}, asked | {needless}):
            vendor.grant(sorted(granted))
            client = vendor.connect()
            told = manifest.standing(client)
            client.close()
            assert told.granted == granted & asked
            assert told.excessive == granted - asked


def test_what_may_be_read_of_wazuhs_indexer_is_tried(tmp_path) -> None:
    manifest = registry.connector("wazuh")
    asked = {one.name for one in manifest.permissions}
    subject = importlib.import_module("tests.integrations.wazuh.subject").SUBJECT
    refused = "Indexer: read wazuh-states-vulnerabilities-*"
    with subject.running(tmp_path) as vendor:
        vendor.grant(sorted(asked - {refused}))
        client = vendor.connect()
        assert manifest.standing(client).granted == asked - {refused}
        client.close()


def test_what_wazuh_allows_by_default_is_not_missing() -> None:
    """In the mode black all is allowed that no policy denies."""
    client = SimpleNamespace(
        indexer=None,
        policies=lambda: {"rbac_mode": "black", "agent:read": {"agent:id:*": "deny"}},
    )
    asked = frozenset({"agent:read", "rootcheck:run"})
    told = standing(cast(WazuhClient, client), asked)
    assert told.granted is not None
    assert "rootcheck:run" in told.granted
    assert "agent:read" not in told.granted
    assert told.excessive is None


def test_wazuhs_answer_is_read_as_it_is_documented() -> None:
    """An action allowed for some agents counts; roles beside the actions are none."""
    told = {
        "agent:read": {"agent:id:001": "allow", "agent:id:002": "deny"},
        "active-response:command": {"*:*:*": "allow"},
        "agent:delete": {"agent:group:acme": "deny"},
        "rbac_mode": "white",
        "roles": [],
    }
    client = SimpleNamespace(indexer=None, policies=lambda: told)
    seen = standing(cast(WazuhClient, client), frozenset({"agent:read", "agent:delete"}))
    assert seen.granted is not None
    assert {name for name in seen.granted if name.startswith("agent")} == {"agent:read"}
    assert seen.excessive == {"active-response:command"}
