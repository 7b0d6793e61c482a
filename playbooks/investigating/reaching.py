"""Reaching a verdict on each of those that a case is about, with evidence of its own."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from playbooks import verdicts
from playbooks.adoption import activation
from playbooks.cases import subjects
from playbooks.cases.looks import Look
from playbooks.cases.subjects import Subject
from playbooks.investigating import facts as case_facts
from playbooks.investigating import harmless
from playbooks.investigating.gathering import gather
from playbooks.language import Playbook
from playbooks.models import KnownGood
from playbooks.patterns import known_good
from playbooks.verdicts import Result
from tenants import scope
from tenants.models import HARMLESS, Case, Verdict

_GRAVITY = {
    Verdict.FALSE_POSITIVE: 0,
    Verdict.BENIGN: 0,
    Verdict.INSUFFICIENT_DATA: 1,
    Verdict.SUSPICIOUS: 2,
    Verdict.TRUE_POSITIVE: 3,
}


@dataclass(frozen=True, slots=True)
class Reached:
    """What an investigation comes to about a case, or about one more of those that it is about.

    `of_table` is what the table says, `doubt` why that does not stand, `pattern` what makes it
    expected, `result` what stands in the end.
    """

    subject: Subject | None
    name: str
    playbook: Playbook
    facts: Mapping[str, Any]
    of_table: Result
    doubt: harmless.Doubt | None
    reached: Result
    result: Result
    pattern: KnownGood | None

    @property
    def about(self) -> str:
        """The key of whom or what it is about; "" for what the case is about first."""
        return self.subject.key if self.subject else ""

    def as_look(self) -> Look:
        """Return it as it is kept beside what decided on the case."""
        return Look(
            self.about, self.name, self.playbook.id, self.playbook.title, self.result.verdict,
            self.result.confidence, self.result.because,
        )  # fmt: skip


def gravity(verdict: str) -> int:
    """Return how grave a verdict is: the gravest of several is the case's."""
    return _GRAVITY[Verdict(verdict)]


def reach(case: Case, playbook: Playbook, subject: Subject | None = None) -> Reached:
    """Return what an investigation comes to on the evidence that there is. Writes nothing."""
    facts = case_facts.of_case(case, subject)
    of_table = verdicts.decide(playbook, facts)
    doubt = harmless.doubt(case, playbook, facts, of_table)
    reached = harmless.held_back(of_table, doubt) if doubt else of_table
    result, pattern = known_good.decide(case, facts, reached, playbook=playbook.id)
    name = subject.name if subject else _first_name(facts)
    return Reached(subject, name, playbook, facts, of_table, doubt, reached, result, pattern)


def gather_further(tenant_id: uuid.UUID, case_id: uuid.UUID) -> bool:
    """Ask about each of those that a case is about besides the first, with its investigation.

    False where a vendor asked to wait, as `gather` says it.
    """
    with scope.tenant(tenant_id):
        case = Case.objects.select_related("account__person", "tenant").get(id=case_id)
        asked = [
            (subject, playbook)
            for subject, playbook in _with_playbooks(case)
            if playbook is not None
        ]
    answered = [
        gather(tenant_id, case_id, playbook.steps, retry="investigate", subject=subject)
        for subject, playbook in asked
    ]
    return all(answered)


def all_of(case: Case, playbook: Playbook | None) -> tuple[list[Reached], list[Look]]:
    """Return what is come to about each of those that a case is about, and whom nobody looked into.

    `playbook` is the investigation of what the case is about first, None where none is for it.
    """
    found = [reach(case, playbook)] if playbook is not None else []
    left = [] if found else [_not_looked_into("", _first_name(case_facts.of_case(case)))]
    for subject, its_own in _with_playbooks(case):
        if its_own is None:
            left.append(_not_looked_into(subject.key, subject.name))
        else:
            found.append(reach(case, its_own, subject))
    return found, left


def can_look_further(case: Case) -> bool:
    """Whether an investigation is for any of those that a case is about besides the first."""
    return any(playbook is not None for _, playbook in _with_playbooks(case))


def _not_looked_into(about: str, name: str) -> Look:
    return Look(about, name, "", "", "", "", "")


def not_too_early(case: Case, one: Reached) -> Reached:
    """Return what stands where others of the case are acted upon at once, so that none can wait.

    Logs may lag: what looks harmless so soon is for a person.
    """
    is_early = harmless.settles_at(case, one.result, None) is not None
    if one.result.verdict not in HARMLESS or not is_early:
        return one
    why = "What it would be seen by may not have been written down yet."
    early = replace(
        one.result, verdict=Verdict.INSUFFICIENT_DATA.value, confidence="low",
        because=f"{one.result.because} {why}",
    )  # fmt: skip
    return replace(one, result=early, pattern=None)


def _with_playbooks(case: Case) -> list[tuple[Subject, Playbook | None]]:
    """Return the others that a case is about, each with the investigation that is for it."""
    return [
        (
            one,
            activation.choose_investigation(case_facts.of_case(case, one))
            if place < subjects.MOST
            else None,
        )
        for place, one in enumerate(subjects.further(case))
    ]


def _first_name(facts: Mapping[str, Any]) -> str:
    """Return what a case is about first, in words."""
    if "message" in facts:
        return f"the mail {facts['message']['name']}"
    if "account" in facts:
        return str(facts["account"]["username"])
    return str(facts.get("device", {}).get("name", ""))
