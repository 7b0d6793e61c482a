"""What the evidence of a case says, in words for the person it happened to. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msp.reports import words
from tenants.models import Evidence

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Traces:
    """What an intruder left, read from all answers that could be had."""

    sign_ins: Facts = field(default_factory=dict)
    rules: Sequence[Facts] = ()
    forwarding: Facts = field(default_factory=dict)
    methods: Sequence[Facts] = ()

    @property
    def got_in(self) -> bool:
        """Whether somebody signed in who should not have."""
        return bool(self.sign_ins.get("suspicious_successes"))

    @property
    def touched_mail(self) -> bool:
        """Whether the mailbox was tampered with."""
        return bool(self.rules) or self.sends_mail_away

    @property
    def sends_mail_away(self) -> bool:
        """Whether all mail was sent on to somebody outside."""
        return bool(self.forwarding.get("forwards_outside"))


def read(rows: Iterable[Evidence]) -> Traces:
    """Return the traces in a case's evidence; what could not be had leaves none.

    What an earlier look saw counts as well: it may have been cleaned up since.
    """
    answers: dict[str, list[Facts]] = {}
    for row in sorted(rows, key=lambda row: (row.answered_at, row.id)):
        facts = row.answer.get("facts") if isinstance(row.answer, dict) else None
        if row.is_available and isinstance(facts, dict):
            answers.setdefault(row.gatherer, []).append(facts)
    rules = _ever(answers, "mailbox.list_inbox_rules", "rules")
    methods = _ever(answers, "identity.list_auth_methods", "methods")
    forwarding = _telling(answers, "mailbox.get_forwarding", "forwards_outside")
    return Traces(
        sign_ins=_telling(answers, "identity.list_sign_ins", "suspicious_successes"),
        rules=[rule for rule in rules if rule.get("is_suspicious")],
        forwarding={
            **(forwarding.get("forwarding") or {}),
            "forwards_outside": forwarding.get("forwards_outside"),
        },
        methods=[m for m in methods if m.get("is_recent") and m.get("is_removable")],
    )


def _ever(answers: Mapping[str, list[Facts]], question: str, name: str) -> list[Facts]:
    """Return what any answer to a question has listed, each as it was told last."""
    found: dict[str, Facts] = {}
    for facts in answers.get(question, ()):
        for item in facts.get(name) or ():
            found[str(item.get("external_id", item))] = item
    return list(found.values())


def _telling(answers: Mapping[str, list[Facts]], question: str, sign: str) -> Facts:
    """Return the newest answer to a question that shows the sign; else the newest."""
    told = answers.get(question) or [{}]
    return next((facts for facts in reversed(told) if facts.get(sign)), told[-1])


def headline(traces: Traces, who: str, title: str) -> str:
    """Return in one line what happened to whom; `title` is the alert's, where nothing is known."""
    if not who:
        return f"An attack: “{title}”"
    if traces.got_in:
        return f"Someone else got into {_of(who)} {'mailbox' if traces.touched_mail else 'account'}"
    if traces.touched_mail:
        return f"Someone tampered with {_of(who)} mailbox"
    return f"An attack on {_of(who)} account"


def sentences(traces: Traces, who: str) -> list[str]:
    """Return what the traces say happened, a sentence each."""
    told = []
    if traces.got_in:
        told.append(_signed_in(traces.sign_ins, who))
    told += [_method(method, who) for method in traces.methods[:3]]
    told += [_rule(rule) for rule in traces.rules[:4]]
    if traces.sends_mail_away:
        to = traces.forwarding.get("smtp_address") or traces.forwarding.get("recipient")
        told.append(
            "All new mail was being sent on to "
            + (f"{to}, outside your organisation." if to else "an address outside.")
        )
    return told


def _of(who: str) -> str:
    return f"{who}’s"


def _signed_in(facts: Facts, who: str) -> str:
    times = int(facts["suspicious_successes"])
    how_often = "" if times == 1 else f" {words.number(times)} times"
    bad = [s for s in facts.get("sign_ins") or () if s.get("is_suspicious") and s.get("is_success")]
    codes = dict.fromkeys(s["country"] for s in bad if s.get("country"))
    usual = [words.country(code) for code in facts.get("countries") or ()]
    places = [words.country(code) for code in codes or facts.get("unusual_countries") or ()]
    hidden = any(s.get("is_anonymised") for s in bad)
    told = f"Somebody else signed in as {who}{how_often}"
    if places:
        told += f" from {words.listed(places)}"
    if hidden:
        told += ", through a service that hides where people really are"
    unusual = [place for place in places if place not in usual]
    if usual and unusual:
        told += f"; {who} usually signs in from {words.listed(usual, 3)}"
    return told + "."


def _method(method: Facts, who: str) -> str:
    kind = {
        "phone": "a phone number",
        "email": "an e-mail address",
        "authenticator": "an app on a phone",
        "fido2": "a security key",
        "software_oath": "an app that makes codes",
        "windows_hello": "a computer",
    }.get(str(method.get("kind")), "a device")
    name = f" (“{method['name']}”)" if method.get("name") else ""
    return (
        f"{words.sentence(kind)}{name} was added, with which the intruder could sign in as {who}."
    )


def _hidden_in(folder: str) -> str:
    # Where the folder's name isn't known, the evidence says so in words.
    is_name = not folder.startswith("a folder ")
    return f"hid mail in the folder “{folder}”" if is_name else "hid mail in another folder"


def _rule(rule: Facts) -> str:
    effects = []
    to = rule.get("forwards_to") or ()
    if to:
        effects.append(f"sent mail on to {words.listed(list(to), 3)}")
    elif rule.get("forwards_outside"):
        effects.append("sent mail to an address outside your organisation")
    if rule.get("deletes"):
        effects.append("deleted mail before anybody saw it")
    if rule.get("moves_to"):
        effects.append(_hidden_in(str(rule["moves_to"])))
    name = f" named “{rule['name']}”" if rule.get("name") else ""
    return f"A mail rule{name} {words.listed(effects) or 'hid mail or sent it away'}."
