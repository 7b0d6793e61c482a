"""What was answered about mail and files, each in one line for a technician."""

from collections.abc import Callable, Mapping

from msp.console import answer_parts as parts
from msp.console.answer_parts import Facts


def _inbox_rules(facts: Facts) -> str:
    suspicious = [
        f"“{row.get('name')}” {', '.join(map(str, row.get('why') or []))}".strip()
        for row in parts.rows(facts, "rules")
        if row.get("is_suspicious")
    ]
    return parts.joined(
        parts.counted(len(parts.rows(facts, "rules")), "rule"),
        f"suspicious: {'; '.join(suspicious)}" if suspicious else "none suspicious",
    )


def _forwarding(facts: Facts) -> str:
    if not facts.get("is_forwarding"):
        return "Mail is not forwarded."
    forwarding = facts.get("forwarding") or {}
    to = forwarding.get("smtp_address") or forwarding.get("recipient") or "somebody"
    where = ", outside the organisation" if facts.get("forwards_outside") else ""
    return f"All mail is forwarded to {to}{where}."


def _delegates(facts: Facts) -> str:
    found = parts.rows(facts, "delegates")
    strange = [row for row in found if row.get("is_suspicious")]
    if not found:
        return "Nobody else can open the mailbox."
    return parts.joined(
        f"{parts.counted(len(found), 'other')} can open it{parts.named(found)}",
        f"given in an unusual way{parts.named(strange)}" if strange else "",
    )


def _sent(facts: Facts) -> str:
    outside = parts.counted(facts.get("recipients_outside") or 0, "recipient")
    return parts.joined(
        f"{parts.counted(facts.get('sent') or 0, 'message')} sent",
        f"to {outside} outside the company",
        "far more than usual" if facts.get("is_unusual") else "no more than usual",
    )


def _message(facts: Facts) -> str:
    message = facts.get("message") or {}
    harm = [name for key, name in _HARM.items() if message.get(key)]
    return parts.joined(
        f"“{message['subject']}”" if message.get("subject") else "",
        f"from {message['sender']}" if message.get("sender") else "",
        "its sender is not proven" if message.get("passes_authentication") is False else "",
        *harm,
        "" if harm else "no harmful link, harmful file or imitated sender was found",
    )


_HARM = {
    "has_malicious_url": "carries a harmful link",
    "has_malicious_attachment": "carries a harmful file",
    "is_lookalike_domain": "its sender imitates a name that is known here",
}


def _copies(facts: Facts) -> str:
    number = facts.get("count", len(parts.rows(facts, "copies")))
    return (
        "Nobody else got it." if not number else f"{parts.counted(number, 'mailbox', 'es')} got it."
    )


def _interactions(facts: Facts) -> str:
    return parts.joined(
        f"{facts.get('opened') or 0} opened it",
        f"{facts.get('clicked') or 0} followed a link",
        f"{facts.get('replied') or 0} answered",
    )


def _file_activity(facts: Facts) -> str:
    shared = facts.get("shared_outside") or 0
    return parts.joined(
        f"{parts.counted(facts.get('downloads') or 0, 'file')} downloaded",
        f"usual are {facts['baseline_downloads']}" if "baseline_downloads" in facts else "",
        f"outsiders were given access {parts.counted(shared, 'time')}" if shared else "",
        "far more than usual" if facts.get("is_unusual") else "no more than usual",
    )


WORDS: Mapping[str, Callable[[Facts], str]] = {
    "mailbox.list_inbox_rules": _inbox_rules,
    "mailbox.get_forwarding": _forwarding,
    "mailbox.list_delegates": _delegates,
    "mailbox.trace_sent_mail": _sent,
    "email.get_message": _message,
    "email.find_copies": _copies,
    "email.list_interactions": _interactions,
    "files.list_activity": _file_activity,
}
