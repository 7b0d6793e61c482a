"""What Microsoft's tokens tell of a connection's permissions: missing, wider, and needless."""

import importlib

import pytest

from integrations import registry


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
