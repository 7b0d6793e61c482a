"""On random rules and records, the same as what pySigma's SQLite backend makes of them."""

import base64
import sqlite3
from typing import Any

import pytest
import re2
from hypothesis import given, note, settings
from hypothesis import strategies as st
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.modifiers import modifier_mapping

from tests.examples import examples, repeatable
from tests.integrations.detection.rulebook import AUDIT, engine, rule

SEED = 20261126
FIELDS = ("f", "g", "h")
# Few letters, so that they meet; and all that means something to a pattern, SQL or Sigma.
plain = st.text(alphabet="abAB _%'.-/5", max_size=6)
wild = st.text(alphabet="abA*?_%\\ ", min_size=1, max_size=6)
values = plain | wild
addresses = st.sampled_from(["10.1.2.3", "10.200.0.1", "192.168.0.7", "172.16.5.5", "8.8.8.8"])

networks = st.sampled_from(["10.0.0.0/8", "192.168.0.0/24", "172.16.0.0/12"])
patterns = st.sampled_from(["a", "^a", "b$", "a.b", "[ab]{2}", "a|b"])


def _listed(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return strategy | st.lists(strategy, min_size=1, max_size=3)


some = plain.filter(bool)
several = st.lists(some, min_size=2, max_size=3)
letters = st.text(alphabet="abAB", min_size=1, max_size=3)
# What is in `b`, with something before it, so that it stands at any offset.
secrets = st.sampled_from(["go", "run", "x y"])
# By its modifiers what a selection may ask for. `b` holds Base64, `t` times, `n` numbers.
ASKED: dict[str, st.SearchStrategy[Any]] = {
    "": _listed(values) | st.none() | st.lists(st.none() | plain, min_size=2, max_size=2),
    "contains": _listed(some | wild),
    "startswith": _listed(some | wild),
    "endswith": _listed(some | wild),
    "contains|all": several,
    "startswith|all": several,
    "windash": st.sampled_from(["-a", "/b", " -a"]),
    "windash|contains": some,
    "windash|contains|all": st.builds(lambda: ["-a", "/b"]),
    "re": patterns,
    "re|i": patterns,
    "re|m": patterns,
    "re|s": patterns,
    "exists": st.booleans(),
    "fieldref": st.sampled_from(FIELDS),
    "fieldref|startswith": st.sampled_from(FIELDS),
    "fieldref|endswith": st.sampled_from(FIELDS),
    "fieldref|contains": st.sampled_from(FIELDS),
    "cased": letters,
    "startswith|cased": letters,
    "endswith|cased": letters,
    "contains|cased": letters,
    "neq": _listed(plain),
    "contains|neq": some,
    "re|neq": patterns,
}
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "n": _listed(st.integers(-3, 3)),
    **{f"n|{how}": st.integers(-3, 3) for how in ("lt", "lte", "gt", "gte", "neq")},
    "ip|cidr": _listed(networks),
    "ip|cidr|neq": networks,
    "b|base64": secrets,
    "b|base64offset|contains": secrets,
    "b|wide|base64": secrets,
    "b|wide|base64offset|contains": secrets,
    "b|utf16|base64": secrets,
    "b|utf16be|base64offset|contains": secrets,
    "t|minute": st.integers(0, 2),
    "t|hour": st.integers(0, 2),
    "t|day": st.integers(1, 3),
    "t|month": st.integers(1, 3),
    "t|year": st.integers(2025, 2027),
}
# SQLite counts weeks from the first Monday, ISO 8601 from the first Thursday. Placeholders are
# written out before pySigma sees a rule.
NOT_ASKED = {"week", "expand"}


_ITEMS = {f"{field}|{how}".rstrip("|"): what for field in FIELDS for how, what in ASKED.items()}
items = st.one_of(*(st.tuples(st.just(key), what) for key, what in {**_ITEMS, **OTHERS}.items()))


encodings = st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-16"])


def _encoded(secret: str, before: str, encoding: str) -> str:
    return base64.b64encode(f"{before}{secret}".encode(encoding)).decode()


def _time(year: int, month: int, day: int, hour: int, minute: int) -> str:
    return f"{2025 + year}-0{1 + month}-0{1 + day}T0{hour}:0{minute}:30Z"


selections = st.dictionaries(
    st.sampled_from(("one", "two", "three")),
    # A mapping's items together, or one of several mappings, or words anywhere.
    st.lists(items, min_size=1, max_size=3).map(dict)
    | st.lists(items.map(lambda one: dict([one])), min_size=1, max_size=3)
    | st.lists(letters, min_size=1, max_size=2)
    | st.fixed_dictionaries({"|all": st.lists(letters, min_size=2, max_size=2)}),
    min_size=3,
    max_size=3,
)
conditions = st.sampled_from(
    [
        "one", "not one", "one and two", "one or two", "one and not two", "1 of t*", "all of t*",
        "1 of them", "all of them", "not (one or two) and three", "one or two and three",
        "not 1 of t* and one", "not all of them",
    ]
)  # fmt: skip
records = st.fixed_dictionaries(
    {
        **{field: st.none() | plain | letters for field in FIELDS},
        "n": st.none() | st.integers(-4, 4),
        "ip": st.none() | addresses,
        "b": st.none() | st.builds(_encoded, secrets, st.text("ab", max_size=3), encodings),
        "t": st.none() | st.builds(_time, *(st.integers(0, 2) for _ in range(5))),
    }
)


def _rows(query: str, found: list[dict[str, Any]]) -> list[int]:
    with sqlite3.connect(":memory:") as database:
        database.create_function(
            "regexp", 2, lambda pattern, text: text is not None and bool(re2.search(pattern, text))
        )
        names = (*FIELDS, "ip", "b", "t", "everything")
        columns = ", ".join(f"{field} TEXT COLLATE NOCASE" for field in names)
        database.execute(f"CREATE TABLE logs (number INTEGER, n INTEGER, {columns})")
        database.executemany(
            "INSERT INTO logs VALUES (:number, :n, :f, :g, :h, :ip, :b, :t, :everything)",
            [
                {"number": number, **record, "everything": _everything(record)}
                for number, record in enumerate(found)
            ],
        )
        return sorted(row[0] for row in database.execute(query))


def _everything(record: dict[str, Any]) -> str:
    told = [*AUDIT.values(), *record.values()]
    return "\n".join(str(value) for value in told if value is not None)


def test_all_that_rules_may_ask_for_is_asked() -> None:
    asked = {part for key in ASKED for part in key.split("|") if part}
    asked |= {part for key in OTHERS for part in key.split("|")[1:]}
    same = {"ignorecase": "i", "multiline": "m", "dotall": "s"}
    known = {same.get(name, name) for name in modifier_mapping}
    assert asked | NOT_ASKED == known


@repeatable(SEED)
@settings(max_examples=examples(160), deadline=None)
@given(selections, conditions, st.lists(records, min_size=1, max_size=12))
def test_the_same_records_match_as_in_sqlite(selection, condition, found) -> None:
    _compare({**selection, "condition": condition}, found)


@pytest.mark.parametrize("key", [*(f"f|{how}".rstrip("|") for how in ASKED), *OTHERS])
def test_each_thing_that_a_rule_may_ask_for_by_itself(key) -> None:
    asked = OTHERS.get(key) if key in OTHERS else ASKED[key.partition("|")[2]]
    assert asked is not None

    @repeatable(SEED)
    @settings(max_examples=examples(100) // 5, deadline=None)
    @given(asked, st.lists(records, min_size=20, max_size=20))
    def compare(value, found) -> None:
        _compare({"one": {key: value}, "condition": "one"}, found)

    compare()


def _compare(detection: dict[str, Any], found: list[dict[str, Any]]) -> None:
    told = rule(detection)
    (query,) = sqliteBackend(fulltext_field="everything").convert(
        SigmaCollection.from_dicts([told])
    )
    note(query)
    ready = engine(told)
    ours = [n for n, record in enumerate(found) if ready.detect({**AUDIT, **record})]
    assert ours == _rows(query, found)
