"""On random rules and records, the same as what pySigma's SQLite backend makes of them."""

import sqlite3
from typing import Any

import re2
from hypothesis import given, note, seed, settings
from hypothesis import strategies as st
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

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


def _with(field: str) -> st.SearchStrategy[tuple[str, Any]]:
    some = plain.filter(bool)
    return st.one_of(
        st.tuples(st.just(field), _listed(values)),
        st.tuples(
            st.sampled_from([f"{field}|{m}" for m in ("contains", "startswith", "endswith")]),
            _listed(values.filter(bool)),
        ),
        st.tuples(st.just(f"{field}|contains|all"), st.lists(some, min_size=2, max_size=3)),
        st.tuples(st.just(f"{field}|windash|contains"), some),
        st.tuples(st.just(f"{field}|re"), patterns),
        st.tuples(st.just(f"{field}|exists"), st.booleans()),
        st.tuples(st.just(f"{field}|fieldref"), st.sampled_from(FIELDS)),
        st.tuples(st.just(f"{field}|cased"), st.text(alphabet="abAB", min_size=1, max_size=3)),
        st.tuples(st.just(field), st.none()),
        st.tuples(st.sampled_from(["n|lt", "n|lte", "n|gt", "n|gte", "n"]), st.integers(-3, 3)),
        st.tuples(st.just("ip|cidr"), networks),
    )


selections = st.dictionaries(
    st.sampled_from(("one", "two", "three")),
    st.lists(st.sampled_from(FIELDS).flatmap(_with), min_size=1, max_size=3).map(dict),
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
        **{field: st.none() | plain for field in FIELDS},
        "n": st.none() | st.integers(-4, 4),
        "ip": st.none() | addresses,
    }
)


def _rows(query: str, found: list[dict[str, Any]]) -> list[int]:
    with sqlite3.connect(":memory:") as database:
        database.create_function(
            "regexp", 2, lambda pattern, text: text is not None and bool(re2.search(pattern, text))
        )
        columns = ", ".join(f"{field} TEXT COLLATE NOCASE" for field in (*FIELDS, "ip"))
        database.execute(f"CREATE TABLE logs (number INTEGER, n INTEGER, {columns})")
        database.executemany(
            "INSERT INTO logs VALUES (:number, :n, :f, :g, :h, :ip)",
            [{"number": number, **record} for number, record in enumerate(found)],
        )
        return sorted(row[0] for row in database.execute(query))


@seed(SEED)
@settings(max_examples=40, deadline=None)
@given(selections, conditions, st.lists(records, min_size=1, max_size=12))
def test_the_same_records_match_as_in_sqlite(selection, condition, found) -> None:
    print(f"seed {SEED}")
    told = rule({**selection, "condition": condition})
    (query,) = sqliteBackend().convert(SigmaCollection.from_dicts([told]))
    note(query)
    ready = engine(told)
    ours = [n for n, record in enumerate(found) if ready.detect({**AUDIT, **record})]
    assert ours == _rows(query, found)
