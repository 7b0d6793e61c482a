"""Computers with the agent, as the directory knows them and as actions and questions see them."""

from integrations.managed.computers import Computer, ring_of
from integrations.values import Fields, address
from tenants.records import DirectoryItem


def _ring(fields: Fields) -> str:
    own = (one.text("value") for one in fields.objects("custom_fields"))
    return ring_of((fields.text("description"), *own))


def _user(fields: Fields) -> str:
    """Who is signed in, or was last."""
    for name in ("logged_in_username", "logged_username", "last_logged_in_user"):
        found = fields.text(name)
        if found and found not in ("None", "-"):
            return found
    return ""


def _is_online(fields: Fields) -> bool | None:
    status = fields.word("status")
    return status == "online" if status else None


def computer(fields: Fields) -> Computer:
    """A computer as actions and questions see it."""
    return Computer(
        external_id=fields.text("agent_id"),
        name=fields.text("hostname"),
        operating_system=fields.text("operating_system", "plat"),
        is_server=fields.word("monitoring_type") == "server",
        is_online=_is_online(fields),
        needs_restart=fields.truth("needs_reboot"),
        last_seen_at=fields.time("last_seen"),
        last_user=_user(fields),
        ring=_ring(fields),
    )


def agent(fields: Fields) -> DirectoryItem:
    """A computer of the directory."""
    ips = fields.text("local_ips").split(",")
    return DirectoryItem(
        kind="device",
        external_id=fields.essential("agent_id", what="agent"),
        name=fields.text("hostname"),
        attributes={
            "operating_system": fields.text("operating_system", "plat"),
            "is_server": fields.word("monitoring_type") == "server",
            "is_managed": True,
            "is_online": _is_online(fields),
            "needs_restart": fields.truth("needs_reboot"),
            "last_seen_at": fields.time("last_seen"),
            "last_user": _user(fields),
            "local_ip": next((found for ip in ips if (found := address(ip))), ""),
            "external_ip": address(fields.text("public_ip")),
            "serial_number": fields.text("serial_number"),
            "model": fields.text("make_model"),
            "agent_version": fields.text("version"),
            "site": fields.text("site_name"),
            "ring": _ring(fields),
            "in_maintenance": fields.truth("maintenance_mode"),
        },
    )
