"""Hosts as devices of the directory.

Source: https://www.falconpy.io/Service-Collections/Hosts.html
"""

from integrations.values import Fields, address
from tenants.records import DirectoryItem

_SERVERS = frozenset({"server", "domain controller"})
# Containment as Falcon tells it: a host stays cut off until the lifting has reached it.
_ISOLATED = {
    "normal": False, "containment_pending": False, "contained": True,
    "lift_containment_pending": True,
}  # fmt: skip


def is_isolated(status: str) -> bool | None:
    """Whether a host of this `status` is cut off the network; None for a word not known."""
    return _ISOLATED.get(status.strip().lower())


def is_server(fields: Fields) -> bool:
    """Whether it is a server, by Falcon's kind of product."""
    return fields.word("product_type_desc") in _SERVERS


def operating_system(fields: Fields) -> str:
    """The system's name with its version, such as ``Windows 11`` or ``macOS Ventura (13)``."""
    platform, version = fields.text("platform_name", "platform"), fields.text("os_version")
    name = {"mac": "macOS"}.get(platform.lower(), platform)
    if not version or version.lower().startswith(name.lower()):
        return version or name
    return f"{name} {version}".strip()


def host(fields: Fields) -> DirectoryItem:
    """A computer with the sensor on it. A host that was hidden in Falcon counts as deleted."""
    status = fields.word("status")
    last_seen = fields.time("last_seen")
    return DirectoryItem(
        kind="device",
        external_id=fields.essential("device_id", what="host"),
        name=fields.text("hostname"),
        is_deleted=fields.word("host_hidden_status") == "hidden",
        attributes={
            "operating_system": operating_system(fields),
            "is_server": is_server(fields),
            "is_managed": True,
            "is_isolated": is_isolated(status),
            "containment": status,
            "last_seen_at": last_seen,
            "last_user": fields.text("last_login_user"),
            "domain": fields.text("machine_domain"),
            "local_ip": address(fields.text("local_ip")),
            "external_ip": address(fields.text("external_ip")),
            "mac_address": fields.text("mac_address"),
            "serial_number": fields.text("serial_number"),
            "model": fields.text("system_product_name"),
            "agent_version": fields.text("agent_version"),
            "is_agent_reduced": fields.truth("reduced_functionality_mode"),
            "tags": fields.texts("tags"),
        },
    )
