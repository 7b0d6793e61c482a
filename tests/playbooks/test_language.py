"""A playbook that can't be right is refused as it is written: each problem, with its place."""

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks import language, library
from playbooks.authoring import playbook as playbook_words
from playbooks.errors import PlaybookError
from tests.examples import examples
from tests.playbooks.samples import (
    ASK,
    DISABLE,
    HEAD,
    NOT_ENOUGH,
    investigation_text,
    response_text,
)

KEYS = {"id", "version", "kind", "title", "trigger", "inputs", "steps", "verdicts", "responses"}
KEYS |= {"attack", "sources", "example", "tests", "is_for_company"}
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
        (DISABLE.replace("account", "mailbox"), "10:13", "acts on an account, not on 'mailbox'"),
        (DISABLE.replace("account", "person"), "10:13", "acts on an account, not on 'person'"),
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


OF_EACH_TYPE = (
    "5", "text", "[1, 2]", "[[a]]", "{a: 1}", "true", "null", "1.5", "[{a: 1}]", "[null]", "''",
)  # fmt: skip


@pytest.mark.parametrize(
    "key", ["id", "uses", "target", "with", "needs", "when", "for_each", "at_most", "why", "tier"]
)
def test_no_type_of_a_steps_value_is_a_traceback(key) -> None:
    for value in OF_EACH_TYPE:
        step = {"id": "x", "uses": "identity.disable_sign_in", "target": "account", key: value}
        lines = [f"    {name}: {told}" for name, told in step.items()]
        _loads_or_says_where(response_text("  -" + "\n".join(lines)[3:] + "\n"))


@pytest.mark.parametrize("key", sorted(KEYS))
@pytest.mark.parametrize("text", [response_text(), investigation_text()])
def test_no_type_of_a_playbooks_value_is_a_traceback(text, key) -> None:
    kept = re.sub(rf"(?ms)^{key}:.*?(?=^\w)", "", text + "zzz: 1\n").removesuffix("zzz: 1\n")
    for value in OF_EACH_TYPE:
        _loads_or_says_where(kept + f"{key}: {value}\n")


def _loads_or_says_where(text: str) -> None:
    try:
        language.load(text, "sample.yaml")
    except PlaybookError as error:
        assert all(PLACE.match(problem) for problem in error.problems), text  # noqa: PT017


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
        (response_text(more="is_for_company: maybe\n"), "is true or false"),
        (response_text(more="is_for_company: true\n"), "calls nothing harmless"),
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


def test_steps_come_after_what_they_need_and_else_stay_in_the_files_order() -> None:
    steps = [("a", "c"), ("b", ""), ("c", "d"), ("d", ""), ("e", "b")]
    text = "".join(
        f"  - id: {name}\n    uses: identity.revoke_sessions\n    needs: [{needs}]\n"
        for name, needs in steps
    )
    ordered = [step.id for step in language.load(response_text(text)).steps]
    assert ordered == ["b", "d", "c", "a", "e"]


@given(names=st.permutations("abcdef"), data=st.data())
@settings(max_examples=examples(60), deadline=None, print_blob=True)
def test_any_steps_without_a_circle_are_put_in_order(names, data) -> None:
    needs = {
        name: data.draw(st.lists(st.sampled_from(names[:i]), unique=True)) if i else []
        for i, name in enumerate(names)
    }
    text = "".join(
        f"  - id: {name}\n    uses: identity.revoke_sessions\n"
        f"    needs: [{', '.join(needs[name])}]\n"
        for name in sorted(names)
    )
    ordered = [step.id for step in language.load(response_text(text)).steps]
    assert sorted(ordered) == sorted(names)
    assert all(ordered.index(n) < ordered.index(name) for name in names for n in needs[name])


@pytest.mark.parametrize(
    ("told", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("24h", 86400)]
)
def test_a_step_says_how_long_its_verification_may_take(told, seconds) -> None:
    playbook = language.load(response_text(DISABLE + f"    timeout: {told}\n"))
    assert playbook.steps[0].timeout_seconds == seconds


@pytest.mark.parametrize("told", ["15", "'15'", "0s", "25h", "-1m", "1d", "1.5h", "'٣m'", "soon"])
def test_what_is_no_time_is_refused(told) -> None:
    [problem] = _problems(response_text(DISABLE + f"    timeout: {told}\n"))
    assert problem.startswith("sample.yaml:11:14: ")
    assert "is no time: write" in problem


INPUTS = """\
inputs:
  days: {type: integer, title: Days to look back, default: 7}
  reason: {type: string, title: Why, required: true}
"""


def test_inputs_are_facts_with_their_defaults() -> None:
    playbook = language.load(response_text(more=INPUTS + "d3fend: [D3-AL]\n"))
    assert playbook.inputs["days"].default == 7
    assert playbook.inputs["reason"].is_required
    assert playbook.example["inputs"] == {"days": 7}
    assert playbook.d3fend == ("D3-AL",)


@pytest.mark.parametrize(
    ("told", "place", "message"),
    [
        ("days: {type: number, title: x}", "15:16", "type 'number' is none of"),
        ("days: {type: integer, title: x, default: many}", "15:44", "'many' is no integer"),
        ("days: {type: integer, title: x, default: true}", "15:44", "True is no integer"),
        ("days: {type: integer}", "15:9", "'title' is missing"),
        ("days: {type: integer, title: x, required: 1}", "15:45", "required is true or false"),
        ("days: {type: integer, title: x, most: 1}", "15:41", "unknown key 'most'"),
        ("days: 5", "15:9", "is a mapping"),
    ],
)
def test_what_is_wrong_with_an_input(told, place, message) -> None:
    problems = _problems(response_text(more=f"inputs:\n  {told}\n"))
    assert any(p.startswith(f"sample.yaml:{place}: ") and message in p for p in problems), problems


def test_an_example_gives_only_what_differs_from_an_ordinary_case() -> None:
    more = "example: {account: {is_vip: true}, evidence: {risk: {available: true}}}\n"
    example = language.load(response_text(more=more)).example
    assert example["account"]["is_vip"] is True
    assert example["account"]["username"] == "priya.shah@contoso-clinic.example"
    assert example["evidence"] == {"risk": {"available": True}}
    assert example["verdict"] == {"value": "true_positive", "confidence": "high"}
    assert "verdict" not in language.load(investigation_text()).example


@pytest.mark.parametrize(
    ("uses", "target"),
    [
        ("identity.disable_sign_in", "account"),
        ("identity.disable_sign_in", "on_premises"),
        ("mailbox.remove_forwarding", "mailbox"),
    ],
)
def test_a_step_may_act_on_a_fact_of_the_right_kind(uses, target) -> None:
    steps = f"  - id: x\n    uses: {uses}\n    target: {target}\n"
    assert language.load(response_text(steps)).steps[0].target == target


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
@settings(max_examples=examples(150), deadline=None)
def test_a_library_file_with_one_changed_line_is_no_traceback(data) -> None:
    lines = investigation_text(steps=ASK).splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    new = data.draw(st.sampled_from(["", "x", "  - 5", "- a: b", "a: {b: [c]}", "    when: 5"]))
    lines[index] = new
    try:
        language.load("\n".join(lines), "sample.yaml")
    except PlaybookError as error:
        assert all(PLACE.match(problem) for problem in error.problems)  # noqa: PT017


WORDS = st.sampled_from(
    ["id", "kind", "steps", "uses", "when", "needs", "tests", "verdicts", "inputs", "example", ": ",
     ":\n  ", "\n", "\n  - ", "\n    ", "[", "]", "{", "}", "'", '"', "response", "${", "&a ", "*a",
     "identity.disable_sign_in", "true", "evidence.a.map(x, x)", "!!python/name:a ", "\x00", "5"]
)  # fmt: skip


@given(text=st.lists(WORDS, max_size=60).map("".join) | st.text(max_size=200))
@settings(max_examples=examples(400), deadline=None, print_blob=True)
def test_garbage_is_a_problem_with_its_place(text) -> None:
    try:
        language.load_checked(text, "sample.yaml")
    except PlaybookError as error:
        problems = error.problems
    else:
        problems = ()
    assert all(PLACE.match(problem) for problem in problems), problems


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["x", "disable", "true", "false", "account", "${ item.x }", "5m", "item"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "when", "external_id", "type", "title", "expect", "uses", "x"]),
        inner, max_size=3,
    ),
    max_leaves=6,
)  # fmt: skip
WHOLE = {
    "id": "x", "version": "1", "kind": "response", "title": "x", "summary": "x", "trigger": "true",
    "tests": [{"name": "one", "expect": {"tier": "automatic"}}],
}  # fmt: skip
STEP = {"id": "disable", "uses": "identity.disable_sign_in"}


@given(
    top=st.dictionaries(st.sampled_from(sorted({*KEYS, "d3fend"})), VALUES, max_size=3),
    step=st.dictionaries(st.sampled_from(sorted(playbook_words.STEP_KEYS)), VALUES, max_size=3),
    kind=st.sampled_from(["investigation", "response", "routine"]),
)
@settings(max_examples=examples(400), deadline=None, print_blob=True)
def test_values_of_any_type_anywhere_are_a_problem_with_its_place(top, step, kind) -> None:
    told = {**WHOLE, "kind": kind, "steps": [{**STEP, **step}], **top}
    try:
        language.load_checked(json.dumps(told), "sample.yaml")
    except PlaybookError as error:
        assert all(PLACE.match(problem) for problem in error.problems)  # noqa: PT017


HOSTILE = {
    "ten megabytes": "'x' * (10 * 2**20)",
    "ten megabytes of aliases": "'a: &a [x]\\n' + 'b: [*a, *a]\\n' * 900_000",
    "alias bomb": "'a0: &a0 [x]\\n' + ''.join("
    "f'a{n}: &a{n} [' + ', '.join([f'*a{n - 1}'] * 9) + ']\\n' for n in range(1, 30))",
    "deep": "'[' * 200_000",
    "deep mapping": "'{a: ' * 50_000",
    "many keys": "''.join(f'k{n}: 1\\n' for n in range(9_000))",
    "many steps": "head + ''.join(f'  - {{id: s{n}}}\\n' for n in range(3_000))",
    "many steps in a circle": "head + ''.join(f'  - {{id: s{n}, needs: [s{(n + 1) % 90}],"
    " uses: identity.revoke_sessions}}\\n' for n in range(90))",
    "many tests": "head + '  - {id: s, uses: identity.revoke_sessions}\\ntests:\\n'"
    " + '  - {name: a}\\n' * 9_000",
    "long condition": "head + '  - {id: s, when: \"' + '!' * 200_000 + 'true\"}\\n'",
    "deep condition": "head + '  - {id: s, when: \"' + '(' * 990 + 'true' + ')' * 990 + '\"}\\n'",
    "many expressions": "head + '  - {id: s, why: \"' + '${ hour }' * 20_000 + '\"}\\n'",
    "many openings": "head + '  - {id: s, why: \"' + '${' * 90_000 + '\"}\\n'",
    "long number": "'a: ' + '9' * 200_000",
}
BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
from playbooks import language
from playbooks.errors import PlaybookError
head = sys.argv[1]
try:
    language.load_checked(eval(sys.argv[2]), "sample.yaml")
except PlaybookError as error:
    print(error.problems[0][:200])
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_the_line_in_bounded_work_and_memory(name) -> None:
    """A process that needs more than a minute of work or 2 GB is killed by the system."""
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, HEAD.format(kind="response"), HOSTILE[name]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert PLACE.match(done.stdout), done.stdout
