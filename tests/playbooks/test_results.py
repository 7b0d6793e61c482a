"""What a routine reports: every row that holds, for each item, and what could not be looked at."""

from typing import Any

import pytest

from playbooks import language, results
from playbooks.adoption import golden
from playbooks.errors import PlaybookError
from playbooks.expressions.given import merged

HEAD = """\
id: sample
version: "1"
kind: {kind}
title: Sample
summary: We looked.
steps:
  - id: emergency
    uses: identity.get_break_glass_state
    target: tenant
  - id: administrators
    uses: identity.list_privileged_accounts
    target: tenant
results:
"""
TESTS = """\
tests:
  - name: one
    expect: {tier: automatic}
"""
SAID = "  - id: said\n    says: It was looked at.\n"
EACH = """\
  - id: each
    when: size(evidence.emergency.accounts) > 1
    for_each: evidence.emergency.accounts.filter(a, !a.is_enabled)
    says: ${ item.name } of ${ tenant.name } is off.
    to_do: Switch ${ item.name } on.
"""
ACCOUNTS = [{"name": "bg-1", "is_enabled": False}, {"name": "bg-2", "is_enabled": True}]


def routine(rows: str, kind: str = "routine") -> language.Playbook:
    return language.load_checked(HEAD.format(kind=kind) + rows + TESTS, "sample.yaml")


def told(rows: str, **emergency: Any) -> list[tuple[str, str]]:
    """Return what is reported, and what is to be done about it."""
    playbook = routine(rows)
    answer = {"available": True, "accounts": ACCOUNTS, **emergency}
    facts = merged(
        playbook.example,
        {"evidence": {"emergency": answer, "administrators": {"available": True, "accounts": []}}},
    )
    return [(line.says, line.to_do) for line in results.of(playbook, facts)]


def test_a_row_without_a_condition_is_always_said() -> None:
    assert told(SAID) == [("It was looked at.", "")]


def test_each_item_is_said_and_what_to_do_about_it() -> None:
    assert told(EACH) == [("bg-1 of Contoso Clinic is off.", "Switch bg-1 on.")]


def test_a_condition_holds_for_the_whole_row() -> None:
    assert told(EACH, accounts=ACCOUNTS[:1]) == []


def test_what_got_no_answer_is_named_instead_of_the_rows_that_need_it() -> None:
    look = "Look it up by hand, or mend the connection and start this again."
    gone = {"available": False, "reason": "no connection"}
    assert told(SAID + EACH, accounts=[], **gone) == [
        ("It was looked at.", ""),
        ("“State of the emergency accounts” got no answer: no connection.", look),
    ]
    playbook = routine(SAID)
    assert [line.id for line in results.of(playbook, playbook.example)] == [
        "said", "emergency", "administrators",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [
        "  - id: odd\n    says: ${ evidence.emergency.accounts[7].name }\n",
        "  - id: odd\n    when: evidence.emergency.accounts[7].is_enabled\n    says: x\n",
        "  - id: odd\n    for_each: evidence.emergency.accounts[0].name\n    says: x\n",
    ],
)
def test_a_row_that_fails_is_for_a_person_and_never_silent(rows) -> None:
    [(says, to_do)] = told(rows)
    assert says.startswith("“odd” could not be told: ")
    assert to_do == "Look at it by hand."


def test_a_long_list_is_said_in_part_and_the_rest_counted() -> None:
    many = [{"name": f"bg-{n}", "is_enabled": False} for n in range(130)]
    lines = told(EACH, accounts=many)
    assert len(lines) == 101
    assert lines[-1] == ("And 30 more.", "The evidence names them.")


def test_a_golden_case_can_expect_the_words() -> None:
    text = HEAD.format(kind="routine") + SAID + TESTS.replace("{tier", "{results: [No.], tier")
    [outcome] = golden.run(language.load(text, "sample.yaml"))
    assert "results: expected ['No.'], found ['It was looked at.'" in outcome.difference


@pytest.mark.parametrize(
    ("rows", "place", "problem"),
    [
        ("  - says: x\n", "14:5", "'id' is missing"),
        ("  - id: a\n", "14:5", "'says' is missing"),
        (
            SAID + "    verdict: x\n",
            "16:14",
            "unknown key 'verdict'; known: for_each, id, says",
        ),
        (SAID + "    to_do: ''\n", "16:12", "'to_do' is missing or no text"),
        (SAID + "    when: 1 +\n", "16:11", "not a condition"),
        (SAID + "    when: '1 > 2'\n", "16:11", "this row is never said"),
        (SAID + "    when: evidence.gone.available\n", "16:11", "no step 'gone' asks for it"),
        ("  - id: a\n    says: ${ item.name }\n", "15:11", "only in a row of the results"),
        ("  - id: a\n    says: ${ inputs.x }\n", "15:11", "no input 'x'"),
        ("  - x\n", "14:5", "a row of the results is a mapping"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_place(rows, place, problem) -> None:
    with pytest.raises(PlaybookError) as error:
        routine(rows)
    assert any(
        one.startswith(f"sample.yaml:{place}: ") and problem in one for one in error.value.problems
    ), error.value.problems


def test_only_a_routine_reports() -> None:
    with pytest.raises(PlaybookError, match="results are what a routine reports"):
        routine(SAID, kind="investigation")


@pytest.mark.parametrize("rows", ["  a: 1\n", SAID * 101])
def test_a_table_of_another_shape_or_too_long_is_refused(rows) -> None:
    with pytest.raises(PlaybookError, match=r"list of rows|more than 100 rows"):
        routine(rows)
