"""A file from a stranger is read, or refused with its place: never run, never a traceback."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playbooks import yaml_reader
from playbooks.errors import PlaybookError

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


WORDS = st.sampled_from(
    list("ab:[]{}!'\"|>#%@`1~, \n\t\x85")
    + ["!!", "&a", "*a", "---", "...", ".nan", "null", "<<", "  ", "- ", "? "]
    + [f"!!{name} " for name in ("int", "bool", "float", "map", "seq", "null", "timestamp")]
)


@given(text=st.lists(WORDS, max_size=40).map("".join) | st.text(max_size=80))
@settings(max_examples=600, deadline=None)
def test_any_text_is_data_or_a_problem_with_its_place(text) -> None:
    try:
        document = yaml_reader.parse(text, "book.yaml")
    except PlaybookError as error:
        problems = error.problems
    else:
        problems = ()
        assert isinstance(document.data, dict | list | str | int | float | bool | None)
    assert all(PLACE.match(problem) for problem in problems)
