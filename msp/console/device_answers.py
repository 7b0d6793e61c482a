"""What products on computers answered, each in one line for a technician."""

from collections.abc import Callable, Mapping

from msp.console import answer_parts as parts
from msp.console.answer_parts import Facts


def _device(facts: Facts) -> str:
    device = facts.get("device") or {}
    is_isolated = device.get("is_isolated")
    state = "cut off the network" if is_isolated else "on the network"
    return parts.joined(
        str(device.get("hostname") or "The computer"),
        state if is_isolated is not None else "",
        "a server" if device.get("is_server") else "",
        str(device.get("os") or ""),
    )


def _alerts(facts: Facts) -> str:
    high = facts.get("high") or 0
    return parts.joined(
        parts.counted(facts.get("count", len(parts.rows(facts, "alerts"))), "alert"),
        f"{high} of high severity" if high else "none of high severity",
    )


def _processes(facts: Facts) -> str:
    suspicious = [row for row in parts.rows(facts, "processes") if row.get("is_suspicious")]
    running = [row for row in suspicious if row.get("is_running")]
    return parts.joined(
        parts.counted(len(suspicious), "suspicious program") + parts.named(suspicious),
        f"still running: {len(running)}" if running else "",
    )


def _files(facts: Facts) -> str:
    harmful = [row for row in parts.rows(facts, "files") if row.get("is_malicious")]
    free = [row for row in harmful if not row.get("is_quarantined")]
    return parts.joined(
        parts.counted(len(harmful), "harmful file"),
        f"not locked away{parts.named(free)}" if free else "all locked away" if harmful else "",
    )


def _credential_access(facts: Facts) -> str:
    found = parts.rows(facts, "accesses")
    programs = dict.fromkeys(str(row["program"]) for row in found if row.get("program"))
    return parts.joined(
        parts.counted(facts.get("count", len(found)), "attempt") + " to read stored passwords",
        f"by {', '.join(programs)}" if programs else "",
    )


def _users(facts: Facts) -> str:
    users = parts.rows(facts, "users")
    privileged = [row for row in users if row.get("is_privileged")]
    return parts.joined(
        parts.counted(len(users), "user"),
        f"administrators{parts.named(privileged)}" if privileged else "no administrator",
    )


def _missing(facts: Facts) -> str:
    return parts.joined(parts.counted(len(parts.rows(facts, "patches")), "missing update"))


def _pending_updates(facts: Facts) -> str:
    lacking = [row for row in parts.rows(facts, "devices") if row.get("patches")]
    return parts.joined(
        parts.counted(len(parts.rows(facts, "devices")), "computer"),
        parts.listed(
            lacking, "of them lacking updates", parts.name, plural="of them lacking updates"
        )[:-1],
    )


def _exposed_devices(facts: Facts) -> str:
    return parts.listed(parts.rows(facts, "devices"), "computer", parts.name)


def _compliance(facts: Facts) -> str:
    return parts.joined(
        "Keeps to the policies" if facts.get("is_compliant") else "Does not keep to the policies",
        "encrypted" if facts.get("is_encrypted") else "not known to be encrypted",
        f"used by {facts['owner']}" if facts.get("owner") else "",
    )


def _file_changes(facts: Facts) -> str:
    demands, renamed = facts.get("ransom_notes") or 0, facts.get("renamed") or 0
    return parts.joined(
        f"{parts.counted(facts.get('changed') or 0, 'file')} changed",
        f"{renamed} renamed" if renamed else "none renamed",
        f"a demand for money was left ({parts.counted(demands, 'name')})" if demands else "",
        "saved earlier versions were deleted" if facts.get("shadow_copies_deleted") else "",
    )


def _connections(facts: Facts) -> str:
    found = parts.rows(facts, "connections")
    harmful = [row for row in found if row.get("is_malicious")]
    return parts.joined(
        parts.counted(len(found), "connection"),
        f"known as harmful{parts.named(harmful)}" if harmful else "none known as harmful",
    )


def _remote_access_tools(facts: Facts) -> str:
    found = parts.rows(facts, "tools")
    if not found:
        return "No remote-access program was seen."
    return parts.joined(*(f"{parts.name(row)} ({_remote_access_tool(row)})" for row in found))


def _remote_access_tool(row: Facts) -> str:
    approved = "approved" if row.get("is_approved") else "approved by nobody"
    return f"{approved}, {'running' if row.get('is_running') else 'not running'}"


WORDS: Mapping[str, Callable[[Facts], str]] = {
    "endpoint.get_device": _device,
    "endpoint.list_alerts": _alerts,
    "endpoint.list_processes": _processes,
    "endpoint.list_files": _files,
    "endpoint.list_file_changes": _file_changes,
    "endpoint.list_connections": _connections,
    "endpoint.list_remote_access_tools": _remote_access_tools,
    "endpoint.list_credential_access": _credential_access,
    "endpoint.list_logged_on_users": _users,
    "endpoint.get_compliance": _compliance,
    "patch.list_missing": _missing,
    "patch.list_pending_updates": _pending_updates,
    "patch.list_exposed_devices": _exposed_devices,
}
