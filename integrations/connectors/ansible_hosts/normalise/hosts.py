"""Hosts, as the directory knows them and as actions and questions see them."""

from integrations.managed.computers import Computer
from integrations.values import Fields, address, instant
from tenants.records import DirectoryItem

_LINK_LOCAL = ("127.", "169.254.", "fe80:", "::1")


def state_of(report: Fields) -> dict[str, str]:
    """The lines of a host's state by their first word; of several the last."""
    pairs = (line.partition(" ") for line in report.texts("state"))
    return {name: value.strip() for name, _, value in pairs}


def _system(facts: Fields) -> str:
    return f"{facts.text('distribution')} {facts.text('distribution_version')}".strip()


def computer(name: str, ring: str, report: Fields) -> Computer:
    """A host as actions and questions see it."""
    return Computer(
        external_id=name,
        name=report.nested("facts").text("hostname") or name,
        operating_system=_system(report.nested("facts")),
        is_server=True,
        is_online=True,
        needs_restart=state_of(report).get("needs_restart") == "yes",
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
    facts, state = fields.nested("facts"), state_of(fields)
    services = fields.objects("services")
    running = sorted(one.text("name") for one in services if one.word("state") == "running")
    booted = instant(state["booted_at"]) if state.get("booted_at", "").isdecimal() else None
    return DirectoryItem(
        kind="device",
        external_id=name,
        name=facts.text("hostname") or name,
        attributes={
            "operating_system": _system(facts),
            "is_server": True,
            "is_managed": True,
            "is_online": True,
            "is_isolated": state.get("isolated") == "yes",
            "can_isolate": state.get("can_isolate") == "yes",
            "needs_restart": state.get("needs_restart") == "yes",
            "booted_at": booted,
            "kernel": facts.text("kernel"),
            "dns_name": facts.text("fqdn"),
            "local_ip": _first(facts),
            "mac_address": facts.text("mac_address"),
            "ring": fields.text("ring"),
            "services_running": running,
            "services": len(services),
            "firewall": sorted(
                line.removeprefix("firewall ")
                for line in fields.texts("state") if line.startswith("firewall ")
            ),
        },
    )  # fmt: skip


def _first(facts: Fields) -> str:
    found = [address(text) for name in ("addresses", "addresses6") for text in facts.texts(name)]
    return next((one for one in found if one and not one.startswith(_LINK_LOCAL)), "")
