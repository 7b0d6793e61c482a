"""A playbook that can't be right is refused as it is written: each problem, with its place."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks import language, library
from playbooks.errors import PlaybookError
from tests.playbooks.samples import (
    ASK,
    DISABLE,
    NOT_ENOUGH,
    investigation_text,
    response_text,
)

KEYS = {"id", "version", "kind", "title", "trigger", "inputs", "steps", "verdicts", "responses"}
KEYS |= {"attack", "sources", "example", "tests"}
PLACE = re.compile(r"^sample\.yaml:\d+:\d+: \S")


def _problems(text: str) -> tuple[str, ...]:
    with pytest.raises(PlaybookError) as caught:
        language.load(text, "sample.yaml")
    assert all(PLACE.match(problem) for problem in caught.value.problems), caught.value.problems
    return caught.value.problems


def test_the_samples_are_right() -> None:
    assert language.load(response_text()).kind == "response"
    assert language.load(investigation_text()).verdicts[-1].verdict == "insufficient_data"


def test_the_hash_names_exactly_this_text() -> None:
    first, second = (language.load(response_text(more=more)) for more in ("", "# a remark\n"))
    assert first.source_sha256 != second.source_sha256
    assert first.source_sha256 == language.load(response_text()).source_sha256


@pytest.mark.parametrize(
    ("steps", "place", "told"),
    [
        ("  - id: x\n    uses: identity.fly\n", "9:11", "no action 'identity.fly'"),
        ("  - id: x\n    uses: identity.list_sign_ins\n", "9:11", "changes nothing"),
        (DISABLE.replace("account", "mailbox"), "10:13", "acts on a account, not on 'mailbox'"),
        (DISABLE.replace("account", "person"), "10:13", "acts on a account, not on 'person'"),
        (
            "  - id: x\n    uses: mailbox.disable_inbox_rule\n    target: account\n",
            "10:13", "give `for_each:`",
        ),
        (DISABLE + "    needs: [later]\n", "11:12", "needs 'later', which is no step"),
        (DISABLE + "    needs: [disable]\n", "11:12", "wait for each other: disable"),
        (DISABLE + DISABLE, "11:9", "the step id 'disable' stands twice"),
        (DISABLE + "    colour: red\n", "11:13", "unknown key 'colour'"),
        (DISABLE + "    with: {speed: 5}\n", "11:11", "takes no 'speed'"),
        (DISABLE + "    tier: king\n", "11:11", "'king' is none of"),
        (DISABLE + "    on_failure: cry\n", "11:17", "'cry' is none of"),
        (DISABLE + "    at_most: 0\n", "11:14", "number from 1 to 100"),
        (DISABLE + "    at_most: 101\n", "11:14", "number from 1 to 100"),
        (DISABLE + "    at_most: many\n", "11:14", "number from 1 to 100"),
        (DISABLE + "    at_most: true\n", "11:14", "number from 1 to 100"),
        (DISABLE + "    when: nobody.knows\n", "11:11", "undeclared reference"),
        (DISABLE + "    when: 5\n", "11:11", "written as text"),
        (DISABLE + "    when: 'hour + 1'\n", "11:11", "not true or false"),
        (DISABLE + "    for_each: '1 +'\n", "11:15", "Syntax error"),
        (DISABLE + "    why: ${ nobody.knows }\n", "8:5", "undeclared reference"),
        (
            "  - id: x\n    uses: identity.restore_auth_method\n    for_each: '[1]'\n"
            "    target: {external_id: '${ item }'}\n",
            "9:11", "needs 'method' under `with:`",
        ),
        (
            "  - id: x\n    uses: mailbox.disable_inbox_rule\n    for_each: '[1]'\n"
            "    target: {name: rule}\n",
            "11:13", "external_id",
        ),
        ("  - just words\n", "8:5", "a step is a mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_step(steps, place, told) -> None:
    problems = _problems(response_text(steps))
    assert any(p.startswith(f"sample.yaml:{place}: ") and told in p for p in problems), problems


@pytest.mark.parametrize(
    "value", ["5", "text", "[1, 2]", "[[a]]", "{a: 1}", "true", "null", "1.5", "[{a: 1}]", "''"]
)
@pytest.mark.parametrize(
    "key", ["id", "uses", "target", "with", "needs", "when", "for_each", "at_most", "why", "tier"]
)
def test_no_type_of_a_steps_value_is_a_traceback(key, value) -> None:
    step = {"id": "x", "uses": "identity.disable_sign_in", "target": "account", key: value}
    lines = [f"    {name}: {told}" for name, told in step.items()]
    text = response_text("  -" + "\n".join(lines)[3:] + "\n")
    try:
        language.load(text, "sample.yaml")
    except PlaybookError as error:
        assert all(PLACE.match(problem) for problem in error.problems)  # noqa: PT017


@pytest.mark.parametrize(
    "value", ["5", "text", "[1, 2]", "[[a]]", "{a: 1}", "true", "null", "[{a: 1}]", "[null]", "''"]
)
@pytest.mark.parametrize(
    "key",
    sorted(KEYS),
)
@pytest.mark.parametrize("text", [response_text(), investigation_text()])
def test_no_type_of_a_playbooks_value_is_a_traceback(text, key, value) -> None:
    kept = re.sub(rf"(?ms)^{key}:.*?(?=^\w)", "", text + "zzz: 1\n").removesuffix("zzz: 1\n")
    try:
        language.load(kept + f"{key}: {value}\n", "sample.yaml")
    except PlaybookError as error:
        assert all(PLACE.match(problem) for problem in error.problems)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n", "a playbook is a mapping"),
        ("just words\n", "a playbook is a mapping"),
        (response_text().replace("title: Sample\n", ""), "'title' is missing"),
        (response_text().replace("kind: response", "kind: party"), "kind 'party' is none of"),
        (response_text().replace('trigger: "true"', "trigger: nobody.knows"), "undeclared"),
        (response_text(more="colour: red\n"), "unknown key 'colour'"),
        (response_text(steps="  []\n"), "at least one step"),
        (response_text().split("tests:")[0], "no golden case"),
        (response_text(more="responses: {guilty: [x]}\n"), "'guilty' is none of"),
        (response_text(more="responses: {true_positive: contain}\n"), "list of"),
        (response_text(more="attack: T1078\n"), "list of"),
        (investigation_text(steps=DISABLE), "an investigation only reads"),
        (investigation_text(rows="  []\n"), "ends with `when: true`"),
        (investigation_text(NOT_ENOUGH.replace("when: true", "when: hour > 1")), "ends with"),
        (investigation_text(NOT_ENOUGH.replace("low", "sure")), "'sure' is none of"),
        (investigation_text(NOT_ENOUGH.replace("There", "${ who.cares }")), "undeclared"),
    ],
)
def test_what_is_wrong_with_a_playbook(text, told) -> None:
    problems = _problems(text)
    assert any(told in problem for problem in problems), problems


def test_all_problems_are_told_at_once() -> None:
    steps = DISABLE.replace("disable_sign_in", "fly") + DISABLE + "    tier: king\n"
    problems = _problems(response_text(steps, more="colour: red\n"))
    assert [problem.split(":")[1] for problem in sorted(problems)] == ["11", "14", "18", "9"]


def test_a_step_may_need_an_earlier_one() -> None:
    revoke = DISABLE.replace("disable", "revoke", 1).replace("disable_sign_in", "revoke_sessions")
    playbook = language.load(response_text(DISABLE + revoke + "    needs: [disable]\n"))
    assert playbook.steps[1].needs == ("disable",)


def test_a_library_file_that_is_cut_anywhere_is_no_traceback() -> None:
    """Cut in steps of a line: what is left is a playbook, or has problems with their places."""
    source = library.get("contain-cloud-account").source.splitlines(keepends=True)
    whole = 0
    for length in range(len(source)):
        try:
            language.load("".join(source[:length]), "sample.yaml")
            whole += 1
        except PlaybookError as error:
            assert all(PLACE.match(problem) for problem in error.problems)  # noqa: PT017
    assert whole < len(source)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_library_file_with_one_changed_line_is_no_traceback(data) -> None:
    lines = investigation_text(steps=ASK).splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    new = data.draw(st.sampled_from(["", "x", "  - 5", "- a: b", "a: {b: [c]}", "    when: 5"]))
    lines[index] = new
    try:
        language.load("\n".join(lines), "sample.yaml")
    except PlaybookError as error:
        assert all(PLACE.match(problem) for problem in error.problems)  # noqa: PT017
