"""Conditions are checked when they are written, and say what they look at and what they lack."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.errors import ConditionError
from playbooks.expressions import cel_cost
from playbooks.expressions.conditions import (
    LONGEST_EXPRESSION,
    compile_condition,
    expressions_in,
    fill,
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('1 + "a" == 2', "no matching overload"),
        ('hour > "nine"', "no matching overload"),
        ("objects && true", "no matching overload"),
        ("weather.is_fine", "undeclared reference to 'weather"),
        ("acount.is_vip", "undeclared reference to 'acount"),
        ("acount.is_vip", "character 7: undeclared reference to 'acount.is_vip': there is no such"),
        ("acount.is_vip", "Near it: account"),
        ("hour > 3 &&\n  hour < 'x'", "line 2, character 8: found no matching overload for '_<_'"),
        ('1 + "a" == 2', "applied to '(int, string)': + does not take these together; make them"),
        ("system('ls')", "undeclared reference to 'system'"),
        ("account.is_vip ==", "Syntax error"),
        ("", "Syntax error"),
        ('account.name == "a', "Syntax error"),
        ("a" * (LONGEST_EXPRESSION + 1), "longer than 2000 characters"),
        ("[" * 31 + "]" * 31, "nested more than 30 deep"),
        ("(" * 900 + "true" + ")" * 900, "nested more than 30 deep"),
        ("!" * 1999 + "1", "is not a condition"),
        ('account.name == "\ud800"', "is not a condition"),
    ],
)
def test_what_is_wrong_is_told_before_any_case_comes(text, told) -> None:
    with pytest.raises(ConditionError, match=re.escape(told)):
        compile_condition(text)


@pytest.mark.parametrize(
    ("text", "facts", "told"),
    [
        ("account.is_vip", {"account": {}}, "is_vip"),
        ("account.is_vip", {}, "account"),
        ("evidence.sign_ins.count > 0", {"evidence": {}}, "sign_ins"),
        ("account.is_vip", {"account": None}, "account.is_vip"),
        ("account.is_vip", {"account": "text"}, "account.is_vip"),
        ("account.age > 1", {"account": {"age": "old"}}, "account.age"),
        ("hour > 1", {"hour": "nine"}, "hour"),
        ("1 / (hour - hour) == 1", {"hour": 1}, "divide by zero"),
        ("account.name.matches(account.re)", {"account": {"name": "a", "re": "("}}, "account.re"),
        ("account.name", {"account": {"name": "\ud800"}}, "account.name"),
    ],
)
def test_a_fact_that_is_missing_or_odd_is_named(text, facts, told) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text).evaluate(facts)
    assert told in str(caught.value)


@pytest.mark.parametrize("value", [1, 0, "true", "", None, [], {"a": 1}, 1.5])
def test_only_yes_and_no_hold(value) -> None:
    with pytest.raises(ConditionError, match="not true or false"):
        compile_condition("account.x").holds({"account": {"x": value}})


def test_conditions_hold_or_not() -> None:
    condition = compile_condition("account.is_vip && hour >= 18")
    assert condition.holds({"account": {"is_vip": True}, "hour": 20, "unused": object()})
    assert not condition.holds({"account": {"is_vip": True}, "hour": 9})
    assert not condition.holds({"account": {"is_vip": False}, "hour": 20})


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("account.is_vip", ("account.is_vip",)),
        ("account.a && mailbox.b || account.a", ("account.a", "mailbox.b")),
        ("hour > 5 && objects < 3", ("hour", "objects")),
        ("has(evidence.sign_ins.count)", ("evidence.sign_ins.count",)),
        ("evidence.rules.items.exists(r, r.is_bad)", ("evidence.rules.items",)),
        ("account.name.startsWith('a')", ("account.name",)),
        ('account["is_vip"]', ("account.is_vip",)),
        ('evidence["sign_ins"].count > 0', ("evidence.sign_ins.count",)),
        ("'account.is_vip' == \"mailbox.x\"", ()),
        ('"it\'s account.x" == \'say "hour"\'', ()),
        (r'"a\"account.x" == "b"', ()),
        ('action == "account.delete"', ("action",)),
    ],
)
def test_what_a_condition_looks_at(text, reads) -> None:
    assert compile_condition(text).reads == reads


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ('"""say "account.x" """ == mailbox.y', ("mailbox.y",)),
        ("'''say 'account.x' ''' == mailbox.y", ("mailbox.y",)),
        ("mailbox.y == 1 // unlike account.x", ("mailbox.y",)),
        ("evidence . sign_ins . count > 0", ("evidence.sign_ins.count",)),
        ('evidence [ "sign_ins" ].count > 0', ("evidence.sign_ins.count",)),
    ],
)
def test_what_a_condition_looks_at_in_rarer_spellings(text, reads) -> None:
    assert compile_condition(text).reads == reads


def test_the_facts_it_looked_at_are_shown_and_absent_ones_left_out() -> None:
    condition = compile_condition("account.is_vip || account.gone || hour == 9")
    facts = {"account": {"is_vip": False, "other": 1}, "hour": 9}
    assert condition.facts_read(facts) == {"account.is_vip": False, "hour": 9}


FACTS = {"account": {"name": "Ann", "n": 3, "yes": True, "roles": ["a"]}, "hour": 9}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("${ account.name }", "Ann"),
        ("${account.n}", 3),
        (" ${ account.roles } ", ["a"]),
        ("Hello ${ account.name }, ${ account.n } times", "Hello Ann, 3 times"),
        ("nothing to fill", "nothing to fill"),
        ({"a": ["${ hour }", 5, None]}, {"a": [9, 5, None]}),
    ],
)
def test_expressions_in_text_are_filled_in(template, filled) -> None:
    assert fill(template, FACTS) == filled


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("${ account.name } ${ account.n }", "Ann 3"),
        ("${account.name}${account.name}", "AnnAnn"),
        ("is ${ account.yes }", "is true"),
        ("has ${ account.roles }", 'has ["a"]'),
        ("${ timestamp('2026-11-20T09:00:00Z') }", "2026-11-20T09:00:00.000000Z"),
    ],
)
def test_what_is_filled_in_is_json(template, filled) -> None:
    assert fill(template, FACTS) == filled


def test_the_same_facts_in_another_order_give_the_same_text() -> None:
    texts = {
        fill("it is ${ account }", {"account": dict(order)})
        for order in ([("a", 1), ("b", 2)], [("b", 2), ("a", 1)])
    }
    assert texts == {'it is {"a":1,"b":2}'}


@pytest.mark.parametrize("template", ["${ b'ab' }", "${ duration('1h') }", "x ${ type(1) }"])
def test_what_json_does_not_have_can_not_be_filled_in(template) -> None:
    with pytest.raises(ConditionError, match="plan"):
        fill(template, {})


def test_a_missing_fact_in_a_text_is_named() -> None:
    with pytest.raises(ConditionError, match="surname"):
        fill("Dear ${ account.surname }", FACTS)


def test_expressions_are_found_wherever_they_stand() -> None:
    told = {"a": ["${ hour }", {"b": "x ${ account.name } ${ objects }"}], "c": 5}
    assert expressions_in(told) == ["hour", "account.name", "objects"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("account.map(k, k)", "makes a list of an object"),
        ("evidence.filter(k, k != 'x')", "makes a list of an object"),
        ("{'a': 1}.map(k, k)", "makes a list of an object"),
        ("case.a.all(a, a.b.all(b, b.c.all(c, c)))", "more than 2 deep"),
        ("case.a.all(a, " + " && ".join(["a.x == case.y"] * 5) + ")", "5 times for each item"),
        ("case" + ".a" * 300, "recursion depth"),
        ("1" + "+1" * 500 + " == 1", "recursion depth"),
    ],
)
def test_what_would_cost_too_much_or_has_no_order_is_refused(text, told) -> None:
    with pytest.raises(ConditionError, match=re.escape(told)):
        compile_condition(text)


OBJECT = dict.fromkeys("abcdefgh", 1)
LISTS = {"case": {"l": [{"o": OBJECT, "p": ["x"], "q": [OBJECT]}], "o": OBJECT}, "hour": 1}


@pytest.mark.parametrize(
    "text",
    [
        "case.l.map(i, i.o.map(k, k)) == []",
        "case.l.all(i, i.o.filter(k, k != 'a') == [])",
        "case.o.map(k, k) == []",
        "(hour > 0 ? case.o : case.l).map(k, k) == []",
        "dyn(case.l)[0].o.map(k, k) == []",
        "case.l.filter(i, true).map(i, i.o).exists(o, o.map(k, k) == [])",
        "[case.o].map(o, o.map(k, k)) == []",
        "case.l.exists(i, i.o.exists(k, case.l.size() > 9))",
        "case.l[0].q.map(o, o).map(o, o.filter(k, true)) == []",
    ],
)
def test_a_list_made_of_an_objects_keys_is_refused_wherever_the_object_comes_from(text) -> None:
    """CEL keeps an object in another order in each process."""
    with pytest.raises(ConditionError, match="makes a list of an object"):
        compile_condition(text).evaluate(LISTS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("case.l.map(i, i.p.map(k, k))", [["x"]]),
        ("case.l.filter(i, i.o.a == 1).size()", 1),
        ("case.o.exists(k, k == 'a')", True),
        ("case.l.map(i, i.o)", [OBJECT]),
        ("[case.o].map(o, o.a)", [1]),
    ],
)
def test_lists_of_lists_and_objects_as_they_are_have_an_order(text, value) -> None:
    assert compile_condition(text).evaluate(LISTS) == value


def test_a_fact_that_goes_by_too_many_names_is_refused() -> None:
    wide = "case.l" + "".join(f".map(v{n}, hour > {n} ? v{n}.a : v{n}.b)" for n in range(6))
    with pytest.raises(ConditionError, match="too many different facts"):
        compile_condition(f"{wide} == []")


@pytest.mark.parametrize(
    "text",
    [
        "account.exists(k, k == 'x')",
        "case.a.all(a, a.b.all(b, b)) && case.a.all(a, a.b.all(b, b))",
        "case.a.map(a, a.b).filter(b, b > 1).map(c, c) == []",
        "case.a.all(a, " + " || ".join(f"a.x == '{n}'" for n in range(30)) + ")",
        "case.a.all(a, a.x in ['b', 'c'] && a.x in ['d'])",
    ],
)
def test_what_costs_little_is_allowed(text) -> None:
    assert compile_condition(text).text == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("false", False),
        ("false && account.is_vip", False),
        ("account.is_vip && 1 > 2", False),
        ("[]", []),
        ("account.is_vip", None),
        ("has(device.external_id)", None),
        ("hour > 5", None),
    ],
)
def test_what_is_the_same_for_all_facts(text, value) -> None:
    assert compile_condition(text).constant() == value


def test_what_a_tree_reads() -> None:
    text = "evidence.a.b.exists(r, r.c == case.d && evidence.e == r) || has(device['g'].f)"
    assert compile_condition(text).paths() == {
        ("evidence", "a", "b"), ("case", "d"), ("evidence", "e"), ("device", "g", "f"),
    }  # fmt: skip


def test_a_fact_that_this_case_does_not_have_can_be_asked_for() -> None:
    condition = compile_condition("has(device.external_id) || has(inputs.days)")
    assert condition.holds({"device": {"external_id": "d"}})
    assert not condition.holds({})


def _units(text: str, facts: dict[str, Any], most: int) -> str:
    """Say what comes of an expression with only so many units to spend."""
    try:
        with cel_cost.bounded(most):
            return repr(compile_condition(text).evaluate(facts))
    except ConditionError as error:
        return str(error)


ITEMS = st.lists(
    st.fixed_dictionaries({"n": st.integers(0, 9), "name": st.text("ab", max_size=60)}),
    min_size=1, max_size=12,
)  # fmt: skip


@given(
    items=ITEMS,
    text=st.sampled_from(
        ["evidence.s.filter(i, i.n > 3).size()", "evidence.s.exists(i, i.n == 4)",
         "evidence.s.all(i, evidence.s.exists(j, j == i))", "evidence.s.map(i, i.name)",
         "evidence.s.exists(i, i.name.contains('aba'))", "evidence.s == evidence.s"]
    ),
    most=st.integers(0, 6000),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_whether_it_costs_too_much_depends_on_no_order(items, text, most, seed) -> None:
    """It is counted on the facts alone, so another machine refuses just the same."""
    other = [dict(reversed(item.items())) for item in random.Random(seed).sample(items, len(items))]
    told = [_units(text, {"evidence": {"s": order}}, most) for order in (items, other)]
    refused = ["asks too much" in one for one in told]
    assert refused[0] == refused[1]


def test_what_is_evaluated_inside_shares_one_bound() -> None:
    condition = compile_condition("case.l.all(i, i.p.size() == 1)")
    with cel_cost.bounded(2000):
        told = [_units(condition.text, LISTS, most=10**9) for _ in range(100)]
        assert told[:3] == ["True", "True", "True"]
        assert "asks too much" in told[-1]
        assert compile_condition("true").evaluate(LISTS) is True
    assert condition.evaluate(LISTS)


def test_long_lists_and_texts_are_shown_by_their_size() -> None:
    condition = compile_condition("case.l.exists(i, i == account.name)")
    facts = {"case": {"l": list(range(11))}, "account": {"name": "a" * 5000}}
    shown = condition.facts_read(facts)
    assert shown["case.l"] == "11 items"
    assert shown["account.name"] == "a" * 1000 + "…"


DEAREST = [
    "evidence.s.all(r, " + " && ".join(["evidence.s == evidence.s"] * 4) + ")",
    "evidence.s.map(r, evidence.s)",
    "evidence.s.map(r, evidence.s.map(q, q))",
    "evidence.s.exists(r, " + " || ".join(["r in evidence.s"] * 4) + " && false)",
    "evidence.s.map(r, " + " + ".join(["evidence.s"] * 5) + ").size() == 1",
]
BOUNDED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
from playbooks.expressions.conditions import compile_condition
from playbooks.errors import ConditionError
items = [{"n": i, "name": f"name {i}", "more": list(range(5))} for i in range(2000)]
try:
    print(type(compile_condition(sys.argv[1]).evaluate({"evidence": {"s": items}})).__name__)
except ConditionError as error:
    print("refused", str(error)[-200:])
"""


@pytest.mark.parametrize("text", DEAREST)
def test_the_dearest_conditions_stay_within_two_minutes_of_work_and_two_gigabytes(text) -> None:
    """On as many objects as facts may list; a process that needs more is killed."""
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, text], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("bool", "list", "refused")), done.stdout


FOR_EACH = """\
id: hostile
version: "1"
kind: response
title: Hostile
summary: x
trigger: "true"
steps:
  - id: each
    uses: endpoint.isolate
    for_each: evidence.s
    target: {external_id: "${ item.n }"}
    why: "${ %s }"
tests:
  - {name: one, expect: {tier: automatic}}
"""
# Each plan is made by a process of its own, forked from one that has imported what it takes.
PLANNED = """
import json, os, resource, sys, traceback
from playbooks import language
from playbooks.adoption import golden
def plan(text):
    resource.setrlimit(resource.RLIMIT_CPU, (150, 150))
    resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
    playbook = language.load(text)
    items = [{"n": str(i), "more": list(range(9))} for i in range(2000)]
    playbook.example["evidence"] = {"s": items}
    assert len(golden.run(playbook)) == 1
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        try:
            plan(json.loads(line))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def planning() -> Iterator[Callable[[str], int]]:
    """Plan a playbook's text on many items in a bounded process; its exit code."""
    with subprocess.Popen(
        [sys.executable, "-c", PLANNED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        told, said = process.stdin, process.stdout

        def plan(text: str) -> int:
            told.write(json.dumps(text) + "\n")
            told.flush()
            return int(said.readline())

        yield plan


@pytest.mark.parametrize("text", [*DEAREST, "evidence.s", "evidence.s + evidence.s", "item"])
def test_a_plan_that_asks_the_dearest_of_every_item_stays_within_bounds(planning, text) -> None:
    assert planning(FOR_EACH % text.replace('"', "'")) == 0
