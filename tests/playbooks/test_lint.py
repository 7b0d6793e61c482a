"""How the parts of a playbook fit together is checked before it is used, each with its place."""

import re

import pytest

from integrations import catalog
from integrations.catalog import CatalogAction
from playbooks import language
from playbooks.adoption import golden
from playbooks.errors import PlaybookError
from tests.playbooks.samples import ASK, DISABLE, NOT_ENOUGH, investigation_text, response_text

PLACE = re.compile(r"^sample\.yaml:\d+:\d+: \S")


def _step(name: str, needs: str = "", more: str = "", uses: str = "revoke_sessions") -> str:
    needed = f"    needs: [{needs}]\n" if needs else ""
    return f"  - id: {name}\n    uses: identity.{uses}\n{needed}{more}"


def _row(when: str) -> str:
    return (
        f"  - id: row\n    when: {when}\n    verdict: suspicious\n    confidence: low\n"
        "    because: So.\n"
    )


def _problems(text: str) -> tuple[str, ...]:
    with pytest.raises(PlaybookError) as caught:
        language.load_checked(text, "sample.yaml")
    assert all(PLACE.match(problem) for problem in caught.value.problems), caught.value.problems
    return caught.value.problems


def _routine(steps: str, more: str = "") -> str:
    return response_text(steps, more).replace("kind: response", "kind: routine")


@pytest.mark.parametrize(
    ("steps", "place", "told"),
    [
        (_step("a", "b") + _step("b", "a"), "10:12", "a needs b needs a"),
        (_step("a", "a"), "10:12", "a needs a"),
        (
            _step("x", "a") + _step("a", "b") + _step("b", "c") + _step("c", "a"),
            "13:12", "a needs b needs c needs a:",
        ),
        (_step("a", more="    when: false\n"), "10:11", "'a' is never reached"),
        (_step("a", more="    when: 1 > 2 && hour > 1\n"), "10:11", "condition never holds"),
        (
            _step("a", more="    when: false\n") + _step("b", "a") + _step("c", "b"),
            "13:12", "'b' is never reached: it needs 'a'",
        ),
        (
            _step("a", more="    when: false\n") + _step("b", "a") + _step("c", "b"),
            "16:12", "'c' is never reached: it needs 'b'",
        ),
        (
            "  - id: a\n    uses: mailbox.disable_inbox_rule\n    for_each: '[]'\n"
            "    target: {external_id: '${ item.id }'}\n",
            "10:15", "list is always empty",
        ),
        (_step("a", more="    when: item.x\n"), "10:11", "only in a step with `for_each:`"),
        (_step("a", more="    when: inputs.days > 3\n"), "10:11", "no input 'days'"),
        (_step("a", more="    why: ${ inputs.reason }\n"), "10:10", "no input 'reason'"),
    ],
)  # fmt: skip
def test_what_is_wrong_between_steps(steps, place, told) -> None:
    problems = _problems(response_text(steps))
    assert any(p.startswith(f"sample.yaml:{place}: ") and told in p for p in problems), problems


@pytest.mark.parametrize(
    ("rows", "place", "told"),
    [
        (_row("evidence.methods.available"), "13:11", "no step 'methods' asks for it"),
        (_row("evidence['methods'].available"), "13:11", "no step 'methods' asks for it"),
        (_row("false"), "13:11", "this row never holds"),
        (_row("1 < 2"), "13:11", "no row after it is reached"),
        (_row("account.is_vip").replace("So.", "${ evidence.risk.x }"), "16:14", "no step 'risk'"),
    ],
)
def test_what_is_wrong_with_a_verdict_table(rows, place, told) -> None:
    problems = _problems(investigation_text(rows + NOT_ENOUGH))
    assert any(p.startswith(f"sample.yaml:{place}: ") and told in p for p in problems), problems


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (response_text().replace('"true"', "hour > 1 && false"), "the trigger never holds"),
        (response_text().replace('trigger: "true"\n', ""), "the trigger never holds"),
        (investigation_text().replace('"true"', "false"), "the trigger never holds"),
        (response_text(more="verdicts: [{id: x}]\n"), "a response gives no verdict"),
        (response_text().replace("{tier: automatic}", "{}"), "expects nothing"),
        (response_text().replace("{tier: automatic}", "{rule: x}"), "expects steps, tier, not"),
        (response_text().replace("expect:", "expects:"), "unknown key 'expects'"),
        (response_text().replace("name: one", "name: one\n    change: [1]"), "change is a mapping"),
        (_routine(ASK + _step("a", more="    when: evidence.disable.available\n")), "no step"),
        (
            _routine(DISABLE + _step("a", more="    when: evidence.disable.available\n")),
            "steps that ask: none",
        ),
    ],
)
def test_what_is_wrong_with_the_whole(text, told) -> None:
    problems = _problems(text)
    assert any(told in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("old", "new", "place", "told"),
    [
        ('version: "1"', "version: 1.10", "2:10", "1.10 is read as another number"),
        ("id: sample", "id: 017", "1:5", "'017' is 15 to some readers"),
        ("id: sample", "id: 007", "1:5", "007 is read as another number"),
        ("title: Sample", "title: 1_000", "4:8", "'1_000' is 1000 to some readers"),
        ("  - id: disable", "  - id: +1", "8:9", "+1 is read as another number"),
        ('trigger: "true"', "trigger: yes", "6:10", "'yes' is true to some readers"),
        ("{tier: automatic}", "{tier: off}", "13:20", "'off' is false to some readers"),
        ("name: one", "name: one\n    change: {account: {country: NO}}", "13:33", "'NO' is false"),
    ],
)
def test_a_value_that_can_be_read_in_two_ways_is_refused(old, new, place, told) -> None:
    text = response_text()
    assert old in text
    problems = _problems(text.replace(old, new, 1))
    assert any(p.startswith(f"sample.yaml:{place}: ") and told in p for p in problems), problems


FOREACH = """\
  - id: a
    uses: {uses}
    for_each: evidence.x
    target: {{external_id: "${{ {target} }}"}}
"""


@pytest.mark.parametrize(
    ("steps", "place", "told"),
    [
        (_step("a", more="    when: account.is_vipp\n"), "10:11", "account has no 'is_vipp'"),
        (_step("a", more="    when: has(case.colour)\n"), "10:11", "case has no 'colour'"),
        (
            _step("a", more="    when: account.is_vip == 'yes'\n"),
            "10:11", "account.is_vip (bool) is compared with a string",
        ),
        (
            _step("a", more="    when: 'account.username > 3'\n"),
            "10:11", "account.username (string) is compared with a number",
        ),
        (
            _step("a", more="    when: account.username && hour > 3\n"),
            "10:11", "account.username (string) is not true or false",
        ),
        (
            _step("a", more="    when: '!account.roles'\n"),
            "10:11", "account.roles (list) is not true or false",
        ),
        (
            _step("a", more="    when: account.username.matches('(')\n"),
            "10:11", "'(' is no pattern",
        ),
        (_step("a", more="    why: \"${ {'a': 1}.a } it is\"\n"), "10:10", "is never filled in"),
        (_step("a", more="    why: \"${ hour\"\n"), "10:10", "is never filled in"),
        (
            FOREACH.format(uses="identity.disable_sign_in", target="device.external_id"),
            "11:27", "acts on an account, not on a device",
        ),
        (
            FOREACH.format(uses="endpoint.isolate", target="account.external_id"),
            "11:27", "acts on a device, not on an account",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_meant_is_told_before_any_case_comes(steps, place, told) -> None:
    problems = _problems(response_text(steps))
    assert any(p.startswith(f"sample.yaml:{place}: ") and told in p for p in problems), problems


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("days: many", "identity.list_sign_ins takes days as integer, not 'many'"),
        ("days: true", "takes days as integer, not True"),
        ("days: '7'", "takes days as integer, not '7'"),
    ],
)
def test_an_input_of_another_type_than_the_action_takes_is_refused(given, told) -> None:
    [problem] = _problems(investigation_text(steps=ASK + f"    with: {{{given}}}\n"))
    assert problem.startswith("sample.yaml:11:18: ")
    assert told in problem


@pytest.mark.parametrize(
    "when",
    [
        "has(account.is_vip) && account.is_vip == false",
        "account.username != ''",
        "case.risk > 70 && case.risk < 99.5",
        "case.findings.exists(account, account.colour == 3)",
        "account.display_name == case.title",
        "evidence.anything.is_so == 'x'",
        "device.is_server",
        "account.username.matches('^(a|b)+$')",
    ],
)
def test_what_can_be_meant_is_not_complained_about(when) -> None:
    text = response_text(_step("a", more=f'    when: "{when}"\n'))
    assert language.load_checked(text, "sample.yaml").steps[0].when.text == when


def test_a_fact_that_the_example_or_a_golden_case_gives_is_known() -> None:
    text = response_text(_step("a", more="    when: account.badge == 'blue'\n"))
    assert "account has no 'badge'" in _problems(text)[0]
    example = text + "example: {account: {badge: red}}\n"
    assert language.load_checked(example).steps[0].when.text == "account.badge == 'blue'"
    case = "    change: {account: {badge: blue}}\n    expect"
    assert language.load_checked(text.replace("    expect", case)).tests


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("evidence.look.copies == 3", "evidence.look.copies (list) is compared with a number"),
        ("evidence.look.device && hour > 1", "evidence.look.device (object) is not true or false"),
    ],
)
def test_answers_are_compared_with_what_they_can_be(when, told) -> None:
    [problem] = _problems(investigation_text(_row(when) + NOT_ENOUGH, LOOK))
    assert told in problem


def test_numbers_among_facts_may_be_written_as_they_are() -> None:
    more = "example: {case: {risk: 75.50, n: +1}}\n"
    assert language.load_checked(response_text(more=more)).example["case"]["risk"] == 75.5


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gatherer that states its answers, among those of the catalog."""
    action = CatalogAction(
        name="test.look", title="Look", target="account", owner_words="Look", is_read_only=True,
        facts={"device": "object", "copies": "list"},
    )  # fmt: skip
    monkeypatch.setitem(catalog._BY_NAME, action.name, action)


LOOK = "  - id: look\n    uses: test.look\n"


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("evidence.look.colour", "evidence.look has no 'colour'; it has: available, copies, devi"),
        ("evidence.look.device.map(k, k) == []", "evidence.look.device is an object"),
    ],
)
def test_a_gatherer_is_asked_only_for_what_it_answers(when, told) -> None:
    [problem] = _problems(investigation_text(_row(when) + NOT_ENOUGH, LOOK))
    assert problem.startswith("sample.yaml:12:11: ")
    assert told in problem


@pytest.mark.usefixtures("answers")
@pytest.mark.parametrize(
    "when",
    [
        "evidence.look.available && evidence.look.device.is_server",
        "has(evidence.look.reason)",
        "evidence.look.copies.map(k, k) == []",
        "evidence.look.device.exists(k, k == 'x')",
    ],
)
def test_what_a_gatherer_answers_can_be_asked(when) -> None:
    text = investigation_text(_row(f'"{when}"') + NOT_ENOUGH, LOOK)
    assert language.load_checked(text, "sample.yaml").verdicts[0].when.text == when


def test_an_action_without_reversal_needs_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    action = CatalogAction(name="test.smash", title="x", target="account", owner_words="x")
    monkeypatch.setitem(catalog._BY_NAME, action.name, action)
    smash = "  - id: smash\n    uses: test.smash\n"
    [problem] = _problems(response_text(smash))
    assert problem.startswith("sample.yaml:9:11: ")
    assert "neither a reversal nor a reason" in problem
    reason = "    no_reversal: What is smashed stays smashed.\n"
    step = language.load_checked(response_text(smash + reason)).steps[0]
    assert step.no_reversal == "What is smashed stays smashed."


def test_a_stored_version_goes_on_working_when_the_lint_becomes_stricter() -> None:
    text = response_text(_step("a", more="    when: false\n"))
    assert language.load(text).steps[0].id == "a"
    assert "never reached" in _problems(text)[0]


def test_a_golden_case_can_have_rules_of_its_own() -> None:
    rule = "{id: own, title: Own, tier: client}"
    more = f"  - name: two\n    rules: [{rule}]\n    expect: {{tier: client}}\n"
    playbook = language.load_checked(response_text(more=more))
    assert [outcome.difference for outcome in golden.run(playbook)] == ["", ""]
    wrong = language.load_checked(response_text(more=more.replace("client}]", "forbidden}]")))
    assert golden.run(wrong)[1].difference == "tier: expected 'client', found 'forbidden'"


def test_golden_cases_that_take_too_long_are_not_run() -> None:
    outcomes = golden.run(language.load_checked(response_text()), most_seconds=0)
    assert ["not run" in outcome.difference for outcome in outcomes] == [True]
