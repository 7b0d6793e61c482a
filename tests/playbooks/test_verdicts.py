"""The first row that holds decides; what could not be looked at is told, and never counts."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks import language, library, verdicts
from playbooks.errors import ConditionError, PlaybookError
from tests.examples import examples
from tests.playbooks.samples import ASK, NOT_ENOUGH, facts, investigation_text

TAKEOVER = "investigate-account-takeover"
STEPS = [step.id for step in library.get(TAKEOVER).steps]
ASKED_METHODS = "identity.list_auth_methods"
WHY_NOT = "the permission AuditLog.Read.All is missing"


def _row(row_id: str, when: str, verdict: str = "true_positive") -> str:
    return (
        f"  - id: {row_id}\n    when: {when}\n    verdict: {verdict}\n    confidence: high\n"
        f"    because: It was {row_id}.\n"
    )


def _decide(rows: str, **evidence: Any) -> verdicts.Result:
    playbook = language.load(investigation_text(rows + NOT_ENOUGH, ASK + METHODS))
    return verdicts.decide(playbook, {**facts(), "evidence": evidence})


METHODS = "  - id: methods\n    uses: identity.list_auth_methods\n    target: account\n"
SEEN = {"available": True, "count": 3}
UNSEEN = {"available": False, "reason": WHY_NOT}


def _without(*steps: str) -> dict[str, Any]:
    told = facts()
    for step in steps:
        told["evidence"][step] = UNSEEN
    return told


def test_the_first_row_that_holds_decides_and_shows_what_it_read() -> None:
    rows = _row("a", "evidence.sign_ins.count > 5") + _row("b", "evidence.sign_ins.count > 2")
    found = _decide(rows + _row("c", "evidence.sign_ins.count > 1"), sign_ins=SEEN, methods=SEEN)
    assert (found.rule, found.verdict, found.because) == ("b", "true_positive", "It was b.")
    assert found.facts == {"evidence.sign_ins.count": 3}
    assert [row["rule"] for row in found.would_change] == ["a"]
    assert (found.missing, found.untested) == ((), ())


def test_rows_on_evidence_that_could_not_be_had_are_untested_and_say_so() -> None:
    rows = _row("a", "evidence.methods.count > 0") + _row("b", "evidence.sign_ins.count > 0")
    found = _decide(rows, sign_ins=SEEN, methods=UNSEEN)
    assert found.rule == "b"
    assert found.missing == ({"step": "methods", "uses": ASKED_METHODS, "reason": WHY_NOT},)
    assert found.untested == (
        {"rule": "a", "verdict": "true_positive", "because": "It was a.", "needs": ["methods"]},
    )


@pytest.mark.parametrize(
    "when",
    [
        "'!has(evidence.methods.count)'",
        "evidence.sign_ins.count > 0 || evidence.methods.count > 0",
        "'!has(evidence[\"methods\"].count)'",
        "has(evidence.methods) && evidence.sign_ins.count > 0",
    ],
)
def test_what_was_not_seen_proves_nothing(when) -> None:
    """Without the answer these would hold; they must not decide."""
    assert _decide(_row("a", when), sign_ins=SEEN, methods=UNSEEN).rule == "not-enough"


@pytest.mark.parametrize(
    ("when", "is_untested"),
    [
        ("evidence.sign_ins.count > 5 && evidence.methods.count > 0", False),
        ("evidence.methods.count > 0 && evidence.sign_ins.count > 5", False),
        ("evidence.sign_ins.count > 2 && evidence.methods.count > 0", True),
        ("evidence.sign_ins.count > 5 || evidence.methods.count > 0", True),
        ("has(evidence.methods.count) && evidence.sign_ins.count > 5", True),
        ("evidence.methods.available && evidence.methods.count > 0", True),
        ("evidence.methods.is_askable && evidence.methods.count > 0", True),
        ("'\"count\" in evidence.methods && evidence.sign_ins.count > 5'", True),
    ],
)
def test_a_row_that_fails_whatever_is_missing_stands_in_no_harmless_verdicts_way(
    when, is_untested
) -> None:
    rows = _row("a", when) + _row("b", "evidence.sign_ins.count > 2", "benign")
    found = _decide(rows, sign_ins=SEEN, methods=UNSEEN)
    assert (found.rule == "not-enough") is is_untested
    assert bool(found.untested) is is_untested


def test_what_nobody_can_tell_stands_in_no_harmless_verdicts_way_where_a_row_says_so() -> None:
    when = "evidence.methods.is_askable && evidence.methods.count > 0"
    rows = _row("a", when) + _row("b", "evidence.sign_ins.count > 2", "benign")
    found = _decide(rows, sign_ins=SEEN, methods={**UNSEEN, "is_askable": False})
    assert (found.rule, found.untested) == ("b", ())


def test_evidence_that_was_not_asked_for_is_missing_too() -> None:
    found = _decide(_row("a", "evidence.methods.count > 0"), sign_ins=SEEN)
    assert found.missing == (
        {"step": "methods", "uses": ASKED_METHODS, "reason": "it was not asked"},
    )
    assert found.untested[0]["needs"] == ["methods"]


def test_a_row_that_fails_on_its_facts_is_untested_and_the_next_one_decides() -> None:
    rows = _row("a", "evidence.sign_ins.never_told > 1") + _row("b", "evidence.sign_ins.count > 0")
    found = _decide(rows, sign_ins=SEEN, methods=SEEN)
    assert found.rule == "b"
    assert "never_told" in found.untested[0]["needs"][0]


def test_nobody_is_cleared_while_an_attack_could_not_be_looked_for() -> None:
    rows = _row("attack", "evidence.methods.count > 0")
    rows += _row("harmless", "evidence.sign_ins.count > 0", "false_positive")
    found = _decide(rows, sign_ins=SEEN, methods=UNSEEN)
    assert (found.verdict, found.rule) == ("insufficient_data", "not-enough")
    assert [row["rule"] for row in found.untested] == ["attack", "harmless"]


@given(
    unseen=st.sets(st.sampled_from(STEPS)),
    successes=st.integers(0, 2),
    level=st.sampled_from(["low", "medium", "high"]),
    outside=st.booleans(),
)
@settings(deadline=None, max_examples=examples(150))
def test_the_takeover_table_decides_on_any_evidence(unseen, successes, level, outside) -> None:
    told = facts()
    told["evidence"]["sign_ins"]["suspicious_successes"] = successes
    told["evidence"]["risk"]["user_risk_level"] = level
    told["evidence"]["forwarding"]["forwards_outside"] = outside
    told["evidence"] |= dict.fromkeys(unseen, UNSEEN)
    playbook = library.get(TAKEOVER)
    found = verdicts.decide(playbook, told)
    row = next(row for row in playbook.verdicts if row.id == found.rule)
    assert not any(f"evidence.{step}" in row.when.text for step in unseen)
    assert {item["step"] for item in found.missing} == unseen
    above = [row.id for row in playbook.verdicts[: playbook.verdicts.index(row)]]
    shown = [item["rule"] for item in (*found.untested, *found.would_change)]
    assert sorted(shown) == sorted(above)
    if unseen & {"sign_ins", "inbox_rules", "methods", "risk", "forwarding"}:
        assert found.verdict not in ("benign", "false_positive")


def test_all_evidence_missing_is_not_enough_and_names_everything() -> None:
    found = verdicts.decide(library.get(TAKEOVER), _without(*STEPS))
    assert (found.verdict, found.confidence) == ("insufficient_data", "low")
    assert [item["step"] for item in found.missing] == STEPS
    # A row on the alerts alone needs no evidence.
    asking = [row.id for row in library.get(TAKEOVER).verdicts if "evidence." in row.when.text]
    assert [item["rule"] for item in found.untested] == asking


@pytest.mark.parametrize("evidence", [None, 5, "text", []])
def test_evidence_of_the_wrong_type_is_one_clear_error(evidence) -> None:
    with pytest.raises((PlaybookError, ConditionError), match="evidence"):
        verdicts.decide(library.get(TAKEOVER), {**facts(), "evidence": evidence})


@pytest.mark.parametrize("answer", [None, 5, "text", [], {"available": "yes"}, {"available": 1}])
def test_an_answer_of_the_wrong_type_is_missing(answer) -> None:
    found = _decide(_row("a", "evidence.sign_ins.count > 0"), sign_ins=answer, methods=SEEN)
    assert found.rule == "not-enough"
    assert [item["step"] for item in found.missing] == ["sign_ins"]
