"""What a gathered answer says, in one line for a technician.

The shapes are those that the catalog's read-only actions return, whoever the vendor is. Whatever
is missing from an answer is left out of the line.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrations import catalog

Facts = Mapping[str, Any]

_AUTHORITY = {
    "cloud": "governed in the cloud",
    "active_directory": "governed by Active Directory",
}


def in_words(gatherer: str, facts: Facts) -> str:
    """Return the line for a gatherer's answer; empty where nobody knows the question.

    Where there is no wording of its own, the answer's numbers are told by their names.
    """
    if not facts:
        return ""
    words = _WORDS.get(gatherer)
    if words:
        return words(facts)
    known = {question.name: question.facts for question in catalog.QUESTIONS}
    told = [_told(name, facts[name]) for name in known.get(gatherer, ()) if name in facts]
    line = _joined(*told) if any(told) else ""
    return line[:1].upper() + line[1:]


def _told(name: str, value: Any) -> str:
    if isinstance(value, list):
        return _listed_as(name.replace("_", " "), value)
    if isinstance(value, Mapping):
        called = value.get("name") or value.get("subject") or "known"
        return f"{name.replace('_', ' ')}: {called}" if value else f"no {name.replace('_', ' ')}"
    if isinstance(value, bool):
        value = "yes" if value else "no"
    is_short = isinstance(value, int | float | str)
    return f"{name.removeprefix('is_').replace('_', ' ')}: {value}" if is_short else ""


def _listed_as(nouns: str, values: Sequence[Any]) -> str:
    """Count what is listed under a name in the plural, and name the first of it."""
    if not values:
        return f"no {nouns}"
    named = [row for row in values if isinstance(row, Mapping) and row.get("name")]
    noun = nouns[:-1] if len(values) == 1 and nouns.endswith("s") else nouns
    if len(named) < len(values):
        return f"{len(values)} {noun}"
    return _listed(named, noun, _name, plural=noun)[:-1]


def _mfa_prompts(facts: Facts) -> str:
    denied = facts.get("denied") or 0
    return _joined(
        _counted(facts.get("count", len(_rows(facts, "prompts"))), "request") + " to confirm",
        f"{denied} refused" if denied else "none refused",
        "one was then confirmed" if facts.get("approved_after_denials") else "",
    )


def _account(facts: Facts) -> str:
    account = facts.get("account") or {}
    is_enabled = account.get("is_enabled")
    state = f"Sign-in is {'allowed' if is_enabled else 'blocked'}" if is_enabled is not None else ""
    return _joined(
        state,
        ", ".join(map(str, account.get("roles") or [])) or "no administrator's role",
        _AUTHORITY.get(account.get("source_of_authority", ""), ""),
    )


def _sign_ins(facts: Facts) -> str:
    suspicious = facts.get("suspicious_successes") or 0
    unusual = facts.get("unusual_countries") or []
    return _joined(
        _counted(facts.get("count", len(_rows(facts, "sign_ins"))), "sign-in"),
        f"{suspicious} suspicious {'one' if suspicious == 1 else 'ones'} succeeded"
        if suspicious
        else "no suspicious one succeeded",
        f"unusual countries: {', '.join(map(str, unusual))}" if unusual else "",
    )


def _auth_methods(facts: Facts) -> str:
    recent = [row for row in _rows(facts, "methods") if row.get("is_recent")]
    added = ", ".join(str(row.get("name") or row.get("kind")) for row in recent)
    return _joined(
        _counted(len(_rows(facts, "methods")), "sign-in method"),
        f"added lately: {added}" if added else "none added lately",
    )


def _risk_detections(facts: Facts) -> str:
    level = str(facts.get("user_risk_level") or "")
    return _joined(
        _counted(len(_rows(facts, "detections")), "detection"),
        f"the provider rates the user's risk as {level}" if level else "",
    )


def _directory_changes(facts: Facts) -> str:
    registered = [str(row.get("method")) for row in _rows(facts, "methods_registered")]
    return _joined(
        _counted(len(_rows(facts, "changes")), "change"), ", ".join(dict.fromkeys(registered))
    )


def _inbox_rules(facts: Facts) -> str:
    suspicious = [
        f"“{row.get('name')}” {', '.join(map(str, row.get('why') or []))}"
        for row in _rows(facts, "rules")
        if row.get("is_suspicious")
    ]
    return _joined(
        _counted(len(_rows(facts, "rules")), "rule"),
        f"suspicious: {'; '.join(suspicious)}" if suspicious else "none suspicious",
    )


def _forwarding(facts: Facts) -> str:
    if not facts.get("is_forwarding"):
        return "Mail is not forwarded."
    forwarding = facts.get("forwarding") or {}
    to = forwarding.get("smtp_address") or forwarding.get("recipient") or "somebody"
    where = ", outside the organisation" if facts.get("forwards_outside") else ""
    return f"All mail is forwarded to {to}{where}."


def _device(facts: Facts) -> str:
    device = facts.get("device") or {}
    is_isolated = device.get("is_isolated")
    state = "cut off the network" if is_isolated else "on the network"
    return _joined(
        str(device.get("hostname") or "The computer"),
        state if is_isolated is not None else "",
        "a server" if device.get("is_server") else "",
        str(device.get("os") or ""),
    )


def _alerts(facts: Facts) -> str:
    high = facts.get("high") or 0
    return _joined(
        _counted(facts.get("count", len(_rows(facts, "alerts"))), "alert"),
        f"{high} of high severity" if high else "none of high severity",
    )


def _processes(facts: Facts) -> str:
    suspicious = [row for row in _rows(facts, "processes") if row.get("is_suspicious")]
    running = [row for row in suspicious if row.get("is_running")]
    return _joined(
        _counted(len(suspicious), "suspicious program") + _named(suspicious),
        f"still running: {len(running)}" if running else "",
    )


def _files(facts: Facts) -> str:
    harmful = [row for row in _rows(facts, "files") if row.get("is_malicious")]
    free = [row for row in harmful if not row.get("is_quarantined")]
    return _joined(
        _counted(len(harmful), "harmful file"),
        f"not locked away{_named(free)}" if free else "all locked away" if harmful else "",
    )


def _credential_access(facts: Facts) -> str:
    found = _rows(facts, "accesses")
    programs = dict.fromkeys(str(row["program"]) for row in found if row.get("program"))
    return _joined(
        _counted(facts.get("count", len(found)), "attempt") + " to read stored passwords",
        f"by {', '.join(programs)}" if programs else "",
    )


def _users(facts: Facts) -> str:
    users = _rows(facts, "users")
    privileged = [row for row in users if row.get("is_privileged")]
    return _joined(
        _counted(len(users), "user"),
        f"administrators{_named(privileged)}" if privileged else "no administrator",
    )


def _missing(facts: Facts) -> str:
    return _joined(_counted(len(_rows(facts, "patches")), "missing update"))


def _emergency_accounts(facts: Facts) -> str:
    told = [f"{_name(row)}: {_emergency_account(row)}" for row in _rows(facts, "accounts")]
    return _joined(*told) if told else "There is no emergency account."


def _emergency_account(row: Facts) -> str:
    days, used = row.get("last_tested_days"), row.get("unexpected_sign_ins") or 0
    parts = (
        "switched on" if row.get("is_enabled") else "switched off",
        f"{'free of' if row.get('is_excluded_from_policies') else 'bound by'} the sign-in policies",
        "never tried" if days is None else f"tried {_counted(days, 'day')} ago",
        _counted(used, "unexpected sign-in") if used else "no unexpected sign-in",
    )
    return ", ".join(parts)


def _privileged_accounts(facts: Facts) -> str:
    return _listed(_rows(facts, "accounts"), "administrator", _name)


def _inactive_accounts(facts: Facts) -> str:
    return _listed(
        _rows(facts, "accounts"),
        "unused account",
        lambda row: f"{_name(row)} ({_counted(row.get('last_sign_in_days', 0), 'day')})",
    )


def _pending_updates(facts: Facts) -> str:
    lacking = [row for row in _rows(facts, "devices") if row.get("patches")]
    return _joined(
        _counted(len(_rows(facts, "devices")), "computer"),
        _listed(lacking, "of them lacking updates", _name, plural="of them lacking updates")[:-1],
    )


def _exposed_devices(facts: Facts) -> str:
    return _listed(_rows(facts, "devices"), "computer", _name)


def _drift(facts: Facts) -> str:
    weaker = [row for row in _rows(facts, "settings") if row.get("is_weaker")]
    return _listed(weaker, "weakened setting", _name)


def _compared_sign_ins(facts: Facts) -> str:
    new = [
        f"{name}: {', '.join(map(str, facts[f'new_{kind}']))}"
        for kind, name in _NEW.items()
        if facts.get(f"new_{kind}")
    ]
    before = _counted(facts.get("before", 0), "earlier sign-in")
    return _joined(f"Compared with {before}", "; ".join(new) if new else "nothing is new")


_NEW = {"countries": "new country", "devices": "new device", "clients": "new program"}


def _past_cases(facts: Facts) -> str:
    attacks, harmless = facts.get("true_positives") or 0, facts.get("harmless") or 0
    return _joined(
        _counted(facts.get("count", 0), "earlier case"),
        _counted(attacks, "real attack") if attacks else "",
        f"{harmless} harmless" if harmless else "",
    )


def _known_indicators(facts: Facts) -> str:
    rows = _rows(facts, "matches")
    if not rows:
        return "Nothing is known of them."
    named = (f"{row.get('name')} ({row.get('source')}, {row.get('confidence')} %)" for row in rows)
    return f"Known: {', '.join(list(named)[:_MOST_NAMED])}."


def _word(facts: Facts) -> str:
    said = [
        f"{row.get('name')}: {_SAID.get(str(row.get('answer')), row.get('answer'))}"
        + (f" (by a link that {row['link_seen_by']} saw)" if row.get("link_seen_by") else "")
        for row in _rows(facts, "said")
    ]
    if facts.get("answer") == "unconfirmed":
        said.append("this decides nothing alone")
    return _joined(*said) if said else _SAID.get(str(facts.get("answer")), "")


_SAID = {
    "yes": "it was them", "no": "it was not them", "not_sure": "not sure",
    "waiting": "Asked; no answer yet.", "no_answer": "Asked; nobody answered in time.",
    "not_asked": "Nobody was asked.",
}  # fmt: skip


def _elsewhere(facts: Facts) -> str:
    if not facts.get("is_counted"):
        return "Not counted: with so few clients the number would say which one it is."
    clients = facts.get("clients") or 0
    return f"Cases at {_counted(clients, 'other client')} name the same indicators."


def _compliance(facts: Facts) -> str:
    return _joined(
        "Keeps to the policies" if facts.get("is_compliant") else "Does not keep to the policies",
        "encrypted" if facts.get("is_encrypted") else "not known to be encrypted",
        f"used by {facts['owner']}" if facts.get("owner") else "",
    )


_WORDS: dict[str, Callable[[Facts], str]] = {
    "identity.list_mfa_prompts": _mfa_prompts,
    "endpoint.get_device": _device,
    "endpoint.list_alerts": _alerts,
    "endpoint.list_processes": _processes,
    "endpoint.list_files": _files,
    "endpoint.list_credential_access": _credential_access,
    "endpoint.list_logged_on_users": _users,
    "patch.list_missing": _missing,
    "identity.get_account": _account,
    "identity.list_sign_ins": _sign_ins,
    "identity.list_auth_methods": _auth_methods,
    "identity.list_risk_detections": _risk_detections,
    "identity.list_directory_changes": _directory_changes,
    "mailbox.list_inbox_rules": _inbox_rules,
    "mailbox.get_forwarding": _forwarding,
    "identity.get_break_glass_state": _emergency_accounts,
    "identity.list_privileged_accounts": _privileged_accounts,
    "identity.list_inactive_accounts": _inactive_accounts,
    "patch.list_pending_updates": _pending_updates,
    "patch.list_exposed_devices": _exposed_devices,
    "posture.list_drift": _drift,
    "identity.compare_sign_ins": _compared_sign_ins,
    "case.list_past_cases": _past_cases,
    "indicator.list_matches": _known_indicators,
    "person.get_word": _word,
    "case.count_elsewhere": _elsewhere,
    "endpoint.get_compliance": _compliance,
}
_MOST_NAMED = 10


def _rows(facts: Facts, name: str) -> Sequence[Mapping[str, Any]]:
    return [row for row in facts.get(name) or [] if isinstance(row, Mapping)]


def _named(rows: Sequence[Mapping[str, Any]]) -> str:
    names = dict.fromkeys(str(row["name"]) for row in rows if row.get("name"))
    return f": {', '.join(names)}" if names else ""


def _name(row: Facts) -> str:
    return str(row.get("name") or row.get("external_id") or "?")


def _listed(
    rows: Sequence[Facts], noun: str, named: Callable[[Facts], str], plural: str = ""
) -> str:
    """Count the rows and name the first of them."""
    count = f"{len(rows)} {plural}" if plural else _counted(len(rows), noun)
    names = [named(row) for row in rows[:_MOST_NAMED]]
    names += ["…"] if len(rows) > _MOST_NAMED else []
    return f"{count}{': ' if names else ''}{', '.join(names)}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part) + "."
