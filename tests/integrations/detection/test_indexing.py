"""An index leaves out no rule that matches, and spares most of the others."""

import dataclasses
import re
import uuid

import pytest
import re2
from hypothesis import given, note, seed, settings
from hypothesis import strategies as st

from bench import sigma_rules, telemetry
from integrations.detection import literals
from integrations.detection.engine import Engine
from integrations.detection.recognition import recognised
from integrations.detection.views import View
from tests.examples import examples
from tests.integrations.detection.rulebook import AUDIT, engine, rule
from tests.integrations.detection.test_differential import conditions, selections

SEED = 20261126
patterns = st.sampled_from(
    ["(?i)AB+a", "a[bc]*d|bba", "(ab|ba)+x?", "^aa|bb$", "a{2,}b", "\\x61ba", "(?:a|)b", "ab\\.a"]
)
paths = st.sampled_from(["\\ab.exe", "/ab", "\\a\\b", "a\\ab"])
more = st.fixed_dictionaries(
    {},
    optional={
        "f|re": patterns,
        "g|endswith": paths | st.lists(paths, min_size=2, max_size=3),
        "h|startswith": paths,
        "f|contains|cased": st.text("abAB", min_size=1, max_size=3),
        "g": st.lists(st.text("abAB", max_size=2), min_size=1, max_size=4),
    },
).filter(bool)
keywords = st.lists(st.text("abAB", min_size=1, max_size=4), min_size=1, max_size=2)
detections = st.builds(
    lambda chosen, condition, one: {**chosen, "condition": condition, **one},
    selections,
    conditions,
    st.fixed_dictionaries({}, optional={"one": more, "two": keywords}),
)
texts = st.text("abABſK\\/. ", max_size=8) | paths.map("C:{}".format) | st.text("ab", max_size=80)
leaves = st.none() | texts | st.lists(texts, max_size=3) | st.integers(-3, 3) | st.booleans()
records = st.fixed_dictionaries(
    dict.fromkeys(("f", "g", "h", "n", "ip"), leaves), optional={"Extra": leaves, "F": leaves}
)


def _plain(ready: Engine, record: dict) -> list[str]:
    view = recognised(record)
    assert view
    return [one.id for one in ready.rules_for(record) if one.node.test(View(view.raw, view.parts))]


@seed(SEED)
@settings(max_examples=examples(160), deadline=None)
@given(st.lists(detections, min_size=1, max_size=4), st.lists(records, min_size=4, max_size=12))
def test_the_index_finds_what_plain_evaluation_finds(told, found) -> None:
    print(f"seed {SEED}")
    ready = engine(*(rule(one, id=str(uuid.UUID(int=n))) for n, one in enumerate(told)))
    for record in [*found, *found]:
        whole = {**AUDIT, **record}
        note(whole)
        assert [one.rule.id for one in ready.detect(whole)] == _plain(ready, whole)


@pytest.mark.parametrize("make", ["clouds", "processes"])
def test_generated_packs_tell_the_same_and_few_rules_are_tried(make) -> None:
    pack = sigma_rules.cloud(60, SEED) if make == "clouds" else sigma_rules.processes(60, SEED)
    found = getattr(telemetry, f"of_{make}")(300, SEED)
    tried = _counted(pack)
    ready = Engine(pack)
    expected = [_plain(ready, record) for record in found]
    plainly, tried[:] = len(tried), []
    assert [[one.rule.id for one in ready.detect(record)] for record in found] == expected
    assert any(expected)
    assert len(tried) * 20 < plainly


def _counted(pack) -> list[int]:
    """Each try of one of the pack's rules leaves a mark."""
    tried: list[int] = []
    for one in pack.rules:
        test = one.node.test

        def marked(view, test=test) -> bool:
            tried.append(1)
            return test(view)

        object.__setattr__(one.node, "test", marked)
    return tried


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("(?i)vssadmin(\\.exe)?\\s+delete", {"vssadmin"}),
        ("(?i)(wevtutil\\s+cl|clear-eventlog)", {"wevtutil", "clear-eventlog"}),
        ("abc+de", {"abc"}),
        ("a.c|def", set()),
        ("abc{0,3}", set()),
        ("abc{2,3}d", {"abc"}),
        ("\\bfoo\\b", {"foo"}),
        ("x[abc]yyy", {"yyy"}),
        ("[[:alpha:]]]foo", set()),
        ("(?P<n>foo)", set()),
        ("\\x41foo", set()),
        ("\\Qfoo\\E", set()),
        ("foo|", set()),
        ("(foo)?bars", {"bars"}),
        ("(?:foo|bars)(?i:x)", {"foo", "bars"}),
    ],
)
def test_what_a_pattern_needs_is_told_only_where_it_is_sure(pattern, expected) -> None:
    assert literals.required(pattern) == expected


@seed(SEED)
@settings(max_examples=examples(400), deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["a", "b", "ab", "(", ")", "|", "?", "+", "*", "{2}", "{0,1}", "[ab]", "(?i)", "\\.",
             "(?:", ".", "\\w", "^", "$", "c", "abc", "[^a]", "(?i:", "\\b"]
        ),
        max_size=9,
    ).map("".join),
    st.lists(st.text("abcABC. ", max_size=12), min_size=5, max_size=20),
)  # fmt: skip
def test_what_a_pattern_finds_holds_what_it_needs(pattern, found) -> None:
    print(f"seed {SEED}")
    needed = literals.required(pattern)
    try:
        options = re2.Options()
        options.log_errors = False
        compiled = re2.compile(pattern, options)
    except re2.error:
        return
    for text in found:
        if needed and compiled.search(text):
            assert re.search("|".join(map(re.escape, needed)), text.lower()), (needed, text)


def test_a_faulty_rule_takes_no_other_rules_match_with_it() -> None:
    one, other = (rule({"s": {"Operation": "Test"}, "condition": "s"}, title=t) for t in "ab")
    sound = engine(one, other).pack
    node = dataclasses.replace(sound.rules[0].node, test=lambda view: bool(1 / 0))
    faulty = dataclasses.replace(sound.rules[0], node=node)
    made = Engine(dataclasses.replace(sound, rules=(faulty, sound.rules[1])))
    assert [match.rule.title for match in made.detect(AUDIT)] == ["b"]
