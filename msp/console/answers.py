"""What a gathered answer says, in one line for a technician.

The shapes are those that the catalog's read-only actions return, whoever the vendor is. Whatever
is missing from an answer is left out of the line.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrations import catalog
from msp.console import answer_parts as parts
from msp.console import device_answers, mail_answers
from msp.console.answer_parts import MOST_NAMED, Facts

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
    line = parts.joined(*told) if any(told) else ""
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
    return parts.listed(named, noun, parts.name, plural=noun)[:-1]


def _mfa_prompts(facts: Facts) -> str:
    denied = facts.get("denied") or 0
    return parts.joined(
        parts.counted(facts.get("count", len(parts.rows(facts, "prompts"))), "request")
        + " to confirm",
        f"{denied} refused" if denied else "none refused",
        "one was then confirmed" if facts.get("approved_after_denials") else "",
    )


def _account(facts: Facts) -> str:
    account = facts.get("account") or {}
    is_enabled = account.get("is_enabled")
    state = f"Sign-in is {'allowed' if is_enabled else 'blocked'}" if is_enabled is not None else ""
    return parts.joined(
        state,
        ", ".join(map(str, account.get("roles") or [])) or "no administrator's role",
        _AUTHORITY.get(account.get("source_of_authority", ""), ""),
    )


def _sign_ins(facts: Facts) -> str:
    suspicious = facts.get("suspicious_successes") or 0
    unusual = facts.get("unusual_countries") or []
    return parts.joined(
        parts.counted(facts.get("count", len(parts.rows(facts, "sign_ins"))), "sign-in"),
        f"{suspicious} suspicious {'one' if suspicious == 1 else 'ones'} succeeded"
        if suspicious
        else "no suspicious one succeeded",
        f"unusual countries: {', '.join(map(str, unusual))}" if unusual else "",
    )


def _auth_methods(facts: Facts) -> str:
    recent = [row for row in parts.rows(facts, "methods") if row.get("is_recent")]
    added = ", ".join(str(row.get("name") or row.get("kind")) for row in recent)
    return parts.joined(
        parts.counted(len(parts.rows(facts, "methods")), "sign-in method"),
        f"added lately: {added}" if added else "none added lately",
    )


def _risk_detections(facts: Facts) -> str:
    level = str(facts.get("user_risk_level") or "")
    return parts.joined(
        parts.counted(len(parts.rows(facts, "detections")), "detection"),
        f"the provider rates the user's risk as {level}" if level else "",
    )


def _directory_changes(facts: Facts) -> str:
    registered = [str(row.get("method")) for row in parts.rows(facts, "methods_registered")]
    return parts.joined(
        parts.counted(len(parts.rows(facts, "changes")), "change"),
        ", ".join(dict.fromkeys(registered)),
    )


def _emergency_accounts(facts: Facts) -> str:
    told = [
        f"{parts.name(row)}: {_emergency_account(row)}" for row in parts.rows(facts, "accounts")
    ]
    return parts.joined(*told) if told else "There is no emergency account."


def _emergency_account(row: Facts) -> str:
    days, used = row.get("last_tested_days"), row.get("unexpected_sign_ins") or 0
    state = (
        "switched on" if row.get("is_enabled") else "switched off",
        f"{'free of' if row.get('is_excluded_from_policies') else 'bound by'} the sign-in policies",
        "never tried" if days is None else f"tried {parts.counted(days, 'day')} ago",
        parts.counted(used, "unexpected sign-in") if used else "no unexpected sign-in",
    )
    return ", ".join(state)


def _privileged_accounts(facts: Facts) -> str:
    return parts.listed(parts.rows(facts, "accounts"), "administrator", parts.name)


def _inactive_accounts(facts: Facts) -> str:
    return parts.listed(
        parts.rows(facts, "accounts"),
        "unused account",
        lambda row: f"{parts.name(row)} ({parts.counted(row.get('last_sign_in_days', 0), 'day')})",
    )


def _drift(facts: Facts) -> str:
    weaker = [row for row in parts.rows(facts, "settings") if row.get("is_weaker")]
    return parts.listed(weaker, "weakened setting", parts.name)


def _compared_sign_ins(facts: Facts) -> str:
    new = [
        f"{name}: {', '.join(map(str, facts[f'new_{kind}']))}"
        for kind, name in _NEW.items()
        if facts.get(f"new_{kind}")
    ]
    before = parts.counted(facts.get("before", 0), "earlier sign-in")
    return parts.joined(f"Compared with {before}", "; ".join(new) if new else "nothing is new")


_NEW = {"countries": "new country", "devices": "new device", "clients": "new program"}


def _past_cases(facts: Facts) -> str:
    attacks, harmless = facts.get("true_positives") or 0, facts.get("harmless") or 0
    return parts.joined(
        parts.counted(facts.get("count", 0), "earlier case"),
        parts.counted(attacks, "real attack") if attacks else "",
        f"{harmless} harmless" if harmless else "",
    )


def _known_indicators(facts: Facts) -> str:
    rows = parts.rows(facts, "matches")
    if not rows:
        return "Nothing is known of them."
    named = (f"{row.get('name')} ({row.get('source')}, {row.get('confidence')} %)" for row in rows)
    return f"Known: {', '.join(list(named)[:MOST_NAMED])}."


def _word(facts: Facts) -> str:
    said = [
        f"{row.get('name')}: {_SAID.get(str(row.get('answer')), row.get('answer'))}"
        + (f" (by a link that {row['link_seen_by']} saw)" if row.get("link_seen_by") else "")
        for row in parts.rows(facts, "said")
    ]
    if facts.get("answer") == "unconfirmed":
        said.append("this decides nothing alone")
    return parts.joined(*said) if said else _SAID.get(str(facts.get("answer")), "")


_SAID = {
    "yes": "it was them", "no": "it was not them", "not_sure": "not sure",
    "waiting": "Asked; no answer yet.", "no_answer": "Asked; nobody answered in time.",
    "not_asked": "Nobody was asked.",
}  # fmt: skip


def _elsewhere(facts: Facts) -> str:
    if not facts.get("is_counted"):
        return "Not counted: with so few clients the number would say which one it is."
    clients = facts.get("clients") or 0
    return f"Cases at {parts.counted(clients, 'other client')} name the same indicators."


def _grants(facts: Facts) -> str:
    found = parts.rows(facts, "grants")
    new = [f"{parts.name(row)} ({_grant(row)})" for row in found if row.get("is_recent")]
    return parts.joined(
        f"{parts.counted(len(found), 'app')} allowed",
        f"lately: {', '.join(new[:MOST_NAMED])}" if new else "none lately",
    )


def _grant(row: Facts) -> str:
    reach = "far-reaching" if row.get("is_risky") else "may do little"
    return f"{reach}, {'its maker is known' if row.get('is_verified') else 'of an unknown maker'}"


def _assignments(facts: Facts) -> str:
    found = parts.rows(facts, "assignments")
    if not found:
        return "No administrator's role."
    return parts.joined(*(f"{parts.name(row)} ({_assignment(row)})" for row in found[:MOST_NAMED]))


def _assignment(row: Facts) -> str:
    how = "switched on" if row.get("is_activated") else "may be switched on"
    is_lasting = not (row.get("is_activated") or row.get("is_eligible"))
    since = "lately" if row.get("is_recent") else "for longer"
    by = f", given by {row['granted_by']}" if row.get("granted_by") else ""
    return f"{'for good' if is_lasting else how}, {since}{by}"


def _source_activity(facts: Facts) -> str:
    got_in = facts.get("accounts_succeeded") or 0
    return parts.joined(
        parts.counted(len(parts.rows(facts, "sources")), "address", "es"),
        f"{parts.counted(facts.get('accounts_tried') or 0, 'account')} tried",
        f"got into {got_in} of them" if got_in else "got into none",
        f"{parts.counted(facts.get('failures') or 0, 'attempt')} failed",
    )


def _replication_right(facts: Facts) -> str:
    if not facts.get("may_replicate"):
        return "The account has no right to copy the directory."
    changed = str(facts.get("rights_changed_at") or "")[:10]
    through = ", ".join(map(str, facts.get("through") or []))
    return parts.joined(
        "May copy the whole directory" + (f", through {through}" if through else ""),
        f"who may was last changed on {changed}" if changed else "since when is not known",
    )


def _employment(facts: Facts) -> str:
    until, last = facts.get("until"), facts.get("last_day")
    return parts.joined(
        _EMPLOYMENT.get(str(facts.get("status")), "Not known whether this person works here"),
        f"until {until}" if until else "",
        f"last day {last}" if last else "",
        f"as {facts['source']} says" if facts.get("source") else "",
    )


_EMPLOYMENT = {"active": "Works here", "on_leave": "On leave", "leaver": "Has left"}

_WORDS: Mapping[str, Callable[[Facts], str]] = {
    **device_answers.WORDS,
    **mail_answers.WORDS,
    "identity.list_oauth_grants": _grants,
    "identity.list_role_assignments": _assignments,
    "identity.list_source_activity": _source_activity,
    "identity.get_replication_right": _replication_right,
    "hr.get_employment": _employment,
    "identity.list_mfa_prompts": _mfa_prompts,
    "identity.get_account": _account,
    "identity.list_sign_ins": _sign_ins,
    "identity.list_auth_methods": _auth_methods,
    "identity.list_risk_detections": _risk_detections,
    "identity.list_directory_changes": _directory_changes,
    "identity.get_break_glass_state": _emergency_accounts,
    "identity.list_privileged_accounts": _privileged_accounts,
    "identity.list_inactive_accounts": _inactive_accounts,
    "posture.list_drift": _drift,
    "identity.compare_sign_ins": _compared_sign_ins,
    "case.list_past_cases": _past_cases,
    "indicator.list_matches": _known_indicators,
    "person.get_word": _word,
    "case.count_elsewhere": _elsewhere,
}
