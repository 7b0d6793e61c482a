"""What to ask of whom where evidence could not be had: one question for each missing answer. Pure.

An investigation that could not decide is put before a technician with exactly these. One that is
suspicious is as well, with what people can say of what made it so.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from integrations import catalog
from integrations.errors import UnknownAction


class Question(NamedTuple):
    """In plain words, and who can answer it."""

    words: str
    whom: str


_USER, _MANAGER, _CONTACT, _VENDOR, _LISTS = (
    "the user", "their manager", "the client's contact", "the vendor's console",
    "a public list of attackers",
)  # fmt: skip
# Where is looked, and nobody asked.
PLACES = frozenset({_VENDOR, _LISTS})
QUESTIONS: Mapping[str, Question] = {
    "identity.get_account": Question(
        "Is the account switched on, and does it hold an administrator's role?", _VENDOR
    ),
    "identity.list_sign_ins": Question(
        "From where, and with which device, did they sign in during the last two weeks?", _USER
    ),
    "identity.compare_sign_ins": Question(
        "Is this place, device or program one that they usually sign in with?", _USER
    ),
    "identity.list_auth_methods": Question(
        "Did they set up a new phone or app for signing in lately?", _USER
    ),
    "identity.list_risk_detections": Question(
        "Does the sign-in service list the account as at risk, and why?", _VENDOR
    ),
    "identity.list_directory_changes": Question(
        "Who changed the account, its roles or sign-in methods lately, and were they asked to?",
        _CONTACT,
    ),
    "identity.list_mfa_prompts": Question(
        "Did they get requests to confirm a sign-in that they had not begun, and confirm one?",
        _USER,
    ),
    "identity.list_source_activity": Question(
        "Which other accounts did the same addresses try?", _VENDOR
    ),
    "identity.list_oauth_grants": Question(
        "Which apps did they allow to reach their data lately, and did they mean to?", _USER
    ),
    "identity.list_role_assignments": Question(
        "Who gave this account its administrator's roles, and was it agreed?", _CONTACT
    ),
    "identity.list_groups": Question(
        "Which groups is the account in, and may it rule others by one of them?", _VENDOR
    ),
    "identity.get_password_policy": Question(
        "How long has the account's password to be, and when was it changed last?", _VENDOR
    ),
    "identity.get_replication_right": Question(
        "Which program copies the directory with this account, and since when may it?", _CONTACT
    ),
    "identity.get_break_glass_state": Question(
        "Did anybody use the emergency account, and what for?", _CONTACT
    ),
    "indicator.list_matches": Question(
        "Are the addresses, names or files known to belong to an attacker?", _LISTS
    ),
    "person.get_word": Question("Was it them?", _MANAGER),
    "hr.get_employment": Question(
        "Does this person still work here, or are they on leave?", _MANAGER
    ),
    "mailbox.list_inbox_rules": Question(
        "Which rules does the mailbox have, and did they make each themselves?", _USER
    ),
    "mailbox.get_forwarding": Question(
        "Is the mailbox's mail sent on to another address, and who asked for that?", _USER
    ),
    "mailbox.list_delegates": Question(
        "Who else may open this mailbox, and who asked for that?", _MANAGER
    ),
    "mailbox.list_trusted_senders": Question(
        "Which senders does the mailbox trust without any check?", _VENDOR
    ),
    "mailbox.trace_sent_mail": Question(
        "Did they send many messages in the last days, and to whom?", _USER
    ),
    "email.get_message": Question("What does the message say, and who sent it?", _USER),
    "email.find_copies": Question("Who else received the message?", _VENDOR),
    "email.list_interactions": Question(
        "Did anybody open the message, follow its link or answer it?", _USER
    ),
    "endpoint.get_device": Question("Whose computer is it, and is it on the network?", _CONTACT),
    "endpoint.get_compliance": Question(
        "Is the computer managed, encrypted and up to date?", _VENDOR
    ),
    "endpoint.list_alerts": Question(
        "Which other alerts does the product show for this computer?", _VENDOR
    ),
    "endpoint.list_processes": Question(
        "Which programs were started on the computer at that time?", _VENDOR
    ),
    "endpoint.list_files": Question(
        "Which files were written there at that time, and are any harmful?", _VENDOR
    ),
    "endpoint.list_file_changes": Question(
        "Are files renamed or unreadable, or is there a note that asks for money?", _USER
    ),
    "endpoint.list_credential_access": Question(
        "Did any program read stored passwords on the computer?", _VENDOR
    ),
    "endpoint.list_remote_access_tools": Question(
        "Is remote-control software on the computer, and who put it there?", _USER
    ),
    "endpoint.list_logged_on_users": Question(
        "Who was signed in on the computer at that time?", _VENDOR
    ),
    "endpoint.list_connections": Question(
        "Which addresses does the computer talk to?", _VENDOR
    ),
    "files.list_activity": Question(
        "Did they download or share many files in the last days, and what for?", _USER
    ),
    "posture.list_drift": Question(
        "Which security settings were weakened, and who asked for that?", _CONTACT
    ),
    "patch.list_missing": Question("Which updates does the computer lack?", _VENDOR),
    "case.list_past_cases": Question(
        "Has something like this happened with this person before?", _CONTACT
    ),
}  # fmt: skip


def question(uses: str) -> Question:
    """Return what to ask in place of a catalog question that got no answer."""
    found = QUESTIONS.get(uses)
    if found is not None:
        return found
    try:
        title = catalog.get(uses).title
    except UnknownAction:
        title = uses
    return Question(f"{title}: what does the product show?", _VENDOR)


def of_missing(
    missing: Iterable[Mapping[str, str]], *, is_suspect: bool = False
) -> list[dict[str, str]]:
    """Return the questions of a verdict's missing evidence, each once, with whom to ask.

    `is_suspect`: the account itself may be in an intruder's hands, who would answer what is asked
    in writing.
    """
    found: dict[str, dict[str, str]] = {}
    for item in missing:
        words, whom = question(item.get("uses", ""))
        asked = f"{_USER}, by telephone" if is_suspect and whom == _USER else whom
        found.setdefault(words, {"step": item["step"], "question": words, "whom": asked})
    return list(found.values())


def of_suspicion(uses: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return what to ask people of a suspicion: the steps, with their question, that speak of it.

    What only a product can tell it has told already.
    """
    asked = ({"step": step, "uses": one} for step, one in uses if question(one).whom not in PLACES)
    return of_missing(asked, is_suspect=True)
