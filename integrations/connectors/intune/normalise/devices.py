"""Managed devices and the programs found on them, as directory items.

Sources: https://learn.microsoft.com/graph/api/resources/intune-devices-manageddevice,
…/intune-devices-detectedapp.
"""

from integrations import ocsf
from integrations.values import Fields
from tenants.errors import Quarantine
from tenants.records import DirectoryItem

PRODUCT = ocsf.product("Microsoft Intune", "Microsoft")


def is_managed(told: Fields) -> bool:
    """Whether Intune can tell the device what to do: also while it leaves, or failed to."""
    return told.word("managementState") != "discovered"


def device(told: Fields) -> DirectoryItem:
    """A computer or phone that Intune manages."""
    external_id = told.essential("id", what="device")
    if not told.has_any("deviceName", "managedDeviceName", "operatingSystem", "complianceState"):
        raise Quarantine(
            "not_a_device",
            "Nothing in the record shows a managed device (deviceName, operatingSystem). "
            "Check the feed.",
        )
    system = told.text("operatingSystem")
    return DirectoryItem(
        kind="device",
        external_id=external_id,
        name=told.text("deviceName", "managedDeviceName") or external_id,
        attributes=ocsf.filled(
            operating_system=" ".join(p for p in (system, told.text("osVersion")) if p),
            user=told.text("userPrincipalName"),
            user_id=told.text("userId"),
            entra_device_id=told.text("azureADDeviceId"),
            compliance=told.text("complianceState"),
            management_state=told.text("managementState"),
            management_agent=told.text("managementAgent"),
            owner_type=told.text("managedDeviceOwnerType"),
            enrolment=told.text("deviceEnrollmentType"),
            enrolled_at=told.time("enrolledDateTime"),
            last_seen_at=told.time("lastSyncDateTime"),
            is_encrypted=told.truth("isEncrypted"),
            is_supervised=told.truth("isSupervised"),
            jail_broken=told.text("jailBroken"),
            threat_state=told.text("partnerReportedThreatState"),
            model=told.text("model"),
            manufacturer=told.text("manufacturer"),
            serial_number=told.text("serialNumber"),
            category=told.text("deviceCategoryDisplayName"),
            mac_addresses=[
                mac for mac in (told.text("ethernetMacAddress"), told.text("wiFiMacAddress")) if mac
            ],
        )
        | {"is_server": "server" in system.lower(), "is_managed": is_managed(told)},
    )


def app(told: Fields) -> DirectoryItem:
    """A program that was found on managed devices, with how many have it."""
    external_id = told.essential("id", what="program")
    name = told.essential("displayName", what="program")
    version = told.text("version")
    return DirectoryItem(
        kind="software",
        external_id=external_id,
        name=f"{name} {version}".strip(),
        attributes=ocsf.filled(
            name=name,
            version=version,
            vendor=told.text("publisher"),
            platform=told.text("platform"),
            device_count=told.number("deviceCount"),
            size_bytes=told.number("sizeInByte"),
        ),
    )
