"""Whatever an investigation can't be told, it decides, clears no attack, and asks what it needs."""

from collections.abc import Iterator
from typing import Any

import pytest

from playbooks import language, library, verdicts
from playbooks.expressions.given import merged
from playbooks.investigating import open_questions
from playbooks.language import Playbook
from playbooks.verdicts import Result
from tenants.models import HARMLESS
from tests.playbooks.samples import NOT_ENOUGH, facts, investigation_text

_ALL = [one for one in library.playbooks().values() if one.kind == "investigation"]
_WHOM = {
    "the user", "the user, by telephone", "their manager", "the client's contact",
    "the vendor's console", "a public list of attackers",
}  # fmt: skip
_WHY_NOT = [
    "the permission AuditLog.Read.All is missing",
    "the licence Entra ID P2 is missing",
    "the vendor can't be reached",
    "this client has no connection that can tell",
]


def _without(told: dict[str, Any], *steps: str, why: str) -> dict[str, Any]:
    is_askable = "no connection" not in why
    gone = {"available": False, "reason": why, "is_askable": is_askable}
    return {**told, "evidence": {**told["evidence"], **dict.fromkeys(steps, gone)}}


def _cases(playbook: Playbook) -> Iterator[dict[str, Any]]:
    for test in playbook.tests:
        yield merged(playbook.example, test.get("change", {}))


def _asked(result: Result) -> dict[str, dict[str, str]]:
    """The questions of what the table would have read, by the step that got no answer."""
    needed = {step for row in result.untested for step in row["needs"]}
    missing = [one for one in result.missing if one["step"] in needed]
    return {one["step"]: one for one in open_questions.of_missing(missing)}


@pytest.mark.parametrize("playbook", _ALL, ids=lambda one: one.id)
def test_each_answer_may_be_missing(playbook: Playbook) -> None:
    for told in _cases(playbook):
        whole = verdicts.decide(playbook, told)
        for number, step in enumerate(playbook.steps):
            why = _WHY_NOT[number % len(_WHY_NOT)]
            found = verdicts.decide(playbook, _without(told, step.id, why=why))
            assert found.verdict not in HARMLESS or whole.verdict in HARMLESS, (step.id, whole.rule)
            assert "${" not in found.because
            # What was not asked for, or had no answer anyhow, can't have made it undecided.
            if found.verdict == "insufficient_data" != whole.verdict:
                question = _asked(found)[step.id]
                assert question["whom"] in _WHOM
                assert why in {one["reason"] for one in found.missing}


@pytest.mark.parametrize("playbook", _ALL, ids=lambda one: one.id)
def test_where_nothing_answers_everything_that_would_decide_is_asked(playbook: Playbook) -> None:
    steps = [step.id for step in playbook.steps]
    for told in _cases(playbook):
        found = verdicts.decide(playbook, _without(told, *steps, why=_WHY_NOT[2]))
        assert found.verdict not in HARMLESS
        rows = [row.when for row in playbook.verdicts if row.id not in (found.rule, "not-enough")]
        assert _asked(found) or not any(map(verdicts.evidence_read, rows)), found.rule


def test_each_question_of_an_investigation_has_words_for_a_person() -> None:
    uses = {step.uses for one in _ALL for step in one.steps}
    # Holdfast's own rows always tell how many other clients there are.
    assert uses - {"case.count_elsewhere"} <= open_questions.QUESTIONS.keys()


def test_a_sentence_of_what_is_not_known_is_left_out() -> None:
    row = (
        "  - id: a\n    when: evidence.sign_ins.count > 0\n    verdict: suspicious\n"
        "    confidence: low\n    because: ${ told }\n"
    )
    steps = "".join(
        f"  - id: {step}\n    uses: {uses}\n    target: account\n"
        for step, uses in (
            ("sign_ins", "identity.list_sign_ins"), ("methods", "identity.list_auth_methods"),
        )
    )  # fmt: skip
    seen = {"sign_ins": {"available": True, "count": 3}, "methods": {"available": False}}
    told = {**facts(), "evidence": seen}
    for because, says in (
        ("Seen. ${ evidence.methods.methods } were made. It is over.", "Seen. It is over."),
        ("There were ${ evidence.sign_ins.count }.", "There were 3."),
        ("${ evidence.methods.methods } were made.", "… were made."),
    ):
        text = investigation_text(row.replace("${ told }", because) + NOT_ENOUGH, steps)
        assert verdicts.decide(language.load(text), told).because == says
