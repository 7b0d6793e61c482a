"""Agents as devices of the directory."""

from integrations.values import Fields, address
from tenants.records import DirectoryItem

# The network as the agent tells it: it stays cut off until the reconnecting is done.
_ISOLATED = {"connected": False, "disconnecting": False, "disconnected": True, "connecting": True}


def is_isolated(status: str) -> bool | None:
    """Whether a computer of this `networkStatus` is cut off; None for a word not known."""
    return _ISOLATED.get(status.strip().lower())


def agent(fields: Fields) -> DirectoryItem:
    """A computer with the agent on it; one that is decommissioned or uninstalled is gone."""
    status = fields.word("networkStatus")
    interfaces = fields.objects("networkInterfaces")
    addresses = [ip for one in interfaces for ip in one.texts("inet")]
    return DirectoryItem(
        kind="device",
        external_id=fields.essential("id", what="agent"),
        name=fields.text("computerName"),
        is_deleted=bool(fields.truth("isDecommissioned") or fields.truth("isUninstalled")),
        attributes={
            "operating_system": fields.text("osName", "osType"),
            "is_server": fields.word("machineType") == "server",
            "is_managed": True,
            "is_isolated": is_isolated(status),
            "containment": status,
            "is_infected": fields.truth("infected"),
            "is_active": fields.truth("isActive"),
            "last_seen_at": fields.time("lastActiveDate"),
            "last_user": fields.text("lastLoggedInUserName"),
            "domain": fields.text("domain"),
            "local_ip": next((found for ip in addresses if (found := address(ip))), ""),
            "external_ip": address(fields.text("externalIp")),
            "mac_address": next((one.text("physical") for one in interfaces), ""),
            "serial_number": fields.text("serialNumber"),
            "model": fields.text("modelName"),
            "agent_version": fields.text("agentVersion"),
            "site": fields.text("siteName"),
        },
    )
