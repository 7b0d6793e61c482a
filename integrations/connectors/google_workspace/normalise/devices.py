"""Phones, Chromebooks and computers as devices of the directory.

Sources: https://developers.google.com/workspace/admin/directory/reference/rest/v1/chromeosdevices,
…/mobiledevices, https://cloud.google.com/identity/docs/reference/rest/v1/devices.
"""

from integrations import ocsf
from integrations.values import Fields
from tenants.records import DirectoryItem


def chromebook(record: Fields) -> DirectoryItem:
    """Return a ChromeOS device."""
    external_id = record.essential("deviceId", what="device")
    return DirectoryItem(
        kind="device",
        external_id=external_id,
        name=record.text("annotatedAssetId", "serialNumber") or external_id,
        attributes=ocsf.filled(
            operating_system=f"ChromeOS {record.text('osVersion')}".strip(),
            model=record.text("model"),
            serial_number=record.text("serialNumber"),
            status=record.text("status"),
            users=record.texts("annotatedUser"),
            last_seen_at=record.time("lastSync"),
            enrolled_at=record.time("lastEnrollmentTime"),
            org_unit=record.text("orgUnitPath"),
        ),
    )


def phone(record: Fields) -> DirectoryItem:
    """Return a phone or tablet."""
    external_id = record.essential("resourceId", "deviceId", what="device")
    return DirectoryItem(
        kind="device",
        external_id=external_id,
        name=record.text("model", "serialNumber") or external_id,
        attributes=ocsf.filled(
            operating_system=record.text("os"),
            model=record.text("model"),
            serial_number=record.text("serialNumber"),
            status=record.text("status"),
            kind=record.text("type"),
            users=record.texts("email"),
            is_compromised=record.text("deviceCompromisedStatus"),
            last_seen_at=record.time("lastSync"),
        ),
    )


def computer(record: Fields) -> DirectoryItem:
    """Return a device of Cloud Identity, whatever its kind."""
    external_id = record.essential("name", what="device")
    return DirectoryItem(
        kind="device",
        external_id=external_id,
        name=record.text("hostname", "assetTag", "serialNumber", "deviceId") or external_id,
        attributes=ocsf.filled(
            operating_system=record.text("osVersion", "deviceType"),
            kind=record.text("deviceType"),
            model=record.text("model"),
            serial_number=record.text("serialNumber"),
            owner_type=record.text("ownerType"),
            management_state=record.text("managementState"),
            is_compromised=record.text("compromisedState"),
            last_seen_at=record.time("lastSyncTime"),
            created_at=record.time("createTime"),
        ),
    )
