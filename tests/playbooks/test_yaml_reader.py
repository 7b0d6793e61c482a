"""A file from a stranger is read, or refused with its place: never run, never a traceback."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks import yaml_reader
from playbooks.errors import PlaybookError
from tests.examples import examples

PLACE = re.compile(r"^book\.yaml:\d+:\d+: \S")


def _problems(text: str) -> tuple[str, ...]:
    with pytest.raises(PlaybookError) as caught:
        yaml_reader.parse(text, "book.yaml")
    assert all(PLACE.match(problem) for problem in caught.value.problems)
    return caught.value.problems


def test_plain_data_comes_out_as_it_stands() -> None:
    text = "a: 1\nb: [x, 2.5, true, null, 2026-11-20]\nc: {d: 'yes', 7: seven}\n"
    document = yaml_reader.parse(text, "book.yaml")
    assert document.data == {
        "a": 1,
        "b": ["x", 2.5, True, None, "2026-11-20"],
        "c": {"d": "yes", "7": "seven"},
    }


def test_every_value_keeps_its_place() -> None:
    document = yaml_reader.parse("a: 1\nb:\n  - x\n  - {c: 2}\n", "book.yaml")
    assert document.at("b", 1, "c") == "book.yaml:4:9"
    assert document.at("b", 1, "missing") == "book.yaml:4:5"
    assert document.at("nowhere") == "book.yaml:1:1"


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n"


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        (BOMB, "2:8", "no aliases"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", "3:7", "no aliases"),
        ("a: 1\nb: 2\na: 3\n", "3:1", "'a' stands twice"),
        ("a: {b: 1, 'b': 2}\n", "1:11", "'b' stands twice"),
        ("a: !!python/name:os.system ''\n", "1:4", "tag"),
        ("a: !!binary aGk=\n", "1:4", "tag"),
        ("a: !!int abc\n", "1:4", "'abc' is not a value"),
        (f"a: {'9' * 5000}\n", "1:4", "not a value"),
        ("a: [1, 2\n", "2:1", "not YAML"),
        ("a: b: c\n", "1:5", "not YAML"),
        ("\ta: 1\n", "1:1", "not YAML"),
        ("a: 'b\n", "2:1", "not YAML"),
        ("a: 1\n---\nb: 2\n", "2:1", "not YAML"),
        ("a: \x00\n", "1:1", "not YAML"),
        ("a: \ud800\n", "1:1", "not YAML"),
        ("? [a, b]\n: 1\n", "1:3", "plain word"),
        ("", "1:1", "empty"),
        ("# only a remark\n", "1:1", "empty"),
    ],
)
def test_what_is_refused_and_where(text, place, told) -> None:
    _is_refused(text, place, told)


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("<<: {a: 1}\n", "1:1", "plain word"),
        ("a: !!python/object/apply:os.system ['true']\n", "1:4", "tag"),
        ("a: !!python/object:os.system {}\n", "1:4", "tag"),
        ("!!python/name:os.system x: 1\n", "1:1", "plain word"),
        ("a: !secret {b: 1}\n", "1:4", "tag"),
        ("a: !!set {b, c}\n", "1:4", "tag"),
        ("a: !!str [b]\n", "1:4", "tag"),
        ("a: !!int {}\n", "1:4", "tag"),
        ("a: !!map b\n", "1:4", "tag"),
        ("a: !!bool abc\n", "1:4", "'abc' is not a value"),
        ("a: !!int ''\n", "1:4", "'' is not a value"),
        ("a: !!float ''\n", "1:4", "'' is not a value"),
        ("a: .nan\n", "1:4", "not a value"),
        ("a: [1, -.inf]\n", "1:8", "not a value"),
    ],
)
def test_odd_tags_and_values_are_refused_too(text, place, told) -> None:
    _is_refused(text, place, told)


def _is_refused(text: str, place: str, told: str) -> None:
    [problem] = _problems(text)
    assert problem.startswith(f"book.yaml:{place}: ")
    assert told in problem


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_bounded_while_reading(opening) -> None:
    """The refusal stands at the 31st level, so nothing behind it was looked at."""
    [problem] = _problems(opening * 5000)
    assert problem.startswith(f"book.yaml:1:{30 * len(opening) + 1}: ")
    assert "nested more than 30" in problem


def test_thirty_levels_are_allowed() -> None:
    assert yaml_reader.parse("[" * 30 + "]" * 30, "book.yaml").data


def test_the_number_of_values_is_bounded_while_reading() -> None:
    text = "- a\n" * 30_000
    assert len(text) < yaml_reader.LARGEST_BYTES
    [problem] = _problems(text)
    assert "more than 20000 values" in problem
    assert int(problem.split(":")[1]) <= 20_000


@pytest.mark.parametrize("unit", ["x", "é", "[", "&a [*a]\n", "\x00", "a: 1\n", "\ud800"])
def test_ten_megabytes_are_refused_before_they_are_read(unit) -> None:
    [problem] = _problems(unit * (10 * 2**20 // len(unit)))
    assert problem == "book.yaml:1:1: larger than 256 KB: split it."


DOUBTFUL = [
    ("yes", True), ("No", False), ("on", True), ("OFF", False), ("017", 15), ("-017", -15),
    ("0b11", 3), ("1_000", 1000), ("1:30", 90), ("12:30:45", 45045), ("190:20:30.15", 685230.15),
    ("1_0.5", 10.5), ("0o17", "0o17"), ("1e3", "1e3"), ("1E5", "1E5"), ("08", "08"),
    ("0" + "8" * 5000, "0" + "8" * 5000), ("1e400", "1e400"),
]  # fmt: skip
PLAIN = ["true", "FALSE", "False", "null", "~", "12", "-5", "+1", "0", "0x1F", "0.5", ".5", "5.",
         "1.5e+3", "2026-01-01", "18:00-07:00", "x", "tRue", "y", "1.2.3", "1e", "0o8"]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), DOUBTFUL, ids=[text[:20] for text, _ in DOUBTFUL])
def test_what_another_reader_may_read_otherwise_is_refused_in_a_new_file(text, value) -> None:
    """YAML 1.1 and 1.2 differ in these; what was stored goes on meaning what it did."""
    document = yaml_reader.parse(f"a:\n  - b: {text}\n", "book.yaml")
    assert document.data == {"a": [{"b": value}]}
    with pytest.raises(PlaybookError, match="to some readers of YAML") as caught:
        yaml_reader.parse_new(f"a:\n  - b: {text}\n", "book.yaml")
    assert caught.value.problems[0].startswith("book.yaml:2:8: ")
    assert yaml_reader.parse_new(f"a: '{text}'\nb: \"{text}\"\n", "b").data == {
        "a": text, "b": text,
    }  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_what_every_reader_reads_the_same_is_taken(text) -> None:
    assert yaml_reader.parse_new(f"a: {text}\n", "b").doubtful == {}


@pytest.mark.parametrize("text", ["a: &x 1\n", "a: &x [1]\nb: 2\n", "&x a: 1\n"])
def test_an_anchor_that_nothing_names_does_no_harm(text) -> None:
    assert yaml_reader.parse(text, "b").data["a"] in (1, [1])


@pytest.mark.parametrize(
    "text",
    ["\ufeffa: 1\n", "a: 1\r\n", "%YAML 1.1\n---\na: 1\n", "---\na: 1\n...\n"],
)
def test_marks_of_other_editors_are_read_over(text) -> None:
    assert yaml_reader.parse(text, "b").data == {"a": 1}


WORDS = st.sampled_from(
    list("ab:[]{}!'\"|>#%@`1~, \n\t\x85")
    + ["!!", "&a", "*a", "---", "...", ".nan", "null", "<<", "  ", "- ", "? "]
    + [f"!!{name} " for name in ("int", "bool", "float", "map", "seq", "null", "timestamp")]
)


@given(text=st.lists(WORDS, max_size=40).map("".join) | st.text(max_size=80))
@settings(max_examples=examples(600), deadline=None)
def test_any_text_is_data_or_a_problem_with_its_place(text) -> None:
    try:
        document = yaml_reader.parse(text, "book.yaml")
    except PlaybookError as error:
        problems = error.problems
    else:
        problems = ()
        assert isinstance(document.data, dict | list | str | int | float | bool | None)
    assert all(PLACE.match(problem) for problem in problems)
