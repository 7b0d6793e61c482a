"""Devices, as the directory knows them and as actions and questions see them."""

import datetime as dt

from integrations.managed.computers import Computer, ring_of
from integrations.values import Fields, address
from tenants.records import DirectoryItem

# NinjaOne's classes of devices on which it installs updates of the system.
PATCHED = frozenset(
    {"WINDOWS_SERVER", "WINDOWS_WORKSTATION", "MAC", "MAC_SERVER", "LINUX_SERVER",
     "LINUX_WORKSTATION"}
)  # fmt: skip
_SYSTEMS = {
    "WINDOWS_SERVER": "Windows Server", "WINDOWS_WORKSTATION": "Windows", "MAC": "macOS",
    "MAC_SERVER": "macOS", "LINUX_SERVER": "Linux", "LINUX_WORKSTATION": "Linux",
    "ANDROID": "Android", "APPLE_IOS": "iOS", "APPLE_IPADOS": "iPadOS",
    "VMWARE_VM_HOST": "VMware ESXi", "HYPERV_VMM_HOST": "Windows Server",
}  # fmt: skip
_SERVERS = frozenset(
    {"WINDOWS_SERVER", "LINUX_SERVER", "MAC_SERVER", "VMWARE_VM_HOST", "HYPERV_VMM_HOST",
     "NMS_SERVER", "NMS_VM_HOST"}
)  # fmt: skip


def name_of(fields: Fields) -> str:
    """A device's name, as people know it."""
    return fields.text("systemName", "displayName", "dnsName", "netbiosName")


def _system(fields: Fields, system: Fields) -> str:
    told = system.text("name") or fields.nested("os").text("name")
    return told or _SYSTEMS.get(fields.text("nodeClass"), "")


def _is_online(fields: Fields) -> bool | None:
    offline = fields.truth("offline")
    return None if offline is None else not offline


def computer(fields: Fields, system: Fields | None = None, user: str = "") -> Computer:
    """A device as actions and questions see it; `system` is its row of the systems' report."""
    known = system or Fields({})
    return Computer(
        external_id=fields.text("id"),
        name=name_of(fields),
        operating_system=_system(fields, known),
        is_server=fields.text("nodeClass") in _SERVERS,
        is_online=_is_online(fields),
        needs_restart=known.truth("needsReboot"),
        last_seen_at=fields.time("lastContact"),
        last_user=user,
        ring=ring_of(fields.texts("tags")),
    )


def device(fields: Fields) -> DirectoryItem:
    """A device of the directory; one that was decommissioned is gone."""
    references = fields.nested("references")
    owner = references.nested("assignedOwner")
    return DirectoryItem(
        kind="device",
        external_id=fields.essential("id", what="device"),
        name=name_of(fields),
        is_deleted=fields.word("approvalStatus") == "decommissioned",
        attributes={
            "operating_system": _system(fields, Fields({})),
            "is_server": fields.text("nodeClass") in _SERVERS,
            "is_managed": fields.word("approvalStatus") == "approved",
            "is_online": _is_online(fields),
            "device_class": fields.word("nodeClass"),
            "last_seen_at": fields.time("lastContact"),
            "enrolled_at": fields.time("created"),
            "dns_name": fields.text("dnsName"),
            "local_ip": _first(fields, "ipAddresses"),
            "external_ip": address(fields.text("publicIP")),
            "mac_address": next(iter(fields.texts("macAddresses")), ""),
            "owner_email": owner.text("email"),
            "site": references.nested("location").text("name"),
            "policy": references.nested("policy").text("name")
            or references.nested("rolePolicy").text("name"),
            "ring": ring_of(fields.texts("tags")),
            "tags": fields.texts("tags"),
            "in_maintenance_until": _maintenance(fields),
        },
    )


def _first(fields: Fields, name: str) -> str:
    return next((found for one in fields.texts(name) if (found := address(one))), "")


def _maintenance(fields: Fields) -> dt.datetime | None:
    told = fields.nested("maintenance")
    return told.time("end") if told.word("status") == "in_maintenance" else None
