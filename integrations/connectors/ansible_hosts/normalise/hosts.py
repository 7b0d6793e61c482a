"""Hosts, as the directory knows them and as actions and questions see them."""

from integrations.managed.computers import Computer
from integrations.values import Fields, address, instant
from tenants.records import DirectoryItem

_LINK_LOCAL = ("127.", "169.254.", "fe80:", "::1")


def state_of(report: Fields) -> dict[str, str]:
    """The lines of a host's state by their first word; of several the last."""
    pairs = (line.partition(" ") for line in report.texts("state"))
    return {name: value.strip() for name, _, value in pairs}


def _all(report: Fields, name: str) -> list[str]:
    """What a host tells several times, such as its addresses."""
    lines = (line.partition(" ") for line in report.texts("state"))
    return [rest.strip() for first, _, rest in lines if first == name]


def computer(name: str, ring: str, report: Fields) -> Computer:
    """A host as actions and questions see it."""
    state = state_of(report)
    return Computer(
        external_id=name,
        name=state.get("hostname") or name,
        operating_system=state.get("system", ""),
        is_server=True,
        is_online=True,
        needs_restart=state.get("needs_restart") == "yes",
        ring=ring,
    )


def host(fields: Fields) -> DirectoryItem:
    """A host of the directory; one that didn't answer tells only that."""
    name = fields.essential("host", what="report")
    if fields.truth("is_reachable") is False:
        return DirectoryItem(
            kind="device", external_id=name, name=name,
            attributes={
                "is_server": True, "is_managed": True, "is_online": False,
                "ring": fields.text("ring"), "last_error": fields.text("error"),
            },
        )  # fmt: skip
    state = state_of(fields)
    services = [unit.rpartition(" ") for unit in _all(fields, "unit")]
    booted = instant(state["booted_at"]) if state.get("booted_at", "").isdecimal() else None
    return DirectoryItem(
        kind="device",
        external_id=name,
        name=state.get("hostname") or name,
        attributes={
            "operating_system": state.get("system", ""),
            "is_server": True,
            "is_managed": True,
            "is_online": True,
            "is_isolated": state.get("isolated") == "yes",
            "can_isolate": state.get("can_isolate") == "yes",
            "needs_restart": state.get("needs_restart") == "yes",
            "booted_at": booted,
            "kernel": state.get("kernel", ""),
            "dns_name": state.get("fqdn", ""),
            "local_ip": _first(_all(fields, "address")),
            "mac_address": state.get("mac_address", ""),
            "ring": fields.text("ring"),
            "services_running": sorted(name for name, _, how in services if how == "running"),
            "services": len(services),
            "firewall": sorted(_all(fields, "firewall")),
        },
    )  # fmt: skip


def _first(addresses: list[str]) -> str:
    found = [address(text) for text in sorted(addresses, key=lambda text: ":" in text)]
    return next((one for one in found if one and not one.startswith(_LINK_LOCAL)), "")
