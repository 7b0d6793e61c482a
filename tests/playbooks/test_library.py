"""Every playbook of the library does what its golden cases say, and each alert finds its own."""

import itertools
import random
import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from integrations.alerting import rulebook
from integrations.catalog import company_wide
from playbooks import library, verdicts
from playbooks.adoption import golden
from playbooks.expressions.given import merged
from playbooks.language import Playbook
from tenants.models import HARMLESS

_ALL = list(library.playbooks())
_INVESTIGATIONS = [one for one in _ALL if library.get(one).kind == "investigation"]
TAKEOVER = "investigate-account-takeover"
FOR_COMPANY = "investigate-weakened-protection"
# Words that the owner of a small company need not know.
_JARGON = (
    "MFA", "OAuth", "BEC", "IOC", "EDR", "SIEM", "TTP", "tenant", "token", "endpoint", "payload",
    "exfiltrat", "lateral", "remediat", "mitigat", "compromise", "credential", "malware",
    "phishing", "ransomware", "spray", "delegat", "revoke", "provision", "privileged",
)  # fmt: skip


@pytest.mark.parametrize("playbook_id", _ALL)
def test_golden_cases(playbook_id: str) -> None:
    outcomes = golden.run(library.get(playbook_id))
    assert outcomes
    assert [outcome for outcome in outcomes if outcome.difference] == []


@pytest.mark.parametrize("playbook_id", _INVESTIGATIONS)
def test_each_row_of_a_verdict_table_has_a_golden_case(playbook_id: str) -> None:
    playbook = library.get(playbook_id)
    rules = {test["expect"]["rule"] for test in playbook.tests}
    assert rules == {row.id for row in playbook.verdicts}


@pytest.mark.parametrize("playbook_id", _INVESTIGATIONS)
def test_a_verdict_table_has_no_gap(playbook_id: str) -> None:
    """Whatever the golden cases tell of each question, in every combination, is a verdict."""
    playbook = library.get(playbook_id)
    told: list[list[Any]] = []
    for step in playbook.steps:
        answers = [merged(playbook.example, test.get("change", {})) for test in playbook.tests]
        seen = [facts["evidence"][step.id] for facts in answers]
        known = [answer for answer in seen if answer["available"]]
        told.append([answer for i, answer in enumerate(known) if answer not in known[:i]])
    names = [step.id for step in playbook.steps]
    for answers in itertools.product(*told):
        facts = {**playbook.example, "evidence": dict(zip(names, answers, strict=True))}
        found = verdicts.decide(playbook, facts)
        assert found.verdict != "insufficient_data", facts["evidence"]
        assert found.untested == ()


@pytest.mark.parametrize("playbook_id", _INVESTIGATIONS)
def test_an_account_is_asked_for_where_it_may_be_acted_on(playbook_id: str) -> None:
    """Without the vendor's word on its roles, an account counts as an administrator's."""
    playbook = library.get(playbook_id)
    asked = {step.uses for step in playbook.steps}
    about = any(step.target == "account" for step in playbook.steps) and playbook.responses
    assert not about or "identity.get_account" in asked


@pytest.mark.parametrize("playbook_id", _INVESTIGATIONS)
def test_an_investigation_names_its_attack_defence_and_source(playbook_id: str) -> None:
    playbook = library.get(playbook_id)
    assert playbook.attack
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", one) for one in playbook.attack)
    assert playbook.d3fend
    assert all(re.fullmatch(r"D3-[A-Z]{2,6}", one) for one in playbook.d3fend)
    assert playbook.sources
    assert all(one.startswith("https://") for one in playbook.sources)


@pytest.mark.parametrize("playbook_id", _ALL)
def test_a_playbook_is_summed_up_in_plain_words(playbook_id: str) -> None:
    summary = library.get(playbook_id).summary
    assert [word for word in _JARGON if word.lower() in summary.lower()] == []


@pytest.mark.parametrize("playbook_id", _INVESTIGATIONS)
def test_the_alert_of_its_example_finds_the_investigation(playbook_id: str) -> None:
    facts = dict(library.get(playbook_id).example)
    if playbook_id == library.OF_NOBODY:
        # The base facts are of a case about a person.
        del facts["account"], facts["mailbox"]
    chosen = library.choose_investigation(facts)
    assert chosen is not None
    assert chosen.id == playbook_id


@pytest.mark.parametrize("title", ["Malicious URL was clicked", "A user was impersonated"])
def test_an_alert_about_a_message(title: str) -> None:
    assert _chosen(_alert(title), message=_MESSAGE) == "investigate-reported-phishing"


def test_whatever_our_rules_tell_of_is_looked_into() -> None:
    """Some of Holdfast's own rules, each about a person, about a computer, and about nobody."""
    seed = random.randrange(10**6)
    print("seed", seed)
    entries = random.Random(seed).sample(_own_rules(), 8)
    example = library.get(library.OF_NOBODY).example
    for entry, known in itertools.product(entries, ("account", "device", "neither")):
        facts = {key: value for key, value in example.items() if key not in ("account", "mailbox")}
        facts |= {"account": {"account": example["account"]}, "device": {"device": _DEVICE}}.get(
            known, {}
        )
        alert = _alert_of(entry)
        chosen = library.choose_investigation(merged(facts, {"case": {"findings": [alert]}}))
        assert chosen is not None, entry.title
        asks = {step.target for step in chosen.steps} & {"account", "mailbox", "device", "message"}
        assert known == "neither" or known in asks, (entry.title, known, chosen.id)


@cache
def _own_rules() -> list[rulebook.Entry]:
    files = [(name, content, rulebook.OWN, "") for name, content in rulebook.own_files()]
    return sorted(rulebook.made_of(files).entries.values(), key=lambda one: one.id)


def _alert(title: str, category: str = "", *techniques: str) -> dict[str, Any]:
    return {
        "uid": title, "title": title, "category": category, "severity": "medium",
        "techniques": list(techniques), "source": "microsoft365", "time": "2026-11-20T09:10:00Z",
        "is_company_wide": company_wide.tells("microsoft365", title, techniques),
    }  # fmt: skip


def _alert_of(rule: rulebook.Entry) -> dict[str, Any]:
    alert = _alert(rule.title, "", *rule.techniques)
    return {**alert, "is_company_wide": rule.is_company_wide}


def _chosen(*alerts: dict[str, Any], **facts: Any) -> str:
    told = merged(library.get(TAKEOVER).example, {"case": {"findings": list(alerts)}, **facts})
    chosen = library.choose_investigation(told)
    return chosen.id if chosen else ""


_RULE = _alert("Suspicious inbox manipulation rule", "Persistence", "T1564.008")
_SPRAY = _alert("Password spray", "CredentialAccess", "T1110.003")
_DEVICE = {"external_id": "d-1", "name": "PC-1", "provider": "microsoft365"}
_MESSAGE = {"external_id": "m-1", "name": "m-1"}


@pytest.mark.parametrize(
    ("alert", "investigation"),
    [
        (_RULE, TAKEOVER),
        (_alert("Impossible travel", "riskDetection", "T1078"), TAKEOVER),
        (_alert("Atypical travel"), TAKEOVER),
        (_alert("User at high risk", "riskyUser"), TAKEOVER),
        (_alert("Suspicious inbox forwarding", "", "T1114.003"), TAKEOVER),
        (_alert("Many requests", "CredentialAccess", "T1621"), "investigate-mfa-fatigue"),
        (_SPRAY, "investigate-password-spray"),
        (_alert("Password spray"), "investigate-password-spray"),
        (_alert("App allowed", "InitialAccess", "T1528"), "investigate-oauth-consent"),
        (_alert("Role given", "Persistence", "T1098.003"), "investigate-privileged-role"),
        (_alert("Mass download", "Exfiltration", "T1530"), "investigate-mass-download"),
        (_alert("Sign-in to a dormant account", "", "T1078"), "investigate-dormant-account"),
        (_alert("Rundll32 ran", "Execution", "T1218.011"), "investigate-account-activity"),
        (_alert("Audit log off", "", "T1562.008"), FOR_COMPANY),
        (_alert("Policy off", "", "T1556.009"), FOR_COMPANY),
        (_alert("Domain", "Persistence", "T1484.002"), FOR_COMPANY),
        (
            _alert("Mail connector was made or changed", "", "T1114.003"),
            FOR_COMPANY,
        ),
        (_alert("Transport rule created"), FOR_COMPANY),
        (_alert("Weak ticket", "CredentialAccess", "T1558.003"), "investigate-ticket-theft"),
        (_alert("No proof", "CredentialAccess", "T1558.004"), "investigate-ticket-theft"),
        (_alert("Copied", "CredentialAccess", "T1003.006"), "investigate-directory-replication"),
    ],
)
def test_an_alert_about_an_account(alert: dict[str, Any], investigation: str) -> None:
    assert _chosen(alert) == investigation


@pytest.mark.parametrize(
    ("alert", "investigation"),
    [
        (_alert("Malware was found", "Malware", "T1204.002"), "investigate-malware"),
        (_alert("Files locked", "Malware", "T1486"), "investigate-ransomware"),
        (_alert("LSASS read", "CredentialAccess", "T1003.001"), "investigate-credential-dumping"),
        (_alert("AnyDesk", "Malware", "T1219"), "investigate-remote-access-tool"),
        (
            {**_alert("Guard off", "", "T1562.001"), "source": "wazuh"},
            "investigate-device-activity",
        ),
        (_alert("Guard off", "", "T1562.001"), "investigate-account-activity"),
        (_alert("Copied", "CredentialAccess", "T1003.006"), "investigate-directory-replication"),
    ],
)
def test_an_alert_about_a_computer(alert: dict[str, Any], investigation: str) -> None:
    assert _chosen(alert, device=_DEVICE) == investigation


# What Holdfast's own rules tell of one person or one sign-in only, though its name speaks of more.
_OF_ONE = (
    "Right password, but conditional access said no",
    "Account was moved to another organisational unit",
    "Inbox rule hides mail",
    "Privileged role was assigned",
)
# What holds for everybody, whatever ATT&CK calls it.
_OF_ALL = (
    "Rule for all mail was made, changed or removed",
    "Conditional access no longer asks for the second factor",
    "Audit log was switched off",
    "Federation of a domain was changed",
    "Protection against phishing or malware was removed",
    "Second factor is no longer enforced",
    "App may act for every person of the organisation",
    "Ways to sign in were changed for all",
    "What guests and members may do was changed",
    "Credential was added to an application",
    "Prevention or update policy was changed in Falcon",
    "Policy of the domain was changed",
)


def test_what_holds_for_the_company_is_not_looked_into_as_one_persons() -> None:
    marked = {one.title: one for one in _own_rules() if one.is_company_wide}
    assert set(_OF_ALL) <= marked.keys()
    assert not marked.keys() & set(_OF_ONE)
    for title, kind in itertools.product(marked, ("member", "shared", "guest", "service")):
        alert = _alert_of(marked[title])
        for known in ({}, {"device": _DEVICE, "message": _MESSAGE}):
            chosen = _chosen(alert, account={"kind": kind}, **known)
            assert chosen == FOR_COMPANY, (title, kind, known)


def test_only_one_investigation_may_call_harmless_what_holds_for_a_company() -> None:
    """Its one harmless row reads what people at the company say of the change itself."""
    marked = [one for one in _INVESTIGATIONS if library.get(one).is_for_company]
    assert marked == [FOR_COMPANY]
    harmless = [one for one in library.get(FOR_COMPANY).verdicts if one.verdict in HARMLESS]
    assert [one.id for one in harmless] == ["confirmed"]
    assert "evidence.word.answer" in harmless[0].when.text


def test_no_person_is_cleared_of_a_change_for_the_whole_company() -> None:
    """By a row of the table, where it is about an account; else by what holds for all tables."""
    about_accounts = [
        playbook
        for playbook in map(library.get, _INVESTIGATIONS)
        if any(step.target == "account" for step in playbook.steps)
        and any(row.verdict in HARMLESS for row in playbook.verdicts)
    ]
    wide = _alert("Rule", "", "T1484.001")
    for playbook in about_accounts:
        if playbook.is_for_company:
            continue
        for test in playbook.tests:
            facts = merged(playbook.example, test.get("change", {}))
            told = [*facts["case"]["findings"], wide]
            found = verdicts.decide(playbook, merged(facts, {"case": {"findings": told}}))
            assert found.verdict not in HARMLESS, (playbook.id, test["name"])


def test_what_speaks_of_more_than_one_attack_is_a_takeover() -> None:
    assert _chosen(_SPRAY, _RULE) == TAKEOVER


@pytest.mark.parametrize(
    ("alert", "account", "investigation"),
    [
        (_alert("Impossible travel"), {"kind": "guest"}, "investigate-suspicious-sign-in"),
        (_alert("Impossible travel"), {"is_protected": True}, TAKEOVER),
        (_alert("Break-glass account used"), {"is_protected": True}, "investigate-break-glass-use"),
        (_RULE, {"kind": "shared"}, "investigate-mail-forwarding"),
    ],
)
def test_whose_account_it_is_counts(alert, account, investigation) -> None:
    assert _chosen(alert, account=account) == investigation


def test_a_golden_case_can_fail() -> None:
    playbook = library.get("contain-cloud-account")
    expected = {"tier": "client"}
    wrong = [{"name": "wrong", "expect": expected}]
    outcome = golden.run(_with_tests(playbook, wrong))[0]
    assert "expected 'client', found 'automatic'" in outcome.difference


def _with_tests(playbook: Playbook, tests: list[dict[str, Any]]) -> Playbook:
    return replace(playbook, tests=tuple(tests))
