"""When a case may be called harmless: not on logs that lag, nor on logs that lack what was told.

A case that is closed as harmless is looked at by nobody. So a table's "benign" or "false positive"
waits until the vendors have written down what happened, and does not stand where the evidence
never saw what an alert tells of, where somebody says that it was not them, or where a critical
alert is only probably wrong.
"""

import datetime as dt
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone

from integrations.alerting.finding import PREFIX
from integrations.values import address, is_inside
from playbooks.cases import case_alerts
from playbooks.language import Playbook
from playbooks.questions import user_questions
from playbooks.verdicts import Result
from tenants.models import HARMLESS, Case, Finding, Severity, Verdict

# Most sign-ins can be read within this time of happening:
# https://learn.microsoft.com/entra/identity/monitoring-health/reference-reports-data-retention,
# https://support.google.com/a/answer/7061566 (Data retention and lag times).
SETTLING = dt.timedelta(minutes=15)
# Where alerts keep coming, a verdict is reached all the same.
_LONGEST_WAIT = dt.timedelta(hours=1)
_SIGN_INS = "identity.list_sign_ins"
# What products on computers answer out of their own alerts.
_OWN_ALERTS = frozenset(
    {"endpoint.list_alerts", "endpoint.list_processes", "endpoint.list_files",
     "endpoint.list_credential_access"}
)  # fmt: skip
_PREFIX = "evidence."
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a harmless verdict does not stand, in a sentence, and what to ask of whom instead."""

    why: str
    question: str
    whom: str


def settles_at(case: Case, result: Result, waits_since: dt.datetime | None) -> dt.datetime | None:
    """Return when a harmless verdict may be reached; None where that is now, or it is none.

    `waits_since`: since when it has been waited for, if it has.
    """
    if result.verdict not in HARMLESS:
        return None
    now = timezone.now()
    if waits_since is not None and now - waits_since >= _LONGEST_WAIT:
        return None
    latest = case_alerts.happened_until(case)
    until = latest + SETTLING if latest else now
    return until if until > now else None


def doubt(case: Case, playbook: Playbook, facts: Mapping[str, Any], result: Result) -> Doubt | None:
    """Return why a harmless verdict of the table does not stand; None where it does."""
    if result.verdict not in HARMLESS:
        return None
    findings = case_alerts.of_case(case)
    unseen = (
        _denied(case)
        or _never_seen(findings, playbook, facts)
        or _told_by_another(findings, playbook, facts, result)
        or _of_the_whole_company(playbook, facts)
    )
    if unseen:
        return unseen
    worst = max(findings, key=_severity, default=None)
    if worst and _severity(worst) >= Severity.CRITICAL and result.confidence != "high":
        return Doubt(
            f"“{worst.title}” is critical, and that nothing happened is not certain.",
            f"What made “{worst.title}” critical, and is there another explanation for it?",
            "the vendor's console",
        )
    return None


def held_back(result: Result, why: Doubt) -> Result:
    """Return the verdict that stands instead: the data are not enough to call it harmless."""
    return replace(
        result,
        verdict=Verdict.INSUFFICIENT_DATA.value,
        confidence="low",
        because=f"{result.because} {why.why}",
    )


def _severity(finding: Finding) -> int:
    # OCSF's 99 is "other", and no severity.
    return finding.severity_id % Severity.OTHER


def _never_seen(
    findings: Sequence[Finding], playbook: Playbook, facts: Mapping[str, Any]
) -> Doubt | None:
    """Why sign-ins that were read refute nothing: an alert tells of others."""
    steps = [step.id for step in playbook.steps if step.uses == _SIGN_INS]
    if not any(facts["evidence"].get(step, {}).get("available") for step in steps):
        return None
    # What Holdfast's own rows say may only be what the alert itself told.
    told = [answer for answer in facts["evidence"].values() if answer.get("provider")]
    known = {address(text) or text for text in _texts(told)}
    for finding in findings:
        addresses = [one for one in _addresses(finding) if one not in known]
        if addresses and len(addresses) == len(_addresses(finding)):
            named = ", ".join(addresses[:_NAMED])
            return Doubt(
                f"“{finding.title}” tells of {named}, and no sign-in from there could be read.",
                f"Which service was used from {named}, and was it them?",
                "the user, by telephone",
            )
    return None


def _denied(case: Case) -> Doubt | None:
    """Why nothing is harmless of which somebody says that it was not them."""
    if not user_questions.is_denied(case):
        return None
    return Doubt(
        "Somebody at the company says that it was not them.",
        "Who else could have done what the alert tells of?",
        "the client's contact",
    )


def _told_by_another(
    findings: Sequence[Finding], playbook: Playbook, facts: Mapping[str, Any], result: Result
) -> Doubt | None:
    """Why a product that alerted of nothing refutes no alert of another, nor of our own rules."""
    read = {path.removeprefix(_PREFIX).split(".")[0] for path in result.facts}
    steps = {step.id for step in playbook.steps if step.uses in _OWN_ALERTS and step.id in read}
    asked = {facts["evidence"].get(step, {}).get("provider") for step in steps}
    for finding in findings if steps else ():
        is_own_rule = finding.uid.startswith(PREFIX)
        if _severity(finding) > Severity.LOW and (is_own_rule or finding.connector not in asked):
            return Doubt(
                f"“{finding.title}” was not told by the product that was asked about the computer, "
                "so that it has no alert of it says nothing.",
                f"What happened on the computer when “{finding.title}” was told, and was it meant?",
                "the vendor's console",
            )
    return None


def _of_the_whole_company(playbook: Playbook, facts: Mapping[str, Any]) -> Doubt | None:
    """Why a computer, a message or a person refutes no change that holds for a whole company.

    Only an investigation that says of itself that it is for such changes may call one harmless.
    """
    wide = [one for one in facts["case"]["findings"] if one["is_company_wide"]]
    if not wide or playbook.is_for_company:
        return None
    title = wide[0]["title"]
    return Doubt(
        f"“{title}” holds for the whole company, of which what was looked at tells nothing.",
        f"Who made the change that “{title}” tells of, and was it meant?",
        "the client's contact",
    )


def _addresses(finding: Finding) -> list[str]:
    """The addresses that an alert names, without those that no service outside can have seen."""
    named = [one.removeprefix("ip:") for one in finding.entities if one.startswith("ip:")]
    return [one for one in named if _is_outside(one)]


def _is_outside(text: str) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (is_inside(text) or found.is_loopback or found.is_link_local)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
