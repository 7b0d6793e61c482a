"""Agents as devices of the directory, and what Syscollector finds on them."""

import re

from integrations import ocsf
from integrations.values import Fields, address, content_uid, device_entity, entities, entity
from tenants.records import DirectoryItem, Event

# https://documentation.wazuh.com/current/user-manual/agent/agent-management/agent-connection.html
_ACTIVE = "active"


def agent(fields: Fields) -> DirectoryItem:
    """A computer with the agent on it."""
    os = fields.nested("os")
    name = " ".join(filter(None, (os.text("name"), os.text("version"))))
    groups = fields.texts("group")
    return DirectoryItem(
        kind="device",
        external_id=fields.essential("id", what="agent"),
        name=fields.text("name"),
        attributes={
            "operating_system": name,
            "is_server": is_server(fields),
            "is_managed": True,
            "is_active": fields.word("status") == _ACTIVE if fields.has("status") else None,
            "status": fields.word("status"),
            "last_seen_at": fields.time("lastKeepAlive"),
            "local_ip": address(fields.text("ip")),
            "agent_version": fields.text("version"),
            "groups": groups,
            "group_config_status": fields.word("group_config_status"),
            "enrolled_at": fields.time("dateAdd"),
        },
    )


def is_server(fields: Fields) -> bool | None:
    """Whether the operating system is a server's; None where its name doesn't tell."""
    os = fields.nested("os")
    if os.word("platform") == "windows":
        return "server" in os.word("name")
    return None


def package(fields: Fields, agent_id: str) -> DirectoryItem:
    """A program on a computer."""
    name = fields.essential("name", what="program")
    version, architecture = fields.text("version"), fields.text("architecture")
    return DirectoryItem(
        kind="software",
        external_id="|".join((agent_id, name, version, architecture)),
        name=f"{name} {version}".strip(),
        parent=agent_id,
        attributes=ocsf.filled(
            vendor=fields.text("vendor"),
            name=name,
            version=version,
            architecture=architecture,
            format=fields.text("format"),
            installed_at=fields.time("install_time"),
            location=fields.text("location"),
        ),
    )


def hotfix(fields: Fields, agent_id: str) -> DirectoryItem:
    """An update of Windows that is installed."""
    name = fields.essential("hotfix", what="update")
    return DirectoryItem(
        kind="software",
        external_id=f"{agent_id}|{name}",
        name=name,
        parent=agent_id,
        attributes={"name": name, "format": "hotfix"},
    )


def observed(fields: Fields, agent_id: str, kind: str) -> Event:
    """Anything else that was found on a computer: an address, a port, a program that runs."""
    time = fields.nested("scan").essential_time("time")
    what = _named(fields)
    ip = address(fields.text("address"))
    return Event(
        uid=content_uid({"agent_id": agent_id, **fields.body}),
        class_uid=ocsf.DEVICE_INVENTORY,
        activity=f"{kind} {what}".strip(),
        time=time,
        target=agent_id,
        entities=entities(device_entity("wazuh", agent_id), entity("ip", ip)),
        ocsf=ocsf.event(
            ocsf.DEVICE_INVENTORY, 2, "Collect", time,
            severity_id=1,
            uid=content_uid(fields.body),
            reported_by=ocsf.product("Wazuh", "Wazuh"),
            message=f"{kind}: {what}" if what else kind,
            device=ocsf.endpoint(uid=agent_id, ip=ip) | {"type_id": ocsf.UNKNOWN},
            unmapped={kind: dict(fields.body)},
        ),
    )  # fmt: skip


def _named(fields: Fields) -> str:
    local = fields.nested("local")
    found = fields.text("name", "address", "iface") or fields.nested("user").text("name")
    port = " ".join(filter(None, (fields.text("protocol"), local.text("ip"), local.text("port"))))
    return re.sub(r"\s+", " ", found or port)[:100]
